"""Take away: scores, the fitted detector, a script and a report, as files and as lines to copy."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anoonly_core.data.dataset import Dataset
from anoonly_core.detector.result import DetectorResult
from anoonly_core.execution import tasks
from anoonly_core.results.keys import detector_key
from anoonly_core.results.result import RunResult
from anoonly_core.snippets import detector_script, file_name, score_command
from app.charts.pair import Pair
from app.server.jobs import Jobs
from app.text.verdict import describe_run
from app.views.compare.report import ReportInput, report_html
from app.widgets.worker_result import await_worker_result

__all__ = ["draw_export", "scores_table"]

SCRIPT_HEIGHT = 330
ABOUT_FITTING = "Trains the first seed's run once more and keeps its network."
NO_DETECTOR = "XGBOD is PyOD's own and has no detector here: use pyod.models.xgbod.XGBOD."


def draw_export(findings: ReportInput, jobs: Jobs, session: str) -> None:
    """What the page found, and what finds it again elsewhere."""
    pair = findings.pair
    waiting = st.container()  # over both columns, for a bar and a button that one alone would cut off
    left, right = st.columns([1, 1.15], gap="medium")
    with left:
        st.markdown("**What is on this page**")
        _draw_page(findings)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            letter = st.segmented_control("The detector of", ["A", "B"], default="B", required=True, key="taken_run")
            run, other = (pair.b, pair.a) if letter == "B" else (pair.a, pair.b)
            st.caption(describe_run(run.config, other.config))
        config = run.config
        if config.baseline == "XGBOD":
            jobs.release(session, ["worker results"])
            st.info(NO_DETECTOR)
            return
        place = st.empty()
        st.caption("Its scores of any file's rows, on the command line")
        st.code(score_command(config), language="bash", wrap_lines=True)
    with right:
        script = detector_script(config)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**The same in Python**")
            st.space("stretch")
            st.download_button("Script", script, file_name(config, "detector.py"), "text/x-python", on_click="ignore")
        st.code(script, language="python", height=SCRIPT_HEIGHT, wrap_lines=True)
    found = _fitted(run, jobs, session, place, waiting)
    if found is not None:
        with place.container():
            _draw_detector(run, found, findings.dataset)


def scores_table(pair: Pair, dataset: Dataset) -> pd.DataFrame:
    """The test rows of the first seed, with both scores and what the threshold flags."""
    return pd.DataFrame(
        {
            "row": dataset.row_ids[pair.b.test_rows],
            "label": np.where(pair.b.y_test == 1, "anomaly", "normal"),
            "score A": pair.a.scores,
            "score B": pair.b.scores,
            "flagged by A": pair.a.scores >= pair.cuts[0],
            "flagged by B": pair.b.scores >= pair.cuts[1],
        }
    )


def _draw_page(findings: ReportInput) -> None:
    pair, config = findings.pair, findings.pair.b.config
    with st.container(horizontal=True):
        st.download_button(
            "Report as HTML",
            lambda: report_html(findings, datetime.now(UTC)).encode(),
            file_name(config, "report.html"),
            "text/html",
            on_click="ignore",
            help="All figures and settings in one file, which works offline and prints.",
        )
        st.download_button(
            "Scores as CSV",
            lambda: scores_table(pair, findings.dataset).to_csv(index=False).encode(),
            file_name(config, "scores.csv"),
            "text/csv",
            on_click="ignore",
            help="The test rows of the first seed, with both scores and what the threshold flags.",
        )


def _fitted(
    run: RunResult, jobs: Jobs, session: str, place: DeltaGenerator, waiting: DeltaGenerator
) -> DetectorResult | None:
    """The run's detector once it was asked for and is fitted; place: for its button, waiting: for how far it is."""
    key = detector_key(run.config)
    if st.session_state.get("detector_asked") != key and jobs.worker_result(key) is None:
        jobs.release(session, ["worker results"])
        with place.container(horizontal=True, vertical_alignment="center"):
            ask = {"detector_asked": key}
            st.button("Fit the detector", on_click=st.session_state.update, kwargs=ask, type="primary")
            st.caption(ABOUT_FITTING)
        return None
    place.caption(ABOUT_FITTING)
    with waiting:
        found: DetectorResult | None = await_worker_result(
            jobs, session, key, "Fitting, epoch", tasks.fit_detector, run.config, name="detector"
        )
    return found


def _draw_detector(run: RunResult, found: DetectorResult, dataset: Dataset) -> None:
    """Give the detector away, with its scores of all rows."""
    with st.container(horizontal=True):
        st.download_button(
            "Detector",
            found.file,
            file_name(run.config, "detector.safetensors"),
            "application/octet-stream",
            on_click="ignore",
            help="One file of tensors and JSON, which AnoOnlyDetector.load and the command below read.",
        )
        st.download_button(
            "Scores of all rows as CSV",
            lambda: found.table(dataset).to_csv(index=False).encode(),
            file_name(run.config, "all_scores.csv"),
            "text/csv",
            on_click="ignore",
            help="Each row's score, whether it is flagged, its known label, and what it was to the run.",
        )
    flagged = int((found.scores > found.threshold).sum())
    st.caption(
        f"It flags {flagged} of {dataset.rows} rows: those above its own threshold, {found.threshold:.4g}, which a "
        "tenth of its training rows exceed."
    )

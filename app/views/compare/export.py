"""The tab Take away: downloads of scores, report and detector, and the commands that reproduce them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.row_names import insert_names
from anoonly_core.detector.result import DetectorResult
from anoonly_core.execution import tasks
from anoonly_core.results.keys import detector_key
from anoonly_core.results.result import RunResult
from anoonly_core.snippets import detector_script, file_name, fit_command, score_command

from ...charts.pair import Pair
from ...charts.promise import format_number
from ...server.jobs import JobKind, Jobs
from ...text.verdict import describe_run
from ...widgets.worker_result import await_worker_result
from .report import ReportInput, report_html

__all__ = ["draw_export", "page_threshold", "scores_table"]

SCRIPT_HEIGHT = 330
ROWS = {"run": "This run's network", "all": "Refit on all rows and labels"}
FIT_NOTES = {
    "run": "Trains the run of the first seed again: its scores of the test rows are those of this page.",
    "all": "Trains on all {rows:,} rows with all {labels:,} labels: more labels than the run, no row for a test.",
}
MAX_SHARE = 50.0  # percent of the rows like the pool that a command can flag
RULE_NOTE = "Its file holds the rule of the page, {} {}."
NO_DETECTOR = "{} is of another package and has no detector file here. Use {}."


def draw_export(report: ReportInput, jobs: Jobs, session: str) -> None:
    """Draw the tab Take away: downloads of report, scores and detector, and commands and script that repeat them.

    The detector is fitted in a worker process once the user asks for it; the call then blocks.

    Parameters
    ----------
    report : ReportInput
        The content of the page.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    """
    pair = report.pair
    progress_slot = st.container()  # one column is too narrow for the bar and its button
    left, right = st.columns([1, 1.15], gap="medium")
    with left:
        st.markdown("**This page**")
        _draw_downloads(report)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            letter = st.segmented_control("Detector of run", ["A", "B"], default="B", required=True, key="taken_run")
            run, other_run = (pair.b, pair.a) if letter == "B" else (pair.a, pair.b)
            st.caption(describe_run(run.config, other_run.config))
        config = run.config
        if implementation := BASELINES[config.baseline].implementation:
            jobs.release(session, [JobKind.WORKER_RESULT])
            st.info(NO_DETECTOR.format(config.baseline, implementation))
            return
        rows = st.segmented_control(
            "Rows of the detector",
            list(ROWS),
            format_func=ROWS.__getitem__,
            default="run",
            required=True,
            key="taken_rows",
            label_visibility="collapsed",
        )
        all_rows = rows == "all"
        st.caption(_fit_note(rows, report.dataset))
        button_slot = st.empty()
        st.caption("Score the rows of any file on the command line")
        st.code(score_command(config), language="bash", wrap_lines=True)
    with right:
        _draw_repetition(config, pair if all_rows else None)
    detector = _fit_detector(run, all_rows, jobs, session, button_slot, progress_slot)
    if detector is not None:
        with button_slot.container():
            if pair.promise is not None:
                promise = pair.promise
                decided = detector.by_rule(promise.rule.name, promise.number, promise.prevalence)
                note = f"{RULE_NOTE.format(promise.rule.label, format_number(promise.rule, promise.number))}"
            else:
                cut = pair.cuts[0 if letter == "A" else 1]
                decided = detector.at(page_threshold(detector, None if all_rows else run.scores, cut, pair.flagged))
                note = _threshold_note(all_rows, pair.flagged)
            _draw_detector(run, decided, report.dataset, note)


def _fit_note(rows: str, dataset: Dataset) -> str:
    """Return the difference between both kinds of detector in one sentence, of the kind `rows` of ROWS."""
    return FIT_NOTES[rows].format(rows=dataset.rows, labels=int((dataset.known & (dataset.y == 1)).sum()))


def _draw_repetition(config: RunConfig, pair: Pair | None) -> None:
    """Draw the script that trains the detector of a run or, with the threshold of a pair, a command that refits it."""
    if pair is not None:
        st.markdown("**The same on the command line**")
        promise = pair.promise
        rule, prevalence = ((promise.rule.name, promise.number), promise.prevalence) if promise else (None, None)
        command = fit_command(config, min(pair.flagged, MAX_SHARE) / 100, rule, prevalence)
        st.code(command, language="bash", wrap_lines=True)
        return
    script = detector_script(config)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**The same in Python**")
        st.space("stretch")
        name = file_name(config, "detector.py")
        st.download_button("Download script", script, name, "text/x-python", on_click="ignore")
    st.code(script, language="python", height=SCRIPT_HEIGHT, wrap_lines=True)


def page_threshold(detector: DetectorResult, test_scores: np.ndarray | None, cut: float, flagged: float) -> float:
    """Return the threshold with which a detector flags as the page does.

    Parameters
    ----------
    detector : DetectorResult
        The detector.
    test_scores : ndarray of float or None
        Scores of the test rows by the run that the detector repeats. None for a detector of all rows: it flags the
        same share of new rows like its pool, at most half of them.
    cut : float
        Score from which on the page flags test rows of the run; infinite if it flags none.
    flagged : float
        Share of the test rows that the page flags at most, in percent.
    """
    if test_scores is None:
        return detector.calibration.at_share(min(flagged, MAX_SHARE) / 100)
    return float(np.nextafter(cut, -np.inf)) if np.isfinite(cut) else float(test_scores.max())


def scores_table(pair: Pair, dataset: Dataset) -> pd.DataFrame:
    """Return one row for each test row of the first seed, for a CSV file or a table on the page.

    Columns: "row" (id), "label" ("normal" or "anomaly"), "score A", "score B", and "flagged by A", "flagged by B"
    (bool, by the thresholds of the pair).
    """
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


def _scores_file(pair: Pair, dataset: Dataset) -> bytes:
    """Return the table of scores as a CSV file, with the names of images or texts."""
    return insert_names(scores_table(pair, dataset), dataset.previews).to_csv(index=False).encode()


def _draw_downloads(report: ReportInput) -> None:
    pair, config = report.pair, report.pair.b.config
    with st.container(horizontal=True):
        st.download_button(
            "Download report",
            lambda: report_html(report, datetime.now(UTC)).encode(),
            file_name(config, "report.html"),
            "text/html",
            on_click="ignore",
            help="All figures and settings in one HTML file that works offline and prints.",
        )
        st.download_button(
            "Download scores",
            lambda: _scores_file(pair, report.dataset),
            file_name(config, "scores.csv"),
            "text/csv",
            on_click="ignore",
            help="CSV of the test rows of the first seed, with both scores and what the threshold flags.",
        )


def _fit_detector(
    run: RunResult,
    all_rows: bool,
    jobs: Jobs,
    session: str,
    button_slot: DeltaGenerator,
    progress_slot: DeltaGenerator,
) -> DetectorResult | None:
    """Draw a button that fits the detector of a run; once it is pressed, fit it in a worker and block meanwhile.

    Parameters
    ----------
    run : RunResult
        The run to train again.
    all_rows : bool
        True to train on all rows and labels instead.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    button_slot, progress_slot : DeltaGenerator
        Where the button and the progress bar are drawn.

    Returns
    -------
    DetectorResult or None
        The fitted detector; None until the button is pressed, and if the job fails or is canceled.
    """
    key = detector_key(run.config, all_rows)
    if st.session_state.get("detector_asked") != key and jobs.results.worker_result(key) is None:
        jobs.release(session, [JobKind.WORKER_RESULT])
        with button_slot.container(horizontal=True, vertical_alignment="center"):
            request = {"detector_asked": key}
            st.button("Fit detector", on_click=st.session_state.update, kwargs=request, type="primary")
        return None
    with progress_slot:
        detector: DetectorResult | None = await_worker_result(
            jobs, session, key, "Fitting, epoch", tasks.fit_detector, run.config, all_rows, name="detector"
        )
    return detector


def _draw_detector(run: RunResult, detector: DetectorResult, dataset: Dataset, note: str) -> None:
    """Draw the downloads of a fitted detector and of its scores of all rows, and the number of rows that it flags.

    `run` names the files, and `note` tells what the threshold is.
    """
    with st.container(horizontal=True):
        st.download_button(
            "Download detector",
            detector.file,
            file_name(run.config, "detector.safetensors"),
            "application/octet-stream",
            on_click="ignore",
            help="One file of tensors and JSON for AnoOnlyDetector.load and the command below.",
        )
        st.download_button(
            "Download all scores",
            lambda: detector.table(dataset).to_csv(index=False).encode(),
            file_name(run.config, "all_scores.csv"),
            "text/csv",
            on_click="ignore",
            help="CSV of all rows: score, flag, known label and role in the run.",
        )
    count = int((detector.scores > detector.threshold).sum())
    st.caption(
        f"It flags {count} of {dataset.rows} rows: those above {detector.threshold:.4g}. {note} A move of the page's "
        "threshold moves it, also in the file."
    )


def _threshold_note(all_rows: bool, flagged: float) -> str:
    """Return what the threshold of a detector is, where the page flags `flagged` percent of the test rows."""
    if all_rows:
        return f"About {min(flagged, MAX_SHARE):g} % of new rows like its pool exceed this threshold, the page's share."
    return f"This is the page's threshold: {flagged:g} % of the test rows exceed it."

"""Weak supervision: all mechanisms in the place of batch norm, at several strengths, ranked on one data set."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from anoonly_core.baselines import NORM_SETTINGS
from anoonly_core.config import RunConfig
from anoonly_core.errors import AnoOnlyError
from anoonly_core.results.parquet import to_parquet
from anoonly_core.snippets import file_name, weak_supervision_command
from anoonly_core.weak_supervision.points import LAMBDAS, SEEDS, reference_norm
from anoonly_core.weak_supervision.ranking import RankedPoint, ranked_points

from ...controls.choice import compare_parameters
from ...controls.locked_links import LOCKS
from ...controls.page_address import PageAddress, register
from ...controls.registry import CONTROLS
from ...controls.sidebar import draw_sidebar
from ...controls.weight_switch import WEIGHT, draw_weight_switch
from ...navigation import open_page
from ...server.jobs import RESULT_KINDS, Jobs
from ...text.verdict import describe_run
from ...widgets import notices
from ...widgets.download import ensure_downloaded
from ...widgets.figure import FigureNote, draw_figure
from ...widgets.progress import draw_failures
from ...widgets.session import begin_page
from ...widgets.window import is_narrow
from .charts import ranking_figure
from .measurement import Measurement, measurement_of, shipped_runs, shipped_tasks
from .text import describe_point, detail_line, headline, point_id, point_note, shipped_sentence

__all__ = ["page"]

CHART = "mechanisms"
CHOSEN, STARTED = "weak_point", "weak_started"  # session state: the chosen point, and the measurement that runs
FOLLOW_S = 1.0
# The comparison chooses the norm, its settings and the seeds; the page has a switch for λ_n.
LEFT_OUT = ("lambda_n", "norm", *NORM_SETTINGS, "seeds", "seed")
ADDRESS = register(
    PageAddress(
        "weak_supervision", (*(control for control in CONTROLS if control.name not in LEFT_OUT), WEIGHT, *LOCKS)
    )
)


def page() -> None:
    """Draw the page Weak supervision; Streamlit calls this on every change of a control."""
    jobs, session = begin_page()
    ADDRESS.arrive()
    ADDRESS.remember()
    try:
        chosen = draw_sidebar(without=LEFT_OUT).b
        lambda_n = _draw_weight()
        reference_norm(chosen)
        config = chosen.as_published("norm").with_(lambda_n=0.0, norm=None)
        ADDRESS.draw_notices(config)
        if shipped_runs(config) is not None or ensure_downloaded(config.dataset, jobs, session):
            _draw(config, lambda_n, jobs, session)
    except AnoOnlyError as error:
        notices.error(str(error))


def _draw_weight() -> float:
    """Draw the switch of λ_n, and return its value; one that is not measured counts as 0."""
    weight = draw_weight_switch(LAMBDAS, "λₙ, the weight of the loss on the pool: 0 is AnoOnly.")
    return weight if weight in LAMBDAS else LAMBDAS[0]


def _draw(config: RunConfig, lambda_n: float, jobs: Jobs, session: str) -> None:
    """Draw the shipped runs; without them, the runs that are measured so far, with Start or progress and Cancel."""
    shipped = shipped_runs(config)
    if shipped is not None:
        _draw_ranking(config, shipped, lambda_n)
        return
    measurement = measurement_of(config)
    if st.session_state.get(STARTED) == measurement and not _is_complete(measurement, jobs):
        st.fragment(_follow, run_every=FOLLOW_S)(config, measurement, lambda_n, jobs, session)
        return
    finished = measurement.finished(jobs)
    if not _is_complete(measurement, jobs):
        _draw_start(measurement, finished, jobs)
        st.caption(shipped_sentence(shipped_tasks()))
    if len(finished):
        _draw_ranking(config, finished, lambda_n)


def _is_complete(measurement: Measurement, jobs: Jobs) -> bool:
    return all(jobs.results.worker_result(key) is not None for key in measurement.keys.values())


def _draw_start(measurement: Measurement, finished: pd.DataFrame, jobs: Jobs) -> None:
    """Draw the button that begins the measurement, and why it failed if it did."""
    if draw_failures(list(measurement.keys.values()), jobs, st.container()):
        return
    left, right = st.columns([1, 6], vertical_alignment="center")
    label = "Resume" if len(finished) else "Start"
    left.button(
        label,
        key="weak_start",
        type="primary",
        on_click=st.session_state.update,
        kwargs={STARTED: measurement},
    )
    right.progress(
        len(finished) / measurement.size,
        f"{measurement.size - len(finished)} runs to train: every mechanism at every strength, {SEEDS} seeds each",
    )


def _follow(config: RunConfig, measurement: Measurement, lambda_n: float, jobs: Jobs, session: str) -> None:
    """Draw progress, Cancel and the ranking so far; the whole page again at the end."""
    if st.session_state.get(STARTED) != measurement:  # canceled: a button in a fragment reruns the fragment only
        st.rerun()
    measurement.request(jobs, session)
    keys = list(measurement.keys.values())
    if _is_complete(measurement, jobs) or any(jobs.results.failure(key) for key in keys):
        st.session_state.pop(STARTED, None)
        st.rerun()
    finished = measurement.finished(jobs)
    left, right = st.columns([1, 6], vertical_alignment="center")
    left.button("Cancel", key="weak_cancel", on_click=_cancel, args=(jobs, session))
    view = jobs.view(keys)
    epoch = f"; epoch {view.done} of {view.total}" if view is not None and view.total else ""
    words = f"{len(finished)} of {measurement.size} runs{epoch}"
    if view is not None and view.ahead:
        words += f". Waiting: {view.ahead} job{'s' if view.ahead > 1 else ''} of others come first"
    right.progress(len(finished) / measurement.size, words)
    if len(finished):
        _draw_ranking(config, finished, lambda_n)


def _cancel(jobs: Jobs, session: str) -> None:
    st.session_state.pop(STARTED, None)
    jobs.release(session, RESULT_KINDS)


def _draw_ranking(config: RunConfig, runs: pd.DataFrame, lambda_n: float) -> None:
    """Draw the sentence, the chart, the chosen mechanism with its links, and the exports."""
    reference = reference_norm(config)
    if reference not in set(runs["norm"]):
        return  # batch norm is measured first; the others are compared with it
    points = ranked_points(runs, reference, lambda_n)
    st.markdown(headline(points, reference, lambda_n))
    ids = [point_id(point) for point in points]
    if st.session_state.get(CHOSEN) not in ids:
        st.session_state[CHOSEN] = ids[0]
    settings = f"{config.dataset}, {config.baseline}, λₙ = {lambda_n:g}, {SEEDS} seeds"
    draw_figure(
        ranking_figure(points, reference, st.session_state[CHOSEN], is_stacked=is_narrow()),
        CHART,
        "Mechanisms ranked by AUCPR with intervals, the share of the gradient that reaches the pool, effective rank.",
        FigureNote(file_name(config, "weak supervision"), settings),
        on_select=_choose_clicked,
        selection_mode="points",
    )
    _draw_chosen(config, points, ids, reference, lambda_n)
    st.caption(point_note(points, reference))
    _draw_exports(config, runs)


def _choose_clicked() -> None:
    """Choose the mechanism whose mark was clicked, before the page is drawn again."""
    state: Any = st.session_state.get(CHART)
    marks = state["selection"]["points"] if state else []
    if marks and "customdata" in marks[0]:
        st.session_state[CHOSEN] = marks[0]["customdata"][0]


def _draw_chosen(config: RunConfig, points: list[RankedPoint], ids: list[str], reference: str, lambda_n: float) -> None:
    """Draw the choice of a point by keyboard, what it measured, and the pages that it opens on."""
    words = {name: describe_point(point) for name, point in zip(ids, points, strict=True)}
    with st.container(key="weak_chosen", horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Mechanism and strength", ids, format_func=words.__getitem__, key=CHOSEN, width=360)
        point = points[ids.index(chosen)]
        run = config.with_(norm=point.norm, norm_strength=point.strength, lambda_n=lambda_n)
        base = config.with_(norm=reference, lambda_n=lambda_n)
        if st.button("Compare", key="weak_compare", help="Opens Compare: this mechanism as B, batch norm as A."):
            open_page("compare", compare_parameters(run, None if run == base else base, SEEDS))
        if st.button("Microscope", key="weak_microscope", help="Opens Microscope: the gradient of each row, by step."):
            parameters = compare_parameters(run, None, 1)
            open_page("microscope", {name: text for name, text in parameters.items() if name not in ("a", "seeds")})
    st.markdown(detail_line(point, reference))


def _draw_exports(config: RunConfig, runs: pd.DataFrame) -> None:
    """Draw the command that repeats the comparison, and the table of its runs."""
    with st.expander("Take away"):
        st.code(weak_supervision_command(config), language="bash", wrap_lines=True)
        st.caption(f"{describe_run(config)}; a mechanism of your own is ranked with `--plugin my_norm.py`.")
        with st.container(horizontal=True):
            csv = runs.to_csv(index=False).encode()
            st.download_button("CSV", csv, "mechanisms.csv", on_click="ignore", key="weak_csv")
            st.download_button(
                "Parquet", lambda: to_parquet(runs), "mechanisms.parquet", on_click="ignore", key="weak_parquet"
            )

"""Sweep: one or two quantities varied over several seeds, and curves that grow as the runs finish."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from anoonly_core.baselines import NORM_LABELS, NORM_SETTINGS
from anoonly_core.errors import AnoOnlyError, StoreBusy, StoreUnavailable
from anoonly_core.results.parquet import to_parquet
from anoonly_core.snippets import file_name, sweep_command
from anoonly_core.sweeps.sweep import Sweep, SweepOutline, make_sweep, sweep_table

from ...controls.choice import compare_parameters
from ...navigation import open_page
from ...server.sweep_queue import SweepQueue, SweepView, server_sweeps
from ...server.table_owners import can_see
from ...text.labels import METRIC_LABELS, SETTING_LABELS, format_axis_value
from ...text.markdown import escape_markdown
from ...widgets import notices
from ...widgets.download import ensure_downloaded
from ...widgets.figure import FigureNote, draw_figure
from ...widgets.queue_progress import draw_estimate, finished_text, progress_text
from ...widgets.session import begin_page
from .charts import MARK_FIELDS, sweep_figure
from .controls import SweepChoice, draw_metric_control, draw_sidebar
from .curves import (
    Curve,
    axis_title,
    chance_level,
    make_curves,
    norm_to_hold,
    sweep_conditions,
    sweep_sentence,
    x_values,
)
from .url import ADDRESS, open_sweep

__all__ = ["page"]

FOLLOW_S = 0.5
RUNS_PER_S = 1000  # a page that follows a sweep draws all its runs each time, so it follows a large one less closely
NOTHING_YET = "No run of this sweep is trained yet. Start it to see the curves grow."
LISTED = 12  # of the earlier sweeps
COMPARED_SEEDS = 10  # the most that Compare offers


def page() -> None:
    """Draw the page Sweep; Streamlit calls this on every change of a control.

    The page trains runs over the values of one or two settings and several seeds. Below the buttons are curves of their
    metrics, and the list of earlier sweeps.
    """
    (jobs, session), sweeps = begin_page(), server_sweeps()
    ADDRESS.arrive()
    if complaint := st.session_state.pop("sweep_complaint", None):
        notices.error(complaint)
    try:
        choice = draw_sidebar()
        ADDRESS.draw_notices(choice.sweep.canonical())
        if ensure_downloaded(choice.sweep.settings["dataset"], jobs, session):
            _draw(choice, sweeps)
    except AnoOnlyError as error:
        notices.error(str(error))
    ADDRESS.write(ADDRESS.drawn())
    _draw_earlier(sweeps)


def _draw(choice: SweepChoice, sweeps: SweepQueue) -> None:
    """Draw the page for a sweep: the live part, which is polled while the sweep trains, and combinations left out."""
    sweep = choice.sweep
    view = sweeps.view(sweep)
    at_work = view.state != "idle"
    live = st.container()
    _draw_left_out(sweep)
    with live:
        if at_work:
            st.fragment(_draw_live, run_every=max(FOLLOW_S, len(sweep.configs) / RUNS_PER_S))(choice, sweeps)
        else:
            _draw_live(choice, sweeps)


def _draw_live(choice: SweepChoice, sweeps: SweepQueue) -> None:
    """Draw all that a finished run changes: the headline, the buttons with progress, the chart and the exports.

    A click on a point of the chart opens Compare. When the sweep starts or ends, the whole page is rerun.
    """
    sweep = choice.sweep
    try:
        view = sweeps.view(sweep)
    except StoreBusy as error:
        notices.error(str(error))
        return  # the page is drawn again once the lock is gone
    sentence, buttons = st.container(), st.container()
    metric = draw_metric_control()
    curves = make_curves(sweep, view.runs, metric)
    verdict = sweep_sentence(sweep, curves, metric)
    total, ended = len(sweep.configs), len(view.runs) + len(view.failures)
    so_far = f" *({len(view.runs)} of {total} runs so far.)*" if verdict and ended < total else ""
    with sentence:
        st.markdown(f"##### {verdict or NOTHING_YET}{so_far}\n:small[{escape_markdown(sweep_conditions(sweep))}]")
        _offer_one_norm(sweep, curves)
    with buttons:
        _draw_buttons(choice, sweeps, view)
        if view.problem:
            notices.error(view.problem)
    name = sweep.axes[0].name
    event = draw_figure(
        sweep_figure(
            [curve for curve in curves if curve.points],
            [format_axis_value(name, value) for value in x_values(sweep)],
            axis_title(name),
            f"{METRIC_LABELS[metric]} on the test rows",
            chance_level(view.runs.values(), metric) if view.runs else None,
        ),
        "sweep",
        f"{METRIC_LABELS[metric]} over {axis_title(name)}: means with intervals, and a dot for each seed.",
        _note(sweep),
        on_select="rerun",
        selection_mode="points",
    )
    _open_clicked(sweep, event)
    st.caption(
        "Marks are means over the seeds, bars their 95 % intervals (Student's t), pale dots single seeds. "
        "Click a mark or a dot to open it in Compare."
    )
    _draw_exports(sweep, view)
    # Not at the first drawing: a rerun at once would keep the browser from learning the link's values.
    if st.session_state.setdefault("sweep_state", view.state) != view.state:
        st.session_state.sweep_state = view.state
        st.rerun()  # the whole page: polling begins or ends


def _note(sweep: Sweep) -> FigureNote:
    """Return file name and footer of the exported chart."""
    config = next(iter(sweep.configs.values()))
    over = " ".join(axis.name for axis in sweep.axes)
    fixed = "" if "baseline" in over else f"{config.baseline}, "
    return FigureNote(file_name(config, f"by {over}"), f"{fixed}{sweep_conditions(sweep)}")


def _offer_one_norm(sweep: Sweep, curves: Sequence[Curve]) -> None:
    """Draw a button that opens the same sweep with one norm, if compared points differ in both λₙ and the norm.

    `curves` are those of the sweep's finished runs.
    """
    norm = norm_to_hold(sweep, curves)
    if norm is None:
        return
    words = f"The same sweep with {NORM_LABELS[norm]} at every point."
    if st.button("Vary only λₙ", key="sweep_one_norm", help=words):
        axes = [(axis.name, list(axis.values)) for axis in sweep.axes]
        open_sweep(make_sweep({**sweep.settings, "norm": norm}, axes, sweep.seeds))
        st.rerun()


def _draw_buttons(choice: SweepChoice, sweeps: SweepQueue, view: SweepView) -> None:
    """Draw Start, Resume or a disabled Finished while the sweep is idle, else Pause and Cancel, disabled as it stops.

    Beside them stands a progress bar with the expected time or the state.

    Parameters
    ----------
    choice : SweepChoice
        The sweep and where it trains.
    sweeps : SweepQueue
        The queue that the buttons act on.
    view : SweepView
        The current state of the sweep.
    """
    sweep = choice.sweep
    total, ended = len(sweep.configs), len(view.runs) + len(view.failures)
    left, right = st.columns([2.2, 5], vertical_alignment="center")
    with left.container(horizontal=True):
        if view.state == "idle":
            label = "Start" if not ended else "Resume" if len(view.runs) < total else "Finished"
            st.button(
                label,
                type="primary",
                disabled=len(view.runs) == total,
                on_click=sweeps.start,
                args=(sweep, choice.cluster),
                key="sweep_start",
            )
        else:
            stopping = view.state == "stopping"
            for label, act, help in (
                ("Pause", sweeps.stop, "Stops unfinished runs; Resume starts them again. Finished runs are kept."),
                (
                    "Cancel",
                    sweeps.forget,
                    "Stops, and removes the sweep from the list of earlier ones. Finished runs are kept.",
                ),
            ):
                st.button(
                    label, on_click=act, args=(sweep,), disabled=stopping, key=f"sweep_{label.lower()}", help=help
                )
    if view.state == "idle":  # only then: an estimate trains a few steps of each shape
        words = _expected(choice, sweeps, view)
    else:
        words = progress_text(view, total, where=_on_gpu(choice, sweeps))
    right.progress(ended / total, words)


def _expected(choice: SweepChoice, sweeps: SweepQueue, view: SweepView) -> str:
    """Return the text beside the button Start: the number of runs to train and, once it is known, the estimated time.

    Does not block; a fragment reruns the page when the time is known. If no run is missing, the text says so.
    """
    sweep = choice.sweep
    missing = {key: config for key, config in sweep.configs.items() if key not in view.runs}
    if not missing:
        return finished_text(view)
    kept = f"{len(missing)} of {len(sweep.configs)} runs to train" if view.runs else f"{len(missing)} runs"
    if choice.cluster:
        return f"{kept}, on {escape_markdown(choice.cluster)}"
    return f"{kept}{draw_estimate(sweep, sweeps, missing)}"


def _on_gpu(choice: SweepChoice, sweeps: SweepQueue) -> str:
    gpu = "" if choice.cluster else sweeps.devices.gpu_phrase(choice.sweep.configs.values())
    return f" on {gpu}" if gpu else ""


def _open_clicked(sweep: Sweep, event: Any) -> None:
    """Open Compare with the clicked point as B.

    A dot opens with its seed, a mean with the seeds of the point, at most 10. The baseline of the same point, if it is
    in the sweep, is pinned as A. Without a click nothing happens.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    event : mapping
        What `st.plotly_chart` returned.
    """
    points = event["selection"]["points"]
    if not points or "customdata" not in points[0]:
        return
    key, *fields = points[0]["customdata"]
    is_mark = len(fields) == len(MARK_FIELDS)
    config = sweep.configs[key]
    with_any_norm = {"lambda_n": 1.0, **dict.fromkeys(("norm", *NORM_SETTINGS))}
    baselines = [
        other
        for other in sweep.configs.values()
        if other.lambda_n == 1 and other.model_copy(update=with_any_norm) == config.model_copy(update=with_any_norm)
    ]
    a = baselines[0] if baselines and config.lambda_n not in (None, 1.0) else None
    seeds = min(sweep.seeds, COMPARED_SEEDS) if is_mark else 1
    open_page("compare", compare_parameters(config, a, seeds))


def _draw_left_out(sweep: Sweep) -> None:
    for sentence in sweep.left_out:
        st.caption(f"Left out: {escape_markdown(sentence)}")


def _draw_exports(sweep: Sweep, view: SweepView) -> None:
    """Draw warnings on failed runs, and an expander with the command and the table of runs as CSV and Parquet."""
    for sentence in sorted(set(view.failures.values())):
        count = sum(failure == sentence for failure in view.failures.values())
        notices.warning(f"{count} of the runs failed: {sentence}")
    with st.expander("Take away"):
        st.code(sweep_command(sweep), language="bash", wrap_lines=True)
        with st.container(horizontal=True):
            st.download_button(
                "CSV", lambda: _table(sweep, view).to_csv(index=False).encode(), "sweep.csv", on_click="ignore"
            )
            st.download_button("Parquet", lambda: to_parquet(_table(sweep, view)), "sweep.parquet", on_click="ignore")


def _table(sweep: Sweep, view: SweepView) -> pd.DataFrame:
    return sweep_table(sweep, view.runs, view.failures)


def _draw_earlier(sweeps: SweepQueue) -> None:
    """Draw a list of earlier sweeps in the sidebar, with buttons that open or remove each; 12 at most."""
    try:
        previous = sweeps.previous_sweeps()
    except StoreBusy:
        return  # the page says so already
    earlier = [sweep for sweep in previous if can_see(sweep.outline.dataset)]
    if not earlier:
        return
    with st.sidebar.expander(f"Earlier sweeps ({len(earlier)})"):
        for sweep in earlier[:LISTED]:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                if st.button(_describe(sweep.outline), key=f"open {sweep.key}", width="stretch"):
                    try:
                        open_sweep(sweeps.open_previous(sweep.key))
                    except AnoOnlyError as error:
                        st.session_state.sweep_complaint = str(error)
                    st.rerun()
                st.button(
                    ":material/close:",
                    on_click=_remove,
                    args=(sweeps, sweep.key),
                    disabled=sweep.at_work,
                    key=f"remove {sweep.key}",
                    help="Being trained: open it to cancel." if sweep.at_work else "Remove from the list. Runs stay.",
                )


def _describe(outline: SweepOutline) -> str:
    """Return a name for a sweep: its data set, each axis with its number of values, and the number of seeds."""
    axes = " × ".join(f"{SETTING_LABELS[name]} ({count})" for name, count in outline.axes.items())
    return escape_markdown(f"{outline.dataset}: {axes}, {outline.seeds} seed{'s' * (outline.seeds != 1)}")


def _remove(sweeps: SweepQueue, key: str) -> None:
    try:
        sweeps.remove_previous(key)
    except StoreUnavailable as error:
        st.session_state.sweep_complaint = str(error)

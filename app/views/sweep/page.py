"""Sweep: one or two quantities varied over several seeds, and curves that grow as the runs finish."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import streamlit as st

from anoonly_core.errors import AnoOnlyError
from anoonly_core.execution.plan import duration
from anoonly_core.results.parquet import to_parquet
from anoonly_core.snippets import sweep_command
from anoonly_core.sweeps.sweep import Sweep, sweep_table
from app.charts.style import MODEBAR
from app.controls.choice import compare_parameters
from app.navigation import open_page
from app.server.sweep_queue import SweepQueue, SweepView, server_sweeps
from app.server.table_owners import can_see
from app.text.labels import METRIC_LABELS, format_axis_value
from app.text.markdown import escape_markdown
from app.views.sweep.charts import MARK, sweep_figure
from app.views.sweep.controls import Asked, draw_sidebar, metric_control
from app.views.sweep.curves import axis_title, curves_of, sweep_verdict, x_values
from app.views.sweep.url import ADDRESS, open_sweep
from app.widgets import notices
from app.widgets.download import ensure_downloaded
from app.widgets.session import begin_page

__all__ = ["page"]

FOLLOW_S = 0.5
NOTHING_YET = "Nothing of this has been trained yet: start it, and watch the curves grow."
COMPARED_SEEDS = 10  # as many as the Compare page shows


def page() -> None:
    """Draw the page once; Streamlit calls this on every change of a control."""
    (jobs, session), sweeps = begin_page(), server_sweeps()
    ADDRESS.arrive()
    try:
        asked = draw_sidebar()
        ADDRESS.draw_notices(asked.sweep.canonical())
        if ensure_downloaded(asked.sweep.settings["dataset"], jobs, session):
            _draw(asked, sweeps)
    except AnoOnlyError as error:
        notices.error(str(error))
    ADDRESS.write(ADDRESS.drawn())
    _draw_earlier(sweeps)


def _draw(asked: Asked, sweeps: SweepQueue) -> None:
    """What does not change while runs finish, and within it what does."""
    sweep = asked.sweep
    view = sweeps.view(sweep)
    at_work = view.state != "idle"
    live = st.container()
    _draw_left_out(sweep)
    with live:
        if at_work:
            st.fragment(_draw_live, run_every=FOLLOW_S)(asked, sweeps)
        else:
            _draw_live(asked, sweeps)


def _draw_live(asked: Asked, sweeps: SweepQueue) -> None:
    """The sentence, the buttons with progress, the curves: all that a finished run changes."""
    sweep = asked.sweep
    view = sweeps.view(sweep)
    sentence, buttons = st.container(), st.container()
    metric = metric_control()
    curves = curves_of(sweep, view.runs, metric)
    said = sweep_verdict(sweep, curves, metric)
    total, ended = len(sweep.configs), len(view.runs) + len(view.failures)
    so_far = f" *({len(view.runs)} of {total} runs so far.)*" if said and ended < total else ""
    sentence.markdown(f"##### {said or NOTHING_YET}{so_far}")
    with buttons:
        _draw_buttons(asked, sweeps, view)
        if view.problem:
            notices.error(view.problem)
    name = sweep.axes[0].name
    shares = [run.counts["test_anomalies"] / run.counts["test"] for run in view.runs.values()]
    share = float(np.mean(shares)) if shares else 0.0
    chance = {"aucroc": 0.5, "aucpr_anomaly": share, "aucpr_normal": 1 - share}
    event = st.plotly_chart(
        sweep_figure(
            [curve for curve in curves if curve.points],
            [format_axis_value(name, value) for value in x_values(sweep)],
            axis_title(name),
            f"{METRIC_LABELS[metric]} on the test rows",
            chance[metric] if shares else None,
        ),
        key="sweep",
        config=MODEBAR,
        on_select="rerun",
        selection_mode="points",
        alt=f"{METRIC_LABELS[metric]} over {axis_title(name)}: means with intervals, and a dot for each seed.",
    )
    _open_clicked(sweep, event)
    st.caption(
        "Marks are means over the seeds, bars their 95 % intervals (Student's t), pale dots single seeds. "
        "Click a mark or a dot to open it in Compare."
    )
    _draw_take_away(sweep, view)
    # Not when it is first drawn: drawn anew at once, a browser would never learn what a link says of its controls.
    if st.session_state.setdefault("sweep_state", view.state) != view.state:
        st.session_state.sweep_state = view.state
        st.rerun()  # the page as a whole: following begins or ends


def _draw_buttons(asked: Asked, sweeps: SweepQueue, view: SweepView) -> None:
    """Start, pause, cancel; and how long it will take, or how far it has come."""
    sweep = asked.sweep
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
                args=(sweep, asked.cluster),
                key="sweep_start",
            )
        else:
            stopping = view.state == "stopping"
            for label, act, help in (
                ("Pause", sweeps.stop, "Unfinished stacks stop and begin again with Resume; finished runs are kept."),
                ("Cancel", sweeps.forget, "Stops, and leaves the list of earlier sweeps; finished runs are kept."),
            ):
                st.button(
                    label, on_click=act, args=(sweep,), disabled=stopping, key=f"sweep_{label.lower()}", help=help
                )
    share = ended / total
    counted = f"{len(view.runs)} of {total} runs"
    if view.failures:
        counted += f", {len(view.failures)} failed"
    words = {
        "idle": _expected(asked, sweeps, view),
        "waiting": f"{counted}. Waiting: another sweep comes first",
        "planning": f"{counted}. Timing a few steps of each shape",
        "running": f"{counted}, about {duration(view.seconds_left or 0)} left{_on_gpu(asked, sweeps)}",
        "stopping": f"{counted}. Stopping at the next epoch",
    }[view.state]
    right.progress(share, words)


def _expected(asked: Asked, sweeps: SweepQueue, view: SweepView) -> str:
    """How many runs are to be trained, and how long that will take."""
    sweep = asked.sweep
    missing = {key: config for key, config in sweep.configs.items() if key not in view.runs}
    if not missing:
        return f"All {len(sweep.configs)} runs are finished"
    kept = f"{len(missing)} of {len(sweep.configs)} runs to train" if view.runs else f"{len(missing)} runs"
    if asked.cluster:
        return f"{kept}, on {escape_markdown(asked.cluster)}"
    seconds = sweeps.estimate(sweep, missing)
    st.session_state.estimated = seconds is not None
    _await_estimate(sweep, sweeps, missing)
    if seconds is None:
        return f"{kept}; measuring how long that takes"
    if math.isnan(seconds):
        return kept
    where = sweeps.devices.gpu_phrase(sweep.configs.values()) or "this machine"
    return f"{kept}, about {duration(seconds)} on {where}"


def _on_gpu(asked: Asked, sweeps: SweepQueue) -> str:
    gpu = "" if asked.cluster else sweeps.devices.gpu_phrase(asked.sweep.configs.values())
    return f" on {gpu}" if gpu else ""


@st.fragment(run_every=FOLLOW_S)
def _await_estimate(sweep: Sweep, sweeps: SweepQueue, missing: dict[str, Any]) -> None:
    """Draw the page again once it is known how long the sweep takes."""
    if not st.session_state.estimated and sweeps.estimate(sweep, missing) is not None:
        st.rerun()


def _open_clicked(sweep: Sweep, event: Any) -> None:
    """Open the clicked run in Compare: a dot its one seed, a mark all of its point's."""
    points = event["selection"]["points"]
    if not points or "customdata" not in points[0]:
        return
    key, *about = points[0]["customdata"]
    is_mark = len(about) == len(MARK)
    config = sweep.configs[key]
    others = [own for own in sweep.configs.values() if own == config.with_(lambda_n=1.0, norm=own.norm)]
    a = others[0] if others and config.lambda_n not in (None, 1.0) else None
    seeds = min(sweep.seeds, COMPARED_SEEDS) if is_mark else 1
    open_page("compare", compare_parameters(config, a, seeds))


def _draw_left_out(sweep: Sweep) -> None:
    for sentence in sweep.left_out:
        st.caption(f"Left out: {escape_markdown(sentence)}")


def _draw_take_away(sweep: Sweep, view: SweepView) -> None:
    """The table, the command that makes it, and why runs failed."""
    for sentence in sorted(set(view.failures.values())):
        count = sum(own == sentence for own in view.failures.values())
        notices.warning(f"{count} of the runs failed: {sentence}")
    with st.expander("Take away"):
        st.code(sweep_command(sweep), language="bash", wrap_lines=True)
        with st.container(horizontal=True):
            table = sweep_table(sweep, view.runs, view.failures)
            st.download_button("CSV", lambda: table.to_csv(index=False).encode(), "sweep.csv", on_click="ignore")
            st.download_button("Parquet", lambda: to_parquet(table), "sweep.parquet", on_click="ignore")


def _draw_earlier(sweeps: SweepQueue) -> None:
    earlier = [sweep for sweep in sweeps.previous_sweeps() if can_see(str(sweep.settings.get("dataset", "")))]
    if not earlier:
        return
    with st.sidebar.expander(f"Earlier sweeps ({len(earlier)})"):
        for number, sweep in enumerate(earlier[:12]):
            varied = " × ".join(axis.name for axis in sweep.axes)
            name = f"{sweep.settings.get('dataset', 'digits_3')}: {varied}, {len(sweep.configs)} runs"
            if st.button(name, key=f"earlier {number}", width="stretch"):
                open_sweep(sweep)
                st.rerun()

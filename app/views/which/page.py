"""Which method?: all systems ranked on a data set, their curves over the number of labels, and a sentence of advice."""

from __future__ import annotations

from typing import Any

import streamlit as st

from anoonly_core.errors import AnoOnlyError, StoreBusy
from anoonly_core.snippets import file_name, which_command
from anoonly_core.which.plan import WhichPlan
from anoonly_core.which.result import WhichResult, which_result
from anoonly_core.which.summary import points_table

from ...controls.choice import compare_parameters
from ...navigation import open_page
from ...server.sweep_queue import SweepQueue, SweepView, server_sweeps
from ...text.markdown import escape_markdown
from ...widgets import notices
from ...widgets.download import ensure_downloaded
from ...widgets.figure import FigureNote, draw_figure
from ...widgets.queue_progress import draw_estimate, finished_text, progress_text
from ...widgets.session import begin_page
from ...widgets.window import is_narrow
from .charts import which_figure
from .controls import draw_sidebar, write_address
from .text import conditions, curves_sentence, headline, is_ranked, ranking_table
from .url import ADDRESS, WhichChoice

__all__ = ["page"]

FOLLOW_S = 0.7


def page() -> None:
    """Draw the page Which method?; Streamlit calls this on every change of a control.

    The page trains all systems at several numbers of labeled anomalies, those of the ranking first. Its chart shows the
    ranking and the curves; its headline is the advice.
    """
    (jobs, session), sweeps = begin_page(), server_sweeps()
    ADDRESS.arrive()
    try:
        choice = draw_sidebar()
        ADDRESS.draw_notices(choice)
        if ensure_downloaded(choice.dataset, jobs, session):
            _draw(choice, sweeps)
    except AnoOnlyError as error:
        notices.error(str(error))
    write_address()


def _draw(choice: WhichChoice, sweeps: SweepQueue) -> None:
    """Draw the page for a choice: the live part, which is polled while the runs train."""
    plan = choice.plan()
    if plan.labels < choice.labels:
        notices.warning(
            f"Training has {plan.possible} anomalies to label, fewer than {choice.labels}: ranked at {plan.labels}."
        )
    if sweeps.view(plan).state == "idle":
        _draw_live(plan, sweeps)
    else:
        st.fragment(_draw_live, run_every=FOLLOW_S)(plan, sweeps)


def _draw_live(plan: WhichPlan, sweeps: SweepQueue) -> None:
    """Draw all that a finished run changes: headline, buttons with progress, chart, table and exports.

    A click on a mark opens Compare. When the training starts or ends, the whole page is rerun.
    """
    try:
        view = sweeps.view(plan)
    except StoreBusy as error:
        notices.error(str(error))
        return  # the page is drawn again once the lock is gone
    result = which_result(plan, view.runs, view.failures)
    first, dot, further = headline(result, view.failures).partition(". ")
    below = "  \n".join(f":small[{escape_markdown(text)}]" for text in (further, conditions(plan)) if text)
    st.markdown(f"##### {escape_markdown(first + dot)}\n{below}")
    _draw_buttons(plan, sweeps, view, is_ranked(result, view.failures))
    for sentence in filter(None, [view.problem, *result.failures]):
        notices.warning(sentence)
    event = draw_figure(
        which_figure(result, is_narrow=is_narrow()),
        "which",
        "Systems ranked by AUCPR with intervals; AUCPR of each over the number of labeled anomalies.",
        _note(plan),
        on_select="rerun",
        selection_mode="points",
    )
    st.caption(
        f"{escape_markdown(curves_sentence(result))} Bars are 95 % intervals over the seeds. Filled marks cannot be "
        "told apart from the best, open ones are clearly behind. Seconds are those of a run. Click a mark to compare."
    )
    _open_clicked(result, event)
    _draw_open(result)
    _draw_exports(result)
    # Not at the first drawing: a rerun at once would keep the browser from learning the link's values.
    if st.session_state.setdefault("which_state", view.state) != view.state:
        st.session_state.which_state = view.state
        st.rerun()  # the whole page: polling begins or ends


def _note(plan: WhichPlan) -> FigureNote:
    """Return file name and footer of the exported chart."""
    config = next(iter(plan.configs.values()))
    stem = file_name(config, "ranking").replace(f"{config.baseline}_", "")
    return FigureNote(stem, f"Paired over seeds. {conditions(plan)}")


def _draw_buttons(plan: WhichPlan, sweeps: SweepQueue, view: SweepView, is_first_part_done: bool) -> None:
    """Draw the button Start (or Resume, or Cancel) and the progress, of the ranking first and then of the curves.

    Parameters
    ----------
    plan : WhichPlan
        The ranking.
    sweeps : SweepQueue
        The queue that the buttons act on.
    view : SweepView
        The current state of the runs.
    is_first_part_done : bool
        True if all runs of the ranking have ended.
    """
    total, ended = len(plan.configs), len(view.runs) + len(view.failures)
    left, right = st.columns([1, 6], vertical_alignment="center")
    with left:
        if view.state == "idle":
            is_done = len(view.runs) == total
            label = "Start" if not ended else "Finished" if is_done else "Resume"
            st.button(label, type="primary", disabled=is_done, on_click=sweeps.start, args=(plan,), key="which_start")
        else:
            st.button(
                "Cancel",
                on_click=sweeps.stop,
                args=(plan,),
                disabled=view.state == "stopping",
                key="which_cancel",
                help="Stops unfinished runs; Resume starts them again. Finished runs are kept.",
            )
    part = "Curves: " if is_first_part_done else "Ranking: "
    right.progress(
        ended / total, _expected(plan, sweeps, view) if view.state == "idle" else progress_text(view, total, part)
    )


def _expected(plan: WhichPlan, sweeps: SweepQueue, view: SweepView) -> str:
    """Return the text beside the button Start: how many runs are missing and their time, or that all are finished."""
    missing = {key: config for key, config in plan.configs.items() if key not in view.runs}
    if not missing:
        return finished_text(view)
    first = sum(key in plan.configs_at(plan.labels) for key in missing)
    parts = [f"{count} {words}" for count, words in ((first, "to rank"), (len(missing) - first, "for the curves"))]
    counted = f"{len(missing)} of {len(plan.configs)} runs to train: {' and then '.join(parts)}"
    return f"{counted}{draw_estimate(plan, sweeps, missing)}"


def _open_clicked(result: WhichResult, event: Any) -> None:
    """Open Compare with the system of the clicked mark, at its number of labels; without a click do nothing.

    `event` is what `st.plotly_chart` returned.
    """
    points = event["selection"]["points"]
    if points and "customdata" in points[0]:
        system, labels, *_ = points[0]["customdata"]
        _open_compare(result, system, labels)


def _draw_open(result: WhichResult) -> None:
    """Draw the choice of a system and the button that opens it in Compare, for use without a mouse."""
    names = [rank.point.system for rank in result.ranking]
    if not names:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        system = st.selectbox("System", names, key="which_system", width=320)
        if st.button("Open in Compare", key="which_open", help="As B, beside the best of the ranking."):
            _open_compare(result, system, result.plan.labels)


def _open_compare(result: WhichResult, system: str, labels: int) -> None:
    """Open Compare with a system as B and the best of the ranking as A, at a number of labels, over all seeds.

    For the best system, A is the one that Compare chooses by itself.
    """
    plan, best = result.plan, result.ranking[0].point.system if result.ranking else system
    config = {each.name: plan.config(each, labels, plan.seeds[0]) for each in plan.systems}
    a = None if system == best else config[best]
    open_page("compare", compare_parameters(config[system], a, len(plan.seeds)))


def _draw_exports(result: WhichResult) -> None:
    """Draw the table of the ranking, and an expander with the command and the tables as CSV."""
    table, plan = ranking_table(result), result.plan
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config={
            name: st.column_config.NumberColumn(name, format="%.3f")
            for name in ("AUCPR", "± 95 %", "behind the best", "± together", "corrected p")
        }
        | {"seconds a run": st.column_config.NumberColumn("seconds a run", format="%.2f")},
    )
    stem = _note(plan).stem
    with st.expander("Take away"):
        st.code(which_command(plan), language="bash", wrap_lines=True)
        with st.container(horizontal=True):
            st.download_button(
                "Ranking as CSV", lambda: table.to_csv(index=False).encode(), f"{stem}.csv", on_click="ignore"
            )
            st.download_button(
                "Curves as CSV",
                lambda: points_table(result).to_csv(index=False).encode(),
                f"{stem}_curves.csv",
                on_click="ignore",
            )
        st.caption("The camera above the figure saves it as PNG, with names and settings.")

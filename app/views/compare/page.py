"""Compare: A, pinned, beside B, the controls."""

from __future__ import annotations

import time

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anoonly_core.config import RunConfig
from anoonly_core.errors import AnoOnlyError, InvalidConfig
from app.controls import locked_links
from app.controls.choice import Choice, baseline_of, from_pin, pin_text
from app.controls.sidebar import draw_sidebar
from app.server.jobs import Jobs, server_jobs
from app.text.verdict import describe_run
from app.views.compare.address import ADDRESS
from app.views.compare.results import draw_comparison, draw_figures
from app.widgets import notices
from app.widgets.download import ensure_downloaded
from app.widgets.progress import POLL_S, ComparisonRuns, draw_failures, draw_run_progress, progress_row
from app.widgets.session import begin_page

__all__ = ["page"]

FOLLOW_S = 0.5


def page() -> None:
    """Draw the page once; Streamlit calls this on every change of a control."""
    jobs, session = begin_page()
    ADDRESS.arrive()
    ADDRESS.remember()
    try:
        choice = draw_sidebar()
        a, complaint = _pinned(choice)
        plan = ComparisonRuns(choice.seeded(a), choice.seeded(choice.b))
        _pin_buttons(choice)
        ADDRESS.draw_notices(plan)
        if complaint is not None:
            notices.warning(complaint)
        if ensure_downloaded(choice.b.dataset, jobs, session):
            _compare(plan, jobs, session)
    except AnoOnlyError as error:
        notices.error(str(error))


def _pinned(choice: Choice) -> tuple[RunConfig, str | None]:
    """A: the run pinned in the URL, else what is published, on B's data; and what is wrong with a pin."""
    published = baseline_of(choice.b)
    text = st.query_params.get("a")
    if not text:
        return published, None
    try:
        return from_pin(text, choice.b), None
    except InvalidConfig as error:
        instead = f"The published {describe_run(published)} stands instead."
        return published, f"The link's pinned run cannot be used: {error} {instead}"


def _pin_buttons(choice: Choice) -> None:
    if locked_links.PIN in locked_links.locked(locked_links.HIDE):
        return
    with st.sidebar:
        pinned = bool(st.query_params.get("a"))
        left, right = st.columns(2)
        if left.button("Pin B as A", help="Keep B's settings as A, then move B on.", width="stretch"):
            st.query_params["a"] = pin_text(choice.b)
            st.rerun()
        unpinned = f"A is the published {describe_run(baseline_of(choice.b))} again."
        if right.button("Unpin A", disabled=not pinned, help=unpinned, width="stretch"):
            del st.query_params["a"]
            st.rerun()


def _compare(plan: ComparisonRuns, jobs: Jobs, session: str) -> None:
    """Ask for the runs, draw what is finished, and come back for the rest.

    While the first seed trains, the figures of the settings before stay in the browser, grayed by
    Streamlit as out of date; nothing is drawn that is not these settings' own.
    """
    status = st.empty()
    if st.session_state.get("cancelled") == plan.keys:
        jobs.release(session)
        _draw_cancelled(status, jobs)
        return
    jobs.request_runs(session, plan.groups())
    first = [plan.keys[0], plan.keys[len(plan.a)]]
    if plan.finished(jobs) is None and not _wait(plan, first, jobs, session, status):
        return
    found = plan.finished(jobs)
    assert found is not None
    st.session_state.shown = plan
    draw_comparison(*found, seeds_wanted=len(plan.a))
    draw_figures(*found, jobs, session)
    if len(found[0]) < len(plan.a):
        with status.container():
            _follow(plan, jobs, session)


def _wait(plan: ComparisonRuns, keys: list[str], jobs: Jobs, session: str, status: DeltaGenerator) -> bool:
    """Show progress until the first seed is finished; False where a run failed."""
    with status.container():
        bar, cancel = progress_row()
    cancel.button("Cancel", key="cancel", on_click=_cancel, args=(plan.keys, session))
    while plan.finished(jobs) is None:
        if draw_failures(keys, jobs, status):
            return False
        draw_run_progress(bar, "Training", plan, keys, jobs)
        if jobs.view(keys) is None:
            jobs.request_runs(session, plan.groups())  # its worker was stopped beneath us: ask again
        time.sleep(POLL_S)
    status.empty()
    return True


@st.fragment(run_every=FOLLOW_S)
def _follow(plan: ComparisonRuns, jobs: Jobs, session: str) -> None:
    """Show the other seeds' progress beside the figures of the first, which can be used meanwhile."""
    found = plan.finished(jobs)
    if st.session_state.get("cancelled") == plan.keys or (found is not None and len(found[0]) == len(plan.a)):
        st.rerun()
    place = st.container()
    if draw_failures(plan.keys, jobs, place):
        return
    with place:
        bar, cancel = progress_row()
    cancel.button("Cancel", key="cancel_rest", on_click=_cancel, args=(plan.keys, session))
    draw_run_progress(bar, f"Training {len(plan.a)} seeds for the spread", plan, plan.keys, jobs)
    if jobs.view(plan.keys) is None:
        jobs.request_runs(session, plan.groups())


def _cancel(keys: list[str], session: str) -> None:
    st.session_state.cancelled = keys
    server_jobs().release(session)


def _draw_cancelled(status: DeltaGenerator, jobs: Jobs) -> None:
    shown: ComparisonRuns | None = st.session_state.get("shown")
    with status.container(horizontal=True, vertical_alignment="center"):
        st.warning("Cancelled. The figures below, if any, are those of the settings that finished before.")
        st.button("Train", on_click=st.session_state.pop, args=("cancelled",))
    found = shown.finished(jobs) if shown else None
    if found is not None:
        draw_comparison(*found, seeds_wanted=len(found[0]))
        draw_figures(*found, jobs, st.session_state.session)

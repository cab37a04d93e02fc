"""Compare: run B from the controls beside run A, the published baseline or a pinned run."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anoonly_core.config import RunConfig
from anoonly_core.errors import AnoOnlyError, InvalidConfig

from ...controls import locked_links
from ...controls.choice import Choice, baseline_of, choose, from_pin, moved_runs, pin_text
from ...controls.registry import CONTROLS
from ...controls.sidebar import draw_sidebar, value_of
from ...navigation import page_url
from ...server.jobs import Jobs, server_jobs
from ...text.verdict import describe_run
from ...widgets import notices
from ...widgets.download import ensure_downloaded
from ...widgets.progress import ComparisonRuns, draw_failures, draw_run_progress, progress_row, wait_for_poll
from ...widgets.session import begin_page
from .results import draw_comparison, draw_figures
from .url import ADDRESS

__all__ = ["page"]

FOLLOW_S = 0.5
BADGES = {"A": ":gray-badge[A]", "B": ":green-badge[B]", "AB": ":gray-badge[A] :green-badge[B]"}
SHARE_HELP = "A link to this page as it is now: data set, settings, pinned run and view."


def page() -> None:
    """Draw the page Compare; Streamlit calls this on every change of a control.

    The page trains A, the published baseline or the pinned run, and B, the run of the controls, on the same rows. It
    shows the metrics and charts of both side by side, over one or more seeds.
    """
    jobs, session = begin_page()
    ADDRESS.arrive()
    ADDRESS.remember()
    try:
        tools, sides = st.container(key="page_tools", horizontal=True), st.container(key="sides")
        choice = draw_sidebar(marks=_control_badges())
        a, pin_error = _pinned(choice)
        runs = ComparisonRuns(choice.seeded(a), choice.seeded(choice.b))
        with tools:
            _draw_tools(choice)
        sides.markdown(_names_line(a, choice.b))
        ADDRESS.draw_notices(runs)
        if pin_error is not None:
            notices.warning(pin_error)
        if ensure_downloaded(choice.b.dataset, jobs, session):
            _compare(runs, jobs, session)
    except AnoOnlyError as error:
        notices.error(str(error))


def _pinned(choice: Choice) -> tuple[RunConfig, str | None]:
    """Return run A, and a sentence for the user if the pinned run in the address cannot be used, else None.

    Run A is the pinned run, or without a usable one the published baseline of `baseline_of`; both on the data of B.
    """
    published = baseline_of(choice.b)
    text = st.query_params.get("a")
    if not text:
        return published, None
    try:
        return from_pin(text, choice.b), None
    except InvalidConfig as error:
        fallback = f"The published {describe_run(published)} is used instead."
        return published, f"The link's pinned run cannot be used: {error} {fallback}"


def _control_badges() -> dict[str, str]:
    """Return Markdown badges by control, "A", "B" or both: the runs that the control changes.

    Empty if the settings do not fit together.
    """
    try:
        b = choose({control.name: value_of(control) for control in CONTROLS}).b
        pinned = _is_pinned(b)
    except InvalidConfig:
        return {}  # the page says so
    return {control.name: BADGES[moved_runs(control.name, pinned, b.baseline)] for control in CONTROLS}


def _is_pinned(b: RunConfig) -> bool:
    """Return True if the address holds a pinned run that is valid on the data of run B."""
    text = st.query_params.get("a")
    if not text:
        return False
    try:
        from_pin(text, b)
    except InvalidConfig:
        return False
    return True


def _names_line(a: RunConfig, b: RunConfig) -> str:
    """Return one line of Markdown with the names of A and B, and if A is pinned or as published."""
    origin = "pinned" if _is_pinned(b) else "as published"
    return (
        f"{BADGES['A']} {describe_run(a, b)} :gray[· {origin}] &emsp; "
        f"{BADGES['B']} {describe_run(b, a)} :gray[· follows the controls]"
    )


def _draw_tools(choice: Choice) -> None:
    """Draw the buttons that pin B as A and unpin A, and the link to share the page.

    The link by which the session came may hide the buttons. The buttons change the address and rerun the page.
    """
    if locked_links.PIN not in locked_links.locked(locked_links.HIDE):
        pinned = bool(st.query_params.get("a"))
        if st.button("Pin B as A", help="Use the settings of B as A, then change B."):
            st.query_params["a"] = pin_text(choice.b)
            st.rerun()
        unpin_help = f"Set A back to the published {describe_run(baseline_of(choice.b))}."
        if st.button("Unpin A", disabled=not pinned, help=unpin_help):
            del st.query_params["a"]
            st.rerun()
    with st.popover("Share", help=SHARE_HELP):
        st.caption(SHARE_HELP)
        link = page_url("compare", ADDRESS.link_parameters(), st.context.url, "compare")
        st.code(link, language=None, wrap_lines=True)


def _compare(runs: ComparisonRuns, jobs: Jobs, session: str) -> None:
    """Train the runs of all seeds, draw the finished ones, and go on drawing progress while others train.

    Blocks until the first seed of A and B is finished; meanwhile the browser keeps the figures of the previous
    settings, grayed. If the user has canceled these runs, the figures that finished before are drawn with a notice.
    """
    status = st.empty()
    if st.session_state.get("cancelled") == runs.keys:
        jobs.release(session)
        _draw_cancelled(jobs)
        return
    jobs.request_runs(session, runs.groups())
    first = [runs.keys[0], runs.keys[len(runs.a)]]
    if runs.finished(jobs) is None and not _wait(runs, first, jobs, session, status):
        return
    results = runs.finished(jobs)
    assert results is not None
    st.session_state.shown = runs
    draw_comparison(*results, seeds_wanted=len(runs.a))
    draw_figures(*results, jobs, session)
    if len(results[0]) < len(runs.a):
        with st.bottom:
            _follow(runs, jobs, session)


def _wait(runs: ComparisonRuns, keys: list[str], jobs: Jobs, session: str, status: DeltaGenerator) -> bool:
    """Show progress until the first seed of A and B is finished; return True then, or False if a run failed.

    Parameters
    ----------
    runs : ComparisonRuns
        All runs of the comparison.
    keys : list of str
        The run keys of A and B for the first seed.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    status : DeltaGenerator
        Where errors are drawn.
    """
    bar, cancel = progress_row()
    cancel.button("Cancel", key="cancel", on_click=_cancel, args=(runs.keys, session))
    while runs.finished(jobs) is None:
        if draw_failures(keys, jobs, status):
            bar.remove()
            return False
        draw_run_progress(bar, "Training", runs, keys, jobs)
        if jobs.view(keys) is None:
            jobs.request_runs(session, runs.groups())  # another session stopped the worker: request again
        wait_for_poll(jobs)
    bar.remove()
    return True


@st.fragment(run_every=FOLLOW_S)
def _follow(runs: ComparisonRuns, jobs: Jobs, session: str) -> None:
    """Show the progress of the remaining seeds every 0.5 s; rerun the page when all are finished or canceled.

    A fragment, so that the figures of the finished seeds can be used meanwhile.
    """
    results = runs.finished(jobs)
    if st.session_state.get("cancelled") == runs.keys or (results is not None and len(results[0]) == len(runs.a)):
        st.rerun()
    slot = st.container()
    if draw_failures(runs.keys, jobs, slot):
        return
    with slot:
        bar, cancel = progress_row(st.empty())
    cancel.button("Cancel", key="cancel_rest", on_click=_cancel, args=(runs.keys, session))
    draw_run_progress(bar, f"Training {len(runs.a)} seeds for the spread", runs, runs.keys, jobs)
    if jobs.view(runs.keys) is None:
        jobs.request_runs(session, runs.groups())


def _cancel(keys: list[str], session: str) -> None:
    st.session_state.cancelled = keys
    server_jobs().release(session)


def _draw_cancelled(jobs: Jobs) -> None:
    last_runs: ComparisonRuns | None = st.session_state.get("shown")
    with st.bottom.container(horizontal=True, vertical_alignment="center"):
        st.warning("Canceled. Any figures below belong to the settings that finished before.")
        st.button("Train", on_click=st.session_state.pop, args=("cancelled",))
    results = last_runs.finished(jobs) if last_runs else None
    if results is not None:
        draw_comparison(*results, seeds_wanted=len(results[0]))
        draw_figures(*results, jobs, st.session_state.session)

"""The begin and the end of each page run: the session's name, and notices above the page."""

from __future__ import annotations

import uuid

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ..server import table_owners
from ..server.jobs import Jobs, server_jobs
from . import notices

__all__ = ["begin_page", "finish_page"]

LOCK_POLL_S = 1.0


def begin_page() -> tuple[Jobs, str]:
    """Register this session and its visitor with the server, and show pending notices; call this first on each page.

    Notices are an error queued by a callback, and a problem of the run store.

    Returns
    -------
    jobs : Jobs
        The job queue of the server.
    session : str
        The id of this session, also kept in the session state.
    """
    context = get_script_run_ctx()
    session = st.session_state.session = context.session_id if context else uuid.uuid4().hex
    jobs = server_jobs()
    if runtime.exists():
        jobs.is_session_active = runtime.get_instance().is_active_session
    visitor = table_owners.owner()
    jobs.note_visitor(session, visitor)
    table_owners.server_table_owners().note_presence(visitor, session)
    st.session_state.busy_reads = jobs.store.busy_reads
    jobs.results.forget_past_lock()
    if complaint := notices.queued_error():
        notices.error(complaint)
    st.session_state.store_problem = jobs.results.store_problem
    if jobs.results.store_problem:
        notices.warning(jobs.results.store_problem)
    return jobs, session


def finish_page() -> None:
    """End a page run: rerun the page if its notice about the run store is out of date.

    If another process holds the store locked, the page is rerun once the lock is gone.
    """
    jobs = server_jobs()
    problem = jobs.results.store_problem
    if st.session_state.get("store_problem", problem) != problem:
        st.rerun()
    busy_reads = jobs.store.busy_reads
    if jobs.results.is_problem_busy or st.session_state.get("busy_reads", busy_reads) != busy_reads:
        _await_store()


@st.fragment(run_every=LOCK_POLL_S)
def _await_store() -> None:
    """Rerun the page once no other process holds the run store locked; checked every second."""
    if not server_jobs().store.is_busy():
        st.rerun()

"""Who looks at a page: the session, as the server's work knows it; and what leads each page when all is not well."""

from __future__ import annotations

import uuid

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.server import table_owners
from app.server.jobs import Jobs, server_jobs
from app.widgets import notices

__all__ = ["leave", "visit"]


def visit() -> tuple[Jobs, str]:
    """The server's jobs and this session's name for them; each page begins with it."""
    context = get_script_run_ctx()
    session = st.session_state.session = context.session_id if context else uuid.uuid4().hex
    jobs = server_jobs()
    if runtime.exists():
        jobs.is_here = runtime.get_instance().is_active_session
    table_owners.server_custody().present(table_owners.owner(), session)
    if complaint := notices.complaint():
        notices.error(complaint)
    st.session_state.unkept = jobs.unkept
    if jobs.unkept:
        notices.warning(jobs.unkept)
    return jobs, session


def leave() -> None:
    """Begin the page anew where results could not be kept, or can be again, since it began: it says so on top."""
    if st.session_state.get("unkept", server_jobs().unkept) != server_jobs().unkept:
        st.rerun()

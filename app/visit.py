"""Who looks at a page: the session, as the server's work knows it."""

from __future__ import annotations

import uuid

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app import own_tables
from app.jobs import Jobs, server_jobs

__all__ = ["visit"]


def visit() -> tuple[Jobs, str]:
    """The server's jobs and this session's name for them; each page begins with it."""
    context = get_script_run_ctx()
    session = st.session_state.session = context.session_id if context else uuid.uuid4().hex
    jobs = server_jobs()
    if runtime.exists():
        jobs.is_here = runtime.get_instance().is_active_session
    own_tables.server_custody().present(own_tables.owner(), session)
    return jobs, session

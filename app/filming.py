"""Waiting for what a worker makes for one picture: progress, cancel, failure."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from app import notices
from app.jobs import Jobs

__all__ = ["film_of"]

POLL_S = 0.05


def film_of(jobs: Jobs, session: str, key: str, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` of `worker` makes, once it is there; None where it failed or was cancelled, which is said."""
    status = st.empty()  # always there, so that what follows keeps its place and stays in sight, greyed
    if st.session_state.get("cancelled_film") == key:
        jobs.release(session, ["films"])
        with status.container(horizontal=True, vertical_alignment="center"):
            st.warning("Cancelled.")
            st.button("Begin again", key="film_again", on_click=st.session_state.pop, args=("cancelled_film",))
        return None
    jobs.want_film(session, key, function, *arguments)
    if (found := jobs.film(key)) is not None:
        return found
    with status.container():
        # Cancel stands left: Streamlit's menu covers the page's upper right corner.
        left, right = st.columns([1, 7], vertical_alignment="center")
        bar = right.progress(0.0, "Starting")
        left.button("Cancel", key="cancel_film", on_click=st.session_state.update, kwargs={"cancelled_film": key})
    while (found := jobs.film(key)) is None:
        if failure := jobs.failure(key):
            with status.container():
                notices.error(failure)
                st.button("Try again", key="film_retry", on_click=jobs.forget_failures, args=([key],))
            return None
        view = jobs.view([key])
        if view is None and jobs.film(key) is None:
            jobs.want_film(session, key, function, *arguments)  # its worker was stopped beneath us: ask again
        elif view is not None and view.ahead:
            bar.progress(0.0, f"Waiting: {view.ahead} job{'s' if view.ahead > 1 else ''} of others come first")
        elif view is not None and view.total:
            bar.progress(min(view.done / view.total, 1.0), f"{what} {view.done} of {view.total}")
        time.sleep(POLL_S)
    status.empty()
    return found

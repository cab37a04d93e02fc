"""Waiting for what a worker makes for one picture: progress, cancel, failure."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from app.jobs import Jobs
from app.waiting import POLL_S, draw_failures, draw_view, progress_row

__all__ = ["film_of"]


def film_of(
    jobs: Jobs, session: str, key: str, what: str, function: Callable[..., Any], *arguments: Any, name: str = "film"
) -> Any:
    """What `function` of `worker` makes, once it is there; None where it failed or was cancelled, which is said.

    name: tells its buttons from those of another that the same page waits for.
    """
    status = st.empty()  # always there, so that what follows keeps its place and stays in sight, greyed
    if st.session_state.get("cancelled_film") == key:
        jobs.release(session, ["films"])
        with status.container(horizontal=True, vertical_alignment="center"):
            st.warning("Cancelled.")
            st.button("Begin again", key=f"{name}_again", on_click=st.session_state.pop, args=("cancelled_film",))
        return None
    jobs.want_film(session, key, function, *arguments)
    if (found := jobs.film(key)) is not None:
        return found
    with status.container():
        bar, cancel = progress_row()
        cancel.button("Cancel", key=f"cancel_{name}", on_click=st.session_state.update, kwargs={"cancelled_film": key})
    while (found := jobs.film(key)) is None:
        if draw_failures([key], jobs, status):
            return None
        draw_view(bar, jobs.view([key]), what)
        if jobs.view([key]) is None:
            jobs.want_film(session, key, function, *arguments)  # its worker was stopped beneath us: ask again
        time.sleep(POLL_S)
    status.empty()
    return found

"""Wait for one worker result on a page, with progress, Cancel and failures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ..server.jobs import RESULT_KINDS, Jobs, JobView
from .progress import draw_failures, draw_job_progress, progress_row, wait_for_poll

__all__ = ["CancelWords", "SpeedWords", "TimeLimit", "await_worker_result"]


@dataclass(frozen=True)
class TimeLimit:
    """The seconds for which a worker may run, and the sentence that a page shows when they have passed."""

    seconds: float
    sentence: str


@dataclass
class SpeedWords:
    """Words on the progress of a job of a known total, which may use its speed since it was first seen at work.

    Attributes
    ----------
    words : callable
        Returns the text of the bar. Takes the amount done, the total, the amount done since the job was first seen, and
        the seconds since then.
    begun : tuple or None
        Seconds, by the monotonic clock, and the amount done when the job was first seen at work; None before.
    """

    words: Callable[[int, int, int, float], str]
    begun: tuple[float, int] | None = None

    def describe(self, view: JobView) -> str:
        """Return the text of the bar for the progress of the running job."""
        now_s = time.monotonic()
        if self.begun is None:
            self.begun = (now_s, view.done)
        since_s, done = self.begun
        return self.words(view.done, view.total, view.done - done, now_s - since_s)


@dataclass(frozen=True)
class CancelWords:
    """The button that cancels a worker, the notice afterwards, and the button that begins again."""

    cancel: str = "Cancel"
    canceled: str = "Canceled."
    again: str = "Begin again"


PLAIN_WORDS = CancelWords()


def await_worker_result(
    jobs: Jobs,
    session: str,
    key: str,
    what: str,
    function: Callable[..., Any],
    *arguments: Any,
    name: str = "result",
    limit: TimeLimit | None = None,
    words: CancelWords = PLAIN_WORDS,
    describe: Callable[[JobView], str] | None = None,
) -> Any:
    """Call a function in a worker process and block until its value is there; draw progress and Cancel meanwhile.

    The value is cached by `key`, so that a later call returns at once. The progress bar stands at the bottom of the
    window, where it moves nothing on the page; in the rerun of a fragment it stands at the current position. A failure
    or a cancel draws a notice with a button to try again.

    Parameters
    ----------
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session that waits.
    key : str
        Key of the value; sessions that request the same key share one job.
    what : str
        Text before the progress "3 of 50", such as "Training, epoch".
    function, *arguments
        The function that the worker calls, and its arguments; both must pickle.
    name : str
        Part of the widget keys of the buttons; must differ for each value that a page waits for.
    limit : TimeLimit, optional
        Time for which the worker may run, without the time in the queue; unlimited by default.
    words : CancelWords
        Words of the buttons and of the notice.
    describe : callable, optional
        Returns the text of the bar from the progress of a running job; by default it is made from `what`.

    Returns
    -------
    object or None
        The value; None if the job failed, took too long or was canceled.
    """
    # Always there, so that what follows keeps its place and stays in sight, grayed.
    status, row = st.empty(), st.empty()
    if st.session_state.get("canceled_result") == key:
        jobs.release(session, RESULT_KINDS)
        with status.container(horizontal=True, vertical_alignment="center"):
            st.warning(words.canceled)
            st.button(words.again, key=f"{name}_again", on_click=st.session_state.pop, args=("canceled_result",))
        return None
    jobs.request_worker_result(session, key, function, *arguments)
    if (found := jobs.results.worker_result(key)) is not None:
        return found
    context = get_script_run_ctx()
    is_fragment_rerun = context is not None and bool(context.fragment_ids_this_run)
    bar, cancel = progress_row(row if is_fragment_rerun else None)
    cancel.button(words.cancel, key=f"cancel_{name}", on_click=st.session_state.update, kwargs={"canceled_result": key})
    waiting_since = time.monotonic()
    while (found := jobs.results.worker_result(key)) is None:
        view = jobs.view([key])
        if view is not None and view.ahead:
            waiting_since = time.monotonic()
        if limit is not None and time.monotonic() - waiting_since > limit.seconds:
            jobs.abort(key, limit.sentence)
        if draw_failures([key], jobs, status):
            bar.remove()
            return None
        if describe is not None and view is not None and view.total and not view.ahead:
            bar.show(min(view.done / view.total, 1.0), describe(view))
        else:
            draw_job_progress(bar, view, what)
        if jobs.view([key]) is None:
            jobs.request_worker_result(
                session, key, function, *arguments
            )  # its worker was stopped beneath us: ask again
        wait_for_poll(jobs)
    bar.remove()
    return found

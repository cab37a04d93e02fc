"""A job in a worker process: its flag, its progress, and the initializers of the processes."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "RUN",
    "STOP",
    "WAIT",
    "Cancelled",
    "JobProgress",
    "StoredOutcome",
    "check",
    "report_progress",
    "send_progress",
    "start_projector",
    "start_trainer",
]

# What a task's flag tells it: to go on, to stop, or to wait at its next epoch until it may go on.
RUN, STOP, WAIT = 0, 1, 2
WAIT_S = 0.02
TELL_S = 0.05


class Cancelled(Exception):
    """Nobody waits for this job any more."""


@dataclass(frozen=True)
class JobProgress:
    """How far a job has come: `done` of `total` epochs or bytes; a total of 0 is not known."""

    done: int
    total: int


@dataclass(frozen=True)
class StoredOutcome:
    """What came of work that goes through the store; unkept: why it could not be kept there, "" where it was."""

    outcome: Any
    store_problem: str = ""


_send: Any = None  # the way back, set once when the process starts
_flags: Any = None  # one a job
_told: tuple[int, float] = (0, 0.0)  # the last job whose progress was told, and when


def _start(send: Callable[[JobProgress], None], flags: Any, environment: Mapping[str, str]) -> None:
    global _send, _flags
    _send, _flags = send, flags
    # It may come from a process that was started earlier, in another environment.
    os.environ.clear()
    os.environ.update(environment)


def start_trainer(send: Callable[[JobProgress], None], flags: Any, environment: Mapping[str, str]) -> None:
    """Make this process a trainer with one thread: there is one a core, and each lets the page answer first."""
    _start(send, flags, environment)
    os.nice(5)
    import torch

    from anoonly_core.runs.run import warm_up  # loaded now, so that the first job does not wait for it

    torch.set_num_threads(1)
    warm_up()


def start_projector(send: Callable[[JobProgress], None], flags: Any, environment: Mapping[str, str]) -> None:
    """Make this process a projector: one thread, and last in line for the processor."""
    _start(send, flags, environment)
    os.environ["NUMBA_NUM_THREADS"] = "1"
    os.nice(10)
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def check(job: int) -> None:
    """Raise Cancelled if the job is to stop, wait while it is to wait, and end with a server that was killed."""
    while (flag := _flags[job % len(_flags)]) == WAIT:
        _end_with_parent()
        time.sleep(WAIT_S)
    if flag == STOP:
        raise Cancelled
    _end_with_parent()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)  # nobody is left to take the result


def send_progress(done: int, total: int) -> None:
    """Send the progress of the process's job now."""
    _send(JobProgress(done, total))


def report_progress(job: int, done: int, total: int) -> None:
    """Tell how many epochs a job has behind it, no more often than anybody looks."""
    global _told
    check(job)
    if _told[0] != job or time.monotonic() - _told[1] >= TELL_S:
        _told = job, time.monotonic()
        _send(JobProgress(done, total))

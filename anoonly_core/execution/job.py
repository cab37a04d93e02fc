"""The worker's side of a job: signals from the pool, progress to the pool, and the set-up of a worker process."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from anoonly_core.machine import lower_priority, yield_memory
from anoonly_core.progress import Cancelled

__all__ = [
    "JobProgress",
    "Signal",
    "StoredOutcome",
    "attach",
    "check",
    "report_progress",
    "run_job",
    "send_progress",
    "start_projector",
    "start_reader",
    "start_trainer",
]

PAUSE_POLL_S = 0.02
PROGRESS_INTERVAL_S = 0.05


class Signal(IntEnum):
    """Order from the pool to the running job of a process, in memory that the pool shares with its processes."""

    RUN = 0
    STOP = 1
    PAUSE = 2


@dataclass(frozen=True)
class JobProgress:
    """Progress of a job: `done` of `total` epochs, steps or bytes; a total of 0 is unknown."""

    done: int
    total: int


@dataclass(frozen=True)
class StoredOutcome:
    """Results of a job that also writes them to the run store.

    Parameters
    ----------
    outcome
        The results, as the task describes them.
    store_problem
        Sentence about a write that failed; "" if all succeeded.
    is_busy
        True if another process held the lock of the store, so that a later write may succeed.
    """

    outcome: Any
    store_problem: str = ""
    is_busy: bool = False


_send: Callable[[JobProgress], None] | None = None  # sends to the pool, set once when the process starts
_signals: Sequence[int] = (Signal.RUN,)  # shared with the pool; one per process
_slot = 0  # index of the signal of the current job
_last_sent_s = float("-inf")  # when the current job last sent its progress, by the monotonic clock


def attach(send: Callable[[JobProgress], None], signals: Sequence[int], environment: Mapping[str, str]) -> None:
    """Connect this new worker process to its pool and replace its environment variables by those of the pool.

    Parameters
    ----------
    send
        Function that sends progress to the pool.
    signals
        One `Signal` per process of the pool, for its current job.
    environment
        All environment variables. The process may descend from one that was started earlier, with others.
    """
    global _send, _signals
    _send, _signals = send, signals
    os.environ.clear()
    os.environ.update(environment)


def start_trainer() -> None:
    """Prepare this worker process for training: import PyTorch, limit it to one thread, and lower its priority.

    Linux ends the process before others when memory runs out.
    """
    os.environ["NUMBA_NUM_THREADS"] = "1"  # UMAP in a replay
    lower_priority(5)
    yield_memory()
    import sklearn.datasets  # noqa: F401 - now, so that the first job does not wait for it
    import torch

    from anoonly_core.runs.run import warm_up

    torch.set_num_threads(1)
    warm_up()


def start_projector() -> None:
    """Prepare this worker process for projections: limit it to one thread, with the lowest priority of all workers.

    Linux ends the process before others when memory runs out.
    """
    os.environ["NUMBA_NUM_THREADS"] = "1"
    lower_priority(10)
    yield_memory()
    import sklearn.manifold  # noqa: F401 - a limit counts for the libraries that are loaded already
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def start_reader() -> None:
    """Prepare this worker process for reading tables: one thread, a limit on its memory, and a lower priority.

    Linux ends the process before others when memory runs out.
    """
    lower_priority(5)
    yield_memory()
    from threadpoolctl import threadpool_limits

    from anoonly_core.data.tables.limits import limit_memory

    threadpool_limits(1)
    limit_memory()


def run_job(slot: int, function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """Call a task in this worker process as a job, and return its value.

    Parameters
    ----------
    slot
        Index of this process in the shared signals, where the pool signals the job to pause or stop.
    function, arguments
        Task and its positional arguments.

    Raises
    ------
    Cancelled
        If the job is signaled to stop, before or during the call.
    """
    global _slot, _last_sent_s
    _slot, _last_sent_s = slot, float("-inf")
    check()
    return function(*arguments)


def check() -> None:
    """Obey the signal of the current job: block while it is paused, and raise Cancelled if it is to stop.

    Exit this process if the server process has died. Tasks call this function between steps.
    """
    while (signal := _signals[_slot]) == Signal.PAUSE:
        _exit_without_parent()
        time.sleep(PAUSE_POLL_S)
    if signal == Signal.STOP:
        raise Cancelled
    _exit_without_parent()


def report_progress(done: int, total: int) -> None:
    """Check the current job as `check` does, then send its progress unless some was sent within the last 0.05 s.

    `done` of `total` epochs, steps or bytes are finished; a total of 0 is unknown.
    """
    global _last_sent_s
    check()
    if time.monotonic() - _last_sent_s >= PROGRESS_INTERVAL_S:
        _last_sent_s = time.monotonic()
        send_progress(done, total)


def send_progress(done: int, total: int) -> None:
    """Send the progress of the current job to the pool at once, without checking for signals.

    `done` of `total` epochs, steps or bytes are finished. Outside a worker process nothing is sent.
    """
    if _send is not None:
        _send(JobProgress(done, total))


def _exit_without_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)

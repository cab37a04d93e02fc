"""Worker processes: schedule a function of `worker`, follow its progress, let it wait, stop it."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

from pebble import ProcessExpired, ProcessPool

from anoonly_core import worker

__all__ = ["Task", "WorkerDied", "Workers"]

FLAGS = 1024
STOP_PATIENCE_S = 2.0

log = logging.getLogger(__name__)


class WorkerDied(Exception):
    """The process that did the work ended before it was done."""


@dataclass(eq=False)
class Task:
    """One call in a worker process."""

    number: int
    future: Any = None
    progress: worker.JobProgress | None = None

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return bool(self.future.done())

    @property
    def running(self) -> bool:
        """Whether a process has begun with it."""
        return bool(self.future.running())

    def result(self) -> Any:
        """What it returned; raises what it raised, worker.Cancelled where it was stopped, or WorkerDied."""
        try:
            return self.future.result()
        except CancelledError as error:
            raise worker.Cancelled from error
        except ProcessExpired as error:
            raise WorkerDied from error


def _context() -> Any:
    """How processes are started: on Linux from one that has loaded torch already; macOS forks no loaded libraries."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["anoonly_core.loaded"])
    return context


class Workers:
    """So many processes that run functions of `worker`; they start at once, and a killed one is replaced.

    initializer: the function of `worker` that each process begins with. warm: another for one of
    them to run before anything is asked.
    """

    def __init__(
        self, count: int, initializer: Callable[..., None], warm: Callable[[], object] = worker.nothing
    ) -> None:
        self.count = count
        self._initializer, self._warm = initializer, warm
        self._context = _context()
        self._progress: Any = self._context.Queue()
        self._flags = self._context.Array("b", FLAGS, lock=False)
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._tasks: dict[int, Task] = {}
        self._giving_way = 0
        self._pool = self._start()
        threading.Thread(target=self._follow, daemon=True, name="worker progress").start()

    def schedule(self, function: Callable[..., Any], *arguments: Any) -> Task:
        """Have a function of `worker` called with its task's number, which it reports and checks with, and these."""
        with self._lock:
            task = Task(next(self._numbers))
            self._flags[task.number % FLAGS] = worker.RUN
            self._tasks[task.number] = task
            try:
                task.future = self._pool.schedule(function, args=[task.number, *arguments])
            except RuntimeError:
                log.warning("the worker processes are started anew: one was killed")
                self._pool.stop()  # type: ignore[no-untyped-call]
                self._pool = self._start()
                task.future = self._pool.schedule(function, args=[task.number, *arguments])
            self._share_out()
        task.future.add_done_callback(lambda future: self._ended(task))
        return task

    def stop(self, task: Task, insist: bool = True) -> None:
        """Ask a task to stop before it begins or at its next epoch; insist: end its process if it does not."""
        self._flags[task.number % FLAGS] = worker.STOP
        if insist and task.running:
            timer = threading.Timer(STOP_PATIENCE_S, task.future.cancel)
            timer.daemon = True
            timer.start()

    def give_way(self, processes: int) -> None:
        """Let the tasks in so many of the processes wait at their next epoch, for the sake of other work."""
        with self._lock:
            self._giving_way = processes
            self._share_out()

    def processes(self) -> set[int]:
        """The ids of the living processes."""
        return set(self._pool._pool_manager.worker_manager.workers)

    def close(self) -> None:
        """End all processes."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def _start(self) -> ProcessPool:
        pool = ProcessPool(
            max_workers=self.count,
            initializer=self._initializer,
            initargs=(self._progress, self._flags, dict(os.environ)),
            context=self._context,
        )
        pool.schedule(self._warm)  # starts the processes, each of which loads what it needs
        return pool

    def _share_out(self) -> None:
        """Flag which of the tasks under way wait: the latest ones."""
        under_way = [task for task in self._tasks.values() if self._flags[task.number % FLAGS] != worker.STOP]
        going_on = max(0, self.count - self._giving_way)
        for place, task in enumerate(under_way):
            self._flags[task.number % FLAGS] = worker.RUN if place < going_on else worker.WAIT

    def _ended(self, task: Task) -> None:
        with self._lock:
            self._tasks.pop(task.number, None)
            self._share_out()

    def _follow(self) -> None:
        """Take in the tasks' progress, for as long as this process lives."""
        while True:
            try:
                progress = self._progress.get()
            except (EOFError, OSError):
                return
            with self._lock:
                if (task := self._tasks.get(progress.job)) is not None:
                    task.progress = progress

"""Worker processes: schedule a function of `worker`, follow its progress, let it wait, stop it."""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from anoonly_core.execution.job import RUN, STOP, WAIT, Cancelled, JobProgress
from anoonly_core.execution.process import WorkerDied, WorkerProcess, context

__all__ = ["Task", "WorkerDied", "WorkerPool"]

FLAGS = 1024
STOP_PATIENCE_S = 2.0
WARM_AFTER_S = 15.0
LOOK_S = 1.0  # how often one that has nothing to do is looked after

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Task:
    """One call in a worker process."""

    number: int
    future: Future[Any] = field(default_factory=Future)
    progress: JobProgress | None = None

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.future.done()

    @property
    def running(self) -> bool:
        """Whether a process has begun with it."""
        return self.future.running()

    def result(self) -> Any:
        """What it returned; raises what it raised, worker.Cancelled where it was stopped, or WorkerDied."""
        return self.future.result()

    def follow(self, progress: JobProgress) -> None:
        """Take in how far it has come."""
        self.progress = progress


@dataclass(frozen=True)
class _Call:
    task: Task
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class WorkerPool:
    """So many processes that run functions of `worker`; they start at once, and a killed one is replaced.

    initializer: the function of `worker` that each process begins with. warm: another that each runs once,
    one after the other, when it has had nothing to do for a while.
    """

    def __init__(self, count: int, initializer: Callable[..., None], warm: Callable[[], object] | None = None) -> None:
        self.count = count
        self._flags = context().Array("b", FLAGS, lock=False)
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._tasks: dict[int, Task] = {}
        self._giving_way = 0
        self._closed = False
        self._warm, self._warming = warm, threading.Lock()
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._at: dict[WorkerProcess, Task | None] = {
            WorkerProcess(initializer, self._flags, os.environ): None for _ in range(count)
        }
        self._threads = [
            threading.Thread(target=self._tend, args=[process], daemon=True, name=f"worker {place}")
            for place, process in enumerate(self._at)
        ]
        for thread in self._threads:
            thread.start()
        atexit.register(self.close)  # before multiprocessing ends them, which would be taken for their death

    def schedule(self, function: Callable[..., Any], *arguments: Any) -> Task:
        """Have a function of `worker` called with its task's number, which it reports and checks with, and these."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the worker processes were closed")
            task = Task(next(self._numbers))
            self._flags[task.number % FLAGS] = RUN
            self._tasks[task.number] = task
            self._calls.put(_Call(task, function, (task.number, *arguments)))
            self._share_out()
        return task

    def stop(self, task: Task, insist: bool = True) -> None:
        """Ask a task to stop before it begins or at its next epoch; insist: end its process if it does not."""
        with self._lock:  # else whoever shares out just now may write over it
            self._flags[task.number % FLAGS] = STOP
        if insist and task.running:
            timer = threading.Timer(STOP_PATIENCE_S, self._end, [task])
            timer.daemon = True
            timer.start()

    def pause_processes(self, processes: int) -> None:
        """Let the tasks in so many of the processes wait at their next epoch, for the sake of other work."""
        with self._lock:
            self._giving_way = processes
            self._share_out()

    def processes(self) -> set[int]:
        """The ids of the living processes."""
        return {number for process in self._at if (number := process.id) is not None}

    def close(self) -> None:
        """End all processes; what they were at, and what waited, was stopped."""
        atexit.unregister(self.close)
        with self._lock:
            self._closed = True
        for process in self._at:
            process.close()
            self._calls.put(None)
        for thread in self._threads:
            thread.join()
        while not self._calls.empty():
            if (call := self._calls.get()) is not None:
                call.task.future.set_exception(Cancelled())

    # -- inside

    def _is_stopped(self, task: Task) -> bool:
        return self._closed or self._flags[task.number % FLAGS] == STOP

    def _share_out(self) -> None:
        """Flag which of the tasks under way wait: the latest ones."""
        under_way = [task for task in self._tasks.values() if self._flags[task.number % FLAGS] != STOP]
        going_on = max(0, self.count - self._giving_way)
        for place, task in enumerate(under_way):
            self._flags[task.number % FLAGS] = RUN if place < going_on else WAIT

    def _end(self, task: Task) -> None:
        """End the process that is still at this task."""
        with self._lock:
            for process, at in self._at.items():
                if at is task:
                    process.kill()

    def _tend(self, process: WorkerProcess) -> None:
        """Keep one process alive and have it make one call after the other, until all is closed."""
        warmed, idle_since = None, time.monotonic()
        while not self._closed:
            try:
                process.start()
            except Exception as error:  # whoever calls is told so; this thread must live
                self._warn(error)
            try:
                self._make_next(process)
                idle_since = time.monotonic()
            except queue.Empty:
                if warmed != process.id and time.monotonic() - idle_since > WARM_AFTER_S and self._warm_up(process):
                    warmed = process.id
        process.end()

    def _warm_up(self, process: WorkerProcess) -> bool:
        """Whether it was this process's turn."""
        if not self._warming.acquire(blocking=False):
            return False
        try:
            if self._warm is not None:
                process.call(self._warm, (), lambda progress: None)
        except Exception as error:  # it may do without, and says so itself to whoever asks for the like
            self._warn(error)
        finally:
            self._warming.release()
        return True

    def _warn(self, error: Exception) -> None:
        if not self._closed:
            log.warning("a worker process that nobody waits for: %r", error)

    def _make_next(self, process: WorkerProcess) -> None:
        call = self._calls.get(timeout=LOOK_S)
        if call is None:
            return
        task = call.task
        with self._lock:
            self._at[process] = task
        task.future.set_running_or_notify_cancel()
        value: Any = None
        error: BaseException | None = None
        try:
            if self._is_stopped(task):
                raise Cancelled
            value = process.call(call.function, call.arguments, task.follow)
        except WorkerDied as died:
            error = Cancelled() if self._is_stopped(task) else died
        except BaseException as raised:
            error = raised
        with self._lock:
            self._at[process] = None
            self._tasks.pop(task.number, None)
            self._share_out()
        if error is None:
            task.future.set_result(value)
        else:
            task.future.set_exception(error)

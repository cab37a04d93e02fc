"""A pool of worker processes: schedule tasks, follow their progress, pause and stop them."""

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

from anoonly_core.errors import EngineUnavailable
from anoonly_core.execution.death import WorkerDied, start_failure
from anoonly_core.execution.job import Cancelled, JobProgress, Signal
from anoonly_core.execution.process import WorkerProcess
from anoonly_core.execution.start_method import context

__all__ = ["Task", "WorkerPool"]

STOP_TIMEOUT_S = 2.0
WARM_AFTER_S = 15.0
IDLE_CHECK_S = 1.0  # how often an idle process is checked, and replaced if it has died

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Task:
    """One scheduled call of a task function, and its latest progress."""

    number: int
    future: Future[Any] = field(default_factory=Future)
    progress: JobProgress | None = None
    stopped: bool = False  # set by the pool

    @property
    def done(self) -> bool:
        """True if the call has returned, raised, died or been canceled."""
        return self.future.done()

    @property
    def running(self) -> bool:
        """True while a process runs the call."""
        return self.future.running()

    def result(self) -> Any:
        """Block until the call has ended, and return its value.

        Raises
        ------
        Cancelled
            The task was stopped.
        WorkerDied
            The process ended during the call.
        BaseException
            The error of the call itself.
        """
        return self.future.result()

    def note_progress(self, progress: JobProgress) -> None:
        """Set the latest progress."""
        self.progress = progress


def _shared_signals(count: int) -> Any:
    """Return one signal per process in memory that a pool and its processes share; raise EngineUnavailable."""
    try:
        return context().Array("b", count, lock=False)
    except OSError as error:
        raise EngineUnavailable(
            f"No shared memory could be made for the worker processes ({start_failure(error)}): "
            "free memory, or set TMPDIR to a folder that this user may write."
        ) from error


@dataclass(frozen=True)
class _Call:
    task: Task
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class WorkerPool:
    """A fixed number of worker processes that run tasks in the order of scheduling.

    The processes start at once in the background, and one that dies is replaced. All methods may be called from
    any thread. Only `close` blocks.

    Parameters
    ----------
    count
        The number of processes.
    initializer
        A function without arguments that each process calls first, such as `job.start_trainer`.
    warm
        A function without arguments that each process calls once after 15 s without a task; one process at a time.

    Raises
    ------
    EngineUnavailable
        The shared memory of the signals cannot be made.
    InvalidConfig
        ANOONLY_START_METHOD names no start method of this system.
    """

    def __init__(self, count: int, initializer: Callable[[], None], warm: Callable[[], object] | None = None) -> None:
        self.count = count
        # One per process, for the task that it runs; a queued task has no shared memory, so that none can run out.
        self._signals = _shared_signals(count)
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._tasks: dict[int, Task] = {}  # scheduled or running, by number
        self._paused = 0
        self._closed = False
        self._warm, self._warming = warm, threading.Lock()
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._running: dict[WorkerProcess, Task | None] = {
            WorkerProcess(initializer, self._signals, os.environ): None for _ in range(count)
        }
        self._threads = [
            threading.Thread(target=self._tend, args=[process, slot], daemon=True, name=f"worker {slot}")
            for slot, process in enumerate(self._running)
        ]
        for thread in self._threads:
            thread.start()
        atexit.register(self.close)  # before multiprocessing kills the processes, which would look like deaths

    def schedule(self, function: Callable[..., Any], *arguments: Any) -> Task:
        """Queue a call of a task function and return at once.

        Raises
        ------
        RuntimeError
            The pool is closed.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the worker processes were closed")
            task = Task(next(self._numbers))
            self._tasks[task.number] = task
            self._calls.put(_Call(task, function, arguments))
            self._update_signals()
        return task

    def stop(self, task: Task, insist: bool = True) -> None:
        """Signal a task to stop, before it begins or at its next check.

        Parameters
        ----------
        task
            A task of this pool; one that has ended is not affected.
        insist
            Kill the process if the task is still running after 2 s.
        """
        with self._lock:
            task.stopped = True
            self._update_signals()
        if insist and task.running:
            timer = threading.Timer(STOP_TIMEOUT_S, self._kill, [task])
            timer.daemon = True
            timer.start()

    def pause_processes(self, count: int) -> None:
        """Pause this number of processes at their next check, and resume all others; 0 resumes all."""
        with self._lock:
            self._paused = count
            self._update_signals()

    def processes(self) -> set[int]:
        """Return the ids of the running processes, which may be fewer than `count` while some start."""
        return {process_id for process in self._running if (process_id := process.id) is not None}

    def close(self) -> None:
        """Kill all processes and wait for their end; running and queued tasks raise Cancelled."""
        atexit.unregister(self.close)
        with self._lock:
            self._closed = True
        for process in self._running:
            process.close()
            self._calls.put(None)
        for thread in self._threads:
            thread.join()
        while not self._calls.empty():
            if (call := self._calls.get()) is not None:
                call.task.future.set_exception(Cancelled())

    # -- inside

    def _is_stopped(self, task: Task) -> bool:
        return self._closed or task.stopped

    def _update_signals(self) -> None:
        """Stop the stopped tasks, pause the latest of the running ones, and let the others run."""
        running = [task for task in self._running.values() if task is not None and not task.stopped]
        allowed = sorted(running, key=lambda task: task.number)[: max(0, self.count - self._paused)]
        for slot, task in enumerate(self._running.values()):
            if task is not None:
                signal = Signal.STOP if task.stopped else Signal.RUN if task in allowed else Signal.PAUSE
                self._signals[slot] = signal

    def _kill(self, task: Task) -> None:
        """Kill the process that still runs this task, if any."""
        with self._lock:
            for process, running in self._running.items():
                if running is task:
                    process.kill()

    def _tend(self, process: WorkerProcess, slot: int) -> None:
        """Run queued calls in one process, restarting it if it dies, until the pool is closed."""
        warmed_id, idle_since_s = None, time.monotonic()
        while not self._closed:
            try:
                process.start()
            except Exception as error:  # the next caller gets it too, and this thread must survive
                self._warn(error)
            try:
                self._run_next(process, slot)
                idle_since_s = time.monotonic()
            except queue.Empty:
                is_idle = warmed_id != process.id and time.monotonic() - idle_since_s > WARM_AFTER_S
                if is_idle and self._try_warm(process):
                    warmed_id = process.id
        process.end()

    def _try_warm(self, process: WorkerProcess) -> bool:
        """Warm a process; return False at once if another process is being warmed."""
        if not self._warming.acquire(blocking=False):
            return False
        try:
            if self._warm is not None:
                process.call(None, self._warm, (), lambda progress: None)
        except Exception as error:  # warming is optional, and a real task would raise the same error
            self._warn(error)
        finally:
            self._warming.release()
        return True

    def _warn(self, error: Exception) -> None:
        if not self._closed:
            log.warning("an idle worker process failed: %r", error)

    def _run_next(self, process: WorkerProcess, slot: int) -> None:
        """Wait up to 1 s for a queued call and run it in the process; raise queue.Empty if none comes."""
        call = self._calls.get(timeout=IDLE_CHECK_S)
        if call is None:
            return
        task = call.task
        with self._lock:
            self._running[process] = task
            self._update_signals()  # before the call, since the slot has the signal of an earlier task
        task.future.set_running_or_notify_cancel()
        value: Any = None
        error: BaseException | None = None
        try:
            if self._is_stopped(task):
                raise Cancelled
            value = process.call(slot, call.function, call.arguments, task.note_progress)
        except WorkerDied as died:
            error = Cancelled() if self._is_stopped(task) else died
        except BaseException as raised:
            error = raised
        with self._lock:
            self._running[process] = None
            self._tasks.pop(task.number, None)
            self._update_signals()
        if error is None:
            task.future.set_result(value)
        else:
            task.future.set_exception(error)

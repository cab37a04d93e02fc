"""A pool of worker processes: schedule tasks, follow their progress, pause and stop them."""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from anoonly_core.errors import EngineUnavailable
from anoonly_core.execution.death import WorkerDied, start_failure
from anoonly_core.execution.job import JobProgress, Signal
from anoonly_core.execution.process import WorkerProcess
from anoonly_core.execution.start_method import context
from anoonly_core.execution.turns import Turns
from anoonly_core.progress import Cancelled

__all__ = ["Task", "WorkerPool"]

STOP_TIMEOUT_S = 2.0
WARM_AFTER_S = 15.0
IDLE_END_S = 30.0  # when a process ends that was started on demand
TURN_S = 0.25
IDLE_CHECK_S = 1.0  # how often an idle process is checked, and replaced if it has died

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Task:
    """One scheduled call of a task function, with its latest progress; `future` receives its value or error."""

    number: int
    future: Future[Any] = field(default_factory=Future)
    progress: JobProgress | None = None
    stopped: bool = False  # set by the pool
    owners: frozenset[str] = frozenset({""})  # who waits for it

    @property
    def done(self) -> bool:
        """True if the call has returned, raised, died or been canceled; does not block."""
        return self.future.done()

    @property
    def running(self) -> bool:
        """True while a process runs the call; False while it is queued or after its end."""
        return self.future.running()

    def result(self) -> Any:
        """Block until the call has ended, and return its value.

        Raises
        ------
        Cancelled
            If the task was stopped, or its pool closed.
        WorkerDied
            If the process ended during the call.
        BaseException
            The error of the call itself.
        """
        return self.future.result()

    def note_progress(self, progress: JobProgress) -> None:
        """Replace the latest progress by this one."""
        self.progress = progress


def _shared_signals(count: int) -> Any:
    """Allocate one signal for each of `count` processes, in memory that a pool shares with its processes.

    Raise EngineUnavailable if no shared memory can be had.
    """
    try:
        return context().Array("b", count, lock=False)
    except OSError as error:
        raise EngineUnavailable(
            f"No shared memory could be made for the worker processes ({start_failure(error)}): "
            "free memory, or set TMPDIR to a folder that this user may write."
        ) from error


@dataclass(frozen=True, eq=False)
class _Call:
    task: Task
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class WorkerPool:
    """Worker processes that run tasks, shared fairly among the owners of the tasks.

    Tasks of one owner begin in the order of scheduling. The next task is one of the owner with the fewest running
    tasks. Spare processes take only tasks with an owner who has no running task; then the running tasks take turns, so
    that at most `count` run and the others are paused. Thus many long tasks of one owner delay nobody else.

    The processes start at once in the background, and one that dies is replaced. Spare processes start on demand and
    end after 30 s without a task; with `on_demand`, all processes do. All methods may be called from any thread. Only
    `close` blocks.

    Parameters
    ----------
    count
        The number of processes, and of tasks that run at a time.
    initializer
        A function without arguments that each process calls first, such as `job.start_trainer`.
    warm
        A function without arguments that each process calls once after 15 s without a task; one process at a time.
    spares
        The number of spare processes.
    on_demand
        True to start each process with its first task and end it after 30 s without one. It is never warmed.
    environment
        Environment variables that the processes get besides those of this process; None for no others.

    Raises
    ------
    EngineUnavailable
        The shared memory of the signals cannot be made.
    InvalidConfig
        ANOONLY_START_METHOD names no start method of this system.
    """

    def __init__(
        self,
        count: int,
        initializer: Callable[[], None],
        warm: Callable[[], object] | None = None,
        spares: int = 0,
        on_demand: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.count = count
        self._on_demand = on_demand
        self._signals = _shared_signals(count + spares)
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._scheduled = threading.Condition(self._lock)
        self._tasks: dict[int, Task] = {}  # scheduled or running, by number
        self._queue: list[_Call] = []  # in the order of scheduling
        self._turns = Turns()
        self._paused = 0
        self._closed = False
        self._warm, self._warming = warm, threading.Lock()
        self._running: dict[WorkerProcess, Task | None] = {
            WorkerProcess(initializer, self._signals, {**os.environ, **(environment or {})}): None
            for _ in range(count + spares)
        }
        self._threads = [
            threading.Thread(target=self._tend, args=[process, slot], daemon=True, name=f"worker {slot}")
            for slot, process in enumerate(self._running)
        ]
        if spares:
            self._threads.append(threading.Thread(target=self._take_turns, daemon=True, name="turns"))
        for thread in self._threads:
            thread.start()
        atexit.register(self.close)  # before multiprocessing kills the processes, which would look like deaths

    def schedule(self, function: Callable[..., Any], *arguments: Any, owners: Iterable[str] = ("",)) -> Task:
        """Queue a call of a task function and return its `Task` at once.

        Parameters
        ----------
        function, arguments
            Task function and its positional arguments; both must pickle, and so must the value.
        owners
            Who waits for the result, such as ids of sessions. Owners share the processes fairly.

        Raises
        ------
        RuntimeError
            If the pool is closed.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the worker processes were closed")
            task = Task(next(self._numbers), owners=frozenset(owners))
            self._tasks[task.number] = task
            self._queue.append(_Call(task, function, arguments))
            self._note_owners()
            self._scheduled.notify_all()
        return task

    def stop(self, task: Task, insist: bool = True) -> None:
        """Signal a task to stop at its next check and return at once; a queued task ends at once.

        The result of the task then raises Cancelled.

        Parameters
        ----------
        task
            Task of this pool; one that has ended is not affected.
        insist
            True to kill the process if the task still runs after 2 s.
        """
        with self._lock:
            task.stopped = True
            queued = [call for call in self._queue if call.task is task]
            for call in queued:
                self._queue.remove(call)
                self._forget(task)
            self._update_signals()
        if queued:
            task.future.set_exception(Cancelled())  # without the lock: it calls the callbacks of the future
        if insist and task.running:
            timer = threading.Timer(STOP_TIMEOUT_S, self._kill, [task])
            timer.daemon = True
            timer.start()

    def set_owners(self, task: Task, owners: Iterable[str]) -> None:
        """Replace the owners of a task, those who wait for its result; this changes its turn."""
        with self._lock:
            task.owners = frozenset(owners)
            self._note_owners()
            self._scheduled.notify_all()

    def ahead(self, task: Task) -> int:
        """Return the number of tasks that must begin or end before a queued task begins; 0 if it has begun."""
        with self._lock:
            queued = [call.task for call in self._queue]
            if task not in queued:
                return 0
            running = self._running_tasks()
            order = self._turns.choose(queued, len(queued), running)
            return max(0, order.index(task) + 1 - max(0, self.count - len(running)))

    def pause_processes(self, count: int) -> None:
        """Lower the number of tasks that run at a time by `count`; 0 resumes all.

        Surplus tasks pause at their next check.
        """
        with self._lock:
            self._paused = count
            self._update_signals()

    def processes(self) -> set[int]:
        """Return the ids of the worker processes that run now; fewer than `count` while some start."""
        return {process_id for process in self._running if (process_id := process.id) is not None}

    def close(self) -> None:
        """Kill all processes, block until they have ended, and take no more tasks.

        Running and queued tasks raise Cancelled.
        """
        atexit.unregister(self.close)
        with self._lock:
            self._closed = True
            self._scheduled.notify_all()
        for process in self._running:
            process.close()
        for thread in self._threads:
            thread.join()
        for call in self._queue:
            call.task.future.set_exception(Cancelled())
        self._queue.clear()

    # -- inside

    def _is_stopped(self, task: Task) -> bool:
        return self._closed or task.stopped

    def _running_tasks(self) -> list[Task]:
        return [task for task in self._running.values() if task is not None]

    def _allowed(self) -> list[Task]:
        """Return the running tasks that are not paused now: in fair shares, at most as many as processes may run."""
        candidates = [task for task in self._running_tasks() if not task.stopped]
        return self._turns.choose(candidates, max(0, self.count - self._paused))

    def _update_signals(self) -> None:
        """Write the signal of each running task to shared memory: stop, run, or pause if others have their turn."""
        allowed = self._allowed()
        for slot, task in enumerate(self._running.values()):
            if task is not None:
                signal = Signal.STOP if task.stopped else Signal.RUN if task in allowed else Signal.PAUSE
                self._signals[slot] = signal

    def _take_turns(self) -> None:
        """Choose anew, four times a second, which of the running tasks run and which pause, until the pool is closed.

        Runs in a thread of a pool with spare processes, where more tasks may have begun than may run at a time.
        """
        while not self._closed:
            begun_s = time.monotonic()
            with self._scheduled:
                served = self._allowed()
                self._scheduled.wait_for(lambda: self._closed, TURN_S)
                self._turns.charge([task for task in served if not task.done], time.monotonic() - begun_s)
                self._note_owners()
                self._update_signals()

    def _note_owners(self) -> None:
        self._turns.set_owners({owner for task in self._tasks.values() for owner in task.owners})

    def _forget(self, task: Task) -> None:
        self._tasks.pop(task.number, None)
        self._note_owners()

    def _kill(self, task: Task) -> None:
        """Kill the process that still runs this task; do nothing if none does."""
        with self._lock:
            for process, running in self._running.items():
                if running is task:
                    process.kill()

    def _tend(self, process: WorkerProcess, slot: int) -> None:
        """Run queued calls in one process, restarting it if it dies, until the pool is closed; body of one thread.

        `slot` is the index of the process; from `count` on, processes are spare. An idle process is warmed, or ended
        if it starts on demand.
        """
        is_spare, warmed_id, idle_since_s = slot >= self.count, None, time.monotonic()
        on_demand = is_spare or self._on_demand
        while not self._closed:
            try:
                if not on_demand:
                    process.start()
            except Exception as error:  # the next caller gets it too, and this thread must survive
                self._warn(error)
            call = self._next_call(process, is_spare)
            if call is not None:
                self._run(call, process, slot)
                idle_since_s = time.monotonic()
                continue
            idle_s = time.monotonic() - idle_since_s
            if on_demand:
                if idle_s > IDLE_END_S and process.id is not None:
                    process.end()
            elif warmed_id != process.id and idle_s > WARM_AFTER_S and self._try_warm(process):
                warmed_id = process.id
        process.end()

    def _next_call(self, process: WorkerProcess, is_spare: bool) -> _Call | None:
        """Take the next call that this process may run from the queue, and mark its task as running.

        Block up to 1 s for one; return None if there is none. A spare process takes only tasks with an owner who
        has no running task, and only while `count` tasks run.
        """
        until_s = time.monotonic() + IDLE_CHECK_S
        with self._scheduled:
            while not self._closed:
                running = self._running_tasks()
                calls = {call.task: call for call in self._queue}
                if is_spare:
                    served = {owner for task in running for owner in task.owners}
                    is_full = len(running) >= self.count
                    calls = {task: call for task, call in calls.items() if is_full and task.owners - served}
                for task in self._turns.choose(calls, 1, running):
                    self._queue.remove(calls[task])
                    self._running[process] = task
                    self._update_signals()  # before the call, since the slot has the signal of an earlier task
                    self._scheduled.notify_all()  # a spare process may be wanted now
                    return calls[task]
                if (left_s := until_s - time.monotonic()) <= 0:
                    return None
                self._scheduled.wait(left_s)
        return None

    def _try_warm(self, process: WorkerProcess) -> bool:
        """Call `warm` in a process, block until it returns, and return True; a failure is logged.

        Return False at once if another process is being warmed.
        """
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

    def _run(self, call: _Call, process: WorkerProcess, slot: int) -> None:
        """Run a call in a process, block until it ends, and give its value or error to its task."""
        task = call.task
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
            self._forget(task)
            self._update_signals()
            self._scheduled.notify_all()
        if error is None:
            task.future.set_result(value)
        else:
            task.future.set_exception(error)

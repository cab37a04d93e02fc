"""One worker process behind its own pipe: if it dies, only its current call is lost."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anoonly_core.execution import job
from anoonly_core.execution.death import WorkerDied, died_of, start_failure
from anoonly_core.execution.job import JobProgress
from anoonly_core.execution.start_method import context

__all__ = ["WorkerProcess"]

MAX_STARTS = 3
JOIN_TIMEOUT_S = 5.0

_starting = threading.Lock()  # multiprocessing supports one start at a time


class _NotBegun(WorkerDied):
    """The process ended before it took the call, so another process may run the call."""


@dataclass(frozen=True)
class _Call:
    slot: int | None  # index of the signal; None for a call that is not a job
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class _Begun:
    """Message: the process has taken the call, which must not be sent again."""


@dataclass(frozen=True)
class _NotReady:
    """Message: the process could not be set up, and ends; `reason` is one line, `trace` the traceback."""

    reason: str
    trace: str


@dataclass(frozen=True)
class _Returned:
    value: Any


@dataclass(frozen=True)
class _Raised:
    error: BaseException


class WorkerProcess:
    """A process that makes one call at a time; it starts on demand, and starts again if it has ended.

    `start`, `call` and `end` belong to one thread. `kill`, `close` and `id` may be used from any.

    Parameters
    ----------
    initializer
        A function without arguments that each new process calls first.
    signals
        Shared memory with one `Signal` per process of the pool.
    environment
        The environment variables of the process.
    """

    def __init__(self, initializer: Callable[[], None], signals: Any, environment: Mapping[str, str]) -> None:
        self._setup = (initializer, signals, dict(environment))
        self._process: Any = None
        self._pipe: Any = None
        self._closed = False

    @property
    def id(self) -> int | None:
        """Process id; None if the process does not run."""
        process = self._process
        return process.pid if process is not None and process.is_alive() else None

    def start(self) -> None:
        """Start the process unless it runs, and return before it is ready; raise WorkerDied if the start fails."""
        if self.id is not None:
            return
        self.end()
        try:
            with _starting:
                if self._closed:
                    raise WorkerDied("was closed")
                self._pipe, far_end = context().Pipe()
                process = context().Process(target=_serve, args=(far_end, *self._setup), daemon=True)
                process.start()
                self._process = process
                far_end.close()  # else the pipe would stay open when the process ends
        except (OSError, EOFError) as error:
            raise WorkerDied(
                f"could not be started ({start_failure(error)})", "free memory or processes, then try again"
            ) from error

    def call(
        self,
        slot: int | None,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        on_progress: Callable[[JobProgress], None],
    ) -> Any:
        """Call a function in the process, started if necessary, and block until it returns its value.

        A process that ended before it took the call is replaced, up to three times.

        Parameters
        ----------
        slot
            Index of this process in `signals`; None for a call that takes no signals.
        function, arguments
            Function and its positional arguments; both must pickle, and so must the value.
        on_progress
            Called in this thread with each progress message of the process.

        Raises
        ------
        WorkerDied
            If the process ended during the call, or three processes ended before they took the call.
        BaseException
            The error of the function, with the traceback of the process as a note.
        """
        for attempt in range(MAX_STARTS):
            self.start()
            try:
                answer = self._exchange(_Call(slot, function, arguments), on_progress)
            except _NotBegun:
                if attempt == MAX_STARTS - 1:
                    raise
                continue
            if isinstance(answer, _Raised):
                raise answer.error
            return answer.value
        raise AssertionError("unreachable")

    def kill(self) -> None:
        """Kill the process, if it runs, and return at once.

        Its current call raises WorkerDied, and the next call starts a new process.
        """
        process = self._process
        if process is not None and process.is_alive():
            process.kill()

    def close(self) -> None:
        """Kill the process, return at once, and let later calls raise WorkerDied instead of starting another one."""
        with _starting:
            self._closed = True
        self.kill()

    def end(self) -> None:
        """Kill the process, wait up to 5 s until it is gone, and close its pipe; a later call starts a new one."""
        self.kill()
        if self._process is not None:
            self._process.join(JOIN_TIMEOUT_S)
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None

    def _exchange(self, call: _Call, on_progress: Callable[[JobProgress], None]) -> _Returned | _Raised:
        """Send one call to the process, and pass progress on until its answer arrives; return the answer.

        Raise _NotBegun if the process ends before it takes the call, WorkerDied if it ends later.
        """
        begun = False
        try:
            self._pipe.send(call)  # a call that does not pickle raises here, and the process is unaffected
        except OSError as death:
            raise self._death(_NotBegun) from death
        try:
            while True:
                message = self._pipe.recv()
                if isinstance(message, JobProgress):
                    on_progress(message)
                elif isinstance(message, _Begun):
                    begun = True
                elif isinstance(message, _NotReady):
                    self.end()
                    died = _NotBegun(f"could not be set up ({message.reason})", "see the log, then try again")
                    died.add_note(message.trace)
                    raise died
                else:
                    answer: _Returned | _Raised = message
                    return answer
        except (OSError, EOFError) as death:
            raise self._death(WorkerDied if begun else _NotBegun) from death
        except WorkerDied:
            raise
        except BaseException:
            self.end()  # a message could not be read: a later call must not take this call's answer for its own
            raise

    def _death(self, kind: type[WorkerDied]) -> WorkerDied:
        """Return an error of class `kind` for a process that has closed its pipe, with a reason from its exit code.

        The process is ended.
        """
        process = self._process
        if process is not None:
            process.join(JOIN_TIMEOUT_S)  # the pipe closes before the exit code is known
        exit_code = process.exitcode if process is not None else None
        self.end()
        return kind(*died_of(exit_code))


def _serve(pipe: Any, initializer: Callable[[], None], signals: Any, environment: Mapping[str, str]) -> None:
    """Set up this worker process and answer calls, one at a time, until the pool closes the pipe.

    Runs in the worker. A failure of the set-up is sent as the answer to the first call, and the process ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    not_ready = _set_up(pipe, initializer, signals, environment)
    try:
        if not_ready is not None:
            pipe.recv()  # the first call, so that the pool reads the reason as its answer
            pipe.send(not_ready)
            return
        while True:
            _answer(pipe)
    except (EOFError, OSError):
        return


def _set_up(
    pipe: Any, initializer: Callable[[], None], signals: Any, environment: Mapping[str, str]
) -> _NotReady | None:
    """Connect this worker process to its pool and call the initializer; return the reason if that fails, else None."""
    try:
        job.attach(pipe.send, signals, environment)
        initializer()
    except BaseException as error:
        return _NotReady(start_failure(error), traceback.format_exc())
    return None


def _answer(pipe: Any) -> None:
    """Receive one call in the worker process, run it, and send its value or its error through the pipe."""
    answer: _Returned | _Raised
    try:
        call: _Call = pipe.recv()
    except (EOFError, OSError):
        raise
    except Exception as error:
        answer = _Raised(_with_traceback(error))
        pipe.send(_Begun())
    else:
        pipe.send(_Begun())
        try:
            answer = _Returned(_make(call))
        except BaseException as error:
            answer = _Raised(_with_traceback(error))
    try:
        pipe.send(answer)
    except OSError:
        raise
    except Exception as error:
        pipe.send(_Raised(RuntimeError(f"the value of a call cannot be sent: {error}")))


def _make(call: _Call) -> Any:
    if call.slot is None:
        return call.function(*call.arguments)
    return job.run_job(call.slot, call.function, call.arguments)


def _with_traceback(error: BaseException) -> BaseException:
    """Add the traceback in this process to an error as a note, for the caller's log; return the error."""
    error.add_note("".join(traceback.format_exception(error)))
    return error

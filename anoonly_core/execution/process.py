"""One worker process at the other end of a pipe of its own: what dies with it is its own task, and no other's."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from anoonly_core.execution.job import JobProgress

__all__ = ["WorkerDied", "WorkerProcess", "context"]

MAX_STARTS = 3
END_S = 5.0

_starting = threading.Lock()  # multiprocessing keeps its books of one start at a time


class WorkerDied(Exception):
    """The process that did the work ended before it was done."""


class _NotBegun(WorkerDied):
    """The process ended before it took the call, which another may make."""


@dataclass(frozen=True)
class _Begun:
    """The process has taken the call, which must not be made again."""


@dataclass(frozen=True)
class _Returned:
    value: Any


@dataclass(frozen=True)
class _Raised:
    error: BaseException


@cache
def context() -> Any:
    """How processes are started: on Linux from one that has loaded torch already; macOS forks no loaded libraries."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["anoonly_core.execution.preload"])
    return forking


class WorkerProcess:
    """A process that makes one call at a time, started when it is needed and again where it has ended.

    Its calls come from one thread; kill and close may come from any. initializer: what each process begins with,
    called with a function that sends progress here, the flags and the environment.
    """

    def __init__(self, initializer: Callable[..., None], flags: Any, environment: Mapping[str, str]) -> None:
        self._beginning = (initializer, flags, dict(environment))
        self._process: Any = None
        self._pipe: Any = None
        self._closed = False

    @property
    def id(self) -> int | None:
        """The process's number while it lives."""
        process = self._process
        return process.pid if process is not None and process.is_alive() else None

    def start(self) -> None:
        """See to it that the process lives; raises WorkerDied where none can be started."""
        if self.id is not None:
            return
        self.end()
        try:
            with _starting:
                if self._closed:
                    raise WorkerDied("the worker processes were closed")
                self._pipe, far_end = context().Pipe()
                process = context().Process(target=_serve, args=(far_end, *self._beginning), daemon=True)
                process.start()
                self._process = process
                far_end.close()  # or the end of the process would not be the end of the pipe
        except (OSError, EOFError) as error:
            raise WorkerDied(f"no worker process could be started: {error}") from error

    def call(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], follow: Callable[[JobProgress], None]
    ) -> Any:
        """What the function returns there; raises what it raises, or WorkerDied; follow is told of its progress.

        A process that had died before it took the call is replaced: the call was not begun.
        """
        for _ in range(MAX_STARTS):
            self.start()
            try:
                answer = self._exchange((function, arguments), follow)
            except _NotBegun:
                continue
            if isinstance(answer, _Raised):
                raise answer.error
            return answer.value
        raise WorkerDied("the worker processes end before they begin")

    def kill(self) -> None:
        """End the process; its call under way raises WorkerDied, and the next has a new one."""
        process = self._process
        if process is not None and process.is_alive():
            process.kill()

    def close(self) -> None:
        """End the process for good."""
        with _starting:
            self._closed = True
        self.kill()

    def end(self) -> None:
        """End the process and see it gone, in the thread of its calls."""
        self.kill()
        if self._process is not None:
            self._process.join(END_S)
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None

    def _exchange(self, call: tuple[Any, ...], follow: Callable[[JobProgress], None]) -> _Returned | _Raised:
        try:
            self._pipe.send(call)  # what cannot be sent is not begun to be, and the process goes on
        except OSError as death:
            self.end()
            raise _NotBegun("the worker process ended before its call came") from death
        begun = False
        try:
            while True:
                message = self._pipe.recv()
                if isinstance(message, JobProgress):
                    follow(message)
                elif isinstance(message, _Begun):
                    begun = True
                else:
                    answer: _Returned | _Raised = message
                    return answer
        except (OSError, EOFError) as death:
            self.end()
            raise (WorkerDied if begun else _NotBegun)("the worker process ended before it was done") from death
        except BaseException:
            self.end()  # it was not understood, and the next call's answer must not be taken for this one's
            raise


def _serve(pipe: Any, initializer: Callable[..., None], flags: Any, environment: Mapping[str, str]) -> None:
    """What the process does: one call after the other, until nobody is at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        initializer(pipe.send, flags, environment)
        while True:
            _answer(pipe)
    except (EOFError, OSError):
        return


def _answer(pipe: Any) -> None:
    answer: _Returned | _Raised
    try:
        function, arguments = pipe.recv()
    except (EOFError, OSError):
        raise
    except Exception as error:
        answer = _Raised(_traced(error))
        pipe.send(_Begun())
    else:
        pipe.send(_Begun())
        try:
            answer = _Returned(function(*arguments))
        except BaseException as error:
            answer = _Raised(_traced(error))
    try:
        pipe.send(answer)
    except OSError:
        raise
    except Exception as error:
        pipe.send(_Raised(RuntimeError(f"what came of a call cannot be sent: {error}")))


def _traced(error: BaseException) -> BaseException:
    """The error with its traceback as a note, for the log of who asked."""
    error.add_note("".join(traceback.format_exception(error)))
    return error

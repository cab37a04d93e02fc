"""Processes that read raw rows: a hostile file may crash, hang or fill what decodes it, and costs its own row only."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

from anoonly_core.data.feature_files import LeftOut
from anoonly_core.errors import AnoOnlyError
from anoonly_core.features.source import RawRow, RawSource
from anoonly_core.machine import limit_address_space, memory, yield_memory

__all__ = ["DECODE_SECONDS", "Decoder"]

DECODE_SECONDS = 60.0  # for one answer; a row that takes longer alone is left out
START_SECONDS = 120.0  # on a busy machine
JOIN_SECONDS = 5.0
MIN_ROOM, MAX_ROOM = 2**29, 2**31  # bytes that decoding may take in a process

_starting = threading.Lock()  # multiprocessing supports one start at a time


class _Died(Exception):
    """The process ended, or was killed since it gave no answer; the text is a clause."""


class Decoder:
    """A process that reads rows of a source; it starts on demand, and starts again if it has died.

    Where the first process cannot start, as in a script without `if __name__ == "__main__"`, rows are read here.
    `start` and `read` belong to one thread, `close` may be called from any.

    Parameters
    ----------
    source
        Raw rows.
    preprocessing
        That of the encoder.
    seconds
        Time for one answer.
    """

    def __init__(self, source: RawSource, preprocessing: Mapping[str, object], seconds: float = DECODE_SECONDS) -> None:
        self._source, self._preprocessing, self._seconds = source, preprocessing, seconds
        self._process: Any = None
        self._pipe: Any = None  # of the process that started last
        self._is_ready = self._was_ready = self._closed = False

    @property
    def id(self) -> int | None:
        """Process id; None if the process does not run."""
        process = self._process
        return process.pid if process is not None and process.is_alive() else None

    def read(self, rows: Sequence[int]) -> list[RawRow | LeftOut]:
        """Read rows, given by index, as `RawSource.read` does; a row that kills its process is left out.

        Raises
        ------
        AnoOnlyError
            If no process can be started any more.
        """
        try:
            return self._ask(rows)
        except _Died as died:
            if self._closed:
                raise AnoOnlyError("Reading was stopped.") from died
            if len(rows) == 1:
                return [LeftOut(name=self._source.names[rows[0]], reason=str(died))]
            return [answer for row in rows for answer in self.read([row])]

    def start(self) -> None:
        """Start the process and return before it is ready; do nothing if it runs.

        Raises
        ------
        RuntimeError
            In a child process that imports the script which called this function; nothing may begin there.
        """
        if self.id is not None or self._closed:
            return
        current = multiprocessing.current_process()
        if current.daemon:  # a worker of the page; its own children end with it, since their pipes close
            current.daemon = False
        context = multiprocessing.get_context("spawn")
        with _starting:
            self._pipe, far_end = context.Pipe()
            arguments = (far_end, self._source, dict(self._preprocessing))
            self._process = context.Process(target=_serve, args=arguments, daemon=True)
            self._process.start()
            far_end.close()  # else the pipe would stay open when the process ends

    def close(self) -> None:
        """Kill the process; a `read` that waits for it raises AnoOnlyError."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
            self._process.join(JOIN_SECONDS)

    def _ask(self, rows: Sequence[int]) -> list[RawRow | LeftOut]:
        """Have the process read rows; raise _Died if it does not answer."""
        if not self._wake():
            return self._source.read(rows, self._preprocessing)
        try:
            self._pipe.send(list(rows))
            if not self._pipe.poll(self._seconds):
                raise self._end(f"decoding it takes longer than {self._seconds:g} s")
            answer = self._pipe.recv()
        except (OSError, EOFError) as error:
            raise self._end("decoding it crashes its process") from error
        if isinstance(answer, AnoOnlyError):
            raise answer
        if isinstance(answer, str):
            raise _Died(answer)
        answers: list[RawRow | LeftOut] = answer
        return answers

    def _wake(self) -> bool:
        """Start the process if it does not run, and wait until it answers; return False if none has ever started."""
        if self._is_ready:
            return True
        if self._closed:
            raise _Died("reading was stopped")
        try:
            self.start()
            self._is_ready = bool(self._pipe.poll(START_SECONDS) and self._pipe.recv())
        except (OSError, EOFError):
            self._is_ready = False
        if not self._is_ready and (self._was_ready or self._closed):
            raise AnoOnlyError("No process to decode with could be started: free memory or processes, then try again.")
        self._was_ready |= self._is_ready
        return self._is_ready

    def _end(self, reason: str) -> _Died:
        """Kill the process, close its pipe, and return the error that says why."""
        self._process.kill()
        self._process.join(JOIN_SECONDS)
        self._pipe.close()
        self._is_ready = False
        return _Died(reason)


def _serve(pipe: Connection, source: RawSource, preprocessing: dict[str, object]) -> None:
    """Answer requests for rows until the pipe closes; runs in the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield_memory()
    limit_address_space(max(MIN_ROOM, min(MAX_ROOM, memory() // 4)))
    try:
        pipe.send(True)
        while True:
            rows = pipe.recv()
            try:
                answer: Any = source.read(rows, preprocessing)
            except AnoOnlyError as error:  # such as a package that is missing: no row can be read
                answer = error
            except MemoryError:
                answer = "decoding it needs too much memory"
            except Exception as error:  # what no reader foresees; the rows are tried one by one
                answer = f"decoding it fails ({type(error).__name__})"
            pipe.send(answer)
    except (EOFError, OSError):
        return

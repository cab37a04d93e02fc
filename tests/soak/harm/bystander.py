"""Measurements during an attack: another visitor's waits for Compare, and the memory of the server's processes."""

from __future__ import annotations

import mmap
import multiprocessing
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from websockets.exceptions import WebSocketException

from tests.browser.server import Server
from tests.soak.session import Late
from tests.soak.visitor import Visitor

__all__ = ["Bystander", "Peaks"]

PAUSE_S = 1.0
TICK_S = 0.1
PATIENCE_S = 60.0
START_S = 120.0
FIGURES = "· chance "  # on each tile of the Compare page


class Bystander:
    """Sessions that open Compare with its shipped results, one after the other, until `stop`.

    They run in a process of their own: the attacker keeps this one busy. waits_s: seconds from opening each until its
    figures. errors: sessions that got none.
    """

    def __init__(self, server: Server) -> None:
        context = multiprocessing.get_context("spawn")
        self.waits_s: list[float] = []
        self.errors: list[str] = []
        self._stopped, self._outcomes = context.Event(), context.Queue()
        self._process = context.Process(target=_visit, args=(server.port, self._stopped, self._outcomes))
        self._process.start()
        assert self._outcomes.get(timeout=START_S) == "ready"

    def stop(self) -> None:
        """Finish the current visit, of which there is one at least."""
        self._stopped.set()
        while (outcome := self._outcomes.get(timeout=2 * PATIENCE_S)) is not None:
            seconds, errors = outcome
            self.waits_s.append(seconds)
            self.errors += errors
        self._process.join()


def _visit(port: int, stopped: Any, outcomes: Any) -> None:
    """Put the seconds and the errors of each visit into a queue; None after the last."""
    outcomes.put("ready")
    while True:
        begun, errors = time.monotonic(), []
        visitor = None
        try:
            visitor = Visitor(port, PATIENCE_S)
            visitor.open("compare")
            visitor.wait(lambda visitor=visitor: FIGURES in visitor.text, "the figures")
        except (Late, OSError, WebSocketException) as error:
            errors.append(f"another visitor: {type(error).__name__}: {error}")
        seconds = time.monotonic() - begun
        if visitor is not None:
            errors += visitor.broken
            visitor.close()
        outcomes.put((seconds, errors))
        if stopped.wait(PAUSE_S):
            outcomes.put(None)
            return


class Peaks:
    """The largest resident memory of the server and of any of its workers in MB, sampled ten times a second."""

    def __init__(self, server: Server) -> None:
        self.server_mb = self.worker_mb = 0.0
        self._server = server
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="peaks")
        self._thread.start()

    def stop(self) -> None:
        """Stop sampling."""
        self._stopped.set()
        self._thread.join()

    def _follow(self) -> None:
        processes: set[int] = set()
        ticks = 0
        while not self._stopped.wait(TICK_S):
            if ticks % 5 == 0:  # the list of all processes costs more than their memory
                processes = self._server.processes()
            ticks += 1
            for process in processes:
                size = _resident_mb(process)
                if process == self._server.process.pid:
                    self.server_mb = max(self.server_mb, size)
                else:
                    self.worker_mb = max(self.worker_mb, size)


def _resident_mb(process: int) -> float:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * mmap.PAGESIZE / 2**20
    return 0.0

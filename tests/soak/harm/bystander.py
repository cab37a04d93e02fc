"""What others get meanwhile: a visitor who opens Compare again and again, and the memory of the server's processes."""

from __future__ import annotations

import mmap
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.browser.server import Server
from tests.soak.session import Late
from tests.soak.visitor import Visitor

__all__ = ["Bystander", "Peaks"]

PAUSE_S = 1.0
TICK_S = 0.1
PATIENCE_S = 60.0
FIGURES = "· chance "  # on each tile of the Compare page


class Bystander:
    """Sessions that open Compare with its shipped results, one after the other, in a thread until `stop`.

    waits_s: seconds from opening each until its figures. errors: sessions that got none.
    """

    def __init__(self, server: Server) -> None:
        self.waits_s: list[float] = []
        self.errors: list[str] = []
        self._server = server
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._visit, name="bystander")
        self._thread.start()

    def stop(self) -> None:
        """Finish the current visit, of which there is one at least."""
        self._stopped.set()
        self._thread.join()

    def _visit(self) -> None:
        while not self.waits_s or not self._stopped.wait(PAUSE_S):
            begun = time.monotonic()
            try:
                with Visitor(self._server.port, PATIENCE_S) as visitor:
                    visitor.open("compare")
                    visitor.wait(lambda visitor=visitor: FIGURES in visitor.text, "the figures")
                    self.errors += visitor.broken
            except (Late, OSError) as error:
                self.errors.append(f"another visitor: {type(error).__name__}: {error}")
                if self._stopped.is_set():
                    return
            self.waits_s.append(time.monotonic() - begun)


class Peaks:
    """The largest resident memory of the server and of any of its workers in MB, looked at ten times a second."""

    def __init__(self, server: Server) -> None:
        self.server_mb = self.worker_mb = 0.0
        self._server = server
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="peaks")
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
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

"""Monitoring of a server: memory, log, and the number of trainings of each run."""

from __future__ import annotations

import os
import sqlite3
import statistics
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

from anoonly_core.results.store import FILE_NAME, Store
from tests.browser.server import Server

__all__ = ["IDLE_S", "Memory", "count_trainings", "cpu_seconds", "errors_in_log", "trainings", "wait_until_settled"]

TICK_S = 1.0
AROUND_S = 15.0
IDLE_S = 20.0  # longer than the pause before a process warms up
SETTLING_S = 180.0
IDLE_SHARE = 0.1  # of a core
ALARMS = ("Traceback", "ERROR", "CRITICAL")


class Memory:
    """Memory of a server and its workers in MB, shared pages counted once, measured each second until `stop`.

    taken: pairs of seconds since the start and memory by process.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.taken: list[tuple[float, dict[int, float]]] = []
        self._begun = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def at(self, second: float) -> float:
        """Return the total, as the median around a second since the start, or before the end if negative."""
        return statistics.median_high(sum(sizes.values()) for sizes in self._near(second))

    def by_process(self, second: float) -> list[float]:
        """Return the memory of the server, then of its workers from largest to smallest; medians as in `at`."""
        near = self._near(second)
        own = {
            process: statistics.median_high(sizes.get(process, 0.0) for sizes in near)
            for process in {process for sizes in near for process in sizes}
        }
        return [own.pop(self.server.process.pid, 0.0), *sorted(own.values(), reverse=True)]

    def _near(self, second: float) -> list[dict[int, float]]:
        if second < 0:
            second += self.taken[-1][0]
        return [sizes for when, sizes in self.taken if abs(when - second) <= AROUND_S]

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stopped.wait(TICK_S):
            sizes = {process: _megabytes(process) for process in self.server.processes()}
            self.taken.append((time.monotonic() - self._begun, sizes))


def _megabytes(process: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def wait_until_settled(server: Server, idle_s: float = IDLE_S) -> None:
    """Wait until the server and its workers were idle for this many seconds; by default they have warmed up too."""
    deadline = time.monotonic() + SETTLING_S
    used = sum(cpu_seconds(server))
    while time.monotonic() < deadline:
        time.sleep(idle_s)
        before, used = used, sum(cpu_seconds(server))
        if used - before < IDLE_SHARE * idle_s:
            return
    raise RuntimeError(f"the server does not come to rest within {SETTLING_S:.0f} s")


def cpu_seconds(server: Server) -> tuple[float, float]:
    """Return the CPU time in seconds of the server, and that of all its workers that live."""
    ticks = {True: 0, False: 0}
    for process in server.processes():
        with suppress(OSError):
            after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks[process == server.process.pid] += int(after_name[11]) + int(after_name[12])
    hertz = os.sysconf("SC_CLK_TCK")
    return ticks[True] / hertz, ticks[False] / hertz


def count_trainings(cache: Path) -> None:
    """Make the store in this folder record each run that is written from now on."""
    store = Store(cache / FILE_NAME)
    store.put_sweep("", "{}")  # makes the file
    store.delete([""])
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("CREATE TABLE put (key TEXT)")
        connection.execute(
            "CREATE TRIGGER note AFTER INSERT ON entries WHEN NEW.kind = 'run' BEGIN"
            " INSERT INTO put VALUES (NEW.key); END"
        )
        connection.commit()


def trainings(cache: Path) -> Counter[str]:
    """Return how often each run was trained since `count_trainings`, by key."""
    with closing(sqlite3.connect(cache / FILE_NAME, timeout=30)) as connection:
        return Counter(key for (key,) in connection.execute("SELECT key FROM put"))


def errors_in_log(server: Server) -> list[str]:
    """Return the lines of the server log that report errors."""
    lines = server.log.read_text(errors="replace").splitlines()
    return [line for line in lines if any(alarm in line for alarm in ALARMS)]

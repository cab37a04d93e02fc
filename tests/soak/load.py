"""Load test: many sessions on one server, each moving controls; waiting times and errors."""

from __future__ import annotations

import io
import random
import re
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from tests.browser.server import Server
from tests.soak.browsing import Browsing
from tests.soak.session import Late
from tests.soak.visitor import Visitor
from tests.soak.watch import Memory, count_trainings, cpu_seconds, errors_in_log, trainings, wait_until_settled

__all__ = ["FEWEST", "LoadReport", "put_under_load", "warm_up"]

LOOK_S = 0.25
PAUSE_S = (2.0, 6.0)  # after each action, shortest and longest
FEWEST = 3  # actions of each session, however slow the machine
PROJECTING = "Computing the projection"
WAITING = re.compile(r"Waiting: \d+ jobs? of others come")
# Half of the movements use a few settings, which are soon cached; the others use new ones.
SHARED = {"lambda_n": ("1", "0.1", "0"), "batch_size": ("published", "128"), "baseline": ("DeepSAD", "DevNet")}
PAGES = (
    *["compare"] * 4,
    "",
    "microscope",
    "why",
    "lessons",
    "runs",
    "datasets",
    "reproduce",
    "sweep",
    "weak-supervision",
)


@dataclass
class LoadReport:
    """Measurements of a load test. Times are in seconds, memory in MB."""

    sessions: int
    browsers: int
    seconds: float
    movements: int = 0
    shell: list[float] = field(default_factory=list)
    figures: list[float] = field(default_factory=list)
    figures_in_browsers: list[float] = field(default_factory=list)
    waited_in_queue: int = 0
    downloads: int = 0
    trained: int = 0
    trained_twice: list[str] = field(default_factory=list)
    saw_another_s: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory_after_a_minute: float = 0.0
    memory_at_the_end: float = 0.0
    memory_by_process: tuple[list[float], list[float]] = ([], [])
    cpu_of_server: float = 0.0
    cpu_of_workers: float = 0.0

    @property
    def shell_p95(self) -> float:
        return statistics.quantiles(self.shell, n=20)[-1]

    @property
    def memory_ratio(self) -> float:
        return self.memory_at_the_end / self.memory_after_a_minute


def warm_up(server: Server) -> None:
    """Let every process load its modules, as a first visit does."""
    visitors = [Visitor(server.port) for _ in range(3)]
    for number, visitor in enumerate(visitors):  # at once and without shipped results, so that every projector works
        visitor.open("compare", {"seeds": "1", "seed": str(4321 + number), "epochs": "5", "projection": "UMAP"})
    for visitor in visitors:
        visitor.wait_until_idle()
        visitor.wait(partial(_has_maps, visitor), "the maps by UMAP")
        visitor.close()
    wait_until_settled(server)


def _has_maps(visitor: Visitor) -> bool:
    return PROJECTING not in visitor.text


def put_under_load(
    server: Server,
    cache: Path,
    sessions: int = 20,
    seconds: float = 300.0,
    browsers: int = 2,
    pause_s: tuple[float, float] = PAUSE_S,
) -> LoadReport:
    """Let sessions work on a server, each moving a control every few seconds.

    browsers: number of sessions in a real browser. The others use a WebSocket, and each does at least FEWEST actions.
    pause_s: shortest and longest pause after an action.
    """
    count_trainings(cache)
    report, lock = LoadReport(sessions, browsers, seconds), threading.Lock()
    browsing = Browsing(server, browsers)
    memory = Memory(server)
    before = cpu_seconds(server)
    deadline = time.monotonic() + seconds

    def work(number: int) -> None:
        session = _LoadSession(number, server.port, sessions, pause_s)
        try:
            done = 0
            while time.monotonic() < deadline or done < FEWEST:
                session.do_something()
                done += 1
        except (Late, OSError) as error:
            session.errors.append(f"session {number}: {type(error).__name__}: {error}")
        finally:
            session.visitor.close()
            with lock:
                session.add_to(report)

    threads = [
        threading.Thread(target=work, args=(number,), name=f"session {number}") for number in range(sessions - browsers)
    ]
    for thread in threads:
        thread.start()
        time.sleep(min(0.5, seconds / 10 / sessions))
    for thread in threads:
        thread.join()
    memory.stop()
    browsing.stop()
    after = cpu_seconds(server)
    report.cpu_of_server, report.cpu_of_workers = after[0] - before[0], after[1] - before[1]
    report.figures_in_browsers += browsing.figures
    report.errors += browsing.errors
    minute, end = min(60.0, seconds / 2), -15.0
    report.memory_after_a_minute, report.memory_at_the_end = memory.at(minute), memory.at(end)
    report.memory_by_process = memory.by_process(minute), memory.by_process(end)
    counted = trainings(cache)
    report.trained = len(counted)
    report.trained_twice = [key for key, times in counted.items() if times > 1]
    report.errors += errors_in_log(server)
    return report


class _LoadSession:
    """A session with an uploaded table that opens pages and moves controls."""

    def __init__(self, number: int, port: int, sessions: int, pause_s: tuple[float, float]) -> None:
        self.number, self.pause_s = number, pause_s
        self.random = random.Random(number)
        self.visitor = Visitor(port)
        self.others = [_mark(other).encode() for other in range(sessions) if other != number]
        self.movements = self.waited = self.downloads = 0
        self.shell: list[float] = []
        self.figures: list[float] = []
        self.saw: list[str] = []
        self.errors: list[str] = []
        self.at: str | None = None
        self.brought = False

    def do_something(self) -> None:
        """Do one action, wait for the answer, then pause."""
        if self.at is None or self.random.random() < 0.1:
            self._go(self.random.choice(PAGES))
        elif self.at == "compare" and not self.brought and self.random.random() < 0.15:
            self._upload_table()
        elif self.at == "compare" and self.random.random() < 0.1:
            self._download()
        elif self.at == "compare":
            self._move()
        else:
            self._go("compare")
        time.sleep(self.random.uniform(*self.pause_s))

    def add_to(self, report: LoadReport) -> None:
        report.movements += self.movements
        report.shell += self.shell
        report.figures += self.figures
        report.waited_in_queue += self.waited
        report.downloads += self.downloads
        report.saw_another_s += self.saw
        report.errors += self.errors + [f"session {self.number}: {broken}" for broken in self.visitor.broken]

    def _go(self, path: str) -> None:
        self.at = path
        self._timed(lambda: self.visitor.go(path, {"seeds": "2"} if path == "compare" else ""))

    def _move(self) -> None:
        if self.random.random() < 0.5:
            key = self.random.choice(list(SHARED))
            value = self.random.choice(SHARED[key])
            self._timed(lambda: self.visitor.move(key, value))
        else:
            new = {"seeds": "2", "seed": str(self.random.randrange(10**6)), "epochs": "20"}
            self._timed(lambda: self.visitor.open("compare", new))

    def _upload_table(self) -> None:
        self.brought = True
        self._timed(lambda: self.visitor.go("your-table"))
        self._timed(lambda: self.visitor.upload("own_upload_0", f"{_mark(self.number)}.csv", _table(self.number)))
        self.visitor.wait_for(_mark(self.number))
        self._timed(lambda: self.visitor.move("Compare"))
        self.at = "compare"

    def _download(self) -> None:
        """Download a file that is made on the click."""
        self._timed(lambda: self.visitor.open("compare", {"seeds": "2", "tab": "export"}))
        try:
            table = self.visitor.download("Download scores")
        except OSError as error:
            self.errors.append(f"session {self.number}: a download was lost: {error}")
        else:
            self.downloads += table.startswith(b"row,")

    def _timed(self, act: Callable[[], None]) -> None:
        """Do an action and time it; raise Late if the page is not complete in time."""
        act()
        self.movements += 1
        self.visitor.wait(lambda: self.visitor.idle or self.visitor.answered_s > 0, "the page's shell")
        self.shell.append(self.visitor.answered_s)
        waited = False
        while not self.visitor.idle:
            waited = waited or bool(WAITING.search(self.visitor.text))
            if self.visitor.drawn_for > self.visitor.patience_s:
                raise Late(f"nothing was drawn of {self.visitor.query}")
            time.sleep(LOOK_S)
        self.waited += waited
        self.figures.append(self.visitor.drawn_s)
        page = self.visitor.raw
        self.saw += [f"session {self.number} saw {mark.decode()}" for mark in self.others if mark in page]


def _mark(number: int) -> str:
    return f"secret{number:03d}of"


def _table(number: int) -> bytes:
    """Return a CSV of 240 rows whose column names have the mark of this session."""
    draw = np.random.default_rng(number)
    y = np.arange(240) % 12 == 0
    columns = {f"{_mark(number)}{name}": draw.normal(size=240) + 3 * y for name in "abcd"}
    buffer = io.StringIO()
    pd.DataFrame({**columns, "label": y.astype(int)}).to_csv(buffer, index=False)
    return buffer.getvalue().encode()

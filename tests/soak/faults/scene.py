"""The scene of a fault test: a cache with runs, servers and commands on it, and the observations."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from anoonly_core.results.store import FILE_NAME
from tests.browser.server import ROOT, UNWARMED, Server
from tests.soak.session import Late
from tests.soak.visitor import Visitor
from tests.soak.watch import errors_in_log

__all__ = [
    "SMALL",
    "STOCK",
    "STORED",
    "Scene",
    "Seen",
    "Untried",
    "command",
    "entries",
    "entry_hash",
    "make_stock",
    "new_seed",
    "only_busy",
    "reading",
    "wait_until",
]

FIGURES = "· chance "  # on each tile of the Compare page
ESCAPED = re.compile(r"\\([^a-zA-Z0-9\s])")
SMALL = {"dataset": "breast_cancer", "epochs": "5", "seeds": "1"}
STORED = 24  # enough to fill several pages of the file
COLUMNS = "key, kind, config, summary, pinned, digest, body"
STOCK = ("--dataset", SMALL["dataset"], "--epochs", SMALL["epochs"], "--seeds", str(STORED))
_seeds = itertools.count(random.randrange(10**4, 9 * 10**5))


class Untried(Exception):
    """This machine lacks something that the fault needs."""


@dataclass(frozen=True)
class Seen:
    """Visible result of a run: figures or not, and sentences about problems."""

    figures: bool
    sentences: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join(["finished"] * self.figures + [f"“{sentence}”" for sentence in self.sentences]) or "nothing"


class Scene:
    """The folder of one fault test, with its observations.

    environment: variables for servers and commands. wrong: failures of the test. seen: observations in words.
    works: True if the next runs finished and were stored.
    """

    def __init__(self, folder: Path, stock: Path) -> None:
        self.folder, self.stock = folder, stock
        self.cache = folder / "cache"
        self.cache.mkdir()
        self.environment: dict[str, str] = {}
        self.before: dict[str, bytes] = {}
        self.wrong: list[str] = []
        self.seen: list[str] = []
        self.works: bool | None = None
        self._logs = itertools.count(1)

    @property
    def store(self) -> Path:
        return self.cache / FILE_NAME

    def fill(self) -> None:
        """Copy the stock of runs into the cache and note its entries."""
        shutil.copy(self.stock / FILE_NAME, self.store)
        self.note()

    def note(self) -> None:
        """Note all entries stored now; they must be unchanged at the end."""
        self.before |= entries(self.store)

    def kept(self) -> int:
        """Return the number of noted entries that are equal to the byte."""
        now = entries(self.store)
        return sum(now.get(key) == content for key, content in self.before.items())

    # -- the page

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """Run a server on the cache; errors in its log are failures.

        It runs no UMAP beforehand: in time only the process that trains is busy.
        """
        log = self.folder / f"{next(self._logs)}.log"
        server = Server(self.cache, log=log, environment=self.environment, command=UNWARMED)
        try:
            server.wait_until_healthy()
            yield server
        finally:
            server.stop()
            self.wrong += errors_in_log(server)

    @contextmanager
    def visiting(self, server: Server) -> Iterator[Visitor]:
        """Connect a visitor to the server; a traceback or a lost connection is a failure."""
        visitor = Visitor(server.port)
        try:
            yield visitor
        finally:
            visitor.close()
            self.wrong += visitor.broken

    def look(self, visitor: Visitor, path: str = "", **settings: str) -> Seen:
        """Open a page, by default Compare with a small run, and return its visible result."""
        wanted = {**SMALL, **settings} if path == "" else {}
        visitor.open(path or "compare", wanted)
        seen = self.take_in(visitor)
        if lost := wanted.items() - visitor.query.items() - {("seed", "0")}:
            self.wrong.append(f"the page did not take in {lost}")
        return seen

    def take_in(self, visitor: Visitor) -> Seen:
        """Wait until the page is complete and return its visible result."""
        visitor.wait_until_idle()
        text = visitor.text
        self._judge(text)
        return Seen(FIGURES in text, tuple(ESCAPED.sub(r"\1", alert) for alert in visitor.alerts))

    def train(self, visitor: Visitor, **settings: str) -> Seen:
        """Train a small run with a new seed on Compare."""
        return self.look(visitor, seed=new_seed(), **settings)

    # -- the command line

    def run(self, *arguments: str) -> Seen:
        """Train with `python -m anoonly_core run`, by default a small run with a new seed."""
        small = ("--dataset", SMALL["dataset"], "--epochs", SMALL["epochs"], "--seed", new_seed())
        done = command(self.cache, self.environment, "run", *(arguments or small))
        self._judge(done.stderr)
        if done.returncode not in (0, 2):
            self.wrong.append(f"the command ended with {done.returncode}: {done.stderr[-300:]}")
        return Seen(done.returncode == 0 and "aucroc" in done.stdout, tuple(done.stderr.splitlines()))

    # -- the verdict

    def expect(self, seen: Seen, figures: bool, *words: str, most: int = 1) -> None:
        """Check a visible result: figures or none, and at most `most` sentences with these words, or none."""
        self.seen.append(str(seen))
        said = len(set(seen.sentences))
        fits = bool(words) <= said <= most * bool(words) and all(word in str(seen) for word in words)
        if seen.figures != figures or not fits:
            self.wrong.append(
                f"seen {seen} in place of {'figures' if figures else 'no figures'} and {words or 'no word'}"
            )

    def go_on(self, *seen: Seen) -> None:
        """Check that the next runs finished without a message and were stored."""
        now = entries(self.store)
        self.works = all(one == Seen(True) for one in seen) and len(now.keys() - self.before.keys()) >= len(seen)
        if not self.works:
            self.wrong.append(f"the next runs: {', '.join(map(str, seen))}; {len(now)} entries are kept")

    def _judge(self, text: str) -> None:
        if "Traceback" in text:
            self.wrong.append(f"a traceback: {text[text.index('Traceback') :][:300]}")


def new_seed() -> str:
    """Return a seed that no run has used."""
    return str(next(_seeds))


def command(
    cache: Path, environment: dict[str, str], *arguments: str, module: str = "anoonly_core"
) -> subprocess.CompletedProcess[str]:
    """Run one command in a separate process."""
    told = {**os.environ, "ANOONLY_CACHE": str(cache), "OMP_NUM_THREADS": "1", **environment}
    told.pop("ANOONLY_DATA", None)
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, env=told, capture_output=True, text=True, check=False
    )


def make_stock(folder: Path) -> None:
    """Train the runs that each scene starts with."""
    done = command(folder, {}, "run", *STOCK)
    if done.returncode:
        raise RuntimeError(done.stderr)


def entries(store: Path) -> dict[str, bytes]:
    """Return a hash of each entry by key, read with plain SQL; raise sqlite3.Error if the file is damaged."""
    if not store.exists():
        return {}
    with reading(store) as connection:
        (state,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if state != "ok":
            raise sqlite3.DatabaseError(state)
        keys = [key for (key,) in connection.execute("SELECT key FROM entries")]
        return {key: entry_hash(connection, key) for key in keys}


@contextmanager
def reading(store: Path) -> Iterator[sqlite3.Connection]:
    """Open a connection that also reads texts with invalid UTF-8."""
    with closing(sqlite3.connect(store, timeout=30)) as connection:
        connection.text_factory = lambda raw: raw.decode(errors="replace")
        yield connection


def entry_hash(connection: sqlite3.Connection, key: str) -> bytes:
    """Return the current hash of one entry."""
    row = connection.execute(f"SELECT {COLUMNS} FROM entries WHERE key = ?", (key,)).fetchone()
    return hashlib.sha256(repr(row).encode()).digest()


def only_busy(processes: set[int], within_s: float = 0.5) -> int:
    """Return the one process that uses CPU time; wait until all others rest."""
    found: list[int] = []

    def is_alone() -> bool:
        before = {process: _ticks(process) for process in processes}
        time.sleep(within_s)
        found[:] = [process for process in processes if _ticks(process) > before[process]]
        return len(found) == 1

    wait_until(is_alone, "a moment in which one process works alone", patience_s=60.0)
    return found[0]


def _ticks(process: int) -> int:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def wait_until(condition: Callable[[], object], what: str, patience_s: float = 30.0) -> None:
    """Wait until a condition holds; raise Late after `patience_s` seconds."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise Late(f"{what} did not come within {patience_s:.0f} s")
        time.sleep(0.05)

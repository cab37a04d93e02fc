"""Finished runs, projections and sweeps, kept by key in one SQLite file of bounded size.

Whatever is wrong with what is stored, a damaged row, a foreign one, a file that is no database,
it counts as absent and is computed again; a good row is never lost to a bad one. Where the file
would outgrow its bound, the oldest rows go first, and those that are pinned never.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import time
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.data.adbench import cache_folder
from anoonly_core.errors import AnoOnlyError, StoreUnavailable
from anoonly_core.result import RunResult, from_bytes, to_bytes

__all__ = ["Store", "StoredRun", "default_store"]

T = TypeVar("T")

# A store of another layout has another name, so that versions of the code never share a file.
FILE_NAME = "runs-2.sqlite"
BUSY_S = 15.0
MOST_MB = 2048  # about 15 000 runs; ANOONLY_STORE_MB sets another bound
ASKED_AT_ONCE = 500  # keys in one query; SQLite takes no more than about 1000
PARTS = ("metrics", "seconds", "counts", "batches")  # of what is known; an earlier version kept no batches
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    OSError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    AnoOnlyError,
)

SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS entries (
        key TEXT PRIMARY KEY, kind TEXT NOT NULL, config TEXT NOT NULL, summary TEXT NOT NULL,
        created REAL NOT NULL, pinned INTEGER NOT NULL, bytes INTEGER NOT NULL,
        digest BLOB NOT NULL, body BLOB NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS by_age ON entries (pinned, created, bytes)",
)


@dataclass(frozen=True)
class StoredRun:
    """What can be known of a stored run without reading its scores.

    config: its settings by name, as they were when it was stored. metrics, seconds, counts, batches: see
    RunResult. created: seconds since 1970. bytes: what it takes in the store.
    """

    key: str
    config: dict[str, Any]
    device: str
    metrics: dict[str, float]
    seconds: dict[str, float]
    counts: dict[str, int]
    created: float
    pinned: bool
    bytes: int
    batches: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, result: RunResult) -> StoredRun:
        """The same of a run that has just finished, stored or not."""
        known = {**result.summary(), "batches": result.batches()}
        parts = {name: known[name] for name in PARTS}
        return cls(result.key, known["config"], result.device, **parts, created=time.time(), pinned=False, bytes=0)


class Store:
    """Results by key. Each call opens its own connection, so any thread or process may share a store.

    most_bytes: where all bodies together would exceed it, the oldest entries that are not pinned go.
    """

    def __init__(self, path: Path, most_bytes: int = MOST_MB * 2**20) -> None:
        self.path = path
        self.most_bytes = most_bytes

    def get(self, key: str) -> RunResult | None:
        """The stored run with this key, or None if there is none that can be used."""
        result = self._read(key, "run", from_bytes)
        return result if result is not None and result.key == key else None

    def put(self, result: RunResult) -> None:
        """Keep a run; raises StoreUnavailable where the file cannot be written."""
        summary = {name: value for name, value in result.summary().items() if name != "config"}
        summary |= {"device": result.device, "batches": result.batches()}
        self._write(result.key, "run", result.config.canonical(), json.dumps(summary), to_bytes(result))

    def get_arrays(self, key: str, kind: str) -> dict[str, np.ndarray] | None:
        """Stored arrays of this kind by name, or None: a projection, or what another experiment came to."""
        return self._read(key, kind, _arrays)

    def put_arrays(self, key: str, kind: str, arrays: Mapping[str, np.ndarray], config: str = "{}") -> None:
        """Keep arrays by name, with what they were made from as JSON; raises StoreUnavailable."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        self._write(key, kind, config, "{}", buffer.getvalue())

    def put_sweep(self, key: str, description: str) -> None:
        """Keep a sweep's description, JSON; raises StoreUnavailable where the file cannot be written."""
        self._write(key, "sweep", description, "{}", b"")

    def sweeps(self) -> list[str]:
        """The descriptions of the kept sweeps, the latest first."""
        rows = self._query("SELECT config FROM entries WHERE kind = 'sweep' ORDER BY created DESC", ())
        return [row[0] for row in rows if isinstance(row[0], str)]

    def runs(self, keys: Collection[str] | None = None) -> dict[str, StoredRun]:
        """What is known of the stored runs with these keys, or of all, by key; the latest first."""
        columns = "SELECT key, config, summary, created, pinned, bytes FROM entries WHERE kind = 'run'"
        if keys is None:
            rows = self._query(f"{columns} ORDER BY created DESC", ())
        else:
            rows = [
                row for some, part in _in_parts(keys) for row in self._query(f"{columns} AND key IN ({some})", part)
            ]
        return {run.key: run for row in rows if (run := _stored_run(row)) is not None}

    def pin(self, keys: Collection[str], pinned: bool = True) -> None:
        """Keep these entries whatever the store's size is, or no longer so; raises StoreUnavailable."""
        self._change("UPDATE entries SET pinned = ? WHERE key IN ({})", keys, int(pinned))

    def delete(self, keys: Collection[str]) -> None:
        """Drop these entries, pinned or not; raises StoreUnavailable."""
        self._change("DELETE FROM entries WHERE key IN ({})", keys)

    def forget(self, dataset: str) -> None:
        """Drop all that was made of a data set, pinned or not; raises StoreUnavailable."""
        self._change("DELETE FROM entries WHERE instr(config, {}) > 0", [json.dumps(dataset)])

    def keys(self) -> set[str]:
        """The keys of all that is kept, of whatever kind; read from an index, without the entries."""
        return {row[0] for row in self._query("SELECT key FROM entries", ())}

    def size(self) -> int:
        """Bytes of all that is kept."""
        rows = self._query("SELECT SUM(bytes) FROM entries", ())
        return int(rows[0][0] or 0) if rows else 0

    def _query(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            with self._connection() as connection:
                return connection.execute(query, values).fetchall()
        except (sqlite3.Error, OSError):
            return []

    def _change(self, statement: str, keys: Collection[str], *values: object) -> None:
        try:
            with self._connection() as connection:
                for some, part in _in_parts(keys):
                    connection.execute(statement.format(some), (*values, *part))
                connection.commit()
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"The runs kept in {self.path} could not be changed ({error}).") from error

    def _read(self, key: str, kind: str, decode: Callable[[bytes], T]) -> T | None:
        try:
            with self._connection() as connection:
                query = "SELECT digest, body FROM entries WHERE key = ? AND kind = ?"
                row = connection.execute(query, (key, kind)).fetchone()
        except (sqlite3.Error, OSError):
            return None
        if row is None or not isinstance(row[1], bytes) or hashlib.sha256(row[1]).digest() != row[0]:
            return None
        try:
            return decode(row[1])
        except UNREADABLE:
            return None

    def _write(self, key: str, kind: str, config: str, summary: str, body: bytes) -> None:
        size = len(config) + len(summary) + len(body)
        row = (key, kind, config, summary, time.time(), key, size, hashlib.sha256(body).digest(), body)
        try:
            if not (self._insert(row) or self._mend_and_insert(row)):
                raise sqlite3.DatabaseError("a fresh file was damaged at once")
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(
                f"The run could not be kept in {self.path} ({error}): "
                "make room or give access there, or set ANOONLY_CACHE to another folder."
            ) from error

    def _insert(self, row: tuple[object, ...]) -> bool:
        """Whether the row could be written; False where the file is not a sound database."""
        try:
            with self._connection() as connection:
                pinned = "COALESCE((SELECT pinned FROM entries WHERE key = ?), 0)"
                connection.execute(f"INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, {pinned}, ?, ?, ?)", row)
                self._make_room(connection, str(row[0]))
                connection.commit()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            return False
        return True

    def _make_room(self, connection: sqlite3.Connection, newest: str) -> None:
        """Drop the oldest entries until the rest fits, and a tenth more, so that this is seldom."""
        (total,) = connection.execute("SELECT SUM(bytes) FROM entries").fetchone()
        if total <= self.most_bytes:
            return
        aged = connection.execute("SELECT key, bytes FROM entries WHERE pinned = 0 ORDER BY created").fetchall()
        for key, size in aged:
            if total <= 0.9 * self.most_bytes:
                break
            if key != newest:
                connection.execute("DELETE FROM entries WHERE key = ?", (key,))
                total -= size

    def _mend_and_insert(self, row: tuple[object, ...]) -> bool:
        """Insert into a fresh file; the old one is set aside, unless another process has done so just now."""
        with self._alone():
            if self._insert(row):
                return True
            self._set_aside()
            return self._insert(row)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from mending at the same time, by a lock that dies with its holder."""
        lock = self.path.with_name(f"{self.path.name}.lock")
        with closing(sqlite3.connect(lock, timeout=BUSY_S, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield

    def _set_aside(self) -> None:
        """Rename a file that is no sound database, so that whatever it holds is not overwritten.

        SQLite has by then used up or discarded a journal beside it, so none can fall on the fresh file.
        """
        self.path.replace(self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}"))

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=BUSY_S)) as connection:
            if connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone() == (0,):
                connection.execute("PRAGMA auto_vacuum = FULL")  # what is dropped makes the file smaller
                for statement in SCHEMA:
                    connection.execute(statement)
            yield connection


def default_store() -> Store:
    """The store in the user's cache folder; ANOONLY_STORE_MB bounds it."""
    wanted = os.environ.get("ANOONLY_STORE_MB", "")
    most = int(wanted) if wanted.isdecimal() and int(wanted) > 0 else MOST_MB
    return Store(cache_folder() / FILE_NAME, most * 2**20)


def _in_parts(keys: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Keys for `IN (…)`, with its question marks, a part at a time."""
    wanted = list(keys)
    for begin in range(0, len(wanted), ASKED_AT_ONCE):
        part = wanted[begin : begin + ASKED_AT_ONCE]
        yield ",".join("?" * len(part)), part


def _stored_run(row: tuple[Any, ...]) -> StoredRun | None:
    """A row as a StoredRun, or None where it is none."""
    key, config, summary, created, pinned, size = row
    try:
        settings, known = dict(json.loads(config)), {"batches": {}, **json.loads(summary)}
        if settings.keys() != RunConfig.model_fields.keys():
            return None
        parts, device = {name: dict(known[name]) for name in PARTS}, str(known["device"])
        return StoredRun(key, settings, device, **parts, created=created, pinned=bool(pinned), bytes=size)
    except UNREADABLE:
        return None


def _arrays(body: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}

"""Finished runs and projections, kept by key in one SQLite file.

Whatever is wrong with what is stored, a damaged row, a foreign one, a file that is no database,
it counts as absent and is computed again; a good row is never lost to a bad one.
"""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

from anoonly_core.data.adbench import cache_folder
from anoonly_core.errors import AnoOnlyError, StoreUnavailable
from anoonly_core.result import RunResult, from_bytes, to_bytes

__all__ = ["Store", "default_store"]

T = TypeVar("T")

# A store of another layout has another name, so that versions of the code never share a file.
FILE_NAME = "runs-1.sqlite"
BUSY_S = 15.0
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

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, config TEXT NOT NULL, created REAL NOT NULL,
    digest BLOB NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID
"""


class Store:
    """Results by key. Each call opens its own connection, so any thread or process may share a store."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, key: str) -> RunResult | None:
        """The stored run with this key, or None if there is none that can be used."""
        result = self._read(key, "run", from_bytes)
        return result if result is not None and result.key == key else None

    def put(self, result: RunResult) -> None:
        """Keep a run; raises StoreUnavailable where the file cannot be written."""
        self._write(result.key, "run", result.config.canonical(), to_bytes(result))

    def get_points(self, key: str) -> np.ndarray | None:
        """A stored projection [rows, 2], or None."""
        return self._read(key, "points", _points)

    def put_points(self, key: str, points: np.ndarray) -> None:
        """Keep a projection; raises StoreUnavailable where the file cannot be written."""
        buffer = io.BytesIO()
        np.save(buffer, points, allow_pickle=False)
        self._write(key, "points", json.dumps({}), buffer.getvalue())

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

    def _write(self, key: str, kind: str, config: str, body: bytes) -> None:
        row = (key, kind, config, time.time(), hashlib.sha256(body).digest(), body)
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
                connection.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?)", row)
                connection.commit()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            return False
        return True

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
            connection.execute(SCHEMA)
            yield connection


def default_store() -> Store:
    """The store in the user's cache folder."""
    return Store(cache_folder() / FILE_NAME)


def _points(body: bytes) -> np.ndarray:
    points: np.ndarray = np.load(io.BytesIO(body), allow_pickle=False)
    if not isinstance(points, np.ndarray) or points.ndim != 2 or points.shape[1] != 2:
        raise ValueError("not a projection")
    return points

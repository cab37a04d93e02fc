"""Finished runs, projections and sweeps, kept by key in one SQLite file of bounded size.

Whatever is wrong with what is stored, a damaged row, a foreign one, a file that is no database,
it counts as absent and is computed again; a good row is never lost to a bad one: the next who writes
carries all good ones into a fresh file. Where the file would outgrow its bound, the oldest rows go
first, and those that are pinned never.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from anoonly_core.errors import StoreUnavailable
from anoonly_core.paths import cache_folder
from anoonly_core.results.repair import copy_sound_entries, decode_leniently, query_key_by_key, swap_files
from anoonly_core.results.result import RunResult, from_bytes, to_bytes
from anoonly_core.results.summary import LATEST, UNREADABLE, RunSummary, decode_summary, encode_summary

__all__ = ["RunSummary", "Store", "default_store"]

T = TypeVar("T")

log = logging.getLogger(__name__)

# A store of another layout has another name, so that versions of the code never share a file.
FILE_NAME = "runs-2.sqlite"
BUSY_S = 15.0
MAX_MB = 2048  # about 15 000 runs; ANOONLY_STORE_MB sets another bound
ASKED_AT_ONCE = 500  # keys in one query; SQLite takes no more than about 1000
NAMES = ("key", "kind", "config", "summary", "created", "pinned", "bytes", "digest", "body")

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
# An entry put again stays pinned. The latest has the latest time, also where the clock was set back: else it would
# be the first to go.
INSERT = f"""
    INSERT OR REPLACE INTO entries ({", ".join(NAMES)}) VALUES (
        :key, :kind, :config, :summary,
        MAX(:now, COALESCE((SELECT MAX(created) + 0.001 FROM entries WHERE created < :latest), 0)),
        COALESCE((SELECT pinned FROM entries WHERE key = :key), 0), :size, :digest, :body
    )
"""


class _Entry(NamedTuple):
    """What is written of an entry, but for when, and whether it is pinned."""

    key: str
    kind: str
    config: str
    summary: str
    size: int
    digest: bytes
    body: bytes


class Store:
    """Results by key. Each call opens its own connection, so any thread or process may share a store.

    max_bytes: where all bodies together would exceed it, the oldest entries that are not pinned go.
    problem: why the latest result could not be kept, "" where it was.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_MB * 2**20) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.problem = ""

    def get(self, key: str) -> RunResult | None:
        """The stored run with this key, or None if there is none that can be used."""
        result = self._read(key, "run", from_bytes)
        return result if result is not None and result.key == key else None

    def put(self, result: RunResult) -> None:
        """Keep a run; raises StoreUnavailable where the file cannot be written."""
        self._write(result.key, "run", *encode_summary(result), to_bytes(result))

    def get_arrays(self, key: str, kind: str) -> dict[str, np.ndarray] | None:
        """Stored arrays of this kind by name, or None: a projection, or what another experiment came to."""
        return self._read(key, kind, _arrays)

    def put_arrays(self, key: str, kind: str, arrays: Mapping[str, np.ndarray], config: str = "{}") -> None:
        """Keep arrays by name, with what they were made from as JSON; raises StoreUnavailable."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        self._write(key, kind, config, "{}", buffer.getvalue())

    def try_put(self, result: RunResult) -> bool:
        """Store a run as `put` does; where the file cannot be written, log one warning and return False."""
        return _succeeds(lambda: self.put(result))

    def try_put_arrays(self, key: str, kind: str, arrays: Mapping[str, np.ndarray], config: str = "{}") -> bool:
        """Store arrays as `put_arrays` does; where the file cannot be written, log one warning and return False."""
        return _succeeds(lambda: self.put_arrays(key, kind, arrays, config))

    def put_sweep(self, key: str, description: str) -> None:
        """Keep a sweep's description, JSON; raises StoreUnavailable where the file cannot be written."""
        self._write(key, "sweep", description, "{}", b"")

    def sweeps(self) -> list[str]:
        """The descriptions of the kept sweeps, the latest first."""
        rows = self._query("SELECT config FROM entries WHERE kind = 'sweep' ORDER BY created DESC", ())
        return [row[0] for row in rows if isinstance(row[0], str)]

    def runs(self, keys: Collection[str] | None = None) -> dict[str, RunSummary]:
        """What is known of the stored runs with these keys, or of all, by key; the latest first."""
        columns = "SELECT key, config, summary, created, pinned, bytes FROM entries WHERE kind = 'run'"
        if keys is None:
            rows = self._query(f"{columns} ORDER BY created DESC", (), f"{columns} AND key = ?")
        else:
            rows = [
                row
                for some, part in _in_parts(keys)
                for row in self._query(f"{columns} AND key IN ({some})", part, f"{columns} AND key = ?")
            ]
        found = {run.key: run for row in rows if (run := decode_summary(row)) is not None}
        wanted = found.keys() if keys is None else set(keys)
        return {key: run for key, run in found.items() if key in wanted}

    def pin(self, keys: Collection[str], pinned: bool = True) -> None:
        """Keep these entries whatever the store's size is, or no longer so; raises StoreUnavailable."""
        self._change("UPDATE entries SET pinned = ? WHERE key IN ({})", keys, int(pinned))

    def delete(self, keys: Collection[str]) -> None:
        """Drop these entries, pinned or not; raises StoreUnavailable."""
        self._change("DELETE FROM entries WHERE key IN ({})", keys)

    def delete_dataset(self, dataset: str) -> None:
        """Drop all that was made of a data set, pinned or not; raises StoreUnavailable."""
        self._change("DELETE FROM entries WHERE instr(config, {}) > 0", [json.dumps(dataset)])

    def keys(self) -> set[str]:
        """The keys of all that is kept, of whatever kind; read from an index, without the entries."""
        return {row[0] for row in self._query("SELECT key FROM entries", ())}

    def size(self) -> int:
        """Bytes of all that is kept."""
        rows = self._query("SELECT SUM(bytes) FROM entries", ())
        return int(rows[0][0] or 0) if rows else 0

    def _query(self, query: str, values: Sequence[object], for_one: str = "") -> list[tuple[Any, ...]]:
        """The rows that a query finds; in a damaged file those that `for_one` finds for each key that is left."""
        try:
            with self._connection() as connection:
                try:
                    return connection.execute(query, values).fetchall()
                except sqlite3.OperationalError:
                    raise
                except sqlite3.DatabaseError:
                    return query_key_by_key(connection, for_one) if for_one else []
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
        entry = _Entry(key, kind, config, summary, size, hashlib.sha256(body).digest(), body)
        try:
            if not (self._insert(entry) or self._mend_and_insert(entry)):
                raise sqlite3.DatabaseError("a fresh file was damaged at once")
            self.problem = ""
        except (sqlite3.Error, OSError) as error:
            self.problem = (
                f"The run could not be kept in {self.path} ({error}): "
                "make room or give access there, or set ANOONLY_CACHE to another folder."
            )
            raise StoreUnavailable(self.problem) from error

    def _insert(self, entry: _Entry) -> bool:
        """Whether the entry could be written; False where the file is not a sound database."""
        try:
            with self._connection() as connection:
                names = [name for _, name, *_ in connection.execute("PRAGMA table_info(entries)")]
                if not set(NAMES) <= set(names):
                    raise sqlite3.OperationalError("it is of another version")
                connection.execute(INSERT, {**entry._asdict(), "now": time.time(), "latest": LATEST})
                self._make_room(connection, entry.key)
                connection.commit()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            return False
        return True

    def _make_room(self, connection: sqlite3.Connection, newest: str) -> None:
        """Drop the oldest entries until the rest fits, and a tenth more, so that this is seldom."""
        # The index says it at once; but nothing is dropped upon its word alone, for it may be damaged.
        for way in ("", "NOT INDEXED"):
            (total,) = connection.execute(f"SELECT SUM(bytes) FROM entries {way}").fetchone()
            if total <= self.max_bytes:
                return
        aged = connection.execute("SELECT key, bytes FROM entries WHERE pinned = 0 ORDER BY created").fetchall()
        for key, size in aged:
            if total <= 0.9 * self.max_bytes:
                break
            if key != newest:
                connection.execute("DELETE FROM entries WHERE key = ?", (key,))
                total -= size

    def _mend_and_insert(self, entry: _Entry) -> bool:
        """Insert into a mended file, unless another process has mended it just now."""
        with self._alone():
            if self._insert(entry):
                return True
            self._mend()
            return self._insert(entry)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from mending at the same time, by a lock that dies with its holder."""
        lock = self.path.with_name(f"{self.path.name}.lock")
        with closing(sqlite3.connect(lock, timeout=BUSY_S, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield

    def _mend(self) -> None:
        """Put a fresh file with all that is good in this one's place, which stays beside it as it is.

        SQLite has by then used up or discarded a journal beside it, so none can fall on the fresh file; and whoever
        has the old one open still is told so when it writes. Killed at any moment, this leaves one of the two.
        """
        fresh = Store(self.path.with_name(f"{self.path.name}.mending"))
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        try:
            fresh.path.unlink(missing_ok=True)
            with fresh._connection():
                carried = copy_sound_entries(self.path, fresh.path)
            log.warning(
                "%s was damaged; %d entries of it are good, and %s is left as it was", *(self.path, carried, aside)
            )
            swap_files(self.path, fresh.path, aside)
        finally:
            fresh.path.unlink(missing_ok=True)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=BUSY_S)) as connection:
            connection.text_factory = decode_leniently
            if connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone() == (0,):
                connection.execute("PRAGMA auto_vacuum = FULL")  # what is dropped makes the file smaller
                for statement in SCHEMA:
                    connection.execute(statement)
            yield connection


def default_store() -> Store:
    """The store in the user's cache folder; ANOONLY_STORE_MB bounds it."""
    wanted = os.environ.get("ANOONLY_STORE_MB", "")
    most = int(wanted) if wanted.isdecimal() and int(wanted) > 0 else MAX_MB
    return Store(cache_folder() / FILE_NAME, most * 2**20)


def _succeeds(write: Callable[[], None]) -> bool:
    try:
        write()
    except StoreUnavailable as error:
        log.warning("%s", error)
        return False
    return True


def _in_parts(keys: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Keys for `IN (…)`, with its question marks, a part at a time."""
    wanted = list(keys)
    for begin in range(0, len(wanted), ASKED_AT_ONCE):
        part = wanted[begin : begin + ASKED_AT_ONCE]
        yield ",".join("?" * len(part)), part


def _arrays(body: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}

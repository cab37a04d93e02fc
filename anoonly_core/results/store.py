"""Store of finished runs, projections and sweeps by key, in one SQLite file of bounded size.

A damaged row, a foreign row or a file that is no database counts as absent, and its result is computed again. The
next write to a damaged file copies all sound rows into a fresh one. A file that another process holds locked is busy,
which is not absent: reads and writes raise StoreBusy. Above the size limit the oldest rows go first;
pinned rows are never removed, and take half of the limit at most.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from anoonly_core.errors import PinsFull, StoreBusy, StoreUnavailable
from anoonly_core.paths import cache_folder
from anoonly_core.results.archive import pack, unpack
from anoonly_core.results.repair import copy_sound_entries, decode_leniently, query_key_by_key, swap_files
from anoonly_core.results.result import RunResult, from_bytes, to_bytes
from anoonly_core.results.summary import LATEST, UNREADABLE, RunSummary, decode_summary, encode_summary

__all__ = ["RunSummary", "Store", "default_store"]

T = TypeVar("T")

log = logging.getLogger(__name__)

# A change of the schema needs a new name, so that two versions of the code never share a file.
FILE_NAME = "runs-2.sqlite"
BUSY_S = 15.0  # how long a call waits for the lock of another process
FAIL_FAST_S = 1.0  # after a read that waited in vain, reads do not wait for this long
BUSY_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
MAX_MB = 2048  # about 15 000 runs; ANOONLY_STORE_MB overrides it
PINNED_SHARE = 0.5  # of the limit, so that pins always leave room for new results
MAX_SWEEPS = 50
KEYS_PER_QUERY = 500  # SQLite takes about 1000 at most
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
SWEEPS = "SELECT key FROM entries WHERE kind = 'sweep' ORDER BY created DESC"
# An entry that is replaced stays pinned. A new entry gets the latest time even if the clock was set back: otherwise
# it would be removed first.
INSERT = f"""
    INSERT OR REPLACE INTO entries ({", ".join(NAMES)}) VALUES (
        :key, :kind, :config, :summary,
        MAX(:now, COALESCE((SELECT MAX(created) + 0.001 FROM entries WHERE created < :latest), 0)),
        COALESCE((SELECT pinned FROM entries WHERE key = :key), 0), :size, :digest, :body
    )
"""


class _Entry(NamedTuple):
    """Columns of a store entry that is to be inserted, without its time and pin."""

    key: str
    kind: str
    config: str
    summary: str
    size: int
    digest: bytes
    body: bytes


class Store:
    """Store of results by key in one SQLite file.

    Threads and processes may share it, since each call opens a connection.

    Parameters
    ----------
    path : Path
        File of the store; created, with its folder, on first use.
    max_bytes : int
        Limit for the size of all entries; above it the oldest entries that are not pinned are removed. Pinned entries
        take half of it at most. Pins made under a larger limit stay and count as half.
    busy_s : float or None
        Seconds that a call waits for the lock of another process; by default 15.

    Attributes
    ----------
    problem : str
        Reason why the latest write failed, "" if it succeeded.
    is_problem_busy : bool
        True if the reason is a lock of another process, so that a later write may succeed.
    busy_reads : int
        Number of reads that raised StoreBusy.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_MB * 2**20, busy_s: float | None = None) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.problem = ""
        self.is_problem_busy = False
        self.busy_reads = 0
        self._busy_s = busy_s
        self._fail_fast_until_s = 0.0  # by the monotonic clock

    def with_wait(self, busy_s: float) -> Store:
        """Return another Store of the same file and limit that waits `busy_s` seconds for a lock."""
        return Store(self.path, self.max_bytes, busy_s)

    def is_busy(self) -> bool:
        """Return True if another process holds a lock that keeps this store from writing; do not wait for the lock."""
        try:
            with self._connection(0.0) as connection:
                connection.execute("BEGIN EXCLUSIVE")
                connection.rollback()
        except (sqlite3.Error, OSError) as error:
            return _is_lock(error)
        return False

    def get(self, key: str) -> RunResult | None:
        """Return the stored run with this key; None if there is none, it is damaged, or the file is unreadable.

        Raise StoreBusy if another process holds the file locked for longer than the wait.
        """
        result = self._read(key, "run", from_bytes)
        return result if result is not None and result.key == key else None

    def put(self, result: RunResult) -> None:
        """Store a run under its key, replacing an older one; remove the oldest entries if the limit is exceeded.

        Raises
        ------
        StoreUnavailable
            If the file cannot be written; StoreBusy if another process holds it locked.
        """
        self._write(result.key, "run", *encode_summary(result), to_bytes(result))

    def get_arrays(self, key: str, kind: str) -> dict[str, np.ndarray] | None:
        """Return the stored arrays of this key and kind by name; None if there are none or they are damaged.

        Raise StoreBusy if another process holds the file locked for longer than the wait.
        """
        return self._read(key, kind, unpack)

    def try_get(self, key: str) -> RunResult | None:
        """Return the stored run with this key; None if there is none, it is damaged, or the file is locked.

        A lock is logged as a warning.
        """
        return _unless_busy(lambda: self.get(key))

    def try_get_arrays(self, key: str, kind: str) -> dict[str, np.ndarray] | None:
        """Return the stored arrays of this key and kind by name; None if there are none, or the file is locked.

        A lock is logged as a warning.
        """
        return _unless_busy(lambda: self.get_arrays(key, kind))

    def put_arrays(self, key: str, kind: str, arrays: Mapping[str, np.ndarray], config: str = "{}") -> None:
        """Store arrays under a key, replacing older ones; remove the oldest entries if the limit is exceeded.

        Parameters
        ----------
        key : str
            Key of the entry, see `keys`.
        kind : str
            Sort of entry: "points", "suspicion", "purified" or "zero-shot".
        arrays : mapping of str to ndarray
            Arrays of plain types by name.
        config : str
            JSON of the settings behind the arrays; `delete_dataset` finds the data set in it.

        Raises
        ------
        StoreUnavailable
            If the file cannot be written; StoreBusy if another process holds it locked.
        """
        self._write(key, kind, config, "{}", pack(arrays))

    def try_put(self, result: RunResult) -> bool:
        """Store a run as `put` does and return True; if that fails, log a warning and return False."""
        return _succeeds(lambda: self.put(result))

    def try_put_arrays(self, key: str, kind: str, arrays: Mapping[str, np.ndarray], config: str = "{}") -> bool:
        """Store arrays as `put_arrays` does and return True; if that fails, log a warning and return False."""
        return _succeeds(lambda: self.put_arrays(key, kind, arrays, config))

    def put_sweep(self, key: str, description: str) -> None:
        """Store the description of a sweep, JSON, under its key; of more than 50 sweeps, delete the oldest.

        Raise StoreUnavailable if the file cannot be written.
        """
        self._write(key, "sweep", description, "{}", b"")
        if surplus := self._query(f"{SWEEPS} LIMIT -1 OFFSET ?", (MAX_SWEEPS,)):
            self.delete([row[0] for row in surplus])

    def sweep_keys(self) -> list[str]:
        """Return the keys of the stored sweeps, the latest first, 50 at most; raise StoreBusy if the file is locked."""
        return [row[0] for row in self._query(f"{SWEEPS} LIMIT ?", (MAX_SWEEPS,)) if isinstance(row[0], str)]

    def sweep(self, key: str) -> str | None:
        """Return the description, JSON, of the sweep stored under this key; None if there is none.

        Raise StoreBusy if the file is locked.
        """
        rows = self._query("SELECT config FROM entries WHERE kind = 'sweep' AND key = ?", (key,))
        return next((row[0] for row in rows if isinstance(row[0], str)), None)

    def runs(self, keys: Collection[str] | None = None) -> dict[str, RunSummary]:
        """Return the summaries of stored runs by key; keys that are not stored are left out.

        Parameters
        ----------
        keys : collection of str or None
            Keys to look up; None for all stored runs, the latest first.

        Raises
        ------
        StoreBusy
            If another process holds the file locked for longer than the wait.
        """
        columns = "SELECT key, config, summary, created, pinned, bytes FROM entries WHERE kind = 'run'"
        if keys is None:
            rows = self._query(f"{columns} ORDER BY created DESC", (), f"{columns} AND key = ?")
        else:
            rows = [
                row
                for some, part in _in_parts(keys)
                for row in self._query(f"{columns} AND key IN ({some})", part, f"{columns} AND key = ?")
            ]
        summaries = {run.key: run for row in rows if (run := decode_summary(row)) is not None}
        wanted = summaries.keys() if keys is None else set(keys)
        return {key: run for key, run in summaries.items() if key in wanted}

    def pin(self, keys: Collection[str], pinned: bool = True) -> None:
        """Pin the entries with these keys, so that the size limit never removes them, or unpin them.

        Raises
        ------
        PinsFull
            If the pinned entries would take more than half of the limit. None of these entries is pinned then.
        StoreUnavailable
            If the file cannot be written.
        """
        check = self._check_pins if pinned else None
        self._change("UPDATE entries SET pinned = ? WHERE key IN ({})", keys, int(pinned), check=check)

    def delete(self, keys: Collection[str]) -> None:
        """Delete the entries with these keys, pinned or not; raise StoreUnavailable if the file cannot be written."""
        self._change("DELETE FROM entries WHERE key IN ({})", keys)

    def delete_dataset(self, dataset: str) -> None:
        """Delete all entries whose settings name this data set, pinned or not.

        Raise StoreUnavailable if the file cannot be written.
        """
        self._change("DELETE FROM entries WHERE instr(config, {}) > 0", [json.dumps(dataset)])

    def keys(self) -> set[str]:
        """Return the keys of all entries of every kind, from the index alone; raise StoreBusy if the file is locked."""
        return {row[0] for row in self._query("SELECT key FROM entries", ())}

    def size(self) -> int:
        """Return the size of all entries in bytes, 0 for an unreadable file; raise StoreBusy if the file is locked."""
        rows = self._query("SELECT SUM(bytes) FROM entries", ())
        return int(rows[0][0] or 0) if rows else 0

    def _query(self, query: str, values: Sequence[object], for_one: str = "") -> list[tuple[Any, ...]]:
        """Run a query with these values for its placeholders, and return all rows; [] if the file cannot be read.

        In a damaged file the query `for_one`, if given, is run once per readable key instead. Raise StoreBusy for a
        lock.
        """
        try:
            with self._connection(self._read_wait_s()) as connection:
                try:
                    return connection.execute(query, values).fetchall()
                except sqlite3.OperationalError:
                    raise
                except sqlite3.DatabaseError:
                    return query_key_by_key(connection, for_one) if for_one else []
        except (sqlite3.Error, OSError) as error:
            self._raise_if_busy(error)
            return []

    def _read_wait_s(self) -> float:
        """Return the seconds that a read waits for a lock: 0 within 1 s after a read that waited in vain."""
        return 0.0 if time.monotonic() < self._fail_fast_until_s else self._wait_s()

    def _wait_s(self) -> float:
        return BUSY_S if self._busy_s is None else self._busy_s

    def _raise_if_busy(self, error: Exception) -> None:
        """Raise StoreBusy if `error`, of a failed read, means a lock; reads then do not wait for 1 s."""
        if _is_lock(error):
            self.busy_reads += 1
            self._fail_fast_until_s = time.monotonic() + FAIL_FAST_S
            raise StoreBusy(
                f"The runs stored in {self.path} cannot be read while another program holds that file locked: "
                "wait until it is done, or close it."
            ) from error

    def _change(
        self,
        statement: str,
        keys: Collection[str],
        *values: object,
        check: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        """Run a statement for all of these keys in one transaction; raise StoreUnavailable if that fails.

        Parameters
        ----------
        statement : str
            SQL with the field {} for the placeholders of the keys.
        keys : collection of str
            Keys to insert there, in parts of at most KEYS_PER_QUERY.
        *values : object
            Values of the placeholders before the keys.
        check : callable or None
            Called last with the connection; an exception that it raises undoes the statement.
        """
        try:
            with self._connection() as connection:
                for some, part in _in_parts(keys):
                    connection.execute(statement.format(some), (*values, *part))
                if check is not None:
                    check(connection)
                connection.commit()
        except (sqlite3.Error, OSError) as error:
            if _is_lock(error):
                raise StoreBusy(
                    f"The runs stored in {self.path} could not be changed while another program holds that file "
                    "locked: try again when it is done."
                ) from error
            raise StoreUnavailable(f"The runs stored in {self.path} could not be changed ({error}).") from error

    def _check_pins(self, connection: sqlite3.Connection) -> None:
        """Raise PinsFull if the pinned entries, as the open connection sees them, take more than half of the limit."""
        pinned, most = _bytes(connection, pinned=1), PINNED_SHARE * self.max_bytes
        if pinned > most:
            raise PinsFull(
                f"Pinned runs would take {math.ceil(pinned / 2**20)} MB, and at most {most / 2**20:.0f} MB can be "
                "pinned: unpin or delete others first."
            )

    def _read(self, key: str, kind: str, decode: Callable[[bytes], T]) -> T | None:
        try:
            with self._connection(self._read_wait_s()) as connection:
                query = "SELECT digest, body FROM entries WHERE key = ? AND kind = ?"
                row = connection.execute(query, (key, kind)).fetchone()
        except (sqlite3.Error, OSError) as error:
            self._raise_if_busy(error)
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
            if not (self._insert(entry) or self._repair_and_insert(entry)):
                raise sqlite3.DatabaseError("a fresh file was damaged at once")
            self.problem, self.is_problem_busy = "", False
        except (sqlite3.Error, OSError) as error:
            self.is_problem_busy = _is_lock(error)
            if self.is_problem_busy:
                self.problem = (
                    f"The run could not be stored in {self.path} while another program holds that file locked: "
                    "close that program, then train the run again to store it."
                )
                raise StoreBusy(self.problem) from error
            self.problem = (
                f"The run could not be stored in {self.path} ({error}): "
                "free some space, allow writing there, or set ANOONLY_CACHE to another folder."
            )
            raise StoreUnavailable(self.problem) from error

    def _insert(self, entry: _Entry) -> bool:
        """Insert or replace an entry and remove the oldest ones above the limit; return True.

        Return False if the file is not a sound database. Raise sqlite3.OperationalError for a lock or another version.
        """
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
        """Delete the oldest unpinned entries if the limit is exceeded, down to 90 % of it, so that deletions are rare.

        The entry with the key `newest` stays.
        """
        # The index gives the total fast; a damaged index must not cause deletions, so the table confirms it.
        for hint in ("", "NOT INDEXED"):
            pinned, others = _bytes(connection, 1, hint), _bytes(connection, 0, hint)
            room = self.max_bytes - min(pinned, PINNED_SHARE * self.max_bytes)
            if others <= room:
                return
        aged = connection.execute("SELECT key, bytes FROM entries WHERE pinned = 0 ORDER BY created").fetchall()
        for key, size in aged:
            if others <= room - 0.1 * self.max_bytes:
                break
            if key != newest:
                connection.execute("DELETE FROM entries WHERE key = ?", (key,))
                others -= size

    def _repair_and_insert(self, entry: _Entry) -> bool:
        """Repair the damaged file and insert an entry, under a lock; return False if the fresh file is damaged, too.

        If another process has just repaired the file, the entry is inserted only.
        """
        with self._repair_lock():
            if self._insert(entry):
                return True
            self._repair()
            return self._insert(entry)

    @contextmanager
    def _repair_lock(self) -> Iterator[None]:
        """Context that holds a lock against other processes that repair this store; the lock ends with the process."""
        lock = self.path.with_name(f"{self.path.name}.lock")
        with closing(sqlite3.connect(lock, timeout=self._wait_s(), isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield

    def _repair(self) -> None:
        """Replace the damaged file by a fresh one with all sound entries; keep the damaged file under another name.

        SQLite has by then applied or discarded the journal, so none can reach the fresh file. A process that still has
        the old file open gets an error on its next write. A kill at any moment leaves one of the two files in place.
        """
        fresh = Store(self.path.with_name(f"{self.path.name}.mending"))
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        try:
            fresh.path.unlink(missing_ok=True)
            with fresh._connection():
                copied = copy_sound_entries(self.path, fresh.path)
            log.warning(
                "%s was damaged: %d entries were recovered; the damaged file is %s.", *(self.path, copied, aside)
            )
            swap_files(self.path, fresh.path, aside)
        finally:
            fresh.path.unlink(missing_ok=True)

    @contextmanager
    def _connection(self, wait_s: float | None = None) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=self._wait_s() if wait_s is None else wait_s)) as connection:
            connection.text_factory = decode_leniently
            if connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone() == (0,):
                connection.execute("PRAGMA auto_vacuum = FULL")  # deleted entries make the file smaller
                for statement in SCHEMA:
                    connection.execute(statement)
            yield connection


def default_store() -> Store:
    """Return the store of this user, a file in the cache folder that is created on first use.

    ANOONLY_STORE_MB sets its limit in MB (default 2048).
    """
    limit = os.environ.get("ANOONLY_STORE_MB", "")
    max_mb = int(limit) if limit.isdecimal() and int(limit) > 0 else MAX_MB
    return Store(cache_folder() / FILE_NAME, max_mb * 2**20)


def _succeeds(write: Callable[[], None]) -> bool:
    try:
        write()
    except StoreUnavailable as error:
        log.warning("%s", error)
        return False
    return True


def _unless_busy(read: Callable[[], T | None]) -> T | None:
    try:
        return read()
    except StoreBusy as error:
        log.warning("%s", error)
        return None


def _is_lock(error: Exception) -> bool:
    """Return True if an error of SQLite means the lock of another connection."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in BUSY_CODES  # the low byte, without the extended reason


def _bytes(connection: sqlite3.Connection, pinned: int, hint: str = "") -> int:
    """Return the bytes of all pinned entries for `pinned` 1, of all others for 0.

    `hint` is SQL after the table name, such as "NOT INDEXED" to read the table in place of the index.
    """
    (size,) = connection.execute(f"SELECT SUM(bytes) FROM entries {hint} WHERE pinned = ?", (pinned,)).fetchone()
    return int(size or 0)


def _in_parts(keys: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the keys in parts of at most KEYS_PER_QUERY: the placeholders "?,?,…" for `IN (…)`, and the keys."""
    listed = list(keys)
    for begin in range(0, len(listed), KEYS_PER_QUERY):
        part = listed[begin : begin + KEYS_PER_QUERY]
        yield ",".join("?" * len(part)), part

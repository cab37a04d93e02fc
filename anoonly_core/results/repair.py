"""Repair of a damaged store: find sound entries key by key and copy them into a fresh file.

A query over a whole damaged database fails at the first bad page. Each key is stored twice, in the table and in
the index by age, and an entry is found by its key without reading the others.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = ["copy_sound_entries", "decode_leniently", "query_key_by_key", "swap_files"]

ENTRY = "SELECT key, kind, config, summary, created, pinned, bytes, digest, body FROM entries WHERE key = ?"
# Each query reads keys up to its first bad page: along the index and the table, from either end.
KEY_QUERIES = (
    "SELECT key FROM entries INDEXED BY by_age ORDER BY pinned, created",
    "SELECT key FROM entries INDEXED BY by_age ORDER BY pinned DESC, created DESC",
    "SELECT key FROM entries NOT INDEXED ORDER BY key",
    "SELECT key FROM entries NOT INDEXED ORDER BY key DESC",
)
COLUMNS = 9
# Slices of the SQLite header (100 bytes): format and encoding; page count; free pages.
LAYOUT = (slice(0, 24), slice(44, 48), slice(56, 60))
PAGES, FREE = slice(28, 32), slice(32, 40)


def decode_leniently(raw: bytes) -> str:
    """Decode stored text as UTF-8, replacing undecodable bytes: one flipped byte must not end a whole query."""
    return raw.decode(errors="replace")


def query_key_by_key(connection: sqlite3.Connection, query: str) -> list[tuple[Any, ...]]:
    """Run a query once per readable key of a damaged store and join the rows; skip keys on bad pages.

    `query` has one placeholder `?`, the key.
    """
    rows = []
    for key in _keys(connection):
        with suppress(sqlite3.Error):
            rows += connection.execute(query, (key,)).fetchall()
    return rows


def copy_sound_entries(damaged: Path, fresh: Path) -> int:
    """Copy each entry whose body matches its checksum from a damaged store into a fresh one with the same tables.

    Parameters
    ----------
    damaged, fresh
        Paths of both SQLite files. Entries that `fresh` has already stay.

    Returns
    -------
    int
        Number of entries copied.

    Raises
    ------
    sqlite3.Error or OSError
        If the fresh file, or a copy of the damaged one, cannot be written.
    """
    copied = 0
    with _readable(damaged, fresh) as source, closing(sqlite3.connect(fresh)) as target:
        for key in _keys(source):
            if (row := _sound_row(source, key)) is not None:
                placeholders = ",".join("?" * COLUMNS)
                copied += target.execute(f"INSERT OR IGNORE INTO entries VALUES ({placeholders})", row).rowcount
        target.commit()
    return copied


def swap_files(path: Path, fresh: Path, aside: Path) -> None:
    """Move the file `path` to `aside`, and the file `fresh` to `path`; `path` exists at every moment.

    If it did not, another process could create a store there, which `fresh` would then replace.
    """
    with suppress(OSError):  # not every file system has links
        os.link(path, aside)
    if not aside.exists():
        path.replace(aside)
    fresh.replace(path)


def _keys(connection: sqlite3.Connection) -> list[str]:
    """Return all keys of a damaged store that any of KEY_QUERIES can read, each once."""
    keys: dict[str, None] = {}
    for query in KEY_QUERIES:
        with suppress(sqlite3.Error):
            for (key,) in connection.execute(query):
                keys[key] = None
    return list(keys)


def _sound_row(connection: sqlite3.Connection, key: str) -> tuple[Any, ...] | None:
    with suppress(sqlite3.Error):
        row: tuple[Any, ...] | None = connection.execute(ENTRY, (key,)).fetchone()
        if row is not None and isinstance(row[-1], bytes) and hashlib.sha256(row[-1]).digest() == row[-2]:
            return row
    return None


@contextmanager
def _readable(damaged: Path, fresh: Path) -> Iterator[sqlite3.Connection]:
    """Context that opens a damaged store for reading and yields the connection.

    If its first page is damaged, a temporary copy with the first page of the fresh store is opened. All stores have
    the same first page, which names the tables and their root pages.
    """
    with damaged.open("rb") as file, fresh.open("rb") as other:
        head, sound = file.read(100), other.read(100)
    if all(head[part] == sound[part] for part in LAYOUT) and _tables(damaged) == _tables(fresh):
        with _lenient(damaged) as connection:
            yield connection
        return
    copy = fresh.with_name(f"{fresh.name}.copy")
    try:
        shutil.copyfile(damaged, copy)
        _give_first_page(copy, fresh)
        with _lenient(copy) as connection:
            yield connection
    finally:
        copy.unlink(missing_ok=True)


def _give_first_page(copy: Path, fresh: Path) -> None:
    with fresh.open("rb") as file:
        size = int.from_bytes(file.read(18)[16:]) or 1 << 16
        file.seek(0)
        page = bytearray(file.read(size))
    page[PAGES] = (copy.stat().st_size // size).to_bytes(4)
    page[FREE] = bytes(8)
    with copy.open("r+b") as file:
        file.write(page)


def _tables(path: Path) -> list[tuple[Any, ...]]:
    with suppress(sqlite3.Error), _lenient(path) as connection:
        return connection.execute("SELECT name, rootpage, sql FROM sqlite_master ORDER BY name").fetchall()
    return []


@contextmanager
def _lenient(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = decode_leniently
        yield connection

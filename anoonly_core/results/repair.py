"""What is good in a damaged store: its entries, found one by one, and carried into a fresh file.

Whoever reads a damaged database from end to end gets nothing, for the first bad page ends the query. Its keys
stand twice, in the table and in the index by age, and each entry is found by its key without the others.
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
# Each way through the keys gets as far as the first bad page on it: the index and the table, from either end.
WAYS = (
    "SELECT key FROM entries INDEXED BY by_age ORDER BY pinned, created",
    "SELECT key FROM entries INDEXED BY by_age ORDER BY pinned DESC, created DESC",
    "SELECT key FROM entries NOT INDEXED ORDER BY key",
    "SELECT key FROM entries NOT INDEXED ORDER BY key DESC",
)
COLUMNS = 9
# Of a database's first 100 bytes: what says how it is laid out, how many pages it has, and which of them are free.
LAYOUT = (slice(0, 24), slice(44, 48), slice(56, 60))
PAGES, FREE = slice(28, 32), slice(32, 40)


def decode_leniently(raw: bytes) -> str:
    """A text as it is stored; one that a flipped byte has made undecodable must not end the whole query."""
    return raw.decode(errors="replace")


def query_key_by_key(connection: sqlite3.Connection, query: str) -> list[tuple[Any, ...]]:
    """What a query for one key, its only `?`, finds for each key that can be found; without those on bad pages."""
    found = []
    for key in _keys(connection):
        with suppress(sqlite3.Error):
            found += connection.execute(query, (key,)).fetchall()
    return found


def copy_sound_entries(damaged: Path, fresh: Path) -> int:
    """Copy each entry whose body is as it was written from a damaged store into a fresh one; returns how many.

    Raises sqlite3.Error or OSError where the fresh one, or a copy of the damaged one, cannot be written.
    """
    carried = 0
    with _readable(damaged, fresh) as source, closing(sqlite3.connect(fresh)) as target:
        for key in _keys(source):
            if (row := _sound_row(source, key)) is not None:
                places = ",".join("?" * COLUMNS)
                carried += target.execute(f"INSERT OR IGNORE INTO entries VALUES ({places})", row).rowcount
        target.commit()
    return carried


def swap_files(path: Path, fresh: Path, aside: Path) -> None:
    """Put a fresh file in a path's place and the one that was there aside, without a moment at which there is none.

    In such a moment another process would begin a file of its own there, which the fresh one would then replace.
    """
    with suppress(OSError):  # not every file system has links
        os.link(path, aside)
    if not aside.exists():
        path.replace(aside)
    fresh.replace(path)


def _keys(connection: sqlite3.Connection) -> list[str]:
    """The keys that can be found on any way."""
    found: dict[str, None] = {}
    for way in WAYS:
        with suppress(sqlite3.Error):
            for (key,) in connection.execute(way):
                found[key] = None
    return list(found)


def _sound_row(connection: sqlite3.Connection, key: str) -> tuple[Any, ...] | None:
    with suppress(sqlite3.Error):
        row: tuple[Any, ...] | None = connection.execute(ENTRY, (key,)).fetchone()
        if row is not None and isinstance(row[-1], bytes) and hashlib.sha256(row[-1]).digest() == row[-2]:
            return row
    return None


@contextmanager
def _readable(damaged: Path, fresh: Path) -> Iterator[sqlite3.Connection]:
    """The damaged store, or a copy of it with another first page, where that page does not even say what it is.

    All stores begin alike: the fresh one's first page, which names the tables and where they begin, fits each.
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

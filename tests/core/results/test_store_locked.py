"""A store that another connection holds locked is busy, which is neither absent nor damaged."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from anoonly_core.errors import StoreBusy, StoreUnavailable
from anoonly_core.results import store as store_module
from anoonly_core.results.store import Store
from tests.core.results.stored import a_result, assert_same, set_aside

Statements = tuple[str, ...]

# How another program holds the file: its statements, whether reads are possible meanwhile, and whether writes are.
LOCKS: dict[str, tuple[Statements, bool, bool]] = {
    "exclusive": (("BEGIN EXCLUSIVE",), False, False),
    "reserved, before a write": (("BEGIN IMMEDIATE",), True, False),
    "reserved, after a write": (("BEGIN", "UPDATE entries SET pinned = 0"), True, False),
    "shared, a reader in mid-read": (("BEGIN", "SELECT * FROM entries"), True, False),
    "exclusive locking mode": (
        ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN", "UPDATE entries SET pinned = 0", "COMMIT"),
        False,
        False,
    ),
    "WAL, a reader": (("PRAGMA journal_mode = WAL", "BEGIN", "SELECT * FROM entries"), True, True),
    "WAL, a writer": (("PRAGMA journal_mode = WAL", "BEGIN IMMEDIATE"), True, False),
    "WAL, exclusive locking mode": (
        ("PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = WAL", "UPDATE entries SET pinned = 0"),
        False,
        False,
    ),
}
READS: dict[str, tuple[Callable[[Store], object], object]] = {
    "get": (lambda store: store.get("key") is not None, True),
    "get_arrays": (lambda store: store.get_arrays("points", "points") is not None, True),
    "runs": (lambda store: list(store.runs()), ["key"]),
    "runs by key": (lambda store: list(store.runs(["key", "other"])), ["key"]),
    "sweep_keys": (lambda store: store.sweep_keys(), ["sweep"]),
    "sweep": (lambda store: store.sweep("sweep"), "{}"),
    "keys": (lambda store: store.keys(), {"key", "points", "sweep"}),
    "size": (lambda store: store.size() > 0, True),
}
WRITES: dict[str, Callable[[Store], None]] = {
    "put": lambda store: store.put(a_result("new")),
    "put_arrays": lambda store: store.put_arrays("new", "points", {"points": np.zeros((1, 2))}),
    "put_sweep": lambda store: store.put_sweep("new", "{}"),
    "pin": lambda store: store.pin(["key"]),
    "delete": lambda store: store.delete(["key"]),
    "delete_dataset": lambda store: store.delete_dataset("digits_3"),
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    filled = Store(tmp_path / "runs.sqlite", busy_s=0.05)
    filled.put(a_result())
    filled.put_arrays("points", "points", {"points": np.zeros((1, 2))})
    filled.put_sweep("sweep", "{}")
    return filled


@pytest.fixture
def other(store: Store) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)) as connection:
        yield connection


def lock(other: sqlite3.Connection, kind: str) -> None:
    for statement in LOCKS[kind][0]:
        cursor = other.execute(statement)
        cursor.fetchone()


@pytest.mark.parametrize("kind", LOCKS)
def test_a_locked_store_is_never_taken_for_an_empty_one(store: Store, other: sqlite3.Connection, kind: str) -> None:
    lock(other, kind)
    _, can_read, can_write = LOCKS[kind]
    for name, (read, expected) in READS.items():
        if can_read:
            assert read(store) == expected, name
        else:
            with pytest.raises(StoreBusy, match="while another program holds that file locked: wait"):
                read(store)
    assert store.busy_reads == (0 if can_read else len(READS))
    assert store.is_busy() == (not can_write)
    if can_write:
        store.put(a_result("new"))
        assert store.get("new") is not None
        return
    for write in WRITES.values():
        with pytest.raises(StoreBusy, match="while another program holds that file locked"):
            write(store)
    assert store.is_problem_busy and "could not be stored" in store.problem
    assert not store.try_put(a_result("new"))


@pytest.mark.parametrize("kind", LOCKS)
def test_all_is_as_before_once_the_lock_is_gone(store: Store, other: sqlite3.Connection, kind: str) -> None:
    lock(other, kind)
    for read, _ in READS.values():
        with suppress(StoreBusy):
            read(store)
    other.close()
    for name, (read, expected) in READS.items():
        assert read(store) == expected, name
    assert not store.is_busy()
    store.put(a_result("new"))
    assert (store.problem, store.is_problem_busy) == ("", False)
    assert_same(store.get("key"), a_result())
    assert not set_aside(store)


@pytest.mark.parametrize("name", [*READS, *WRITES])
def test_a_lock_that_ends_in_the_middle_is_waited_for(store: Store, other: sqlite3.Connection, name: str) -> None:
    patient = store.with_wait(60.0)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.2, other.rollback)
    release.start()
    if name in READS:
        read, expected = READS[name]
        assert read(patient) == expected
    else:
        WRITES[name](patient)
    release.join()
    assert (patient.busy_reads, patient.problem) == (0, "")


def test_many_reads_of_one_page_wait_once(store: Store, other: sqlite3.Connection) -> None:
    waiting = store.with_wait(0.5)
    other.execute("BEGIN EXCLUSIVE")
    begun = time.monotonic()
    with pytest.raises(StoreBusy):
        waiting.get("key")
    first, begun = time.monotonic() - begun, time.monotonic()
    waits = []
    for _ in range(10):
        waits.append(waiting._read_wait_s())
        with pytest.raises(StoreBusy):
            waiting.get("key")
    assert first >= 0.4 and waits[0] == 0.0, "only the first read waits"


def test_training_reads_a_locked_store_as_one_that_lacks_the_run(store: Store, other: sqlite3.Connection) -> None:
    assert store.try_get("key") is not None and store.try_get_arrays("points", "points") is not None
    other.execute("BEGIN EXCLUSIVE")
    assert store.try_get("key") is None and store.try_get_arrays("points", "points") is None


def test_a_file_that_cannot_be_written_is_not_busy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "runs.sqlite", busy_s=0.0)
    assert not store.is_busy() and store.get("key") is None
    with pytest.raises(StoreUnavailable):
        store.put(a_result())
    assert not store.is_problem_busy


def test_the_default_wait_is_that_of_the_module(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "BUSY_S", 3.0)
    assert Store(store.path)._wait_s() == 3.0 and store._wait_s() == 0.05
    assert store.with_wait(0.0)._wait_s() == 0.0

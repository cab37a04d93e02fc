"""Damaged stores: valid rows are listed and copied to a new file by the next write."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from anoonly_core.errors import StoreUnavailable
from anoonly_core.results import store as store_module
from anoonly_core.results.store import Store
from tests.core.results.stored import a_result, assert_same, rewrite, set_aside

PAGE = 4096
RUNS = 30


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with runs on several pages; the first one is pinned."""
    full = Store(tmp_path / "runs.sqlite")
    for seed in range(RUNS):
        full.put(a_result(f"key {seed:02d}", seed))
    full.pin(["key 00"])
    return full


def rows(store: Store) -> dict[str, tuple[Any, ...]]:
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {row[0]: row for row in connection.execute("SELECT * FROM entries")}


def flip(store: Store, *places: int) -> bytes:
    content = bytearray(store.path.read_bytes())
    for place in places:
        content[place] ^= 0xFF
    store.path.write_bytes(content)
    return bytes(content)


def leaves(store: Store) -> list[int]:
    """Return the offsets of the leaf pages of the table and the index, except the first page."""
    content = store.path.read_bytes()
    return [begin for begin in range(PAGE, len(content), PAGE) if content[begin] == 10]


# For each damaged part: offsets of bytes, and the minimum number of runs that survive of RUNS.
DAMAGE: dict[str, tuple[Callable[[Store], list[int]], int]] = {
    "its name": (lambda store: [0, 5], RUNS),
    "its page size": (lambda store: [16], RUNS),
    "its reserved bytes": (lambda store: [20], RUNS),
    "its text encoding": (lambda store: [59], RUNS),
    "its schema": (lambda store: [PAGE - 300, PAGE - 20], RUNS),
    "its first page": (lambda store: list(range(PAGE)), RUNS),
    "the table's root": (lambda store: [2 * PAGE], 0),
    "the index's root": (lambda store: [3 * PAGE], RUNS),
    "a leaf": (lambda store: [leaves(store)[1]], RUNS - 8),
    "two leaves": (lambda store: [leaves(store)[1], leaves(store)[-1]], RUNS - 16),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_valid_rows_of_a_damaged_file_are_kept(store: Store, kind: str) -> None:
    find, least = DAMAGE[kind]
    before = rows(store)
    damaged = flip(store, *find(store))
    for seed in range(RUNS):  # request each run: stored ones are kept, missing ones are trained again
        key = f"key {seed:02d}"
        if store.get(key) is None:
            store.put(a_result(key, seed))
    store.put(a_result("more"))
    after = rows(store)
    assert after.keys() == {*before, "more"}
    for seed in range(RUNS):
        assert_same(store.get(f"key {seed:02d}"), a_result(f"key {seed:02d}", seed))
    untouched = sum(after[key] == before[key] for key in before)
    assert untouched >= least - 1, "the one that was asked for before anything was written may be another"
    if least == RUNS:
        assert [run.key for run in store.runs().values() if run.pinned] == ["key 00"]
    (aside,) = set_aside(store)
    assert len(aside.read_bytes()) == len(damaged)
    assert {path.name for path in store.path.parent.iterdir()} <= {
        *("runs.sqlite", "runs.sqlite.lock"),
        *(path.name for path in set_aside(store)),
    }


def test_valid_rows_of_a_damaged_file_are_listed(store: Store) -> None:
    flip(store, leaves(store)[1])
    assert RUNS - 8 <= len(store.runs()) < RUNS
    assert RUNS - 8 <= len(store.runs([f"key {seed:02d}" for seed in range(RUNS)])) < RUNS


def test_a_flipped_byte_in_a_listed_column_loses_only_that_row(store: Store) -> None:
    with closing(sqlite3.connect(store.path)) as connection:
        config, summary = connection.execute("SELECT config, summary FROM entries WHERE key = 'key 07'").fetchone()
    whole = store.runs()
    for column, text in (("config", config), ("summary", summary)):
        raw = text.encode()
        for place in range(0, len(raw), max(1, len(raw) // 12)):
            for bit in (1, 0x80):  # the upper one leaves no valid UTF-8
                damaged = raw[:place] + bytes([raw[place] ^ bit]) + raw[place + 1 :]
                rewrite(store, f"UPDATE entries SET {column} = CAST(? AS TEXT) WHERE key = 'key 07'", damaged)
                found = store.runs()
                assert whole.keys() - found.keys() <= {"key 07"}
                # The last digit of a number may flip to none other than that number.
                assert bit == 1 or "key 07" not in found, (column, place)
                assert found.get("key 07", whole["key 07"]) == whole["key 07"], (column, place)
        rewrite(store, f"UPDATE entries SET {column} = ? WHERE key = 'key 07'", text)
    assert store.runs() == whole


@pytest.mark.parametrize(("column", "value"), [("created", 1e200), ("created", -1.0), ("created", "x"), ("bytes", -5)])
def test_an_invalid_number_loses_only_that_row(store: Store, column: str, value: Any) -> None:
    rewrite(store, f"UPDATE entries SET {column} = ? WHERE key = 'key 07'", value)
    assert len(store.runs()) == RUNS - 1
    store.put(a_result("more"))
    assert next(iter(store.runs())) == "more" and store.runs()["more"].created < 2e10


def test_rows_of_an_earlier_version_are_listed_without_a_hash(store: Store) -> None:
    listed = store.runs()["key 07"]
    rewrite(store, "UPDATE entries SET summary = json_remove(summary, '$.check') WHERE key = 'key 07'")
    assert store.runs()["key 07"] == listed


def test_a_wrong_index_loses_no_row(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.sqlite", max_bytes=200_000)
    for number in range(3):
        store.put_sweep(f"sweep {number}", "x" * 5003)
    content = store.path.read_bytes()
    index = content[3 * PAGE : 4 * PAGE]
    assert index.count((5005).to_bytes(2)) == 3, "5003 and the two letters of an empty summary"
    store.path.write_bytes(
        content[: 3 * PAGE] + index.replace((5005).to_bytes(2), b"\x7f\xff", 1) + content[4 * PAGE :]
    )
    Store(store.path, max_bytes=30_000).put_sweep("sweep 3", "")
    assert store.keys() == {f"sweep {number}" for number in range(4)}


def test_nothing_changes_if_there_is_no_space_for_the_repair(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = flip(store, 0)

    def full(damaged: Path, fresh: Path) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(store_module, "copy_sound_entries", full)
    with pytest.raises(StoreUnavailable, match="disk is full"):
        store.put(a_result("more"))
    assert store.path.read_bytes() == damaged and not set_aside(store)
    assert not store.path.with_name(f"{store.path.name}.mending").exists()
    monkeypatch.undo()
    store.put(a_result("more"))
    assert len(store.runs()) == RUNS + 1


def test_a_clock_that_is_set_back_keeps_the_order_of_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = Store(tmp_path / "one.sqlite")
    size.put(a_result())
    store = Store(tmp_path / "runs.sqlite", max_bytes=4 * size.size())
    times = iter([2e9, 2e9 + 1, 1e9, 1e9 + 1, 1e9 + 2])
    monkeypatch.setattr(store_module.time, "time", lambda: next(times))
    for number in range(5):
        store.put(a_result(f"key {number}", 0))
    assert list(store.runs()) == ["key 4", "key 3", "key 2"]


def test_an_additional_column_is_ignored_and_a_missing_one_is_an_error(store: Store) -> None:
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("ALTER TABLE entries ADD COLUMN later TEXT")
        connection.execute("UPDATE entries SET later = 'later'")
        connection.commit()
    store.put(a_result("more"))
    assert rows(store)["key 07"][-1] == "later" and rows(store)["more"][-1] is None
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("ALTER TABLE entries RENAME COLUMN body TO content")
        connection.commit()
    content = store.path.read_bytes()
    with pytest.raises(StoreUnavailable, match="it is of another version"):
        store.put(a_result("still more"))
    assert store.path.read_bytes() == content and not set_aside(store)

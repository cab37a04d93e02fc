"""Damaged stores return equal results or none, and lose no valid row."""

from __future__ import annotations

import io
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anoonly_core.results.result import to_bytes
from anoonly_core.results.store import Store
from tests.core.results.stored import a_result, assert_same, rewrite, set_aside, store_body


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a folder" / "runs.sqlite")


# Damaged rows


@pytest.mark.parametrize("part", ["digest", "body"])
def test_a_flipped_byte_counts_as_absent_and_is_repaired(store: Store, part: str) -> None:
    store.put(a_result())
    store.put(a_result("good"))
    with closing(sqlite3.connect(store.path)) as connection:
        (whole,) = connection.execute(f"SELECT {part} FROM entries WHERE key = 'key'").fetchone()
    for place in range(0, len(whole), max(1, len(whole) // 50)):
        damaged = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        rewrite(store, f"UPDATE entries SET {part} = ? WHERE key = 'key'", damaged)
        assert store.get("key") is None
    store.put(a_result())
    assert_same(store.get("key"), a_result())
    assert_same(store.get("good"), a_result("good"))
    assert not set_aside(store)


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def with_head(text: bytes) -> bytes:
    return npz(head=np.frombuffer(text, dtype=np.uint8))


FOREIGN: dict[str, Any] = {
    "nothing": b"",
    "no archive": b"something else",
    "text": "text",
    "number": 5,
    "an array": npy(np.zeros(5)),
    "an archive": npz(a=np.zeros((3, 2))),
    "a pickle": npy(np.array([{}], dtype=object)),
    "cut": to_bytes(a_result())[:-100],
    "only a head": with_head(b"{}"),
    "no JSON": with_head(b"{"),
    "no text": with_head(b"\xff"),
    "a list": with_head(b"[]"),
    "null": with_head(b"null"),
    "an old setting": with_head(b'{"key": "key", "config": {"gamma": 1}}'),
    "an impossible setting": with_head(b'{"key": "key", "config": {"lambda_n": -1}}'),
    "another metric": with_head(b'{"key": "key", "config": {}, "device": "cpu", "metrics": {"f1": 1}}'),
    "no arrays": with_head(b'{"key": "key", "config": {}, "device": "cpu", "metrics": {}}'),
}


@pytest.mark.parametrize("body", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_row_counts_as_absent_and_is_repaired(store: Store, body: Any) -> None:
    store.put(a_result())
    store_body(store, body)
    assert store.get("key") is None
    store.put(a_result())
    assert_same(store.get("key"), a_result())


NO_ARRAYS = {name: FOREIGN[name] for name in ("nothing", "no archive", "text", "number", "an array", "a pickle", "cut")}
NO_ARRAYS["a pickle among them"] = npz(a=np.zeros(3), b=np.array([{}], dtype=object))


@pytest.mark.parametrize("body", NO_ARRAYS.values(), ids=NO_ARRAYS)
def test_an_invalid_archive_counts_as_absent(store: Store, body: Any) -> None:
    store.put_arrays("p", "points", {"points": np.zeros((3, 2))})
    store_body(store, body, kind="points", key="p")
    assert store.get_arrays("p", "points") is None


def test_runs_and_projections_are_distinct_kinds(store: Store) -> None:
    store.put(a_result("run"))
    store.put_arrays("points", "points", {"points": np.zeros((3, 2))})
    assert store.get_arrays("run", "points") is None and store.get("points") is None
    rewrite(store, "UPDATE entries SET kind = 'something'")
    assert store.get("run") is None and store.get_arrays("points", "points") is None


def test_a_run_under_another_key_counts_as_absent(store: Store) -> None:
    store.put(a_result())
    rewrite(store, "UPDATE entries SET key = 'another'")
    assert store.get("another") is None and store.get("key") is None


# Damaged files


def a_full_database(path: Path) -> bytes:
    """Return the bytes of a valid database of thirty runs."""
    source = Store(path)
    for seed in range(30):
        source.put(a_result(f"key {seed}", seed))
    content = path.read_bytes()
    path.unlink()
    return content


def scrambled(content: bytes) -> bytes:
    """Keep the header page of a database and replace all others by noise."""
    noise = np.random.default_rng(0).bytes(100)
    return b"".join(
        content[start : start + 4096] if start == 0 else noise + content[start + 100 : start + 4096]
        for start in range(0, len(content), 4096)
    )


@pytest.mark.parametrize("kind", ["garbage", "text", "cut", "scrambled"])
def test_a_damaged_file_is_moved_away_unchanged(store: Store, tmp_path: Path, kind: str) -> None:
    whole = a_full_database(tmp_path / "whole.sqlite")
    content = {
        "garbage": np.random.default_rng(0).bytes(50_000),
        "text": b"my notes\n" * 1000,
        "cut": whole[: len(whole) // 2],
        "scrambled": scrambled(whole),
    }[kind]
    store.path.parent.mkdir()
    store.path.write_bytes(content)
    assert store.get("key 3") is None and store.get_arrays("key 3", "points") is None
    assert store.path.read_bytes() == content and not set_aside(store), "reading changes nothing"

    store.put(a_result("key 3", 3))
    assert_same(store.get("key 3"), a_result("key 3", 3))
    (old,) = set_aside(store)
    assert old.read_bytes() == content
    store.put(a_result("more"))
    assert set_aside(store) == [old]


def test_the_journal_of_a_damaged_file_is_not_applied_to_the_new_one(store: Store) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(b"no database " * 500)
    store.path.with_name(f"{store.path.name}-journal").write_bytes(b"what was written last")
    store.put(a_result())
    assert_same(store.get("key"), a_result())
    assert not store.path.with_name(f"{store.path.name}-journal").exists()


@pytest.mark.parametrize("content", [b"", b"x"])
def test_a_tiny_file_becomes_a_store(store: Store, content: bytes) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(content)
    assert store.get("key") is None
    store.put(a_result())
    assert_same(store.get("key"), a_result())


def test_two_writers_that_find_the_damage_at_once_lose_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both fail before either repairs; the second must not move the new file of the first away."""
    store.path.parent.mkdir()
    store.path.write_bytes(b"no database " * 500)
    both_failed = threading.Barrier(2)
    insert, mend = Store._insert, Store._repair_and_insert

    def mend_when_both_have_failed(self: Store, row: tuple[object, ...]) -> bool:
        both_failed.wait(20)
        return mend(self, row)

    monkeypatch.setattr(Store, "_repair_and_insert", mend_when_both_have_failed)
    assert insert(store, ("key", "run", "{}", 0.0, b"", b"")) is False
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(store.put, [a_result("one"), a_result("other")]))
    assert_same(store.get("one"), a_result("one"))
    assert_same(store.get("other"), a_result("other"))
    assert len(set_aside(store)) == 1

"""The store: what comes out is what went in, or nothing; and no good row is lost to a bad one."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anoonly_core import store as store_module
from anoonly_core.config import make_config
from anoonly_core.errors import StoreUnavailable
from anoonly_core.evaluate import Metrics
from anoonly_core.result import History, Role, RunResult, Sample, from_bytes, to_bytes
from anoonly_core.store import FILE_NAME, Store, default_store

ROOT = Path(__file__).parents[2]


def a_result(key: str = "key", seed: int = 0) -> RunResult:
    rng = np.random.default_rng(seed)
    sample = Sample(
        rows=rng.integers(0, 99, 7),
        role=rng.integers(0, 3, 7, dtype=np.int8),
        hidden=rng.normal(size=(7, 5)).astype(np.float32),
        minimum=np.array([-0.0, 1e-45, 3], dtype=np.float32),
        scale=np.array([1, 3e38, 0.1], dtype=np.float32),
    )
    per_epoch = [rng.random(4, dtype=np.float32) for _ in range(4)]
    history = History(*per_epoch, np.array([1, 4]), *(rng.random(2) for _ in range(3)))
    return RunResult(
        key=key,
        config=make_config(dataset="a folder/ä\n.csv", lambda_n=0.1 + 0.2, contamination=1 / 3, seed=seed),
        device="cpu",
        metrics=Metrics(*rng.random(4).tolist()),
        seconds={"train": 0.1 + 0.2, "score": 5e-324},
        counts={"rows": 2**40, "train": 0},
        test_rows=rng.integers(0, 2**62, 9),
        y_test=rng.integers(0, 2, 9, dtype=np.int8),
        scores=rng.normal(size=9).astype(np.float32),
        sample=sample,
        history=history,
    )


def assert_same(found: Any, expected: Any) -> None:
    """Every field alike, arrays to the bit and the type."""
    assert type(found) is type(expected)
    for field in fields(expected):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(other, np.ndarray):
            assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes()), field.name
        elif isinstance(other, (Sample, History)):
            assert_same(one, other)
        else:
            assert one == other and repr(one) == repr(other), field.name


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a folder" / "runs.sqlite")


def rewrite(store: Store, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute(statement, values).rowcount > 0
        connection.commit()


def store_body(store: Store, body: Any, kind: str = "run", key: str = "key") -> None:
    """Write a row whose digest is right, whatever its body is."""
    digest = hashlib.sha256(body if isinstance(body, bytes) else str(body).encode()).digest()
    rewrite(store, "INSERT OR REPLACE INTO entries VALUES (?, ?, '{}', '{}', 0.0, 0, 9, ?, ?)", key, kind, digest, body)


def set_aside(store: Store) -> list[Path]:
    return sorted(store.path.parent.glob(f"{store.path.name}.damaged-*"))


def assert_unavailable(store: Store) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        store.put(a_result())
    text = str(caught.value)
    assert text.startswith(f"The run could not be kept in {store.path} (")
    assert text.endswith(".") and "\n" not in text and ". " not in text, text
    assert store.get("key") is None


# Runs and projections


def test_a_run_comes_back_to_the_bit(store: Store) -> None:
    store.put(a_result())
    assert_same(store.get("key"), a_result())
    assert_same(from_bytes(to_bytes(a_result())), a_result())


@pytest.mark.parametrize("array", [np.empty(0, np.float32), np.array([np.nan, np.inf, -0.0, 1e-45], np.float32)])
def test_odd_arrays_come_back_too(store: Store, array: np.ndarray) -> None:
    result = replace(a_result(), scores=array)
    store.put(result)
    assert_same(store.get("key"), result)


def test_a_summary_is_what_the_command_line_prints() -> None:
    result = a_result()
    summary = json.loads(json.dumps(result.summary()))
    assert list(summary) == ["config", "metrics", "seconds", "counts"]
    assert make_config(**summary["config"]) == result.config
    assert summary["metrics"] == {field.name: getattr(result.metrics, field.name) for field in fields(Metrics)}
    assert summary["seconds"] == result.seconds and summary["counts"] == result.counts


def test_roles_are_numbered_apart() -> None:
    assert len({Role.TEST_NORMAL, Role.TEST_ANOMALY, Role.LABELLED_ANOMALY}) == 3


@pytest.mark.parametrize("rows", [0, 1, 1500])
def test_arrays_come_back_to_the_bit(store: Store, rows: int) -> None:
    points = np.random.default_rng(0).normal(size=(rows, 2)).astype(np.float32)
    store.put_arrays("p", "points", {"points": points, "names": np.array(["ä", "b"])})
    found = store.get_arrays("p", "points")
    assert found is not None and list(found) == ["points", "names"] and list(found["names"]) == ["ä", "b"]
    np.testing.assert_array_equal(found["points"], points, strict=True)


def test_what_was_never_put_is_missing(store: Store) -> None:
    assert store.get("key") is None and store.get_arrays("key", "points") is None
    store.put(a_result("other"))
    assert store.get("key") is None and store.get("") is None and store.get("OTHER") is None


def test_the_last_one_put_stays(store: Store) -> None:
    store.put(a_result(seed=1))
    store.put(a_result("other", seed=3))
    store.put(a_result(seed=2))
    assert_same(store.get("key"), a_result(seed=2))
    assert_same(Store(store.path).get("other"), a_result("other", seed=3))


def test_the_default_store_lies_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    assert default_store().path == tmp_path / "cache" / FILE_NAME
    default_store().put(a_result())
    assert_same(default_store().get("key"), a_result())


# Rows that are not what they should be


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
def test_what_is_no_archive_of_arrays_counts_as_absent(store: Store, body: Any) -> None:
    store.put_arrays("p", "points", {"points": np.zeros((3, 2))})
    store_body(store, body, kind="points", key="p")
    assert store.get_arrays("p", "points") is None


def test_a_run_is_no_projection_and_a_projection_no_run(store: Store) -> None:
    store.put(a_result("run"))
    store.put_arrays("points", "points", {"points": np.zeros((3, 2))})
    assert store.get_arrays("run", "points") is None and store.get("points") is None
    rewrite(store, "UPDATE entries SET kind = 'something'")
    assert store.get("run") is None and store.get_arrays("points", "points") is None


def test_a_run_under_another_key_counts_as_absent(store: Store) -> None:
    store.put(a_result())
    rewrite(store, "UPDATE entries SET key = 'another'")
    assert store.get("another") is None and store.get("key") is None


# Files that are not what they should be


def a_full_database(path: Path) -> bytes:
    """A sound database of thirty runs."""
    source = Store(path)
    for seed in range(30):
        source.put(a_result(f"key {seed}", seed))
    content = path.read_bytes()
    path.unlink()
    return content


def scrambled(content: bytes) -> bytes:
    """The first page, which says that this is a database, and noise on all others."""
    noise = np.random.default_rng(0).bytes(100)
    return b"".join(
        content[start : start + 4096] if start == 0 else noise + content[start + 100 : start + 4096]
        for start in range(0, len(content), 4096)
    )


@pytest.mark.parametrize("kind", ["garbage", "text", "cut", "scrambled"])
def test_a_damaged_file_is_set_aside_whole(store: Store, tmp_path: Path, kind: str) -> None:
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


def test_a_journal_left_beside_a_damaged_file_does_not_fall_on_the_fresh_one(store: Store) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(b"no database " * 500)
    store.path.with_name(f"{store.path.name}-journal").write_bytes(b"what was written last")
    store.put(a_result())
    assert_same(store.get("key"), a_result())
    assert not store.path.with_name(f"{store.path.name}-journal").exists()


@pytest.mark.parametrize("content", [b"", b"x"])
def test_a_file_of_next_to_nothing_becomes_a_store(store: Store, content: bytes) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(content)
    assert store.get("key") is None
    store.put(a_result())
    assert_same(store.get("key"), a_result())


def test_two_who_find_the_damage_at_once_lose_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have failed before either mends; the second must not set the first one's fresh file aside."""
    store.path.parent.mkdir()
    store.path.write_bytes(b"no database " * 500)
    both_failed = threading.Barrier(2)
    insert, mend = Store._insert, Store._mend_and_insert

    def mend_when_both_have_failed(self: Store, row: tuple[object, ...]) -> bool:
        both_failed.wait(20)
        return mend(self, row)

    monkeypatch.setattr(Store, "_mend_and_insert", mend_when_both_have_failed)
    assert insert(store, ("key", "run", "{}", 0.0, b"", b"")) is False
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(store.put, [a_result("one"), a_result("other")]))
    assert_same(store.get("one"), a_result("one"))
    assert_same(store.get("other"), a_result("other"))
    assert len(set_aside(store)) == 1


# Places that cannot be written


def test_a_folder_in_the_place_of_the_file(store: Store) -> None:
    store.path.mkdir(parents=True)
    assert_unavailable(store)
    assert store.path.is_dir()


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    assert_unavailable(Store(tmp_path / "file" / "runs.sqlite"))
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    assert_unavailable(Store(tmp_path / ("x" * 300)))


@pytest.fixture
def without_rights() -> Iterator[Path]:
    """A folder that this process may read and not write, root or not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield folder
        if os.geteuid() != os.getuid():
            os.seteuid(os.getuid())
        folder.chmod(0o700)


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="rights are another matter on this system")
def test_a_folder_that_may_not_be_written(without_rights: Path, filled: bool) -> None:
    store = Store(without_rights / "runs.sqlite")
    if filled:
        store.put(a_result("other"))
        store.path.chmod(0o444)
    without_rights.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)
    assert_unavailable(store)
    if filled:
        assert_same(store.get("other"), a_result("other"))


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "runs.sqlite").symlink_to(device)
    assert_unavailable(Store(tmp_path / "runs.sqlite"))


def test_a_database_of_another_layout_is_left_alone(store: Store) -> None:
    store.path.parent.mkdir()
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("CREATE TABLE entries (mine)")
        connection.execute("INSERT INTO entries VALUES ('precious')")
        connection.commit()
    assert_unavailable(store)
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("SELECT mine FROM entries").fetchall() == [("precious",)]


# Many at once


def test_a_writer_elsewhere_is_waited_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "BUSY_S", 0.05)
    store.put(a_result("before"))
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.put(a_result())
        assert store.get("before") is None, "it is computed again rather than waited for without end"

        monkeypatch.setattr(store_module, "BUSY_S", 20.0)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(store.put, a_result())
            assert not waiting.done()
            other.execute("ROLLBACK")
            waiting.result(timeout=20)
    assert_same(store.get("before"), a_result("before"))
    assert_same(store.get("key"), a_result())
    assert not set_aside(store)


SCRIPT = """
import sys
from pathlib import Path
from anoonly_core.result import to_bytes
from anoonly_core.store import Store
source, store, me = Store(Path(sys.argv[1])), Store(Path(sys.argv[2])), int(sys.argv[3])
results = {key: source.get(key) for key in (f"{who} {number}" for number in range(10) for who in range(4))}
print("ready", flush=True)
sys.stdin.readline()
for key, result in results.items():
    if key.startswith(f"{me} "):
        store.put(result)
        assert store.get(key) is not None
    found = store.get(key)
    assert found is None or to_bytes(found) == to_bytes(result)
"""


@pytest.mark.parametrize("content", [None, b"no database " * 500], ids=["fresh", "damaged"])
def test_four_processes_write_and_read_at_once(store: Store, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        store.path.parent.mkdir()
        store.path.write_bytes(content)
    source = Store(tmp_path / "source.sqlite")
    results = {f"{me} {number}": a_result(f"{me} {number}", number) for me in range(4) for number in range(10)}
    for result in results.values():
        source.put(result)
    arguments = [sys.executable, "-c", SCRIPT, str(source.path), str(store.path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    processes = [subprocess.Popen([*arguments, str(me)], **pipes) for me in range(4)]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            process.communicate(timeout=60)
            assert process.returncode == 0
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for key, result in results.items():
        assert_same(store.get(key), result)
    assert [path.read_bytes() for path in set_aside(store)] == ([] if content is None else [content])


# What is known of all runs, and the bound


def test_runs_are_listed_latest_first_without_their_scores(store: Store) -> None:
    assert store.runs() == {} and store.keys() == set() and store.size() == 0
    for seed in range(3):
        store.put(a_result(f"key {seed}", seed))
    store.put_arrays("points", "points", {"points": np.zeros((3, 2))})
    listed = store.runs()
    assert list(listed) == ["key 2", "key 1", "key 0"]
    assert store.keys() == {*listed, "points"}
    run, result = listed["key 1"], a_result("key 1", 1)
    assert make_config(**run.config) == result.config
    assert (run.device, run.metrics) == ("cpu", result.metrics.as_dict())
    assert (run.seconds, run.counts, run.pinned) == (result.seconds, result.counts, False)
    assert list(store.runs(["key 1", "none such"])) == ["key 1"]
    assert sum(run.bytes for run in listed.values()) < store.size() < store.path.stat().st_size


class Counted(list[str]):
    """Keys that know how often somebody went through them."""

    walks = 0

    def __iter__(self) -> Iterator[str]:
        self.walks += 1
        return super().__iter__()


def test_the_keys_are_not_walked_through_for_every_run(store: Store) -> None:
    keys = Counted(f"run {number}" for number in range(20))
    for key in list(keys):
        store.put(a_result(key))
    before = keys.walks
    assert store.runs(keys).keys() == set(list(keys))
    assert keys.walks - before < 5


def test_more_keys_than_a_query_takes(store: Store) -> None:
    store.put(a_result())
    assert list(store.runs([*(f"key {n}" for n in range(1200)), "key"])) == ["key"]


@pytest.mark.parametrize("column", ["config", "summary"])
@pytest.mark.parametrize("text", ["", "[]", '{"metrics": 1}', "{"])
def test_a_damaged_summary_is_left_out_of_the_list(store: Store, column: str, text: str) -> None:
    store.put(a_result("sound"))
    store.put(a_result("key"))
    rewrite(store, f"UPDATE entries SET {column} = ? WHERE key = 'key'", text)
    assert set(store.runs()) == {"sound"}


def test_the_oldest_go_first_and_the_pinned_stay(tmp_path: Path) -> None:
    one = len(to_bytes(a_result())) + 2000
    store = Store(tmp_path / "runs.sqlite", most_bytes=6 * one)
    for seed in range(5):
        store.put(a_result(f"key {seed}", seed))
    store.pin(["key 0", "key 1"])
    store.pin(["key 1"], pinned=False)
    for seed in range(5, 30):
        store.put(a_result(f"key {seed}", seed))
        assert store.size() <= 6 * one
        assert store.get(f"key {seed}") is not None
    kept = list(store.runs())
    assert kept[0] == "key 29" and kept[-1] == "key 0"
    assert 4 <= len(kept) <= 6
    assert_same(store.get("key 0"), a_result("key 0", 0))
    assert store.runs()["key 0"].pinned
    assert store.path.stat().st_size < 10 * one, "the file has grown beyond what it holds"


def test_the_newest_stays_even_where_it_alone_is_too_large(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.sqlite", most_bytes=1)
    for key in ("one", "two"):
        store.put(a_result(key))
    assert list(store.runs()) == ["two"]


def test_a_run_put_again_stays_pinned(store: Store) -> None:
    store.put(a_result())
    store.pin(["key"])
    store.put(a_result())
    assert store.runs()["key"].pinned


def test_what_is_deleted_is_gone(store: Store) -> None:
    for key in ("one", "two"):
        store.put(a_result(key))
    store.pin(["one"])
    store.delete(["one", "none such"])
    assert list(store.runs()) == ["two"] and store.get("one") is None


def test_a_file_that_cannot_be_changed_is_said(tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite").mkdir()
    store = Store(tmp_path / "runs.sqlite")
    assert store.runs() == {} and store.keys() == set() and store.sweeps() == [] and store.size() == 0
    for change in (store.pin, store.delete):
        with pytest.raises(StoreUnavailable, match="could not be changed"):
            change(["key"])


def test_sweeps_are_listed_latest_first(store: Store) -> None:
    for key in ("one", "two", "one"):
        store.put_sweep(key, json.dumps({"name": key}))
    assert [json.loads(text)["name"] for text in store.sweeps()] == ["one", "two"]


@pytest.mark.parametrize(("said", "bytes_"), [("5", 5 * 2**20), ("", 2**31), ("none", 2**31), ("0", 2**31)])
def test_the_bound_can_be_set(monkeypatch: pytest.MonkeyPatch, said: str, bytes_: int) -> None:
    monkeypatch.setenv("ANOONLY_STORE_MB", said)
    assert default_store().most_bytes == bytes_

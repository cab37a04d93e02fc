"""The store returns equal results; runs are listed, limited, pinned and deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from anoonly_core.config import make_config
from anoonly_core.errors import PinsFull, StoreUnavailable
from anoonly_core.metrics.ranking import Metrics
from anoonly_core.results.result import Role, from_bytes, to_bytes
from anoonly_core.results.store import FILE_NAME, Store, default_store
from tests.core.results.stored import a_result, assert_same, rewrite

PAGE = 4096  # bytes, of SQLite


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a folder" / "runs.sqlite")


# Runs and projections


def test_a_stored_run_is_equal_to_the_bit(store: Store) -> None:
    store.put(a_result())
    assert_same(store.get("key"), a_result())
    assert_same(from_bytes(to_bytes(a_result())), a_result())


@pytest.mark.parametrize("array", [np.empty(0, np.float32), np.array([np.nan, np.inf, -0.0, 1e-45], np.float32)])
def test_unusual_arrays_are_equal_to_the_bit(store: Store, array: np.ndarray) -> None:
    result = replace(a_result(), scores=array)
    store.put(result)
    assert_same(store.get("key"), result)


def test_a_summary_has_the_values_of_the_command_line() -> None:
    result = a_result()
    summary = json.loads(json.dumps(result.summary()))
    assert list(summary) == ["config", "metrics", "seconds", "counts"]
    assert make_config(**summary["config"]) == result.config
    assert summary["metrics"] == {field.name: getattr(result.metrics, field.name) for field in fields(Metrics)}
    assert summary["seconds"] == result.seconds and summary["counts"] == result.counts


def test_roles_have_distinct_numbers() -> None:
    assert len({Role.TEST_NORMAL, Role.TEST_ANOMALY, Role.LABELED_ANOMALY}) == 3


@pytest.mark.parametrize("rows", [0, 1, 1500])
def test_stored_arrays_are_equal_to_the_bit(store: Store, rows: int) -> None:
    points = np.random.default_rng(0).normal(size=(rows, 2)).astype(np.float32)
    store.put_arrays("p", "points", {"points": points, "names": np.array(["ä", "b"])})
    found = store.get_arrays("p", "points")
    assert found is not None and list(found) == ["points", "names"] and list(found["names"]) == ["ä", "b"]
    np.testing.assert_array_equal(found["points"], points, strict=True)


def test_unknown_keys_are_missing(store: Store) -> None:
    assert store.get("key") is None and store.get_arrays("key", "points") is None
    store.put(a_result("other"))
    assert store.get("key") is None and store.get("") is None and store.get("OTHER") is None


def test_a_second_put_replaces_the_first(store: Store) -> None:
    store.put(a_result(seed=1))
    store.put(a_result("other", seed=3))
    store.put(a_result(seed=2))
    assert_same(store.get("key"), a_result(seed=2))
    assert_same(Store(store.path).get("other"), a_result("other", seed=3))


def test_the_default_store_is_in_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    assert default_store().path == tmp_path / "cache" / FILE_NAME
    default_store().put(a_result())
    assert_same(default_store().get("key"), a_result())


# Lists of runs, and the size limit


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
    """Keys that count their iterations."""

    walks = 0

    def __iter__(self) -> Iterator[str]:
        self.walks += 1
        return super().__iter__()


def test_keys_are_iterated_once_not_for_every_run(store: Store) -> None:
    keys = Counted(f"run {number}" for number in range(20))
    for key in list(keys):
        store.put(a_result(key))
    before = keys.walks
    assert store.runs(keys).keys() == set(keys)
    assert keys.walks - before < 5


def test_more_keys_than_one_query_allows(store: Store) -> None:
    store.put(a_result())
    assert list(store.runs([*(f"key {n}" for n in range(1200)), "key"])) == ["key"]


@pytest.mark.parametrize("column", ["config", "summary"])
@pytest.mark.parametrize("text", ["", "[]", '{"metrics": 1}', "{"])
def test_a_damaged_summary_is_left_out_of_the_list(store: Store, column: str, text: str) -> None:
    store.put(a_result("sound"))
    store.put(a_result("key"))
    rewrite(store, f"UPDATE entries SET {column} = ? WHERE key = 'key'", text)
    assert set(store.runs()) == {"sound"}


def test_the_oldest_runs_are_deleted_first_and_pinned_ones_are_kept(tmp_path: Path) -> None:
    one = len(to_bytes(a_result())) + 2000
    store = Store(tmp_path / "runs.sqlite", max_bytes=6 * one)
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
    pages = -(-10 * one // PAGE)  # the file has whole pages
    assert store.path.stat().st_size <= pages * PAGE, "the file has grown beyond what it holds"


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 50])
def test_pins_leave_half_of_the_store_to_new_runs(tmp_path: Path, at_once: int) -> None:
    """One visitor who pins all there is does not push the runs of the others out."""
    one = len(to_bytes(a_result())) + 2000
    store = Store(tmp_path / "runs.sqlite", max_bytes=10 * one)
    refused = 0
    for seed in range(30):
        store.put(a_result(f"key {seed}", seed))
        try:
            store.pin(list(store.runs())[:at_once])
        except PinsFull as error:
            assert str(error).endswith("can be pinned: unpin or delete others first.")
            refused += 1
    runs = store.runs()
    pinned = [run for run in runs.values() if run.pinned]
    assert refused and sum(run.bytes for run in pinned) <= 5 * one
    assert {"key 27", "key 28", "key 29"} <= set(runs) and store.size() <= 10 * one


def test_refused_pins_change_nothing_and_unpinning_makes_room(tmp_path: Path) -> None:
    one = len(to_bytes(a_result())) + 2000
    store = Store(tmp_path / "runs.sqlite", max_bytes=6 * one)
    for seed in range(5):
        store.put(a_result(f"key {seed}", seed))
    store.pin(["key 0", "key 1"])
    with pytest.raises(PinsFull):
        store.pin(["key 2", "key 3", "key 4"])
    assert {key for key, run in store.runs().items() if run.pinned} == {"key 0", "key 1"}
    store.pin(["key 0", "key 1"])  # again, which takes nothing more
    store.pin(["key 0"], pinned=False)
    store.pin(["key 2"])
    assert {key for key, run in store.runs().items() if run.pinned} == {"key 1", "key 2"}


def test_pins_of_a_larger_limit_stay_and_leave_half_of_the_new_one(tmp_path: Path) -> None:
    one = len(to_bytes(a_result())) + 2000
    large = Store(tmp_path / "runs.sqlite", max_bytes=100 * one)
    for seed in range(20):
        large.put(a_result(f"pinned {seed}", seed))
    large.pin([f"pinned {seed}" for seed in range(20)])
    small = Store(large.path, max_bytes=10 * one)
    for seed in range(20):
        small.put(a_result(f"new {seed}", seed))
    keys = set(small.runs())
    assert {f"pinned {seed}" for seed in range(20)} <= keys
    assert {"new 17", "new 18", "new 19"} <= keys and "new 0" not in keys


def test_the_newest_run_is_kept_even_above_the_limit(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.sqlite", max_bytes=1)
    for key in ("one", "two"):
        store.put(a_result(key))
    assert list(store.runs()) == ["two"]


def test_a_run_put_again_stays_pinned(store: Store) -> None:
    store.put(a_result())
    store.pin(["key"])
    store.put(a_result())
    assert store.runs()["key"].pinned


def test_deleted_runs_are_missing(store: Store) -> None:
    for key in ("one", "two"):
        store.put(a_result(key))
    store.pin(["one"])
    store.delete(["one", "none such"])
    assert list(store.runs()) == ["two"] and store.get("one") is None


def test_a_file_that_cannot_be_changed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite").mkdir()
    store = Store(tmp_path / "runs.sqlite")
    assert store.runs() == {} and store.keys() == set() and store.sweep_keys() == [] and store.size() == 0
    for change in (store.pin, store.delete):
        with pytest.raises(StoreUnavailable, match="could not be changed"):
            change(["key"])


def test_sweeps_are_listed_latest_first(store: Store) -> None:
    for key in ("one", "two", "one"):
        store.put_sweep(key, json.dumps({"name": key}))
    assert store.sweep_keys() == ["one", "two"]
    assert [json.loads(store.sweep(key) or "")["name"] for key in store.sweep_keys()] == ["one", "two"]
    assert store.sweep("three") is None


def test_of_many_sweeps_the_latest_fifty_are_kept(store: Store) -> None:
    store.put(a_result("key"))
    for number in range(60):
        store.put_sweep(f"sweep {number}", "{}")
    assert store.sweep_keys() == [f"sweep {number}" for number in range(59, 9, -1)]
    assert len(store.keys()) == 51 and store.sweep("sweep 9") is None and store.sweep("key") is None


@pytest.mark.parametrize(("said", "bytes_"), [("5", 5 * 2**20), ("", 2**31), ("none", 2**31), ("0", 2**31)])
def test_the_size_limit_can_be_set(monkeypatch: pytest.MonkeyPatch, said: str, bytes_: int) -> None:
    monkeypatch.setenv("ANOONLY_STORE_MB", said)
    assert default_store().max_bytes == bytes_

"""Tests of anoonly_core.data.protocols: splits by time, by group and from a test file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached, resolve
from anoonly_core.data.dataset import NO_KEY, Dataset, Provenance, SplitKeys, make_dataset
from anoonly_core.data.protocols import DIVISIONS
from anoonly_core.data.split import make_split
from anoonly_core.errors import BadDataFile, SplitImpossible
from tests.core.data.splits import split

ROWS = 200


def made(keys: SplitKeys, y: np.ndarray | None = None, unlabeled: np.ndarray | None = None) -> Dataset:
    """Make distinct rows with these properties; every fifth is an anomaly unless y says otherwise."""
    y = np.arange(ROWS) % 5 == 0 if y is None else y
    X = np.random.default_rng(0).normal(size=(len(y), 3))
    provenance = Provenance("made here", "none")
    return make_dataset("made", X, y.astype(int), provenance, unlabeled=unlabeled, split_keys=keys)


def permuted(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(ROWS)


@pytest.mark.parametrize("seed", range(3))
def test_training_is_before_the_test(seed: int) -> None:
    times = permuted()
    result = split(made(SplitKeys(times=times)), protocol="by_time", seed=seed)
    assert times[result.train].max() == 139 and times[result.test].min() == 140
    assert len(result.test) == 60 and result.counts["train_distinct"] == 140
    assert set(times[result.test]) == set(range(140, 200))


def test_rows_of_one_time_stay_together() -> None:
    times = np.repeat([0, 1, 2, 3], ROWS // 4)
    result = split(made(SplitKeys(times=times)), protocol="by_time")
    assert set(times[result.train]) == {0, 1, 2} and set(times[result.test]) == {3}


def test_rows_without_a_time_and_unlabeled_rows_of_the_future_are_left_out() -> None:
    times, unlabeled = permuted(), np.arange(ROWS) % 7 == 3
    times[:10] = NO_KEY
    result = split(made(SplitKeys(times=times), unlabeled=unlabeled), protocol="by_time")
    used = {*result.train, *result.test}
    assert not used & {*range(10)}
    assert not unlabeled[result.test].any() and unlabeled[result.train].any()
    assert times[result.train].max() < times[result.test].min()
    assert result.counts["pool_unlabelled"] == unlabeled[result.train].sum()


@settings(max_examples=40)
@given(st.integers(0, 5), st.integers(2, 60), st.floats(0, 0.3))
def test_no_group_is_on_both_sides(seed: int, groups: int, blank: float) -> None:
    random = np.random.default_rng(groups)
    names = random.integers(groups, size=ROWS)
    names = np.where(random.random(ROWS) < blank, NO_KEY, names)
    dataset = made(SplitKeys(groups=names))
    train, test = DIVISIONS["by_group"](dataset, seed, 0.3)
    assert sorted([*train, *test]) == [*range(ROWS)]
    assert not {*names[train]} - {NO_KEY} & {*names[test]} - {NO_KEY}
    for part in (train, test):
        assert (dataset.y[part] == 1).any()
    assume(groups > 20)
    assert 0.2 < len(test) / ROWS < 0.4 and 0.2 < dataset.y[test].sum() / dataset.y.sum() < 0.4
    assert split(dataset, protocol="by_group", seed=seed).counts["groups_on_both_sides"] == 0


def test_a_large_group_without_anomaly_does_not_fill_the_test() -> None:
    y = np.arange(ROWS) % 5 == 0
    groups = np.where(y, np.arange(ROWS), np.where(np.arange(ROWS) < 150, 200, 201 + np.arange(ROWS)))
    for seed in range(5):
        train, test = DIVISIONS["by_group"](made(SplitKeys(groups=groups), y), seed, 0.3)
        assert y[test].sum() == 12 and (~y[train]).any() and 0 < len(test) < ROWS


def test_seeds_draw_other_groups_and_one_seed_the_same() -> None:
    dataset = made(SplitKeys(groups=np.arange(ROWS) // 4))
    drawn = [tuple(split(dataset, protocol="by_group", seed=seed).test) for seed in (0, 1, 0)]
    assert drawn[0] == drawn[2] != drawn[1]


def test_the_random_split_counts_the_groups_on_both_sides() -> None:
    groups = np.arange(ROWS) % 20
    assert split(made(SplitKeys(groups=groups))).counts["groups_on_both_sides"] == 20
    assert split(made(SplitKeys(groups=np.arange(ROWS)))).counts["groups_on_both_sides"] == 0
    assert "groups_on_both_sides" not in split(made(SplitKeys())).counts


@pytest.mark.parametrize("seed", range(2))
def test_the_test_file_is_the_test(seed: int) -> None:
    tests = np.arange(ROWS) >= 150
    result = split(made(SplitKeys(tests=tests)), protocol="test_file", seed=seed)
    assert result.test.tolist() == [*range(150, 200)]
    assert {*result.train} == {*range(150)}


@pytest.mark.parametrize(
    ("protocol", "keys", "y", "words"),
    [
        ("by_time", {}, None, "made has no time column: name it with time=COLUMN"),
        ("by_group", {}, None, "made has no group column"),
        ("test_file", {}, None, "made has no test file"),
        ("by_time", {"times": np.full(ROWS, NO_KEY)}, None, "No labeled row of made has a time"),
        ("by_time", {"times": np.zeros(ROWS, dtype=int)}, None, "The training part of made has no labeled anomaly"),
        ("by_time", {"times": np.arange(ROWS)}, np.arange(ROWS) > 150, "The training part of made has no labeled anom"),
        ("by_time", {"times": np.arange(ROWS)}, np.arange(ROWS) < 50, "The test of made has no labeled anomaly"),
        ("by_time", {"times": np.arange(ROWS)}, np.arange(ROWS) > 120, "The test of made has no labeled normal row"),
        ("by_group", {"groups": np.arange(ROWS) // 50}, np.arange(ROWS) < 50, "All anomalies of made are of one group"),
        ("test_file", {"tests": np.arange(ROWS) < 50}, np.arange(ROWS) < 50, "The training part of made has no"),
    ],
)
def test_a_split_that_cannot_be_is_explained(
    protocol: str, keys: dict[str, np.ndarray], y: np.ndarray | None, words: str
) -> None:
    with pytest.raises(SplitImpossible, match=words):
        split(made(SplitKeys(**keys), y), protocol=protocol)


def written(folder: Path, **columns: Any) -> Path:
    y = np.arange(ROWS) % 5 == 0
    a = np.random.default_rng(0).normal(size=ROWS)
    table = pd.DataFrame({"a": a, "y": y.astype(int)} | columns)
    table.to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def test_a_file_is_split_by_its_columns(tmp_path: Path) -> None:
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(permuted(), unit="D")
    path = written(tmp_path, when=days.strftime("%d.%m.%Y"), who=[f"c{number % 40}" for number in range(ROWS)])
    name = f"{path}?time=when&group=who"
    dataset = load_cached(name)
    assert dataset.columns == 1 and resolve(name).protocols == ("by_time", "by_group")
    result = make_split(dataset, make_config(dataset=name, protocol="by_time"))
    assert days[result.train].max() < days[result.test].min()
    result = make_split(dataset, make_config(dataset=name, protocol="by_group"))
    assert not {*(result.train % 40)} & {*(result.test % 40)}
    kept = load_cached(f"{path}?group=who&keep=who&without=when&categories=one_hot")
    assert kept.columns == 41  # the words of who are features, too


@pytest.mark.parametrize("missing", ["impute", "drop"])
def test_a_test_file_has_the_features_of_the_table(tmp_path: Path, missing: str) -> None:
    words = np.where(np.arange(ROWS) % 3 == 0, "red", "blue")
    path = written(tmp_path, color=words)
    test = pd.read_csv(path).iloc[:30].assign(color="green")
    test.loc[3, "a"] = np.nan
    test[["y", "color", "a"]].to_csv(tmp_path / "later.csv", index=False)
    name = f"{path}?test={tmp_path / 'later.csv'}&missing={missing}&categories=one_hot"
    dataset = load_cached(name)
    dropped = missing == "drop"
    assert (dataset.rows, dataset.columns) == (ROWS + 30 - dropped, 3)
    assert dataset.row_ids.tolist() == [row for row in range(ROWS + 30) if not (dropped and row == ROWS + 3)]
    result = make_split(dataset, make_config(dataset=name, protocol="test_file"))
    assert (result.test >= ROWS).all() and len(result.test) == 30 - dropped
    assert not dataset.X[result.test][:, 1:].any()  # green is no word of the table
    assert np.array_equal(dataset.y[result.test], test["y"].to_numpy()[dataset.row_ids[result.test] - ROWS])


def test_the_identity_follows_the_content_of_the_test_file(tmp_path: Path) -> None:
    path = written(tmp_path)
    plain = resolve(str(path)).identity
    for name in ("later.csv", "copy.csv"):
        (tmp_path / name).write_bytes(path.read_bytes())
    first, copy = (resolve(f"{path}?test={tmp_path / name}").identity for name in ("later.csv", "copy.csv"))
    assert plain != first == copy
    (tmp_path / "copy.csv").write_text("a,y\n1,1\n2,0\n")
    assert resolve(f"{path}?test={tmp_path / 'copy.csv'}").identity != first


@pytest.mark.parametrize(
    ("content", "query", "words"),
    [
        ("a,y\n1,1\n2,7\n", "", "the label column of the test file holds 7, which the table does not"),
        ("a\n1\n", "", "the test file has no column y"),
        ("b,y\n1,1\n", "", "lacks columns that the features are made of: a"),
        ("a,y\nx,1\n", "", "a holds"),
    ],
)
def test_a_test_file_that_does_not_fit_is_refused(tmp_path: Path, content: str, query: str, words: str) -> None:
    path = written(tmp_path)
    (tmp_path / "later.csv").write_text(content)
    with pytest.raises(BadDataFile, match=words):
        load_cached(f"{path}?test={tmp_path / 'later.csv'}{query}")


@pytest.mark.parametrize(("query", "anomalies"), [("&normal=0", 2), ("&anomaly=1", 1)])
def test_an_unknown_class_of_the_test_file_follows_the_schema(tmp_path: Path, query: str, anomalies: int) -> None:
    path = written(tmp_path)
    (tmp_path / "later.csv").write_text("a,y\n1,1\n2,7\n3,0\n")
    dataset = load_cached(f"{path}?label=y&test={tmp_path / 'later.csv'}{query}")
    assert dataset.y[ROWS:].sum() == anomalies

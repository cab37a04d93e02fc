"""Tests of the split into labeled, pool and test rows."""

from __future__ import annotations

import math
import resource
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import resolve
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import TEST_SHARE, Split, _stratified, labeled_anomalies, make_split
from anoonly_core.errors import SplitImpossible
from anoonly_core.rng import derived_seed
from tests.core.data.splits import PROTOCOLS, distinct, labeled_rows, pool_rows, split, table

SETTINGS: list[dict[str, Any]] = [
    {},
    {"labeled_ratio": 1},
    {"contamination": 0},
    {"contamination": 0.1, "normal_ratio": 0.5},
    {"contamination": 0.8, "labeled_ratio": 0.3},
    {"normal_ratio": 1e-9},
]


def repetitive(rows: int) -> Dataset:
    """Make few distinct rows, with zeros of both signs and equal rows of both labels."""
    rng = np.random.default_rng(rows)
    X = rng.integers(0, 4, size=(rows, 3)) * np.where(rng.random((rows, 3)) < 0.5, 1.0, -0.0)
    return table(X, (X.sum(axis=1) + rng.random(rows) > 6).astype(int))


MADE: dict[str, Callable[[], Dataset]] = {
    "small": lambda: distinct(60, 8),
    "just small": lambda: distinct(999, 100),
    "just large": lambda: distinct(1000, 100),
    "repetitive small": lambda: repetitive(600),
    "repetitive large": lambda: repetitive(1000),
}
BUNDLED = ("digits_3", "breast_cancer")
REAL = ("20news_3", "MVTec-AD_bottle")


@pytest.fixture(params=[*MADE, *BUNDLED, *REAL])
def dataset(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    if request.param in REAL:
        monkeypatch.setenv("ANOONLY_DATA", str(request.getfixturevalue("real_data")))
    return cached(request.param)


@cache
def cached(name: str) -> Dataset:
    return MADE[name]() if name in MADE else resolve(name).load()


def vectors(dataset: Dataset, rows: np.ndarray) -> list[bytes]:
    """Return the features of each row as bytes; adding 0 makes -0 and 0 equal."""
    return [row.tobytes() for row in dataset.X[rows] + 0.0]


def training_part(dataset: Dataset, **values: Any) -> np.ndarray:
    """Return the training part: the rows of a config that keeps all of them."""
    return np.unique(split(dataset, **values, labeled_ratio=1, normal_ratio=1, contamination="natural").train)


# Disjoint parts


@pytest.mark.parametrize("seed", range(3))
def test_leak_free_parts_are_disjoint_and_complete(dataset: Dataset, seed: int) -> None:
    result = split(dataset, seed=seed)
    assert np.array_equal(np.union1d(result.train, result.test), np.arange(dataset.rows))
    assert len(np.unique(result.test)) == len(result.test)
    assert set(vectors(dataset, result.train)).isdisjoint(vectors(dataset, result.test))
    assert result.counts["test_copies_of_training_part"] == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("values", SETTINGS, ids=str)
def test_the_counts_match_the_split(dataset: Dataset, protocol: str, values: dict[str, Any]) -> None:
    result = split(dataset, protocol=protocol, **values)
    y, train, test, labeled, counts = dataset.y, result.train, result.test, result.labeled, result.counts
    assert train.dtype == test.dtype == np.int64 and labeled.dtype == bool and labeled.shape == train.shape
    assert all(type(count) is int and count >= 0 for count in counts.values())
    assert y[train[labeled]].all()

    holds = {
        "train": len(train),
        "labelled_anomalies": sum(labeled),
        "pool_normal": sum(y[train[~labeled]] == 0),
        "pool_anomalies": sum(y[train[~labeled]] == 1),
        "train_distinct": len(set(train.tolist())),
        "labelled_anomalies_distinct": len(labeled_rows(result)),
        "test": len(test),
        "test_normal": sum(y[test] == 0),
        "test_anomalies": sum(y[test] == 1),
        "rows": len(dataset.X),
    }
    assert counts.items() >= holds.items()
    assert counts["train"] == counts["labelled_anomalies"] + counts["pool_normal"] + counts["pool_anomalies"]
    assert counts["test"] == counts["test_normal"] + counts["test_anomalies"]
    assert min(counts[name] for name in ("labelled_anomalies", "pool_normal", "test_normal", "test_anomalies")) > 0

    whole = training_part(dataset, protocol=protocol)
    trained = set(vectors(dataset, whole))
    assert counts["test_copies_of_training_part"] == sum(row in trained for row in vectors(dataset, test))
    if protocol == "leak_free":
        assert counts["training_part"] == len(whole) == counts["train_distinct"] + counts["dropped"]
        assert counts["training_part"] + counts["test"] == counts["rows"]
    else:
        assert counts["training_part"] == counts["train"] + counts["dropped"]
        assert counts["training_part"] + counts["test"] == max(counts["rows"], 1000)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("rows", "anomalies"), [(60, 8), (61, 7), (1000, 100), (2003, 51), (40, 2), (40, 38)])
def test_both_classes_are_split_70_to_30(rows: int, anomalies: int, seed: int) -> None:
    data = distinct(rows, anomalies)
    counts = split(data, seed=seed).counts
    assert counts["test"] == math.ceil(0.3 * rows)
    assert abs(counts["test_anomalies"] - 0.3 * anomalies) < 1
    assert abs(counts["test_normal"] - 0.3 * (rows - anomalies)) < 1 + 1e-9


def test_groups_of_copies_are_stratified() -> None:
    data = repetitive(1500)
    kinds = set(vectors(data, np.arange(data.rows)))
    result = split(data)
    assert len(kinds) <= 64
    assert len(set(vectors(data, result.test))) == math.ceil(0.3 * len(kinds))


# Protocols


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_small_sets_are_resampled_and_large_ones_are_not(dataset: Dataset, protocol: str) -> None:
    result = split(dataset, protocol=protocol)
    times = Counter(result.train.tolist())
    part = training_part(dataset, protocol=protocol)
    assert set(times) == set(part.tolist()), "every selected row stays in"
    if dataset.rows >= 1000 or (protocol == "leak_free" and len(part) >= 700):
        assert set(times.values()) == {1}
    elif protocol == "leak_free":
        assert len(result.train) == 700
        assert set(times.values()) <= {700 // len(part), 700 // len(part) + 1}
    else:
        assert len(result.train) == 700 and len(result.test) == 300


def test_sets_of_1000_rows_are_not_resampled() -> None:
    parts = [split(repetitive(1000), seed=seed).train for seed in range(10)]
    assert min(map(len, parts)) < 700
    assert all(len(np.unique(part)) == len(part) for part in parts)


@pytest.mark.parametrize("values", SETTINGS, ids=str)
def test_leak_free_resampling_ignores_the_selection(values: dict[str, Any]) -> None:
    data = distinct(300, 60)
    times = Counter(split(data).train.tolist())
    assert Counter(split(data, **values).train.tolist()).items() <= times.items()


def test_published_copies_have_the_expected_number() -> None:
    """A test row of a set of n rows has no copy among 700 draws with probability (1 - 1/n)^700."""
    data = distinct(400, 60)
    counts = [split(data, protocol="published", seed=seed).counts for seed in range(20)]
    share = np.mean([count["test_copies_of_training_part"] / count["test"] for count in counts])
    assert share == pytest.approx(1 - (1 - 1 / 400) ** 700, abs=0.02)


def test_the_published_leak_on_mvtec(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most test rows of MVTec-AD are copies of training rows in the published protocol (docs/methods.md § 3)."""
    monkeypatch.setenv("ANOONLY_DATA", str(real_data))
    names = sorted(path.stem for path in (real_data / "CV_by_ResNet18").glob("MVTec-AD_*.npz"))
    if not names:
        pytest.skip("ANOONLY_DATA holds no MVTec-AD file")
    for name in names:
        data = resolve(name).load()
        counts = [split(data, protocol="published", seed=seed).counts for seed in range(5)]
        share = np.mean([count["test_copies_of_training_part"] / count["test"] for count in counts])
        print(f"{name}: {data.rows} rows, {share:.1%} of the published test rows are copies of training rows")
        assert share == pytest.approx(1 - (1 - 1 / data.rows) ** 700, abs=0.05)


# Labels, normals, contamination


@pytest.mark.parametrize("ratio", [1e-9, 0.01, 0.05, 0.07, 0.1, 0.14, 0.28, 0.29, 0.3, 0.55, 0.57, 0.7, 0.99, 1])
@pytest.mark.parametrize("anomalies", [2, 15, 143])
def test_the_labeled_share_is_rounded_up(anomalies: int, ratio: float) -> None:
    data = distinct(1000, anomalies)
    available = int(data.y[training_part(data)].sum())
    counts = split(data, labeled_ratio=ratio).counts
    assert counts["labelled_anomalies_distinct"] == math.ceil(Fraction(str(ratio)) * available)
    assert counts["pool_anomalies"] == available - counts["labelled_anomalies"]


@pytest.mark.parametrize("ratio", [1e-9, 0.1, 0.5, 0.999, 1])
def test_the_normal_ratio_is_applied(ratio: float) -> None:
    data = distinct(1000, 100)
    available = int((data.y[training_part(data)] == 0).sum())
    counts = split(data, normal_ratio=ratio).counts
    assert abs(counts["pool_normal"] - max(1, ratio * available)) <= 0.5
    assert counts["dropped"] == available - counts["pool_normal"]


@pytest.mark.parametrize("labeled_ratio", [0.1, 0.5])
@pytest.mark.parametrize("normal_ratio", [0.2, 1])
@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.45, 0.8])
def test_contamination_is_reached_within_a_row(
    dataset: Dataset, share: float, labeled_ratio: float, normal_ratio: float
) -> None:
    values = {"labeled_ratio": labeled_ratio, "normal_ratio": normal_ratio}
    natural = split(dataset, **values)
    result = split(dataset, **values, contamination=share)
    anomalies, normals = (pool_rows(result, dataset, label) for label in (1, 0))
    unlabeled, kept = (pool_rows(natural, dataset, label) for label in (1, 0))

    assert labeled_rows(result) == labeled_rows(natural)
    assert anomalies <= unlabeled and normals <= kept
    assert anomalies == unlabeled or normals == kept, "rows are dropped on one side only"
    pool = len(anomalies) + len(normals)
    assert abs(len(anomalies) - share * pool) <= 1
    if share == 0:
        assert not anomalies and normals == kept


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_natural_pool_holds_all_unlabeled_rows(dataset: Dataset, protocol: str) -> None:
    result = split(dataset, protocol=protocol)
    assert result.counts["dropped"] == 0
    everyone = labeled_rows(result) | pool_rows(result, dataset, 0) | pool_rows(result, dataset, 1)
    assert everyone == set(training_part(dataset, protocol=protocol).tolist())


def test_the_number_of_labels_is_a_count_of_the_same_rows(dataset: Dataset) -> None:
    available = split(dataset, labeled_ratio=1).counts["labelled_anomalies_distinct"]
    for count in {1, 2, available}:
        result = split(dataset, labeled_anomalies=count)
        by_share = split(dataset, labeled_ratio=count / available)
        assert result.counts["labelled_anomalies_distinct"] == count
        assert np.array_equal(result.train, by_share.train) and np.array_equal(result.labeled, by_share.labeled)
    with pytest.raises(SplitImpossible, match=r"has only \d+ anomalies for 100000 labels: lower labeled_anomalies\."):
        split(dataset, labeled_anomalies=100_000)


def test_draws_are_nested(dataset: Dataset) -> None:
    def ladder(name: str, values: list[float], pick: Callable[[Split], set[int]]) -> None:
        steps = [pick(split(dataset, **{name: value})) for value in values]
        assert all(less <= more for less, more in pairwise(steps))
        assert steps[0] < steps[-1], "the ladder leads somewhere"

    ladder("labeled_ratio", [0.01, 0.1, 0.5, 1], labeled_rows)
    ladder("normal_ratio", [0.01, 0.1, 0.5, 1], lambda result: pool_rows(result, dataset, 0))
    ladder("contamination", [0, 0.01, 0.1, 0.8], lambda result: pool_rows(result, dataset, 1))
    ladder("contamination", [0.8, 0.5, 0.1, 0], lambda result: pool_rows(result, dataset, 0))


@pytest.mark.parametrize("values", SETTINGS, ids=str)
def test_labeled_rows_are_not_in_the_pool(dataset: Dataset, values: dict[str, Any]) -> None:
    result = split(dataset, **values)
    assert not labeled_rows(result) & set(result.train[~result.labeled].tolist())


# Determinism


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_test_rows_depend_on_the_seed_alone(dataset: Dataset, protocol: str) -> None:
    test = split(dataset, protocol=protocol).test
    for values in SETTINGS:
        assert np.array_equal(split(dataset, protocol=protocol, **values).test, test)
    assert not np.array_equal(split(dataset, protocol=protocol, seed=1).test, test)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_same_seed_gives_the_same_split(dataset: Dataset, protocol: str) -> None:
    def everything(**values: Any) -> bytes:
        result = split(dataset, protocol=protocol, **values)
        arrays = (result.train, result.labeled, result.test, result.minimum, result.scale)
        return b"|".join(array.tobytes() for array in arrays) + str(result.counts).encode()

    np.random.seed(1)
    first = everything(seed=5)
    state = np.random.get_state()
    again = everything(
        seed=5, lambda_n=0, norm="none", batch_size=3, epochs=1, learning_rate=1, preset="published_code"
    )
    assert again == first
    assert str(np.random.get_state()) == str(state), "no global random state"
    assert len({everything(seed=seed) for seed in range(5)}) == 5


# Scaling


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("values", SETTINGS, ids=str)
def test_training_rows_are_scaled_into_0_to_1(dataset: Dataset, protocol: str, values: dict[str, Any]) -> None:
    result = split(dataset, protocol=protocol, **values)
    assert result.minimum.dtype == result.scale.dtype == np.float32
    # ADBench scales before it picks who is labeled and kept, so in its protocol the whole part counts.
    spanning = result.train if protocol == "leak_free" else training_part(dataset, protocol=protocol)
    with np.errstate(all="raise", under="ignore"):
        scaled = (dataset.X[spanning] - result.minimum) / result.scale
    assert np.isin(result.train, spanning).all()
    constant = np.ptp(dataset.X[spanning], axis=0) == 0
    assert np.array_equal(scaled.min(axis=0), np.zeros(dataset.columns))
    assert np.array_equal(scaled.max(axis=0), np.where(constant, 0, 1))
    assert (result.scale[constant] == 1).all()


def test_constant_and_extreme_columns_scale_without_a_warning() -> None:
    X = np.random.default_rng(0).normal(size=(200, 3))
    X[:, 0] = 7
    X[:, 1] = np.where(X[:, 1] > 0, 1e38, -1e38)
    data = table(X, np.arange(200) % 5 == 0)
    with np.errstate(all="raise"):
        result = split(data)
        scaled = (data.X[result.train] - result.minimum) / result.scale
    assert np.array_equal(np.unique(scaled[:, 0]), [0])
    assert np.array_equal(np.unique(scaled[:, 1]), [0, 1])


# Impossible splits


def assert_impossible(data: Dataset, *words: str, **values: Any) -> None:
    with pytest.raises(SplitImpossible) as caught:
        split(data, **values)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and ". " not in text, text
    assert all(word in text for word in words), text


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("anomalies", "counts"), [(1, "99 normal, 1 anomalous"), (99, "1 normal, 99 anomalous")])
def test_a_single_row_of_a_class_cannot_be_split(anomalies: int, counts: str, protocol: str) -> None:
    data = distinct(100, anomalies)
    expected = ("made has", counts) if protocol == "leak_free" else ("made has",)
    for seed in range(5):
        if protocol == "leak_free" or split_is_short(data, seed):
            assert_impossible(data, *expected, protocol=protocol, seed=seed)


def split_is_short(data: Dataset, seed: int) -> bool:
    """Return True if ADBench's resampling draws the rare row fewer than twice."""
    try:
        counts = split(data, protocol="published", seed=seed).counts
    except SplitImpossible:
        return True
    assert min(counts["labelled_anomalies"], counts["test_anomalies"], counts["pool_normal"], counts["test_normal"]) > 0
    return False


def test_copies_of_one_anomaly_cannot_be_split() -> None:
    X = np.arange(100.0)[:, None].repeat(2, axis=1)
    X[:20] = 0
    assert_impossible(table(X, np.arange(100) < 20), "made has", "1 anomalous")


def test_equal_rows_of_both_classes_cannot_be_split() -> None:
    assert_impossible(table(np.zeros((50, 2)), np.arange(50) % 2), "made has", "0 normal, 1 anomalous")


def test_several_rows_that_all_occur_in_both_classes_cannot_be_split() -> None:
    X = np.arange(50)[:, None] // 10 * np.ones((1, 2))
    assert_impossible(table(X, np.arange(50) % 2), "made has", "one of each class")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_labeled_anomalies_cannot_contaminate(protocol: str) -> None:
    data = distinct(1000, 50)
    assert_impossible(data, "labeled ratio", "contamination", protocol=protocol, labeled_ratio=1, contamination=0.1)
    assert split(data, protocol=protocol, labeled_ratio=1, contamination=0).counts["pool_anomalies"] == 0
    assert split(data, protocol=protocol, labeled_ratio=1, contamination="natural").counts["pool_anomalies"] == 0


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 2**31 - 1))
def test_two_distinct_rows_of_each_class_are_enough(normals: int, anomalies: int, seed: int) -> None:
    data = table(np.arange(normals + anomalies)[:, None], np.arange(normals + anomalies) < anomalies)
    counts = split(data, seed=seed).counts
    assert min(counts[name] for name in ("labelled_anomalies", "pool_normal", "test_normal", "test_anomalies")) > 0


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), min_size=2, max_size=40),
    st.fixed_dictionaries(
        {
            "labeled_ratio": st.floats(0.001, 1),
            "normal_ratio": st.floats(0.001, 1),
            "contamination": st.just("natural") | st.floats(0, 0.8),
            "protocol": st.sampled_from(PROTOCOLS),
            "seed": st.integers(0, 99),
        }
    ),
)
def test_any_table_is_split_or_refused(rows: list[tuple[int, int]], values: dict[str, Any]) -> None:
    X, y = np.array(rows).T
    assume(0 < y.sum() < len(y))
    data = table(X[:, None], y)
    try:
        result = split(data, **values)
    except SplitImpossible:
        return
    assert data.y[result.train[result.labeled]].all() and result.labeled.any()
    assert set(data.y[result.test]) == {0, 1} and (data.y[result.train] == 0).any()
    if values["protocol"] == "leak_free":
        assert set(vectors(data, result.train)).isdisjoint(vectors(data, result.test))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_set_of_286048_rows(real_data: Path, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    monkeypatch.setenv("ANOONLY_DATA", str(real_data))
    if not (real_data / "Classical" / "10_cover.npz").is_file():
        pytest.skip("ANOONLY_DATA has no 10_cover")
    data = resolve("10_cover").load()
    begun = time.perf_counter()
    result = split(data, protocol=protocol)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"10_cover, {protocol}: {seconds:.2f} s; the process held at most {peak:.0f} MiB so far")
    assert np.array_equal(np.union1d(result.train, result.test), np.arange(286048))
    assert result.counts["train"] + result.counts["test"] == 286048
    assert result.counts["test_anomalies"] == round(0.3 * data.y.sum())


# Copies of labeled anomalies


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (
            {"labelled_anomalies": 6, "labelled_anomalies_distinct": 2},
            "6 labeled anomalies (copies of 2 distinct rows)",
        ),
        ({"labelled_anomalies": 3, "labelled_anomalies_distinct": 1}, "3 labeled anomalies (copies of 1 distinct row)"),
        ({"labelled_anomalies": 6, "labelled_anomalies_distinct": 6}, "6 labeled anomalies"),
        ({"labelled_anomalies": 1, "labelled_anomalies_distinct": 1}, "1 labeled anomaly"),
        ({"labelled_anomalies": 6}, "6 labeled anomalies"),  # of a result stored before distinct rows were counted
    ],
)
def test_copies_of_labeled_anomalies_are_named(counts: dict[str, int], words: str) -> None:
    assert labeled_anomalies(counts) == words


def test_the_labels_of_a_small_set_are_copies() -> None:
    counts = make_split(resolve("breast_cancer").load(), make_config(dataset="breast_cancer")).counts
    assert counts["labelled_anomalies_distinct"] < counts["labelled_anomalies"]
    assert f"copies of {counts['labelled_anomalies_distinct']} distinct" in labeled_anomalies(counts)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (0, "6 labeled anomalies"),
        (1, ", 1 normal row labeled wrongly among them"),
        (2, ", 2 normal rows labeled wrongly"),
    ],
)
def test_wrong_labels_are_named(wrong: int, words: str) -> None:
    text = labeled_anomalies({"labelled_anomalies": 6, "flipped_normal": wrong})
    assert words in text and ("wrongly" in text) is (wrong > 0)


# scikit-learn's draws


@pytest.mark.parametrize("rows", [*range(1, 22), 60, 100, 101, 700, 4097])
def test_the_rows_match_scikit_learn(rows: int) -> None:
    for anomalies, seed in product((0, 1, 2, 3, 5, 7, 10, 15, 35, 50, 99, 100), range(4)):
        y = np.random.default_rng(rows).permutation(np.arange(rows) < anomalies).astype(np.int8)
        try:
            train, test = train_test_split(
                np.arange(rows), test_size=TEST_SHARE, stratify=y, random_state=derived_seed(seed, "split") % 2**32
            )
        except ValueError:
            train = test = np.arange(0)
        if all(len(np.unique(y[part])) == 2 for part in (train, test)):
            in_train = _stratified(y, seed, "made")
            assert np.array_equal(np.flatnonzero(in_train), np.sort(train))
            assert np.array_equal(np.flatnonzero(~in_train), np.sort(test))
        else:
            with pytest.raises(SplitImpossible):
                _stratified(y, seed, "made")

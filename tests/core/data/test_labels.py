"""Tests of known normal rows, unlabeled rows, label errors and types of anomaly in the training part."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anoonly_core.data.catalogue import resolve
from anoonly_core.data.dataset import Dataset, Provenance, make_dataset
from anoonly_core.errors import SplitImpossible
from tests.core.data.splits import PROTOCOLS, distinct, labeled_rows, pool_rows, split


def known_normals(data: Dataset, **values: Any) -> set[int]:
    """Return the known normal rows: without any unlabeled row they alone are the pool."""
    return pool_rows(split(data, **values, unlabeled_ratio=0), data, 0)


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        ({"labeled_normals": 7}, 7),
        ({"labeled_normal_ratio": 1.0}, 14),
        ({"labeled_normal_ratio": 0.3}, 5),
        ({"labeled_normals": 2, "labeled_normal_ratio": 2.0}, 30),
        ({"labeled_normals": 3, "labeled_anomalies": 1, "labeled_normal_ratio": 4.0}, 7),
    ],
    ids=str,
)
def test_known_normal_rows_stay_whatever_else_is_dropped(values: dict[str, Any], rows: int) -> None:
    data = distinct(1000, 200)  # 140 training anomalies, 14 of them labeled
    known = known_normals(data, **values)
    assert len(known) == rows
    for other in ({"normal_ratio": 1e-9}, {"unlabeled_ratio": 0.01}, {"contamination": 0.8}, {"flipped_normals": 0.1}):
        result = split(data, **values, **other)
        assert known <= pool_rows(result, data, 0)
        assert result.counts["known_normal"] == rows
    assert known <= known_normals(data, **{**values, "labeled_normals": 40})
    natural, as_ever = split(data, **values), split(data)
    assert set(natural.train) == set(as_ever.train) or "labeled_anomalies" in values, "they are pool rows already"


@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.5, 0.99])
def test_the_unlabeled_ratio_drops_normal_rows_and_anomalies_alike(ratio: float) -> None:
    data = distinct(2000, 400)
    whole, part = split(data), split(data, unlabeled_ratio=ratio)
    for label in (0, 1):
        all_rows, rows = pool_rows(whole, data, label), pool_rows(part, data, label)
        assert rows <= all_rows and abs(len(rows) - ratio * len(all_rows)) <= 1
    assert labeled_rows(part) == labeled_rows(whole)
    assert part.counts["dropped"] == len(whole.train) - len(part.train)


def test_rows_without_a_label_are_dropped_by_the_unlabeled_ratio_too() -> None:
    data = distinct(1000, 100)
    unlabeled = np.arange(1000) % 2 == 0
    data = make_dataset(
        "made", data.X, np.where(unlabeled, 0, data.y), Provenance("made here", "none"), unlabeled=unlabeled
    )
    assert split(data).counts["pool_unlabelled"] == 500
    assert split(data, unlabeled_ratio=0.3).counts["pool_unlabelled"] == 150


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9])
def test_anomalies_labeled_normal_join_the_pool(share: float) -> None:
    data = distinct(1000, 200)
    right, flipped = split(data, contamination=0), split(data, contamination=0, flipped_anomalies=share)
    count = math.ceil(Fraction(str(share)) * 14)
    assert labeled_rows(flipped) < labeled_rows(right)
    assert pool_rows(flipped, data, 1) == labeled_rows(right) - labeled_rows(flipped)
    assert flipped.counts["flipped_anomalies"] == flipped.counts["pool_anomalies"] == count
    assert set(flipped.train) == set(right.train)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.3])
def test_normal_rows_labeled_anomalous_leave_the_pool(share: float) -> None:
    data = distinct(1000, 200)
    right, flipped = split(data), split(data, flipped_normals=share)
    count = math.ceil(Fraction(str(share)) * 560)
    wrong = labeled_rows(flipped) - labeled_rows(right)
    assert labeled_rows(right) < labeled_rows(flipped) and not data.y[sorted(wrong)].any()
    assert len(wrong) == flipped.counts["flipped_normal"] == count
    assert pool_rows(flipped, data, 0) == pool_rows(right, data, 0) - wrong


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"flipped_anomalies": 1}, "Every labeled anomaly is labeled normal"),
        ({"flipped_normals": 1}, "only 560 normal rows for 0 known ones and 560 flipped labels"),
        ({"labeled_normals": 561}, "only 560 normal rows for 561 known ones"),
        ({"labeled_normals": 500, "flipped_normals": 0.2}, "only 560 normal rows for 500 known ones and 112 flipped"),
        ({"labeled_normal_ratio": 41}, "only 560 normal rows for 574 known ones"),
    ],
    ids=str,
)
def test_more_labels_than_rows_are_refused_in_one_sentence(values: dict[str, Any], words: str) -> None:
    with pytest.raises(SplitImpossible, match=words) as caught:
        split(distinct(1000, 200), **values)
    assert str(caught.value).endswith(".") and str(caught.value).isprintable()


def test_every_label_may_be_wrong_if_other_labels_are_left() -> None:
    data = distinct(1000, 200)
    result = split(data, flipped_anomalies=1, flipped_normals=0.01)
    assert not data.y[result.train[result.labeled]].any()


def typed(rows: int = 900, types: int = 5) -> Dataset:
    """Make a table of which a third are anomalies of a few types."""
    data = distinct(rows, rows // 3)
    classes = np.where(data.y == 1, np.arange(rows) % types, 99)
    return make_dataset("made", data.X, data.y, Provenance("made here", "none"), types=classes)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("unseen", [1, 2, 4])
def test_training_lacks_the_unseen_types_and_the_test_has_all(unseen: int, protocol: str) -> None:
    data = typed()
    assert data.types is not None
    result, whole = (split(data, protocol=protocol, unseen_types=count) for count in (unseen, 0))
    trained = set(data.types[result.train[data.y[result.train] == 1]])
    assert len(trained) == 5 - unseen
    assert np.array_equal(result.test, whole.test) and set(data.types[result.test]) == {-1, 0, 1, 2, 3, 4}
    fewer = split(data, protocol=protocol, unseen_types=unseen - 1)
    assert trained < set(data.types[fewer.train[data.y[fewer.train] == 1]]), "draws are nested"
    assert result.counts["unseen_anomalies"] > 0


def test_the_unseen_types_follow_the_seed() -> None:
    data = typed()
    assert data.types is not None
    trained = [
        set(data.types[result.train]) for result in (split(data, unseen_types=2, seed=seed) for seed in range(6))
    ]
    assert len({frozenset(types) for types in trained}) > 1


@pytest.mark.parametrize(
    ("name", "unseen", "words"),
    [
        ("digits_3", 1, "digits_3 has no types of anomaly: set unseen_types to 0"),
        ("breast_cancer", 2, "breast_cancer has no types of anomaly"),
        ("digits_low", 5, "digits_low has 5 types of anomaly: set unseen_types to 4 at most."),
        ("digits_only_3", 9, "digits_only_3 has 9 types of anomaly: set unseen_types to 8 at most."),
    ],
)
def test_a_set_without_that_many_types_says_so(name: str, unseen: int, words: str) -> None:
    with pytest.raises(SplitImpossible, match=words):
        split(resolve(name).load(), unseen_types=unseen)


def test_a_table_with_several_classes_as_anomalies_has_types(tmp_path: Path) -> None:
    rows = "".join(f"{number},{'abcd'[number % 4]}\n" for number in range(80))
    (tmp_path / "table.csv").write_text(f"x,kind\n{rows}")
    several = resolve(f"{tmp_path}/table.csv?label=kind&normal=a").load()
    assert several.types is not None
    assert np.array_equal(several.types, np.arange(80) % 4 - 1)
    assert resolve(f"{tmp_path}/table.csv?label=kind&anomaly=b").load().types is None

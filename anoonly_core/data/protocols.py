"""Training and test part of a data set by time, by group, or from a test file; docs/methods.md § 3."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from anoonly_core.data.dataset import NO_KEY, Dataset
from anoonly_core.errors import SplitImpossible
from anoonly_core.rng import numpy_generator

__all__ = ["DIVISIONS", "shared_groups"]


def _by_time(dataset: Dataset, seed: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Test on the latest `share` of the labeled rows, and train on all rows before them.

    Rows of one time stay together; the cut is the one nearest to `share`. Rows without a time are left out, and so are
    rows without a label from the cut on. The seed has no effect.
    """
    times = dataset.split_keys.times
    if times is None:
        raise _lacking(dataset, "time column", "time=COLUMN")
    has_time = times != NO_KEY
    labeled = np.sort(times[dataset.known & has_time])
    if not len(labeled):
        raise SplitImpossible(f"No labeled row of {dataset.name} has a time: choose another split.")
    starts = np.flatnonzero(np.r_[True, labeled[1:] != labeled[:-1]])
    cut = labeled[starts[np.argmin(abs(starts - (1 - share) * len(labeled)))]]
    return np.flatnonzero(has_time & (times < cut)), np.flatnonzero(has_time & (times >= cut))


def _by_group(dataset: Dataset, seed: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Test on all rows of some groups, drawn by seed, and train on all rows of the others.

    Groups with an anomaly are drawn until they hold `share` of the anomalies, then groups without one until the test
    holds `share` of the normal rows. A row without a group is a group by itself. Groups without a labeled row train.
    """
    groups = dataset.split_keys.groups
    if groups is None:
        raise _lacking(dataset, "group column", "group=COLUMN")
    alone = np.flatnonzero(groups == NO_KEY)
    groups = groups.copy()
    groups[alone] = groups.max(initial=NO_KEY) + 1 + np.arange(len(alone))
    count = int(groups.max()) + 1
    is_anomaly = dataset.known & (dataset.y == 1)
    anomalies = np.bincount(groups[is_anomaly], minlength=count)
    normals = np.bincount(groups[dataset.known & ~is_anomaly], minlength=count)
    order = numpy_generator(seed, "groups").permutation(count)
    with_anomaly, without = order[anomalies[order] > 0], order[(anomalies[order] == 0) & (normals[order] > 0)]
    if len(with_anomaly) < 2:
        raise SplitImpossible(
            f"All anomalies of {dataset.name} are of one group, so they cannot be in training and test: "
            "choose another split."
        )
    tested = _first_groups(with_anomaly, anomalies, share * anomalies.sum(), len(with_anomaly) - 1)
    left = share * normals.sum() - normals[tested].sum()
    tested = np.r_[tested, _first_groups(without, normals, left, len(without))] if left > 0 else tested
    in_test = np.zeros(count, dtype=bool)
    in_test[tested] = True
    return np.flatnonzero(~in_test[groups]), np.flatnonzero(in_test[groups])


def _first_groups(order: np.ndarray, rows: np.ndarray, wanted: float, most: int) -> np.ndarray:
    """Return the first groups of `order`, at most `most`, whose rows add up to the number nearest to `wanted`.

    `rows` is the number of rows of each group. At least one group is returned if `most` allows.
    """
    totals = np.cumsum(rows[order[:most]])
    return order[: int(np.argmin(abs(totals - wanted))) + 1] if len(totals) else order[:0]


def _test_file(dataset: Dataset, seed: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Test on the rows of the test file, and train on those of the table; seed and share have no effect."""
    tests = dataset.split_keys.tests
    if tests is None:
        raise _lacking(dataset, "test file", "test=FILE")
    return np.flatnonzero(~tests), np.flatnonzero(tests)


# Functions by protocol: data set, seed and share of the test part to row indices of training and test part. The test
# part may hold rows without a label.
DIVISIONS: MappingProxyType[str, Callable[[Dataset, int, float], tuple[np.ndarray, np.ndarray]]] = MappingProxyType(
    {"by_time": _by_time, "by_group": _by_group, "test_file": _test_file}
)


def shared_groups(dataset: Dataset, train_part: np.ndarray, test: np.ndarray) -> int | None:
    """Return the number of groups with rows in both parts, given as row indices; None without a group column."""
    groups = dataset.split_keys.groups
    if groups is None:
        return None
    return len(np.setdiff1d(np.intersect1d(groups[train_part], groups[test]), [NO_KEY]))


def _lacking(dataset: Dataset, what: str, option: str) -> SplitImpossible:
    return SplitImpossible(
        f"{dataset.name} has no {what}: name it with {option} after the file name or on the page Your table, or choose "
        "another protocol."
    )

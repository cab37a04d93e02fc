"""Which rows a run trains on, which of them are labelled, and which rows test it.

METHODS: 70/30, stratified by label; a share of the training anomalies is labelled; all other
training rows are the pool, whose anomalous share is the contamination. (Elsewhere that word also
means a score threshold, in PyOD, or flipped labels, in ADBench.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.errors import SplitImpossible
from anoonly_core.streams import derived_seed, numpy_stream

__all__ = ["RESAMPLED_ROWS", "SPLIT_FIELDS", "TEST_SHARE", "Split", "make_split", "min_max"]

TEST_SHARE = 0.3
# What of a config decides its split, and with it the rows that are kept of a run to be drawn.
SPLIT_FIELDS = ("dataset", "seed", "labeled_ratio", "normal_ratio", "contamination", "protocol")
RESAMPLED_ROWS = 1000  # ADBench's loader brings smaller sets to this many rows


@dataclass(frozen=True, eq=False)
class Split:
    """The rows of one run, as indices into its Dataset.

    train: int64 [n], the rows trained on, repeated where the training part was resampled.
    labelled: bool [n], the anomalies whose label the training sees; the others are the pool.
    test: int64 [m]. minimum, scale: float32 [columns], the min-max scaling into about 0 to 1.
    counts: what the split holds, by name, as the page and the command line report it.
    """

    train: np.ndarray
    labelled: np.ndarray
    test: np.ndarray
    minimum: np.ndarray
    scale: np.ndarray
    counts: dict[str, int]

    def scaled(self, dataset: Dataset, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Rows of the data set as the run sees them, float32 [len(rows), columns]; written to `out` where given."""
        seen = np.take(dataset.X, rows, axis=0, out=out, mode="clip")  # any other mode would copy once more
        seen -= self.minimum
        seen /= self.scale
        return seen


def min_max(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minimum and scale [columns] that bring each column of X into 0 to 1; a constant one goes to 0."""
    minimum = X.min(axis=0)
    spread = X.max(axis=0) - minimum
    return minimum, np.where(spread > 0, spread, np.float32(1))


def make_split(dataset: Dataset, config: RunConfig) -> Split:
    """Draw the split that the config describes from the run's own streams.

    The draws are nested: fewer labels, fewer normals or less contamination keep a subset of the
    same rows. Raises SplitImpossible when a class has too few rows.
    """
    groups = dataset.identical
    if config.protocol == "published":
        train_part, test = _published_parts(dataset, config.seed)
        copies = np.ones(len(train_part), dtype=np.int64)
    else:
        train_part, test = _leak_free_parts(dataset, groups, config.seed)
        copies = _copies(dataset.rows, len(train_part), config.seed)

    labelled, pool = _select(dataset.y[train_part], config)
    chosen = np.sort(np.concatenate([labelled, pool]))
    is_labelled = np.isin(chosen, labelled)
    train = np.repeat(train_part[chosen], copies[chosen])
    train_labelled = np.repeat(is_labelled, copies[chosen])

    scaled_by = train_part if config.protocol == "published" else train
    minimum, scale = min_max(dataset.X[scaled_by])

    y_pool = dataset.y[train[~train_labelled]]
    counts = {
        "rows": dataset.rows,
        "training_part": len(train_part),
        "train": len(train),
        "train_distinct": len(np.unique(train)),
        "labelled_anomalies": int(train_labelled.sum()),
        "labelled_anomalies_distinct": len(np.unique(train[train_labelled])),
        "pool_normal": int((y_pool == 0).sum()),
        "pool_anomalies": int((y_pool == 1).sum()),
        "dropped": len(train_part) - len(chosen),
        "test": len(test),
        "test_normal": int((dataset.y[test] == 0).sum()),
        "test_anomalies": int((dataset.y[test] == 1).sum()),
        "test_copies_of_training_part": int(np.isin(groups[test], groups[train_part]).sum()),
    }
    return Split(train, train_labelled, test, minimum, scale.astype(np.float32), counts)


def _leak_free_parts(dataset: Dataset, groups: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split the distinct rows; copies of a row stay on its side."""
    group_label = np.zeros(groups.max() + 1, dtype=np.int64)
    np.maximum.at(group_label, groups, dataset.y)
    train_groups, _ = _stratified(group_label, seed, dataset.name)
    in_train = np.isin(groups, train_groups)
    return np.flatnonzero(in_train), np.flatnonzero(~in_train)


def _published_parts(dataset: Dataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """ADBench's way: small sets are resampled before the split, so copies land on both sides."""
    rows = np.arange(dataset.rows)
    if dataset.rows < RESAMPLED_ROWS:
        rows = numpy_stream(seed, "resample").choice(rows, RESAMPLED_ROWS, replace=True)
    train, test = _stratified(dataset.y[rows], seed, dataset.name)
    return rows[train], rows[test]


def _stratified(y: np.ndarray, seed: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training and the test part of labels y, both classes on both sides."""
    try:
        train, test = train_test_split(
            np.arange(len(y)),
            test_size=TEST_SHARE,
            stratify=y,
            random_state=derived_seed(seed, "split") % 2**32,
        )
    except ValueError as error:
        raise SplitImpossible(
            f"{name} has too few rows of a class to split: {int((y == 0).sum())} normal, "
            f"{int((y == 1).sum())} anomalous."
        ) from error
    if any(len(np.unique(y[part])) < 2 for part in (train, test)):
        raise SplitImpossible(
            f"{name} has only {int(min((y == 0).sum(), (y == 1).sum()))} distinct rows of one class: "
            f"training and test part both need one of each class."
        )
    return np.sort(train), np.sort(test)


def _copies(rows: int, training_part: int, seed: int) -> np.ndarray:
    """How often each row of the training part is repeated [training_part]: once in sets that are large enough.

    Every row stays in at least once; the rest is drawn, up to the number that ADBench trains on.
    """
    copies = np.ones(training_part, dtype=np.int64)
    wanted = round(RESAMPLED_ROWS * (1 - TEST_SHARE))
    if rows < RESAMPLED_ROWS and training_part < wanted:
        copies *= wanted // training_part
        extra = numpy_stream(seed, "resample").permutation(training_part)[: wanted % training_part]
        copies[extra] += 1
    return copies


def _select(y: np.ndarray, config: RunConfig) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the training part of the labelled anomalies and of the pool."""
    anomalies = numpy_stream(config.seed, "labels").permutation(np.flatnonzero(y == 1))
    normals = numpy_stream(config.seed, "normals").permutation(np.flatnonzero(y == 0))
    labels = max(1, math.ceil(round(config.labeled_ratio * len(anomalies), 9)))
    labelled, unlabelled = anomalies[:labels], anomalies[labels:]
    normals = normals[: max(1, round(config.normal_ratio * len(normals)))]
    if config.contamination != "natural":
        unlabelled, normals = _contaminate(unlabelled, normals, float(config.contamination))
    return labelled, np.concatenate([unlabelled, normals])


def _contaminate(unlabelled: np.ndarray, normals: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Bring the pool to an anomalous share; where anomalies are too few, by dropping normals."""
    if share == 0:
        return unlabelled[:0], normals
    wanted = round(len(normals) * share / (1 - share))
    if wanted <= len(unlabelled):
        return unlabelled[:wanted], normals
    if len(unlabelled) == 0:
        raise SplitImpossible(
            "Every training anomaly is labelled, so none is left to contaminate the pool: "
            "lower the labelled ratio or set the contamination to 0 or natural."
        )
    return unlabelled, normals[: max(1, round(len(unlabelled) * (1 - share) / share))]

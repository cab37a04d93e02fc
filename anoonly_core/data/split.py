"""Which rows a run trains on, which of them are labeled, and which rows test it.

METHODS: 70/30, stratified by label; a share of the training anomalies is labeled; all other
training rows are the pool, whose anomalous share is the contamination. (Elsewhere that word also
means a score threshold, in PyOD, or flipped labels, in ADBench.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import BLOCK_ROWS, Dataset
from anoonly_core.errors import SplitImpossible
from anoonly_core.rng import derived_seed, numpy_generator

__all__ = ["RESAMPLED_ROWS", "SPLIT_FIELDS", "TEST_SHARE", "Split", "make_split", "min_max"]

TEST_SHARE = 0.3
# What of a config decides its split, and with it the rows that are kept of a run to be drawn.
SPLIT_FIELDS = ("dataset", "seed", "labeled_ratio", "normal_ratio", "contamination", "protocol")
RESAMPLED_ROWS = 1000  # ADBench's loader brings smaller sets to this many rows


@dataclass(frozen=True, eq=False)
class Split:
    """The rows of one run, as indices into its Dataset.

    train: int64 [n], the rows trained on, repeated where the training part was resampled.
    labeled: bool [n], the anomalies whose label the training sees; the others are the pool.
    test: int64 [m]. minimum, scale: float32 [columns], the min-max scaling into about 0 to 1.
    counts: what the split holds, by name, as the page and the command line report it.
    """

    train: np.ndarray
    labeled: np.ndarray
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


def min_max(X: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minimum and scale [columns] that bring each column of X's rows into 0 to 1; a constant one goes to 0."""
    minimum = np.full(X.shape[1], np.inf, dtype=X.dtype)
    maximum = -minimum
    for begin in range(0, len(rows), BLOCK_ROWS):  # all of them at once would be a second table
        block = X[rows[begin : begin + BLOCK_ROWS]]
        np.minimum(minimum, block.min(axis=0), out=minimum)
        np.maximum(maximum, block.max(axis=0), out=maximum)
    spread = maximum - minimum
    return minimum, np.where(spread > 0, spread, np.float32(1))


def make_split(dataset: Dataset, config: RunConfig) -> Split:
    """Draw the split that the config describes from the run's own streams.

    Rows without a label are all in the pool; the labeled, normal and contamination shares are of the others.

    The draws are nested: fewer labels, fewer normals or less contamination keep a subset of the
    same rows. Raises SplitImpossible when a class has too few rows.
    """
    groups, known = dataset.identical, dataset.known
    if config.protocol == "published":
        if dataset.unlabeled is not None:
            raise SplitImpossible(
                f"{dataset.name} has rows without a label, which the published protocol does not know: take leak_free."
            )
        train_part, test = _published_parts(dataset, config.seed)
        copies = np.ones(len(train_part), dtype=np.int16)
    else:
        train_part, test = _leak_free_parts(dataset, groups, config.seed)
        test = test[known[test]]
        copies = _copies(dataset.rows, len(train_part), config.seed)

    labeled, pool = _select(dataset.y[train_part], known[train_part], config)
    is_labeled = _mask(labeled, len(train_part))
    chosen = is_labeled | _mask(pool, len(train_part))
    train = np.repeat(train_part[chosen], copies[chosen])
    train_labelled = np.repeat(is_labeled[chosen], copies[chosen])

    scaled_by = train_part if config.protocol == "published" else train
    minimum, scale = min_max(dataset.X, scaled_by)

    in_pool = train[~train_labelled]
    y_pool = dataset.y[in_pool][known[in_pool]]
    counts = {
        "rows": dataset.rows,
        "training_part": len(train_part),
        "train": len(train),
        "train_distinct": int(_mask(train, dataset.rows).sum()),
        "labelled_anomalies": int(train_labelled.sum()),
        "labelled_anomalies_distinct": len(np.unique(train[train_labelled])),
        "pool_normal": int((y_pool == 0).sum()),
        "pool_anomalies": int((y_pool == 1).sum()),
        "pool_unlabelled": int((~known[in_pool]).sum()),
        "dropped": len(train_part) - int(chosen.sum()),
        "test": len(test),
        "test_normal": int((dataset.y[test] == 0).sum()),
        "test_anomalies": int((dataset.y[test] == 1).sum()),
        "test_copies_of_training_part": int(_mask(groups[train_part], dataset.rows)[groups[test]].sum()),
    }
    return Split(train, train_labelled, test, minimum, scale.astype(np.float32), counts)


def _leak_free_parts(dataset: Dataset, groups: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split the distinct rows; copies of a row stay on its side, and rows that nobody has labeled train."""
    group_label = np.zeros(groups.max() + 1, dtype=np.int8)
    group_label[groups[dataset.y == 1]] = 1
    trains = np.ones(len(group_label), dtype=bool)
    known = _mask(groups[dataset.known], len(group_label))
    trains[known] = _stratified(group_label[known], seed, dataset.name)
    in_train = trains[groups]
    return np.flatnonzero(in_train), np.flatnonzero(~in_train)


def _published_parts(dataset: Dataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """ADBench's way: small sets are resampled before the split, so copies land on both sides."""
    rows = np.arange(dataset.rows)
    if dataset.rows < RESAMPLED_ROWS:
        rows = numpy_generator(seed, "resample").choice(rows, RESAMPLED_ROWS, replace=True)
    in_train = _stratified(dataset.y[rows], seed, dataset.name)
    return rows[in_train], rows[~in_train]


def _stratified(y: np.ndarray, seed: int, name: str) -> np.ndarray:
    """Which of labels y are in the training part, bool [n]; the rest is the test part, both classes on both sides.

    The rows are those that scikit-learn's train_test_split draws with stratify=y, which takes twenty
    times the memory of y.
    """
    classes = [rows for label in (0, 1) if len(rows := np.flatnonzero(y == label))]
    counts = np.array([len(rows) for rows in classes])
    tests = math.ceil(TEST_SHARE * len(y))
    if counts.min() < 2 or min(tests, len(y) - tests) < len(classes):
        raise SplitImpossible(
            f"{name} has too few rows of a class to split: {int((y == 0).sum())} normal, "
            f"{int((y == 1).sum())} anomalous."
        )
    random = np.random.RandomState(derived_seed(seed, "split") % 2**32)
    trained = _shares(counts, len(y) - tests, random)
    _shares(counts - trained, tests, random)  # all that are left; a tie is drawn all the same
    in_train = np.zeros(len(y), dtype=bool)
    for rows, share in zip(classes, trained, strict=True):
        in_train[rows[random.permutation(len(rows))[:share]]] = True
    if len(classes) < 2 or (trained < 1).any() or (trained == counts).any():
        raise SplitImpossible(
            f"{name} has only {int(min((y == 0).sum(), (y == 1).sum()))} distinct rows of one class: "
            f"training and test part both need one of each class."
        )
    return in_train


def _shares(counts: np.ndarray, rows: int, random: np.random.RandomState) -> np.ndarray:
    """How many of so many rows each class gets, in proportion to its count; ties are drawn, as scikit-learn does."""
    wanted = counts / counts.sum() * rows
    shares = np.floor(wanted)
    left = wanted - shares
    for value in np.unique(left)[::-1]:
        missing = int(rows - shares.sum())
        if missing > 0:
            tied = np.flatnonzero(left == value)
            shares[random.choice(tied, size=min(len(tied), missing), replace=False)] += 1
    return np.asarray(shares, dtype=np.int64)


def _mask(rows: np.ndarray, count: int) -> np.ndarray:
    """Which of `count` rows are among these, bool [count]."""
    mask = np.zeros(count, dtype=bool)
    mask[rows] = True
    return mask


def _copies(rows: int, training_part: int, seed: int) -> np.ndarray:
    """How often each row of the training part is repeated [training_part]: once in sets that are large enough.

    Every row stays in at least once; the rest is drawn, up to the number that ADBench trains on.
    """
    copies = np.ones(training_part, dtype=np.int16)
    wanted = round(RESAMPLED_ROWS * (1 - TEST_SHARE))
    if rows < RESAMPLED_ROWS and training_part < wanted:
        copies *= wanted // training_part
        extra = numpy_generator(seed, "resample").permutation(training_part)[: wanted % training_part]
        copies[extra] += 1
    return copies


def _select(y: np.ndarray, known: np.ndarray, config: RunConfig) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the training part of the labeled anomalies and of the pool, where all unlabeled rows stay."""
    anomalies = numpy_generator(config.seed, "labels").permutation(np.flatnonzero(y == 1))
    normals = numpy_generator(config.seed, "normals").permutation(np.flatnonzero((y == 0) & known))
    labels = max(1, math.ceil(round(config.labeled_ratio * len(anomalies), 9)))
    labeled, unlabeled = anomalies[:labels], anomalies[labels:]
    normals = normals[: max(1, round(config.normal_ratio * len(normals)))]
    if config.contamination != "natural":
        unlabeled, normals = _contaminate(unlabeled, normals, float(config.contamination))
    return labeled, np.concatenate([unlabeled, normals, np.flatnonzero(~known)])


def _contaminate(unlabeled: np.ndarray, normals: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Bring the pool to an anomalous share; where anomalies are too few, by dropping normals."""
    if share == 0:
        return unlabeled[:0], normals
    wanted = round(len(normals) * share / (1 - share))
    if wanted <= len(unlabeled):
        return unlabeled[:wanted], normals
    if len(unlabeled) == 0:
        raise SplitImpossible(
            "Every training anomaly is labeled, so none is left to contaminate the pool: "
            "lower the labeled ratio or set the contamination to 0 or natural."
        )
    return unlabeled, normals[: max(1, round(len(unlabeled) * (1 - share) / share))]

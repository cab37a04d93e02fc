"""Split of a data set into training rows, labeled anomalies and test rows.

The split is 70/30, stratified by label; or it follows time, groups or a test file, see `protocols`. A share of the
training anomalies is labeled. All other training rows are the pool; the share of anomalies in the pool is the
contamination. (PyOD calls a score threshold contamination, ADBench flipped labels.)

Source: paper § 4.1 and § 4.6; docs/methods.md § 3 and 11.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from anoonly_core.config import LABEL_SETTINGS, RunConfig
from anoonly_core.data.dataset import BLOCK_ROWS, Dataset
from anoonly_core.data.labels import draw_labels
from anoonly_core.data.protocols import DIVISIONS, shared_groups
from anoonly_core.errors import SplitImpossible
from anoonly_core.rng import derived_seed, numpy_generator

__all__ = [
    "RESAMPLED_ROWS",
    "SPLIT_FIELDS",
    "TEST_SHARE",
    "Split",
    "labeled_anomalies",
    "make_split",
    "medians",
    "min_max",
    "train_on_all",
]

TEST_SHARE = 0.3
# Fields of a RunConfig that determine its split.
SPLIT_FIELDS = (
    *("dataset", "seed", "labeled_ratio", "normal_ratio", "contamination", "protocol"),
    *LABEL_SETTINGS,
)
RESAMPLED_ROWS = 1000  # ADBench's loader resamples smaller sets to this many rows


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of one run, as indices into its `Dataset`, with the scaling of the features.

    Attributes
    ----------
    train
        Training rows, int64 [n]; a row may repeat where the training part was resampled.
    labeled
        Mask over `train`: True for a labeled anomaly, False for a row of the pool, bool [n]. With flipped labels,
        normal rows labeled anomalous count among the first, and anomalies labeled normal among the second.
    test
        Test rows, int64 [m].
    minimum, scale
        Min-max scaling to about 0 to 1, [columns], of the dtype of the features: (x - minimum) / scale.
    counts
        Number of rows by kind, such as rows, train, labelled_anomalies, pool_normal and test.
    fill
        Values that replace missing ones before scaling, [columns], of the dtype of the features: the medians of the
        training rows. None if no value of the data set is missing.
    known_normal
        Mask over `train`: True for a row of the pool that is known to be normal, bool [n]. None if no row is.
    """

    train: np.ndarray
    labeled: np.ndarray
    test: np.ndarray
    minimum: np.ndarray
    scale: np.ndarray
    counts: dict[str, int]
    fill: np.ndarray | None = None
    known_normal: np.ndarray | None = None

    @property
    def is_known_normal(self) -> np.ndarray:
        """Mask over `train` of the rows known to be normal, bool [n]; all False if no row is."""
        return np.zeros(len(self.train), dtype=bool) if self.known_normal is None else self.known_normal

    def moved(self, first_row: int) -> Split:
        """Return this split for a table in which the rows of its data set begin at index `first_row`."""
        return replace(self, train=self.train + first_row, test=self.test + first_row) if first_row else self

    def with_rows(self, kept: np.ndarray) -> Split:
        """Return the same split with some of its training rows and without counts.

        `kept` is a mask over `train`, bool [n], or indices into it.
        """
        known = None if self.known_normal is None else self.known_normal[kept]
        return replace(self, train=self.train[kept], labeled=self.labeled[kept], known_normal=known, counts={})

    def filled(self, dataset: Dataset, rows: np.ndarray) -> np.ndarray:
        """Return unscaled rows of the data set with missing values replaced by `fill`, [len(rows), columns].

        `rows` are indices into `dataset`, the data set that was split.
        """
        return _fill(dataset.X[rows], self.fill)

    def scaled(self, dataset: Dataset, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return rows of the data set, missing values replaced and then scaled, float32 [len(rows), columns].

        Parameters
        ----------
        dataset
            Data set that was split.
        rows
            Indices of the rows.
        out
            Array to write to and return; None for a new array. Features in float64 are scaled before they
            are cast to float32.
        """
        if dataset.X.dtype != np.float32:
            out = np.empty((len(rows), dataset.columns), dtype=np.float32) if out is None else out
            with np.errstate(over="ignore"):
                for begin in range(0, len(rows), BLOCK_ROWS):
                    block = self.filled(dataset, rows[begin : begin + BLOCK_ROWS])
                    out[begin : begin + BLOCK_ROWS] = (block - self.minimum) / self.scale
            return out
        X = np.take(dataset.X, rows, axis=0, out=out, mode="clip")  # other modes make another copy
        _fill(X, self.fill)
        X -= self.minimum
        X /= self.scale
        return X


def _fill(X: np.ndarray, fill: np.ndarray | None) -> np.ndarray:
    """Replace the missing values of X [rows, columns] in place by `fill` [columns], unless that is None; return X."""
    if fill is not None:
        for begin in range(0, len(X), BLOCK_ROWS):
            block = X[begin : begin + BLOCK_ROWS]
            np.copyto(block, fill, where=np.isnan(block))
    return X


def medians(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the median of each column over distinct rows of X, without missing values: [columns], of the dtype of X.

    A row that is repeated in `rows` counts once. The median of a column without any value is 0.

    Parameters
    ----------
    X
        Features [all rows, columns]; NaN for a missing value.
    rows
        Indices of the rows.
    """
    distinct = np.unique(rows)
    columns = (X[distinct, column] for column in range(X.shape[1]))
    present = (values[~np.isnan(values)] for values in columns)
    return np.array([np.median(values) if len(values) else 0 for values in present], dtype=X.dtype)


def min_max(X: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimum and the range of each column over some rows of X, by which features are scaled to 0 to 1.

    Parameters
    ----------
    X
        Features [all rows, columns]; NaN for a missing value.
    rows
        Indices of the rows that determine the scaling.

    Returns
    -------
    minimum, scale
        Arrays [columns]; (x - minimum) / scale is in 0 to 1, and 0 for a constant column. A column without any value
        gets the largest scale, so that it is about 0 in other rows, too.
    """
    minimum = np.full(X.shape[1], np.inf, dtype=X.dtype)
    maximum = -minimum
    for begin in range(0, len(rows), BLOCK_ROWS):  # all at once would copy the table
        block = X[rows[begin : begin + BLOCK_ROWS]]
        np.fmin(minimum, np.fmin.reduce(block), out=minimum)
        np.fmax(maximum, np.fmax.reduce(block), out=maximum)
    is_empty = minimum > maximum
    spread = np.where(is_empty, X.dtype.type(0), maximum - minimum)
    scale = np.where(spread > 0, spread, X.dtype.type(1))
    return np.where(is_empty, X.dtype.type(0), minimum), np.where(is_empty, np.finfo(X.dtype).max, scale)


def train_on_all(dataset: Dataset) -> Split:
    """Return a split without test rows: every known anomaly is labeled, and all other rows are the pool.

    Rows without a known label belong to the pool. The scaling and the medians are those of all rows.

    Raises
    ------
    SplitImpossible
        If no row is a known anomaly, or every row is.
    """
    rows = np.arange(dataset.rows)
    labeled = dataset.known & (dataset.y == 1)
    if not labeled.any() or labeled.all():
        which = "every row is" if labeled.any() else "no row is"
        raise SplitImpossible(f"A detector needs labeled anomalies and other rows, and {which} a labeled anomaly.")
    counts = {
        "rows": dataset.rows,
        "labelled_anomalies": int(labeled.sum()),
        "labelled_anomalies_distinct": len(np.unique(dataset.identical[labeled])),
        "pool_normal": int((dataset.known & ~labeled).sum()),
        "pool_unlabelled": int((~dataset.known).sum()),
    }
    fill = medians(dataset.X, rows) if dataset.has_missing else None
    return Split(rows, labeled, np.arange(0), *min_max(dataset.X, rows), counts, fill)


def labeled_anomalies(counts: Mapping[str, int]) -> str:
    """Return text such as "6 labeled anomalies (copies of 2 distinct rows)" for the `counts` of a split.

    The part in parentheses is left out if no row is a copy, or if the counts are of an old result and lack it. Normal
    rows that are labeled anomalous by an error are named behind.
    """
    rows = counts["labelled_anomalies"]
    distinct = counts.get("labelled_anomalies_distinct", rows)
    words = f"{rows} labeled {'anomaly' if rows == 1 else 'anomalies'}"
    if distinct != rows:
        words = f"{words} (copies of {distinct} distinct row{'s' if distinct > 1 else ''})"
    wrong = counts.get("flipped_normal", 0)
    return f"{words}, {wrong} normal row{'s' if wrong > 1 else ''} labeled wrongly among them" if wrong else words


def make_split(dataset: Dataset, config: RunConfig) -> Split:
    """Draw the split of a run: training rows, labeled anomalies, pool and test rows.

    Rows without a label are in the pool, except copies of test rows, which are left out. The labeled, normal
    and contamination shares refer to the other rows. Draws depend on the seed alone and are nested: fewer
    labels, fewer normal rows or less contamination give a subset of the same rows.

    Parameters
    ----------
    dataset
        Data set of the run.
    config
        Settings; only `SPLIT_FIELDS` matter.

    Raises
    ------
    SplitImpossible
        If a class has no distinct row for one of the parts, no anomaly is left for the pool, there are fewer rows
        than labels asked for, or the published protocol meets unlabeled rows.
    """
    if not (dataset.y[dataset.known] == 0).any():
        raise SplitImpossible(
            f"{dataset.name} has no row that is known to be normal, so no run can be tested: label some normal rows, "
            "or train a detector on all rows with `fit`."
        )
    train_part, test, copies = _divide(dataset, config)
    labeled, pool, known_normals, label_counts = draw_labels(dataset, train_part, config)
    is_labeled = _mask(labeled, len(train_part))
    chosen = is_labeled | _mask(pool, len(train_part))
    train = np.repeat(train_part[chosen], copies[chosen])
    train_labelled = np.repeat(is_labeled[chosen], copies[chosen])
    known = np.repeat(_mask(known_normals, len(train_part))[chosen], copies[chosen]) if len(known_normals) else None
    scaled_by = train_part if config.protocol == "published" else train
    minimum, scale = min_max(dataset.X, scaled_by)
    fill = medians(dataset.X, scaled_by) if dataset.has_missing else None
    counts = {
        **_counts(dataset, train_part, train, train_labelled, test),
        "dropped": len(train_part) - int(chosen.sum()),
        **label_counts,
    }
    return Split(train, train_labelled, test, minimum, scale, counts, fill, known)


def _divide(dataset: Dataset, config: RunConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Divide the rows under the protocol of a run: training part, test, and copies of each row of the training part."""
    if config.protocol == "published":
        if dataset.unlabeled is not None:
            raise SplitImpossible(
                f"{dataset.name} has rows without a label, and the published protocol allows none: take leak_free."
            )
        train_part, test = _published_parts(dataset, config.seed)
        return train_part, test, np.ones(len(train_part), dtype=np.int16)
    is_random = config.protocol == "leak_free"
    train_part, test = (
        _leak_free_parts(dataset, dataset.identical, config.seed)
        if is_random
        else DIVISIONS[config.protocol](dataset, config.seed, TEST_SHARE)
    )
    test = test[dataset.known[test]]
    if not is_random:
        _check_classes(dataset, train_part, test)
    return train_part, test, _copies(dataset.rows, len(train_part), config.seed)


def _counts(
    dataset: Dataset, train_part: np.ndarray, train: np.ndarray, labeled: np.ndarray, test: np.ndarray
) -> dict[str, int]:
    """Count the rows of a split by part and kind, for `Split.counts`.

    `train_part`, `train` and `test` are row indices; `labeled` masks the labeled anomalies of `train`.
    """
    in_pool = train[~labeled]
    y_pool = dataset.y[in_pool][dataset.known[in_pool]]
    in_training_part = _mask(dataset.identical[train_part], dataset.rows)
    counts = {
        "rows": dataset.rows,
        "training_part": len(train_part),
        "train": len(train),
        "train_distinct": int(_mask(train, dataset.rows).sum()),
        "labelled_anomalies": int(labeled.sum()),
        "labelled_anomalies_distinct": len(np.unique(train[labeled])),
        "pool_normal": int((y_pool == 0).sum()),
        "pool_anomalies": int((y_pool == 1).sum()),
        "pool_unlabelled": int((~dataset.known[in_pool]).sum()),
        "test": len(test),
        "test_normal": int((dataset.y[test] == 0).sum()),
        "test_anomalies": int((dataset.y[test] == 1).sum()),
        "test_copies_of_training_part": int(in_training_part[dataset.identical[test]].sum()),
    }
    if (shared := shared_groups(dataset, train_part, test)) is not None:
        counts["groups_on_both_sides"] = shared
    return counts


def _check_classes(dataset: Dataset, train_part: np.ndarray, test: np.ndarray) -> None:
    """Raise SplitImpossible unless both parts, given as row indices, have labeled anomalies and normal rows."""
    for part, rows in (("training part", train_part), ("test", test)):
        y = dataset.y[rows][dataset.known[rows]]
        for kind, count in (("labeled anomaly", (y == 1).sum()), ("labeled normal row", (y == 0).sum())):
            if not count:
                raise SplitImpossible(f"The {part} of {dataset.name} has no {kind}: choose another split.")


def _leak_free_parts(dataset: Dataset, groups: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split a data set 70/30 by groups of equal rows; groups without any known label are in training.

    Parameters
    ----------
    dataset
        Data set to split.
    groups
        Group number of each row as in `Dataset.identical`, [rows]; equal rows share a number.
    seed
        Seed of the run.

    Returns
    -------
    train, test
        Row indices of both parts; `test` may hold rows without a known label, copies of labeled ones.
    """
    group_label = np.zeros(groups.max() + 1, dtype=np.int8)
    group_label[groups[dataset.y == 1]] = 1
    trains = np.ones(len(group_label), dtype=bool)
    known = _mask(groups[dataset.known], len(group_label))
    trains[known] = _stratified(group_label[known], seed, dataset.name)
    in_train = trains[groups]
    return np.flatnonzero(in_train), np.flatnonzero(~in_train)


def _published_parts(dataset: Dataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split 70/30 as ADBench does and return the row indices of the training and the test part.

    A set below `RESAMPLED_ROWS` is first resampled to that many rows with replacement, so that indices may
    repeat within a part and across both parts.
    """
    rows = np.arange(dataset.rows)
    if dataset.rows < RESAMPLED_ROWS:
        rows = numpy_generator(seed, "resample").choice(rows, RESAMPLED_ROWS, replace=True)
    in_train = _stratified(dataset.y[rows], seed, dataset.name)
    return rows[in_train], rows[~in_train]


def _stratified(y: np.ndarray, seed: int, name: str) -> np.ndarray:
    """Draw the training part of rows with labels y (0 or 1), stratified by class; return a mask, bool [n].

    Draws the same rows as scikit-learn's train_test_split with stratify=y, which needs 20 times
    the memory of y. Both parts get both classes; else raise SplitImpossible with the `name` of the data set.
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
    _shares(counts - trained, tests, random)  # consumes the random numbers that scikit-learn draws for ties
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
    """Divide `rows` rows among classes in proportion to their counts [classes]; return int64 [classes].

    Remainders go to the classes with the largest fractions; ties are drawn from `random` as scikit-learn does.
    """
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
    """Return a mask, bool [count], that is True at these row indices."""
    mask = np.zeros(count, dtype=bool)
    mask[rows] = True
    return mask


def _copies(rows: int, training_part: int, seed: int) -> np.ndarray:
    """Return the number of copies of each training row, at least 1, int16 [training_part].

    Copies repeat small sets up to the 700 rows that ADBench trains on. Rows with one more copy are drawn.

    Parameters
    ----------
    rows
        Rows of the data set; at least `RESAMPLED_ROWS` means no copies.
    training_part
        Number of training rows.
    seed
        Seed of the run.
    """
    copies = np.ones(training_part, dtype=np.int16)
    wanted = round(RESAMPLED_ROWS * (1 - TEST_SHARE))
    if rows < RESAMPLED_ROWS and training_part < wanted:
        copies *= wanted // training_part
        extra = numpy_generator(seed, "resample").permutation(training_part)[: wanted % training_part]
        copies[extra] += 1
    return copies

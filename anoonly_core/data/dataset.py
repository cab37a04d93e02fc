"""Feature table with labels and provenance."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from anoonly_core.data.feature_files import Previews
from anoonly_core.errors import BadDataFile

__all__ = [
    "NO_KEY",
    "NO_SPLIT_KEYS",
    "SPLIT_KEYS",
    "Dataset",
    "Facts",
    "Provenance",
    "SplitKeys",
    "as_features",
    "make_dataset",
    "needs_float64",
]

BLOCK_ROWS = 4096
MAX_ABS = 1e38  # the difference of two such values still fits in a float32
NO_KEY = -1  # time or group of a row that has none
MAX_ROUNDING = 2.0**-16  # of a column's range: float32 rounds by that where values are 256 ranges away from 0


@dataclass(frozen=True)
class Provenance:
    """Source and license of a data set, as the pages and the README show them."""

    source: str
    license: str
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """Rows, columns and anomalies of a data set as far as known without loading it; None if unknown."""

    rows: int | None = None
    columns: int | None = None
    anomalies: int | None = None

    @property
    def anomaly_share(self) -> float | None:
        """Share of the rows that are anomalies, or None if unknown."""
        return self.anomalies / self.rows if self.rows and self.anomalies is not None else None


@dataclass(frozen=True, eq=False)
class SplitKeys:
    """Properties of the rows that a split may follow; None for one that the table lacks.

    Attributes
    ----------
    times
        Order of the rows in time, int64 [rows]: equal times share a number, later ones have a larger one.
        `NO_KEY` without a time.
    groups
        Entity of each row, int64 [rows], counted from 0; `NO_KEY` without one.
    tests
        Rows of the test file, bool [rows].
    """

    times: np.ndarray | None = None
    groups: np.ndarray | None = None
    tests: np.ndarray | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the properties that the table has, by name."""
        return {name: values for name in SPLIT_KEYS if (values := getattr(self, name)) is not None}

    def at(self, rows: np.ndarray) -> SplitKeys:
        """Return the properties of some rows, given as indices or as a mask."""
        return SplitKeys(**{name: values[rows] for name, values in self.arrays().items()})


# Names of the properties, also in the stored rows of an upload.
SPLIT_KEYS = tuple(field.name for field in fields(SplitKeys))
NO_SPLIT_KEYS = SplitKeys()


@dataclass(frozen=True, eq=False)
class Dataset:
    """Features, labels and row ids of one table; `make_dataset` checks them.

    Attributes
    ----------
    name
        Name in messages and results.
    X
        Features [rows, columns], finite, or NaN for a missing value; float32, or float64 if `needs_float64`.
        A `Split` has the values that replace missing ones.
    y
        Labels, int8 [rows]: 1 for an anomaly, 0 for a normal row.
    source_rows
        Index of each row in its source, int64 [rows]; None if that is the index here.
    provenance
        Source and license.
    image_shape
        (height, width) if each row is a gray image, else None.
    unlabeled
        Rows without a known label, bool [rows]; their y is 0. None if every row is labeled.
    types
        Type of each anomaly, int64 [rows], counted from 0; -1 for other rows. None if there are not two types.
    split_keys
        Times, groups and test rows, which a protocol may split by.
    classes
        Class of each row, int64 [rows], counted from 0 in sorted order of the classes; None if the rows have none.
    previews
        Name and picture or text of each row by its id, for features of images or texts; None for other data sets.
        They change no fingerprint.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    source_rows: np.ndarray | None
    provenance: Provenance
    image_shape: tuple[int, int] | None = None
    unlabeled: np.ndarray | None = None
    types: np.ndarray | None = None
    split_keys: SplitKeys = NO_SPLIT_KEYS
    classes: np.ndarray | None = None
    previews: Previews | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.X)

    @property
    def columns(self) -> int:
        """Number of features."""
        return int(self.X.shape[1])

    @property
    def row_ids(self) -> np.ndarray:
        """Index of each row in its source, int64 [rows]."""
        return np.arange(self.rows, dtype=np.int64) if self.source_rows is None else self.source_rows

    @property
    def known(self) -> np.ndarray:
        """Mask of the rows with a known label, bool [rows]."""
        return np.ones(self.rows, dtype=bool) if self.unlabeled is None else ~self.unlabeled

    @property
    def anomaly_share(self) -> float:
        """Share of anomalies among the rows with a known label."""
        return float(self.y[self.known].mean())

    @cached_property
    def has_missing(self) -> bool:
        """True if any feature of any row is missing (NaN)."""
        return any(np.isnan(block).any() for block in _blocks(self.X))

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of features, labels and unlabeled rows; equal fingerprints give equal runs."""
        digest = hashlib.sha256()
        digest.update(repr((self.X.shape, self.X.dtype.str)).encode())
        digest.update(np.ascontiguousarray(self.X).tobytes())
        digest.update(self.y.tobytes())
        if self.unlabeled is not None:
            digest.update(self.unlabeled.tobytes())
        return digest.hexdigest()

    @cached_property
    def identical(self) -> np.ndarray:
        """Group number of each row, int32 [rows]; two rows share a number if their features are equal.

        Missing values equal each other, and -0.0 equals 0.0. The numbers are 0, 1, … without gaps.
        """
        rows = self.X
        if any((np.signbit(block) & (block == 0)).any() for block in _blocks(rows)):
            rows = rows + np.float32(0)  # -0.0 equals 0.0
        order = np.argsort(rows.view(np.dtype((np.void, rows.itemsize * self.columns))).ravel())
        bits = rows.view(f"u{rows.itemsize}")  # a missing value equals another
        begins = np.zeros(self.rows, dtype=bool)
        for first in range(1, self.rows, BLOCK_ROWS):
            block = slice(first, first + BLOCK_ROWS)
            begins[block] = (bits[order[block]] != bits[order[first - 1 : -1][: len(order[block])]]).any(axis=1)
        groups = np.empty(self.rows, dtype=np.int32)
        groups[order] = np.cumsum(begins, dtype=np.int32)
        return groups


def _blocks(X: np.ndarray) -> Iterator[np.ndarray]:
    return (X[first : first + BLOCK_ROWS] for first in range(0, len(X), BLOCK_ROWS))


def needs_float64(X: np.ndarray) -> bool:
    """Return True if float32 would blur a column: round a value by more than 2^-16 of the range of its column.

    Timestamps and coordinates stand on an offset that is large beside their range. Their minimum must be
    subtracted before the cast.

    Parameters
    ----------
    X
        Numbers [rows, columns] of any numeric dtype; NaN for a missing value. A column with a value beyond
        `MAX_ABS` never counts.
    """
    if X.dtype.kind == "b" or (X.dtype.kind == "f" and X.dtype.itemsize <= 4):
        return False
    lowest, highest = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
    rounding = np.zeros(X.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for block in _blocks(X):
            exact = block.astype(np.float64)
            lowest, highest = np.fmin(lowest, np.fmin.reduce(exact)), np.fmax(highest, np.fmax.reduce(exact))
            rounding = np.fmax(rounding, np.fmax.reduce(abs(exact - exact.astype(np.float32))))
        spread = highest - lowest
        valid = (spread > 0) & (lowest >= -MAX_ABS) & (highest <= MAX_ABS)
        return bool((valid & (rounding > MAX_ROUNDING * spread)).any())


def as_features(X: np.ndarray) -> np.ndarray:
    """Convert numbers [rows, columns] to the dtype of features: contiguous float32, or float64 if `needs_float64`.

    NaN stays NaN.
    """
    dtype = np.float64 if needs_float64(X) else np.float32
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(X, dtype=dtype)


def make_dataset(
    name: str,
    X: np.ndarray,
    y: np.ndarray,
    provenance: Provenance,
    row_ids: np.ndarray | None = None,
    image_shape: tuple[int, int] | None = None,
    unlabeled: np.ndarray | None = None,
    may_be_missing: bool = False,
    types: np.ndarray | None = None,
    split_keys: SplitKeys = NO_SPLIT_KEYS,
    needs_normal: bool = True,
) -> Dataset:
    """Check a table and convert it to a `Dataset`.

    Parameters
    ----------
    name
        Name in messages and results.
    X
        Numbers [rows, columns] of any numeric dtype, with at least one column.
    y
        Labels [rows], each 0 (normal) or 1 (anomaly).
    provenance
        Source and license.
    row_ids
        Index of each row in its source, [rows]; None if that is the index here.
    image_shape
        (height, width) if each row is a gray image.
    unlabeled
        Rows without a known label, bool [rows]; None if there are none.
    may_be_missing
        True if NaN stands for a missing value.
    types
        Class of each row, of any dtype that sorts, [rows]; that of an anomaly is its type.
    split_keys
        Times, groups and test rows, each [rows] or None.
    needs_normal
        False if a detector may train on the rows although none is known to be normal; they cannot be split then.

    Raises
    ------
    BadDataFile
        If shapes or types do not fit, a label is neither 0 nor 1, a class has no labeled row,
        or a feature is infinite, above `MAX_ABS`, or missing unless `may_be_missing`.
    """
    if X.ndim != 2 or X.shape[1] < 1:
        raise BadDataFile(f"{name}: the features must be a table of rows and columns.")
    if y.shape != (len(X),):
        raise BadDataFile(f"{name}: it has {len(X)} rows of features but labels of shape {y.shape}.")
    if X.dtype.kind not in "biuf":
        raise BadDataFile(f"{name}: the features must be numbers.")
    if y.dtype.kind not in "biuf" or not np.isin(y, (0, 1)).all():
        raise BadDataFile(f"{name}: labels must be 0 (normal) or 1 (anomaly).")
    known = y if unlabeled is None else y[~unlabeled]
    if (needs_normal and not (known == 0).any()) or not (known == 1).any():
        raise BadDataFile(f"{name}: it needs both normal rows (0) and anomalies (1).")
    features = as_features(X)
    lowest, highest = (np.fmin, np.fmax) if may_be_missing else (np.minimum, np.maximum)  # these return any NaN
    if lowest.reduce(features, axis=None) < -MAX_ABS or not highest.reduce(features, axis=None) <= MAX_ABS:
        raise BadDataFile(f"{name}: the features hold values that are missing, infinite or over {MAX_ABS:g}.")
    source_rows = None if row_ids is None else row_ids.astype(np.int64)
    found = None if types is None else _anomaly_types(y, types)
    classes = None if types is None else np.unique(types, return_inverse=True)[1].astype(np.int64)
    about = (source_rows, provenance, image_shape, unlabeled, found, split_keys, classes)
    return Dataset(name, features, y.astype(np.int8), *about)


def _anomaly_types(y: np.ndarray, classes: np.ndarray) -> np.ndarray | None:
    """Return numbers from 0 for the classes of the anomalies, -1 for other rows; None if there are not two classes."""
    types = np.full(len(y), -1, dtype=np.int64)
    names, types[y == 1] = np.unique(classes[y == 1], return_inverse=True)
    return types if len(names) > 1 else None

"""A table of features with labels, and where it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anoonly_core.errors import BadDataFile

__all__ = ["Dataset", "Facts", "Provenance", "make_dataset"]

BLOCK_ROWS = 4096
MAX_ABS = 1e38  # so that the difference of two values is a float32 too


@dataclass(frozen=True)
class Provenance:
    """Where a data set comes from, for the page and the README."""

    source: str
    license: str
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """How large a table is, as far as that is known without loading it: None where it is not."""

    rows: int | None = None
    columns: int | None = None
    anomalies: int | None = None

    @property
    def anomaly_share(self) -> float | None:
        """The share of the rows that are anomalies; None where that is not known."""
        return self.anomalies / self.rows if self.rows and self.anomalies is not None else None


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows, labels and row ids that stay with the rows through split, training and charts.

    X: float32 [rows, columns], finite. y: int8 [rows], 1 = anomaly, 0 = normal. source_rows: int64
    [rows], each row's place in its source, or None where that is its place here. image_shape:
    (height, width) where each row is a gray picture, else None. unlabeled: bool [rows], the rows whose
    label nobody knows, whose y is 0 and means nothing; None where every row has one.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    source_rows: np.ndarray | None
    provenance: Provenance
    image_shape: tuple[int, int] | None = None
    unlabeled: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """How many rows the table has."""
        return len(self.X)

    @property
    def columns(self) -> int:
        """How many features a row has."""
        return int(self.X.shape[1])

    @property
    def row_ids(self) -> np.ndarray:
        """Each row's place in its source, int64 [rows]."""
        return np.arange(self.rows, dtype=np.int64) if self.source_rows is None else self.source_rows

    @property
    def known(self) -> np.ndarray:
        """The rows whose label is known, bool [rows]."""
        return np.ones(self.rows, dtype=bool) if self.unlabeled is None else ~self.unlabeled

    @property
    def anomaly_share(self) -> float:
        """The share of the rows with a known label that are anomalies."""
        return float(self.y[self.known].mean())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of features and labels: two tables with the same one give the same runs."""
        digest = hashlib.sha256()
        digest.update(repr((self.X.shape, self.X.dtype.str)).encode())
        digest.update(np.ascontiguousarray(self.X).tobytes())
        digest.update(self.y.tobytes())
        if self.unlabeled is not None:
            digest.update(self.unlabeled.tobytes())
        return digest.hexdigest()

    @cached_property
    def identical(self) -> np.ndarray:
        """For each row the number of its group of identical rows, int32 [rows]; in order of the rows' bytes."""
        rows = self.X
        if any((np.signbit(block) & (block == 0)).any() for block in _blocks(rows)):
            rows = rows + np.float32(0)  # -0.0 equals 0.0
        order = np.argsort(rows.view(np.dtype((np.void, rows.itemsize * self.columns))).ravel())
        begins = np.zeros(self.rows, dtype=bool)
        for first in range(1, self.rows, BLOCK_ROWS):
            here = slice(first, first + BLOCK_ROWS)
            begins[here] = (rows[order[here]] != rows[order[first - 1 : -1][: len(order[here])]]).any(axis=1)
        groups = np.empty(self.rows, dtype=np.int32)
        groups[order] = np.cumsum(begins, dtype=np.int32)
        return groups


def _blocks(X: np.ndarray) -> Iterator[np.ndarray]:
    return (X[first : first + BLOCK_ROWS] for first in range(0, len(X), BLOCK_ROWS))


def make_dataset(
    name: str,
    X: np.ndarray,
    y: np.ndarray,
    provenance: Provenance,
    row_ids: np.ndarray | None = None,
    image_shape: tuple[int, int] | None = None,
    unlabeled: np.ndarray | None = None,
) -> Dataset:
    """Check a table and give it the types that the core relies on.

    X [rows, columns] numbers, y [rows] of 0 and 1; unlabeled bool [rows], or None where no row is.
    Raises BadDataFile with what is wrong.
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
    if not (known == 0).any() or not (known == 1).any():
        raise BadDataFile(f"{name}: it needs both normal rows (0) and anomalies (1).")
    with np.errstate(over="ignore"):
        features = np.ascontiguousarray(X, dtype=np.float32)
    if not (features.min() >= -MAX_ABS and features.max() <= MAX_ABS):  # nor where one is NaN
        raise BadDataFile(f"{name}: the features hold values that are missing, infinite or over {MAX_ABS:g}.")
    source_rows = None if row_ids is None else row_ids.astype(np.int64)
    return Dataset(name, features, y.astype(np.int8), source_rows, provenance, image_shape, unlabeled)

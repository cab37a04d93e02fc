"""Labels and weights of rows as `AnoOnlyDetector.fit` takes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from pandas import isna
from sklearn.utils import check_consistent_length, column_or_1d

from anoonly_core.errors import InvalidInput
from anoonly_core.rng import numpy_generator

__all__ = ["repeat_rows", "to_roles"]


def to_roles(y: ArrayLike, rows: np.ndarray) -> np.ndarray:
    """Check the labels y for `rows` [rows, features] and return them as int64 [rows], with 0 in place of NaN.

    Raise InvalidInput unless y holds only 1, 0, -1 and missing values, and both 1 and others; ValueError if it has
    another length.
    """
    labels = column_or_1d(y, warn=True)
    check_consistent_length(rows, labels)
    missing = isna(labels)
    if not np.isin(labels[~missing], (-1, 0, 1)).all():
        raise InvalidInput(
            "y must hold 1 for labeled anomalies, 0 or NaN for unlabeled rows, -1 for known normal ones, nothing else."
        )
    roles = np.zeros(len(labels), dtype=np.int64)
    roles[~missing] = labels[~missing].astype(np.int64)
    if not (roles == 1).any():
        raise InvalidInput("y holds no labeled anomaly: at least one row must be 1.")
    if (roles == 1).all():
        raise InvalidInput("y holds labeled anomalies only: at least one row must be 0, unlabeled.")
    return roles


def repeat_rows(weights: np.ndarray, labeled: np.ndarray, seed: int) -> np.ndarray:
    """Return the indices of rows, each as often as its weight says, int64 [n].

    Weights that are not whole numbers are scaled to a mean of 1. The row at each multiple of 1, counted from a point
    drawn by the seed, in the sum of the weights is taken.

    Parameters
    ----------
    weights : float64 [rows]
        Weights, 0 or more, and not all 0.
    labeled : bool [rows]
        Labeled anomalies, each taken at least once if its weight is above 0.
    seed : int
        Seed of the run.

    Raises
    ------
    InvalidInput
        If a weight is negative.
    """
    if (weights < 0).any():
        raise InvalidInput("sample_weight must hold numbers of 0 or more.")
    if (weights == np.round(weights)).all():
        copies = weights.astype(np.int64)
    else:
        sums = np.cumsum(weights / weights.mean()) + numpy_generator(seed, "sample weights").random()
        whole = np.floor(sums).astype(np.int64)
        copies = whole - np.r_[0, whole[:-1]]
        copies = np.maximum(copies, labeled & (weights > 0))
    return np.repeat(np.arange(len(weights)), copies)

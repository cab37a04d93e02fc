"""Occlusion of columns, and the deletion test of contributions, for any function that scores rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anoonly_core.explanation.result import DeletionTest, deletion_order
from anoonly_core.progress import Report
from anoonly_core.rng import numpy_generator

__all__ = ["DRAWS", "Scores", "delete_columns", "occlude"]

Scores = Callable[[np.ndarray], np.ndarray]  # of scaled rows, float32 [n, columns] to float64 [n]

DRAWS = 100  # random orders
POINTS = 32  # after the first of a curve
QUANTILES = (0.025, 0.975)
BLOCK_VALUES = 2**22  # cells scored at once


def occlude(score: Scores, x: np.ndarray, reference: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Return the fall of the score of each row if one column alone takes its value in a reference row.

    Parameters
    ----------
    score : callable
        Maps scaled rows, float32 [n, features], to scores, float64 [n].
    x : float32 [n, features]
        Scaled rows.
    reference : float32 [features]
        Scaled reference row.
    members : int64 [features]
        Column of each feature, from 0.

    Returns
    -------
    float64 [n, columns]
        score(x) − score(x with the column of the reference row).
    """
    each = np.eye(members.max() + 1, dtype=bool)
    return np.stack([score(row[None]) - _score_deleted(score, row, reference, members, each) for row in x])


def delete_columns(
    score: Scores,
    x: np.ndarray,
    reference: np.ndarray,
    members: np.ndarray,
    contributions: np.ndarray,
    draws: int = DRAWS,
    report: Report = lambda done, total: None,
) -> DeletionTest:
    """Delete the columns of each row by the order of their contributions, by |x − reference|, and by random orders.

    Parameters
    ----------
    score, x, reference, members
        As in `occlude`.
    contributions : float64 [n, columns]
        Contributions to test.
    draws : int
        Number of random orders. The same rows and number always give the same orders.
    report : callable
        Called after each row with (rows done, all rows); an exception stops the test.

    Source: Petsiuk, Das and Saenko (2018), § 3.3, with the median row in place of a blank image; docs/methods.md § 16.
    """
    shares = np.linspace(0, 1, POINTS + 1)
    start, ends = float(score(reference[None])[0]), score(x)
    curves, differing = [], []
    for row, (values, end) in enumerate(zip(x, ends, strict=True)):
        deviation = np.bincount(members, np.abs(values - reference).astype(np.float64))
        candidates = np.flatnonzero(deviation > 0)
        differing.append(len(candidates))
        orders = [deletion_order(contributions[row], end - start), np.argsort(-deviation, kind="stable")]
        chosen = [order[np.isin(order, candidates)] for order in orders]
        generator = numpy_generator(row, "deletion")
        chosen += [generator.permutation(candidates) for _ in range(draws)]
        curves.append(_curves(score, values, reference, members, np.array(chosen), (start, end), shares))
        report(row + 1, len(x))
    stacked = np.stack(curves)  # [n, 2 + draws, K]
    areas = np.trapezoid(stacked, shares, axis=2)
    low, high = np.quantile(stacked[:, 2:], QUANTILES, axis=1)
    return DeletionTest(
        shares, stacked[:, 0], stacked[:, 1], low, high, areas[:, 0], areas[:, 1], areas[:, 2:], np.array(differing)
    )


def _curves(
    score: Scores,
    row: np.ndarray,
    reference: np.ndarray,
    members: np.ndarray,
    orders: np.ndarray,
    ends: tuple[float, float],
    shares: np.ndarray,
) -> np.ndarray:
    """Return the curves of one row by some orders of deletion, float64 [orders, K]; NaN if its score is the median's.

    Parameters
    ----------
    score, row, reference, members
        As in `occlude`, for one row.
    orders : int64 [orders, m]
        The m columns that differ, in the order of their deletion.
    ends : tuple of float
        Scores of the reference row and of the row.
    shares : float64 [K]
        Shares of the columns at which the curves are read; between two numbers of columns they are straight.
    """
    start, end = ends
    count = orders.shape[1]
    if end == start or not count:
        return np.full((len(orders), len(shares)), np.nan)
    counts = np.unique(np.rint(np.linspace(0, count, POINTS + 1)).astype(np.int64))
    ranks = np.full((len(orders), members.max() + 1), count)  # never deleted
    np.put_along_axis(ranks, orders, np.arange(count)[None], axis=1)
    deleted = (ranks[:, None] < counts[:, None]).reshape(-1, ranks.shape[1])
    left = (_score_deleted(score, row, reference, members, deleted) - start) / (end - start)
    return np.stack([np.interp(shares, counts / count, curve) for curve in left.reshape(len(orders), -1)])


def _score_deleted(
    score: Scores, row: np.ndarray, reference: np.ndarray, members: np.ndarray, deleted: np.ndarray
) -> np.ndarray:
    """Return the scores, float64 [k], of a row with k sets of deleted columns, bool [k, columns]."""
    size = max(1, BLOCK_VALUES // len(row))
    blocks = (deleted[begin : begin + size] for begin in range(0, len(deleted), size))
    return np.concatenate([score(np.where(block[:, members], reference, row)) for block in blocks])

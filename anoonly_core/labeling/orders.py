"""Orders of the rows of a table by one ranking or by two in turn; does not load torch."""

from __future__ import annotations

import numpy as np

__all__ = ["order_by", "order_in_turn", "places", "shared_at_top"]


def order_by(scores: np.ndarray) -> np.ndarray:
    """Return the row indices sorted by descending score, int64 [rows]; of equal scores the first row comes first."""
    return np.argsort(-scores, kind="stable")


def places(order: np.ndarray) -> np.ndarray:
    """Return the rank of each row, from 0, in an order of all row indices; int64 [rows]. Inverts a permutation."""
    found = np.empty(len(order), dtype=np.int64)
    found[order] = np.arange(len(order))
    return found


def order_in_turn(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Merge two orders of the same rows into one: the best remaining row of each in turn, `first` beginning.

    The first n rows hold at least half of the first n rows of either order, rounded down.

    Parameters
    ----------
    first, second
        Row indices in two orders, int64 [rows].

    Returns
    -------
    ndarray
        Row indices, each once, int64 [rows].
    """
    either = np.minimum(2 * places(first), 2 * places(second) + 1)
    return np.argsort(either, kind="stable")


def shared_at_top(first: np.ndarray, second: np.ndarray, count: int) -> int:
    """Return the number of rows that are among the first `count` of both orders of row indices."""
    return len(np.intersect1d(first[:count], second[:count]))

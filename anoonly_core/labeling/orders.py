"""Orders of the rows of a table by one ranking or by two in turn; does not load torch."""

from __future__ import annotations

import numpy as np

__all__ = ["order_by", "order_in_turn", "places", "shared_at_top"]


def order_by(scores: np.ndarray) -> np.ndarray:
    """Return the row indices by descending score, int64 [rows]; of equal scores the first row comes first."""
    return np.argsort(-scores, kind="stable")


def places(order: np.ndarray) -> np.ndarray:
    """Return the place of each row in an order of all rows, from 0, int64 [rows]."""
    found = np.empty(len(order), dtype=np.int64)
    found[order] = np.arange(len(order))
    return found


def order_in_turn(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Merge two orders of the same rows: the best row of each in turn, beginning with the first order.

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
    """Return the number of rows that are among the first `count` of both orders."""
    return len(np.intersect1d(first[:count], second[:count]))

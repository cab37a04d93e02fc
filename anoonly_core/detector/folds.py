"""LabeledKFold: folds for cross-validation, each with labeled anomalies in training and test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import BaseCrossValidator, StratifiedGroupKFold, StratifiedKFold
from sklearn.utils import column_or_1d

from anoonly_core.errors import InvalidInput

__all__ = ["LabeledKFold"]


class LabeledKFold(BaseCrossValidator):  # type: ignore[misc]  # scikit-learn is untyped
    """Folds with about equal numbers of labeled anomalies, at least one in each; the splitter for `AnoOnlyDetector`.

    y may hold 1, 0, -1 and NaN as for `AnoOnlyDetector.fit`, unlike for scikit-learn's StratifiedKFold.

    Parameters
    ----------
    n_splits : int
        Number of folds, at least 2.
    random_state : int, RandomState or None
        Seed of the shuffled rows; None draws other folds each time. With groups they are not shuffled.
    """

    def __init__(self, n_splits: int = 5, *, random_state: Any = 0) -> None:
        self.n_splits = n_splits
        self.random_state = random_state

    def split(
        self, X: ArrayLike, y: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the row indices of training and test of each fold, int64 each.

        Parameters
        ----------
        X : array-like [rows, features]
            Rows; only their number matters.
        y : array-like [rows]
            1 for labeled anomalies.
        groups : array-like [rows], optional
            Entity of each row; no entity is in training and test alike.

        Raises
        ------
        InvalidInput
            If a fold would lack a labeled anomaly or another row, in training or test.
        """
        if y is None:
            raise InvalidInput("LabeledKFold needs y, with 1 for labeled anomalies.")
        labeled = column_or_1d(y) == 1
        for kind, count in (("labeled anomalies", labeled.sum()), ("other rows", (~labeled).sum())):
            if not 2 <= self.n_splits <= count:
                raise InvalidInput(
                    f"y holds {count} {kind}, and each of {self.n_splits} folds needs one: set n_splits from 2 to the "
                    "number of labeled anomalies."
                )
        if groups is None:
            folds = StratifiedKFold(self.n_splits, shuffle=True, random_state=self.random_state).split(labeled, labeled)
        else:
            folds = StratifiedGroupKFold(self.n_splits).split(labeled, labeled, groups)
        for train, test in folds:
            if any(labeled[part].all() or not labeled[part].any() for part in (train, test)):
                raise InvalidInput("A fold lacks labeled anomalies, which are of too few groups: lower n_splits.")
            yield train, test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds; the parameters have no effect."""
        return self.n_splits

"""Contributions of columns to the scores of rows, with the deletion test that judges them; without torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["GRADIENTS", "NOT_EXPLAINED", "OCCLUSION", "DeletionTest", "Explanation", "deletion_order"]

GRADIENTS, OCCLUSION = "integrated gradients", "occlusion"
NOT_EXPLAINED = "These contributions do not explain this score."
MAX_FASTER = 0.05  # share of the random orders that may be faster
STRAIGHT = 0.5  # area of a straight fall, which contributions that add up never exceed
TIE = 1e-6  # areas closer than this are equal

Value = float | str


@dataclass(frozen=True, eq=False)
class DeletionTest:
    """Fall of the scores of n rows while columns take the value of the pool's median row, one after the other.

    A curve has the part of the score's change that is left: 1 for the whole row, 0 for the median row. Only columns
    that differ from the median row are deleted. A smaller area under a curve is a faster fall.

    Attributes
    ----------
    shares : float64 [K]
        Share of the deleted columns at each point of a curve, from 0 to 1.
    curve, magnitude : float64 [n, K]
        Curves by the order of the contributions, and by the order of |x − median|, both largest first.
    random_low, random_high : float64 [n, K]
        At each point, the 2.5 and 97.5 % quantiles of the curves by random orders.
    area, magnitude_area : float64 [n]
        Areas under both curves; NaN for a row that scores as the median row.
    random_areas : float64 [n, draws]
        Areas under the curves by random orders.
    differing : int64 [n]
        Number of columns that differ from the median row.

    Source: Petsiuk et al. (2018); docs/methods.md § 16.
    """

    shares: np.ndarray
    curve: np.ndarray
    magnitude: np.ndarray
    random_low: np.ndarray
    random_high: np.ndarray
    area: np.ndarray
    magnitude_area: np.ndarray
    random_areas: np.ndarray
    differing: np.ndarray

    @property
    def slower_share(self) -> np.ndarray:
        """Share of the random orders by which the score of each row falls no faster, float64 [n]; 0 without area."""
        share: np.ndarray = (self.random_areas >= self.area[:, None] - TIE).mean(axis=1)
        return share

    @property
    def beats_random(self) -> np.ndarray:
        """True for rows whose score falls faster than by 95 % of the random orders, bool [n]."""
        is_faster = self.random_areas.mean(axis=1) > self.area + TIE
        is_faster |= (self.differing == 1) & np.isfinite(self.area)  # one column is the whole change
        beats: np.ndarray = (self.slower_share >= 1 - MAX_FASTER) & is_faster
        return beats

    @property
    def believed(self) -> np.ndarray:
        """True for rows whose contributions explain the score, bool [n].

        The score falls faster than by 95 % of the random orders, no slower than by the order of |x − median|, and no
        slower than in a straight line.
        """
        believed: np.ndarray = self.beats_random & (self.area <= np.minimum(self.magnitude_area, STRAIGHT) + TIE)
        return believed


@dataclass(frozen=True, eq=False)
class Explanation:
    """Contributions of C columns to the anomaly scores of n rows, against the median row of the pool.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns; features that come from one column of a table count together.
    values : tuple of tuples
        Values of each row in these columns: numbers, or words.
    medians : tuple
        Values of the median row.
    scores : float64 [n]
        Anomaly scores of the rows.
    median_score : float
        Anomaly score of the median row.
    method : str
        GRADIENTS, or OCCLUSION for a detector without gradients.
    contributions : float64 [n, C]
        Part of score − median_score that belongs to each column, by the method.
    occlusion : float64 [n, C]
        Fall of the score if one column alone takes the value of the median row: a check of the contributions.
    deletion : DeletionTest or None
        The test of the contributions; None if it was not asked for.
    """

    columns: tuple[str, ...]
    values: tuple[tuple[Value, ...], ...]
    medians: tuple[Value, ...]
    scores: np.ndarray
    median_score: float
    method: str
    contributions: np.ndarray
    occlusion: np.ndarray
    deletion: DeletionTest | None

    @property
    def completeness_gap(self) -> np.ndarray:
        """|Σ contributions − (score − median_score)| in shares of the score's change, float64 [n]; NaN without change.

        At most about 0.01 for integrated gradients; occlusion does not promise it.
        """
        change = self.scores - self.median_score
        gap = np.abs(self.contributions.sum(axis=1) - change)
        relative: np.ndarray = np.divide(gap, np.abs(change), out=np.full(len(gap), np.nan), where=change != 0)
        return relative

    @property
    def believed(self) -> np.ndarray | None:
        """True for rows whose contributions pass the deletion test, bool [n]; None without the test."""
        return None if self.deletion is None else self.deletion.believed

    def order(self, row: int) -> np.ndarray:
        """Return the columns of a row, those that move its score most away from the median's first, int64 [C].

        `row` is an index of the rows explained.
        """
        return deletion_order(self.contributions[row], float(self.scores[row] - self.median_score))

    def mean_absolute(self) -> np.ndarray:
        """Return the mean over the rows of the absolute contribution of each column, float64 [C]."""
        mean: np.ndarray = np.abs(self.contributions).mean(axis=0)
        return mean


def deletion_order(contributions: np.ndarray, change: float) -> np.ndarray:
    """Return the order of columns by their contributions, float [C], to a change of the score: largest part first."""
    order: np.ndarray = np.argsort(-contributions if change >= 0 else contributions, kind="stable")
    return order

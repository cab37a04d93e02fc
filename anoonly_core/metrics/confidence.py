"""Intervals and tests of a mean by Student's t, and their corrections for several comparisons and shared splits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

__all__ = [
    "ALPHA",
    "CONFIDENCE",
    "adjust_holm",
    "clear_together",
    "margin_of_error",
    "margin_over_splits",
    "p_of_mean",
    "t_quantile",
    "wilcoxon_p",
]

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
FLIPPED = 13  # at most so many differences with ties have all 2**13 flips of their signs compared, as in stats.wilcoxon


@cache
def t_quantile(values: int, comparisons: int = 1) -> float:
    """Return the half-width of the 95 % interval of a mean, in standard errors.

    Parameters
    ----------
    values : int
        Number of values in the mean, at least 2.
    comparisons : int
        Number of intervals that shall hold together at 95 % (Bonferroni); 1 for a single interval.
    """
    from scipy import stats  # only now: it takes as long to load as a command that needs none

    return float(stats.t.ppf(1 - (1 - CONFIDENCE) / (2 * comparisons), values - 1))


def margin_of_error(values: Sequence[float], comparisons: int = 1) -> float | None:
    """Return the half-width of the 95 % interval of the mean of values, in their unit; None for fewer than two.

    `comparisons` is the number of intervals that shall hold together at 95 % (Bonferroni); 1 for a single interval.
    """
    if len(values) < 2:
        return None
    return float(t_quantile(len(values), comparisons) * np.std(values, ddof=1) / len(values) ** 0.5)


def margin_over_splits(values: Sequence[float], test_share: float) -> float | None:
    """Return the half-width of the 95 % interval of a mean over random splits of the same rows.

    Random splits share most of their training rows, so their results are not independent. The variance of the mean
    is multiplied by 1/J + test rows / training rows in place of 1/J, for J splits.

    Parameters
    ----------
    values : sequence of float
        One value per split.
    test_share : float
        Share of the rows in the test part, between 0 and 1.

    Returns
    -------
    float or None
        Half-width in the unit of the values; None for fewer than two values.

    Notes
    -----
    Source: Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52 (2003), section 4.2.
    """
    if len(values) < 2:
        return None
    factor = 1 / len(values) + test_share / (1 - test_share)
    return float(t_quantile(len(values)) * np.std(values, ddof=1) * factor**0.5)


def p_of_mean(values: Sequence[float]) -> float | None:
    """Return the two-sided p value of Student's t test that the mean of values is zero; None for fewer than two."""
    if len(values) < 2:
        return None
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    if deviation == 0:
        return 1.0 if mean == 0 else 0.0
    from scipy import stats  # see t_quantile

    return float(2 * stats.t.sf(abs(mean) / (deviation / len(values) ** 0.5), len(values) - 1))


def wilcoxon_p(differences: Sequence[float]) -> float | None:
    """Return the two-sided p value of Wilcoxon's signed-rank test that differences are symmetric about zero.

    None for fewer than two differences, or if all are zero.
    """
    if len(differences) < 2 or not any(differences):
        return None
    from scipy import stats  # see t_quantile

    values = np.asarray(differences, dtype=float)
    sizes, zeros = np.abs(values), np.count_nonzero(values == 0)
    if len(values) <= FLIPPED and (zeros or len(np.unique(sizes)) < len(values)):
        # As stats.wilcoxon, which ranks the sizes again after each flip of signs and so takes many times as long.
        signed_ranks = np.sign(values) * (stats.rankdata(sizes) - zeros)
        flipped = stats.permutation_test([signed_ranks], np.sum, permutation_type="samples", vectorized=True)
        return float(flipped.pvalue)
    return float(stats.wilcoxon(values).pvalue)


def adjust_holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the p values of a family of comparisons, adjusted by Holm's method.

    Comparisons with an adjusted value below 0.05 hold together at 95 %.

    Parameters
    ----------
    p_values : sequence of float or None
        One p per comparison of the family; None for a comparison that cannot be tested and does not count.

    Returns
    -------
    list of float or None
        Adjusted p in the same order, at most 1; None stays None.

    Notes
    -----
    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6
    (1979). The k-th smallest of m values is multiplied by m - k + 1 and is at least the adjusted value before it.
    """
    adjusted: list[float | None] = [None] * len(p_values)
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    largest = 0.0
    for rank, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        adjusted[index] = largest
    return adjusted


def clear_together(p_values: Sequence[float | None]) -> list[bool]:
    """Return True for each comparison whose p value, adjusted by `adjust_holm` for all of them, is below 0.05.

    False for a comparison without a p value (None).
    """
    return [p is not None and p < ALPHA for p in adjust_holm(p_values)]

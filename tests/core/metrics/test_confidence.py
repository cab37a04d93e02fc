"""Intervals and corrections against SciPy and against the definitions in the sources, written anew."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from anoonly_core.metrics.confidence import (
    adjust_holm,
    clear_together,
    margin_of_error,
    margin_over_splits,
    p_of_mean,
    wilcoxon_p,
)

STREAM = np.random.default_rng(5)
FAMILIES = [
    [0.01, 0.04, 0.03, 0.005],  # the example of R's p.adjust: 0.03, 0.06, 0.06, 0.02
    [0.04],
    [0.5, 0.5, 0.5],
    [1e-6, 0.049, 0.049, 0.9, 0.2],
    STREAM.uniform(0, 0.1, 16).tolist(),
    STREAM.uniform(0, 1, 7).tolist(),
]


def by_closed_testing(p_values: list[float]) -> list[float]:
    """Holm's procedure as the closed test of Bonferroni: the largest p of all intersections with a hypothesis."""
    indices = range(len(p_values))
    subsets = [subset for size in indices for subset in itertools.combinations(indices, size + 1)]
    return [
        max(min(1.0, len(subset) * min(p_values[index] for index in subset)) for subset in subsets if own in subset)
        for own in indices
    ]


@pytest.mark.parametrize("p_values", FAMILIES)
def test_holm_is_the_closed_test_of_bonferroni(p_values: list[float]) -> None:
    shortened = p_values[:10]
    assert adjust_holm(shortened) == pytest.approx(by_closed_testing(shortened))


def test_holm_gives_the_published_example() -> None:
    assert adjust_holm(FAMILIES[0]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_untested_comparisons_do_not_count() -> None:
    assert adjust_holm([None, 0.04, None]) == [None, 0.04, None]
    assert adjust_holm([]) == []
    assert clear_together([None, 0.04, None]) == [False, True, False]
    assert clear_together([0.04, 0.04]) == [False, False]


@pytest.mark.parametrize("count", [2, 3, 5, 10, 20])
def test_the_interval_and_p_are_those_of_scipy(count: int) -> None:
    values = STREAM.normal(0.4, 1, count)
    test = stats.ttest_1samp(values, 0)
    low, high = test.confidence_interval(0.95)
    assert margin_of_error(values) == pytest.approx((high - low) / 2)
    assert p_of_mean(values) == pytest.approx(test.pvalue)
    low, high = test.confidence_interval(1 - 0.05 / 4)
    assert margin_of_error(values, comparisons=4) == pytest.approx((high - low) / 2)


@pytest.mark.parametrize(("values", "p"), [([0.0, 0.0, 0.0], 1.0), ([2.0, 2.0], 0.0), ([1.0], None)])
def test_values_without_spread(values: list[float], p: float | None) -> None:
    assert p_of_mean(values) == p


@pytest.mark.parametrize("test_share", [0.1, 0.2, 0.3, 0.5, 0.7])
def test_the_interval_over_splits_is_wider_by_the_published_factor(test_share: float) -> None:
    values = [1.0, 2.0, 4.0, 3.0, 7.0]
    plain, corrected = margin_of_error(values), margin_over_splits(values, test_share)
    assert plain is not None and corrected is not None
    # Nadeau and Bengio: (1/J + n2/n1) s² in place of s²/J
    assert (corrected / plain) ** 2 == pytest.approx(1 + 5 * test_share / (1 - test_share))
    assert margin_over_splits([1.0], test_share) is None


def test_the_interval_over_splits_holds_where_the_plain_one_does_not() -> None:
    """Means over splits with the correlation that the correction assumes, test share 0.3: coverage near 95 %."""
    draws, splits, correlation = 4000, 5, 0.3
    rng = np.random.default_rng(0)
    shared, own = rng.normal(size=(draws, 1)), rng.normal(size=(draws, splits))
    values = correlation**0.5 * shared + (1 - correlation) ** 0.5 * own
    covered = np.mean([[abs(row.mean()) <= (f(row) or 0) for f in (plain_margin, split_margin)] for row in values], 0)
    assert covered[0] < 0.85 and 0.94 < covered[1] < 0.99


def plain_margin(values: np.ndarray) -> float | None:
    return margin_of_error(values.tolist())


def split_margin(values: np.ndarray) -> float | None:
    return margin_over_splits(values.tolist(), 0.3)


@pytest.mark.parametrize(
    "differences",
    [
        [0.3, 0.1, -0.2, 0.5, 0.7],  # no ties
        [0.3, 0.1, -0.1, 0.5, 0.7],  # a tie
        [0.3, 0.3, 0.3],
        [0.0, 0.3],
        [0.0, 0.0, -0.5, 0.2, 0.4, 0.4],
        [-3.0, -1.0, -1.0, -2.0, 0.0, 1.0, -2.0, -4.0, -2.0, 3.0, 0.0, -1.0, -2.0],  # the most that are all flipped
        [-3.0, -1.0, -1.0, -2.0, 0.0, 1.0, -2.0, -4.0, -2.0, 3.0, 0.0, -1.0, -2.0, 1.0],
        np.round(STREAM.normal(size=9), 1).tolist(),
        STREAM.normal(size=60).tolist(),
    ],
)
def test_wilcoxon_p_is_that_of_scipy_to_the_bit(differences: list[float]) -> None:
    assert wilcoxon_p(differences) == stats.wilcoxon(differences).pvalue


@pytest.mark.parametrize("differences", [[], [0.5], [0.0, 0.0, 0.0]])
def test_too_few_differences_have_no_wilcoxon_p(differences: list[float]) -> None:
    assert wilcoxon_p(differences) is None

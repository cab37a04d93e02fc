"""Conformal p-values keep their promise, and Benjamini and Hochberg's rows are those of the definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from anoonly_core.decision.conformal import (
    conformal_p_values,
    conformal_threshold,
    discoveries,
    estimated_normal_share,
    rank_of_level,
)

TIED = np.array([0.0, 1.0, 1.0, 2.0, 2.0, 2.0, 5.0])


@pytest.mark.parametrize(
    ("score", "p"), [(-1.0, 1.0), (1.0, 7 / 8), (1.5, 5 / 8), (2.0, 5 / 8), (5.0, 2 / 8), (9.0, 1 / 8)]
)
def test_a_p_value_counts_the_scores_of_at_least_the_row(score: float, p: float) -> None:
    assert conformal_p_values(TIED, np.array([score])) == [p]


@pytest.mark.parametrize("kind", ["continuous", "three values", "constant"])
@pytest.mark.parametrize("rows", [9, 60])
def test_smoothed_p_values_are_uniform_and_others_larger(kind: str, rows: int) -> None:
    random = np.random.default_rng(0)
    draws = {
        "continuous": lambda: random.normal(size=rows + 1),
        "three values": lambda: random.integers(3, size=rows + 1).astype(float),
        "constant": lambda: np.zeros(rows + 1),
    }
    smoothed, plain = np.empty(3000), np.empty(3000)
    for number in range(3000):
        scores = draws[kind]()
        plain[number] = conformal_p_values(scores[1:], scores[:1])[0]
        smoothed[number] = conformal_p_values(scores[1:], scores[:1], random)[0]
    assert kstest(smoothed, "uniform").pvalue > 0.001
    assert (plain >= smoothed).all()
    for level in (0.05, 0.1, 0.5):
        assert (plain <= level).mean() <= level + 0.025


@pytest.mark.parametrize("level", [0.01, 0.05, 0.1, 0.125, 0.25, 0.5, 0.999])
@pytest.mark.parametrize("rows", [1, 7, 19, 99, 100])
def test_the_threshold_flags_the_rows_with_p_up_to_the_level(rows: int, level: float) -> None:
    random = np.random.default_rng(rows)
    calibration = random.integers(0, rows // 2 + 2, size=rows).astype(float)
    scores = np.r_[calibration, calibration + 0.5, -1.0, 1e9]
    flagged = scores > conformal_threshold(calibration, level)
    assert np.array_equal(flagged, conformal_p_values(calibration, scores) <= level + 1e-12)


@pytest.mark.parametrize(
    ("rows", "level", "rank"), [(99, 0.05, 5), (98, 0.01, 0), (99, 0.01, 1), (19, 0.1, 2), (9, 1.0, 9)]
)
def test_the_rank_of_a_level_does_not_suffer_from_rounding(rows: int, level: float, rank: int) -> None:
    assert rank_of_level(rows, level) == rank


@pytest.mark.parametrize("level", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("seed", range(5))
def test_discoveries_are_those_of_the_step_up_definition(seed: int, level: float) -> None:
    random = np.random.default_rng(seed)
    p = np.r_[random.random(40), random.random(10) / 50]
    ordered = np.sort(p)
    steps = np.flatnonzero(ordered <= level * np.arange(1, 51) / 50)
    expected = p <= ordered[steps[-1]] if len(steps) else np.zeros(50, dtype=bool)
    assert np.array_equal(discoveries(p, level), expected)


@pytest.mark.parametrize("anomalies", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("estimates_share", [False, True])
def test_false_discoveries_keep_their_rate(anomalies: float, estimates_share: bool) -> None:
    random = np.random.default_rng(1)
    shares = []
    for _ in range(400):
        anomalous = np.arange(100) < 100 * anomalies
        p = conformal_p_values(random.normal(size=200), random.normal(size=100) + 3 * anomalous)
        flagged = discoveries(p, 0.2, estimates_share)
        shares.append((flagged & ~anomalous).sum() / max(1, flagged.sum()))
    assert np.mean(shares) <= 0.2 + 3 * np.std(shares) / 20


def test_the_estimated_share_finds_more_where_anomalies_are_many() -> None:
    random = np.random.default_rng(2)
    anomalous = np.arange(400) < 200
    p = conformal_p_values(random.normal(size=400), random.normal(size=400) + 2.5 * anomalous)
    assert estimated_normal_share(p) == pytest.approx(0.5, abs=0.1)
    plain, adapted = discoveries(p, 0.1), discoveries(p, 0.1, estimates_share=True)
    assert plain.sum() < adapted.sum() and not (plain & ~adapted).any()


def test_no_row_gives_no_discovery() -> None:
    assert discoveries(np.empty(0), 0.1).shape == (0,)

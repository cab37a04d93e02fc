"""The ranking of mechanisms on a table with known means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from anoonly_core.weak_supervision.ranking import RankedPoint, best_of_each, ranked_points
from anoonly_core.weak_supervision.result import COLUMNS, MEASURES

NAN = float("nan")
AUCPR = {
    ("batch", NAN): [0.80, 0.82, 0.84, 0.78],
    ("ghost", 4.0): [0.70, 0.71, 0.75, 0.68],
    ("ghost", 32.0): [0.90, 0.93, 0.95, 0.88],
    ("layer", NAN): [0.10, 0.12, NAN, 0.11],
    ("rms", 1.0): [NAN, NAN, NAN, NAN],
}


def table() -> pd.DataFrame:
    rows = []
    for (norm, strength), values in AUCPR.items():
        for seed, value in enumerate(values):
            for lambda_n, shift in ((0.0, 0.0), (0.01, 0.05)):
                row = {"dataset": "d", "baseline": "DevNet", "lambda_n": lambda_n, "norm": norm}
                row |= {"strength": strength, "seed": seed, **dict.fromkeys(MEASURES, 0.5)}
                rows.append(row | {"aucpr_anomaly": value + shift})
    return pd.DataFrame(rows, columns=list(COLUMNS)).sample(frac=1, random_state=0)


def points(lambda_n: float = 0.0) -> list[RankedPoint]:
    return ranked_points(table(), "batch", lambda_n)


def test_points_are_ranked_by_their_mean_and_failures_come_last() -> None:
    assert [(point.norm, point.strength) for point in points()] == [
        ("ghost", 32.0),
        ("batch", None),
        ("ghost", 4.0),
        ("layer", None),
        ("rms", 1.0),
    ]
    assert [point.seeds for point in points()] == [4, 4, 4, 3, 0]
    assert [point.failures for point in points()] == [0, 0, 0, 1, 4]
    assert points()[1].aucpr == pytest.approx(0.81) and points(0.01)[1].aucpr == pytest.approx(0.86)


def test_differences_are_paired_over_the_seeds_that_both_finished() -> None:
    best, batch, _, layer, none = points()
    deltas = np.array(AUCPR["ghost", 32.0]) - np.array(AUCPR["batch", NAN])
    assert best.delta == pytest.approx(deltas.mean())
    assert best.delta_margin == pytest.approx(stats.t.ppf(0.975, 3) * deltas.std(ddof=1) / 2)
    assert layer.delta == pytest.approx(np.mean([0.1 - 0.8, 0.12 - 0.82, 0.11 - 0.78]))
    assert batch.delta is None and not batch.is_clear
    assert none.delta is None and not none.is_clear and none.margin is None


def test_clear_is_corrected_for_all_points_of_the_ranking() -> None:
    """Holm over the three points that can be tested."""
    p = {
        point.norm + str(point.strength): float(
            stats.ttest_1samp([a - b for a, b in zip(AUCPR[key], AUCPR["batch", NAN], strict=True) if a == a], 0).pvalue
        )
        for point in points()
        for key in AUCPR
        if (point.norm, point.strength) == (key[0], None if key[1] != key[1] else key[1])
        and key[0] not in ("batch", "rms")
    }
    ordered = sorted(p.values())
    limits = [(len(ordered) - rank) * value < 0.05 for rank, value in enumerate(ordered)]
    assert sum(point.is_clear for point in points()) == (limits.index(False) if False in limits else len(limits))


def test_the_best_strength_stands_for_a_mechanism() -> None:
    assert [(point.norm, point.strength) for point in best_of_each(points())] == [
        ("ghost", 32.0),
        ("batch", None),
        ("layer", None),
        ("rms", 1.0),
    ]

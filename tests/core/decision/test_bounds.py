"""Bounds of theory against draws."""

from __future__ import annotations

import numpy as np
import pytest

from anoonly_core.decision.bounds import contaminated_bounds, measured_band, rate_band
from anoonly_core.decision.conformal import conformal_threshold


def rates(rows: int, level: float, hidden: int, shift: float, tests: int = 2000) -> np.ndarray:
    """False-alarm rates of 300 drawn thresholds, with some hidden anomalies among the calibration rows."""
    random = np.random.default_rng(0)
    measured = []
    for _ in range(300):
        calibration = random.normal(size=rows) + np.where(np.arange(rows) < hidden, shift, 0)
        measured.append((random.normal(size=tests) > conformal_threshold(calibration, level)).mean())
    return np.array(measured)


@pytest.mark.parametrize(("rows", "level"), [(50, 0.05), (200, 0.1), (999, 0.01)])
def test_nine_of_ten_rates_are_in_the_band(rows: int, level: float) -> None:
    drawn = rates(rows, level, 0, 0.0)
    low, high = measured_band(rows, level, 2000)
    assert ((drawn >= low) & (drawn <= high)).mean() == pytest.approx(0.9, abs=0.06)
    inner = rate_band(rows, level)
    assert low <= inner[0] < level < inner[1] <= high


@pytest.mark.parametrize("level", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("hidden", [0, 5, 30])
def test_anomalies_move_the_mean_rate_between_the_bounds(level: float, hidden: int) -> None:
    low, high = contaminated_bounds(300, level, hidden / 300)
    above, like, below = (rates(300, level, hidden, shift).mean() for shift in (50, 0, -50))
    assert above == pytest.approx(low, abs=0.004)
    assert below == pytest.approx(high, abs=0.006)
    assert low - 0.004 <= above <= like + 1e-12 and like <= below + 1e-12
    assert high <= level * 301 / (301 - hidden) + 1e-12


def test_too_few_rows_flag_nothing() -> None:
    assert rate_band(50, 0.01) == measured_band(50, 0.01, 9) == contaminated_bounds(50, 0.01, 0.1) == (0.0, 0.0)


def test_anomalies_alone_bound_nothing() -> None:
    assert contaminated_bounds(100, 0.1, 1.0) == (0.0, 1.0)

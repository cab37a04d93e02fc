"""Theory of the false-alarm rate of a conformal threshold: its spread, and the effect of anomalies."""

from __future__ import annotations

import numpy as np

from anoonly_core.decision.conformal import rank_of_level

__all__ = ["contaminated_bounds", "measured_band", "rate_band"]

CONFIDENCE = 0.9


def rate_band(rows: int, level: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the central interval of the false-alarm rate of a threshold over draws of its calibration rows.

    The rate of one threshold is that of its calibration rows, and only the mean over draws is at most the level. It
    has the distribution Beta(k, rows + 1 - k), k as in `rank_of_level`. Source: Vovk (2012); docs/methods.md § 15.

    Parameters
    ----------
    rows : int
        Number of calibration rows, all normal.
    level : float
        Promised rate.
    confidence : float
        Probability of the interval.
    """
    from scipy.stats import beta  # takes a second to load

    rank = rank_of_level(rows, level)
    if not rank:
        return 0.0, 0.0
    low, high = beta.ppf([(1 - confidence) / 2, (1 + confidence) / 2], rank, rows + 1 - rank)
    return float(low), float(high)


def measured_band(rows: int, level: float, tests: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the central interval of the share of `tests` new normal rows that a threshold flags.

    It is wider than `rate_band`, since test rows are drawn, too: their number is beta-binomial. The other parameters
    are those of `rate_band`.
    """
    from scipy.stats import betabinom

    rank = rank_of_level(rows, level)
    if not rank:
        return 0.0, 0.0
    low, high = betabinom.ppf([(1 - confidence) / 2, (1 + confidence) / 2], tests, rank, rows + 1 - rank)
    return float(low / tests), float(high / tests)


def contaminated_bounds(rows: int, level: float, share: float) -> tuple[float, float]:
    """Return the least and the largest mean false-alarm rate if a share of the calibration rows are anomalies.

    The least rate is reached if all these anomalies score above all normal rows, the largest if they score below. The
    mean is at most `level` if the scores of anomalies are stochastically larger. Source: docs/methods.md § 15; Bashari,
    Sesia and Romano (2025).

    Parameters
    ----------
    rows : int
        Number of calibration rows, anomalies included.
    level : float
        Promised rate.
    share : float
        Share of anomalies among the calibration rows, 0 to 1.
    """
    rank, anomalies = rank_of_level(rows, level), round(share * rows)
    normal = rows - anomalies
    least, largest = max(0, rank - anomalies), min(normal + 1, rank)
    return float(np.divide(least, normal + 1)), float(np.divide(largest, normal + 1))

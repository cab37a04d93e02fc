"""Conformal p-values of scores, and the rows that a level or a false-discovery rate flags; pure functions."""

from __future__ import annotations

import numpy as np

__all__ = ["conformal_p_values", "conformal_threshold", "discoveries", "estimated_normal_share", "rank_of_level"]

STOREY_LEVEL = 0.5  # p-values above it count as those of normal rows
ROUNDING = 1e-9


def conformal_p_values(
    calibration: np.ndarray, scores: np.ndarray, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Return (1 + number of calibration scores of at least s) / (n + 1) for each score s.

    If a row and the calibration rows are exchangeable, its p-value is at most α with a probability of at most α. Ties
    count against the row. With `rng` they are broken at random (smoothed p-values), and the probability is α exactly.
    Source: Vovk, Gammerman and Shafer (2005); Bates et al. (2023), eq. 2 and 4; docs/methods.md § 15.

    Parameters
    ----------
    calibration : float [n]
        Scores of rows that the network was not trained on; higher is more anomalous.
    scores : float [m]
        Scores of new rows by the same network.
    rng : Generator, optional
        Random numbers that break ties.

    Returns
    -------
    float64 [m]
        p-values, from 1 / (n + 1) to 1; with `rng` from 0 to 1.
    """
    ordered = np.sort(calibration)
    at_least = len(ordered) - np.searchsorted(ordered, scores, side="left")
    if rng is None:
        return (1 + at_least) / (1 + len(ordered))
    above = len(ordered) - np.searchsorted(ordered, scores, side="right")
    return (above + rng.random(len(scores)) * (1 + at_least - above)) / (1 + len(ordered))


def rank_of_level(rows: int, level: float) -> int:
    """Return the rank k, from 1, of the calibration score that rows with p ≤ level exceed; 0 if no p is that small.

    It is the level times (rows + 1), rounded down; the highest of the `rows` calibration scores has rank 1.
    """
    return min(rows, int(np.floor(level * (rows + 1) + ROUNDING)))


def conformal_threshold(calibration: np.ndarray, level: float) -> float:
    """Return the score that rows with a conformal p-value of at most `level` exceed; infinite if no p is that small.

    `calibration` holds scores as for `conformal_p_values`; `level` is between 0 and 1.
    """
    rank = rank_of_level(len(calibration), level)
    return float(np.sort(calibration)[-rank]) if rank else float("inf")


def estimated_normal_share(p_values: np.ndarray) -> float:
    """Estimate the share of normal rows by the number of p-values [m] above 0.5, about half of those of normal rows.

    It may exceed 1. Source: Storey, Taylor and Siegmund (2004), eq. 6; Bates et al. (2023), § 2.4.
    """
    return (1 + int((p_values > STOREY_LEVEL).sum())) / (len(p_values) * (1 - STOREY_LEVEL))


def discoveries(p_values: np.ndarray, level: float, estimates_share: bool = False) -> np.ndarray:
    """Return the rows that the procedure of Benjamini and Hochberg flags, bool [m].

    On average over repetitions, at most `level` of the flagged rows are normal: conformal p-values that share their
    calibration rows depend positively on each other. Source: Benjamini and Hochberg (1995); Bates et al. (2023),
    theorem 2.

    Parameters
    ----------
    p_values : float [m]
        Conformal p-values of the rows that are judged together.
    level : float
        Largest expected share of normal rows among the flagged ones.
    estimates_share : bool
        True to divide the level by the share of normal rows, as `estimated_normal_share` estimates it; rows with a
        p-value above 0.5 are then never flagged.
    """
    from scipy.stats import false_discovery_control  # takes a second to load

    if not len(p_values):
        return np.zeros(0, dtype=bool)
    share = estimated_normal_share(p_values) if estimates_share else 1.0
    flagged: np.ndarray = false_discovery_control(p_values) * share <= level * (1 + ROUNDING)
    return flagged & (p_values <= STOREY_LEVEL) if estimates_share else flagged

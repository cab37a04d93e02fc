"""Ranking of the points of a comparison, each against batch norm on the same seeds; free of torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import pandas as pd

from anoonly_core.metrics.confidence import clear_together, margin_of_error, p_of_mean
from anoonly_core.weak_supervision.result import MEASURES

__all__ = ["RankedPoint", "best_of_each", "ranked_points"]


class _Point(Protocol):
    """A point of a ranking, with the name of its mechanism."""

    @property
    def norm(self) -> str: ...


P = TypeVar("P", bound=_Point)


@dataclass(frozen=True)
class RankedPoint:
    """Results of one mechanism at one strength and one λ_n, over its seeds.

    Attributes
    ----------
    norm : str
        Name of the mechanism.
    strength : float or None
        Its strength; None without a dial.
    lambda_n : float
        Weight of the loss on the pool.
    seeds : int
        Finished runs.
    failures : int
        Runs that diverged.
    means : dict of str to float
        Mean of each of MEASURES; NaN where no run has it.
    margin : float or None
        Half the width of the 95 % interval of the mean AUCPR; None with one seed.
    delta, delta_margin : float or None
        Mean of the paired differences in AUCPR to batch norm at the same λ_n, and half its 95 % interval.
    is_clear : bool
        True if the difference is clear after Holm's correction for all points at this λ_n.
    """

    norm: str
    strength: float | None
    lambda_n: float
    seeds: int
    failures: int
    means: dict[str, float]
    margin: float | None
    delta: float | None
    delta_margin: float | None
    is_clear: bool

    @property
    def aucpr(self) -> float:
        """Mean AUCPR of the anomalies over the finished runs, 0 to 1; NaN if there are none."""
        return self.means["aucpr_anomaly"]


def ranked_points(runs: pd.DataFrame, reference: str, lambda_n: float) -> list[RankedPoint]:
    """Rank the points at one λ_n by their mean AUCPR of the anomalies, the highest first.

    Parameters
    ----------
    runs : DataFrame
        Runs of one data set and system, with the columns of `result.COLUMNS`.
    reference : str
        The batch norm that the others are compared with.
    lambda_n : float
        Weight of the loss on the pool.

    Returns
    -------
    list of RankedPoint
        Points without a finished run come last.
    """
    kept = runs[runs["lambda_n"] == lambda_n]
    # Arrays from here on: pandas would take most of a second for the points of three data sets.
    seeds, measures = kept["seed"].to_numpy(), kept[list(MEASURES)].to_numpy(dtype=float)
    aucpr = measures[:, MEASURES.index("aucpr_anomaly")]
    groups: dict[tuple[str, float | None], list[int]] = {}
    for index, (norm, strength) in enumerate(zip(kept["norm"], kept["strength"], strict=True)):
        groups.setdefault((str(norm), None if np.isnan(strength) else float(strength)), []).append(index)
    of_reference = [index for (norm, _), indices in groups.items() if norm == reference for index in indices]
    base = {seeds[index]: float(aucpr[index]) for index in of_reference}
    deltas = [
        [] if norm == reference else _paired(seeds[indices], aucpr[indices], base)
        for (norm, _), indices in groups.items()
    ]
    clear = clear_together([p_of_mean(values) if values else None for values in deltas])
    points = [
        _point(norm, strength, lambda_n, measures[indices], values, is_clear)
        for ((norm, strength), indices), values, is_clear in zip(groups.items(), deltas, clear, strict=True)
    ]
    return sorted(points, key=lambda point: -np.nan_to_num(point.aucpr, nan=-1.0))


def _paired(seeds: np.ndarray, aucpr: np.ndarray, base: Mapping[int, float]) -> list[float]:
    """Return the differences in AUCPR between the runs of a point and batch norm, on the seeds that both have finished.

    Parameters
    ----------
    seeds, aucpr : np.ndarray
        Seed and AUCPR of each run of the point, [runs]; NaN for a run that diverged.
    base : mapping of int to float
        AUCPR of batch norm by seed.
    """
    differences = [float(value) - base.get(seed, np.nan) for seed, value in zip(seeds, aucpr, strict=True)]
    return [difference for difference in differences if not np.isnan(difference)]


def _point(
    norm: str, strength: float | None, lambda_n: float, measures: np.ndarray, deltas: list[float], is_clear: bool
) -> RankedPoint:
    """Return a point from the measures of its runs, float [runs, MEASURES], and its differences to batch norm."""
    aucpr = MEASURES.index("aucpr_anomaly")
    finished = measures[~np.isnan(measures[:, aucpr])]
    return RankedPoint(
        norm=norm,
        strength=strength,
        lambda_n=lambda_n,
        seeds=len(finished),
        failures=len(measures) - len(finished),
        means=dict(zip(MEASURES, map(_mean, finished.T), strict=True)),
        margin=margin_of_error(finished[:, aucpr].tolist()),
        delta=float(np.mean(deltas)) if deltas else None,
        delta_margin=margin_of_error(deltas),
        is_clear=is_clear,
    )


def _mean(values: np.ndarray) -> float:
    """Return the mean of the values that are not NaN; NaN if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def best_of_each(points: Sequence[P]) -> list[P]:
    """Return the first point of each mechanism in a ranking, which is its best one, in the order of the ranking."""
    best: dict[str, P] = {}
    for point in points:
        best.setdefault(point.norm, point)
    return list(best.values())

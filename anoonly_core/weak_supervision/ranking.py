"""Ranking of the points of a comparison, each against batch norm on the same seeds; free of torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from anoonly_core.metrics.confidence import clear_together, margin_of_error, p_of_mean
from anoonly_core.weak_supervision.result import MEASURES

__all__ = ["RankedPoint", "best_of_each", "ranked_points"]


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
    base = kept[kept["norm"] == reference].set_index("seed")["aucpr_anomaly"]
    groups = [
        (str(group["norm"].iloc[0]), float(group["strength"].iloc[0]), group)
        for _, group in kept.groupby(["norm", "strength"], dropna=False)
    ]
    deltas = [_paired(group, base) if norm != reference else [] for norm, _, group in groups]
    clear = clear_together([p_of_mean(values) if values else None for values in deltas])
    points = [
        _point(norm, strength, lambda_n, group, values, is_clear)
        for (norm, strength, group), values, is_clear in zip(groups, deltas, clear, strict=True)
    ]
    return sorted(points, key=lambda point: -np.nan_to_num(point.aucpr, nan=-1.0))


def _paired(group: pd.DataFrame, base: pd.Series) -> list[float]:
    """Return the differences in AUCPR between the runs of a point and `base`, on the seeds that both have finished.

    `group` has the runs of the point, `base` the AUCPR of batch norm by seed.
    """
    differences = (group.set_index("seed")["aucpr_anomaly"] - base).dropna()
    return [float(value) for value in differences]


def _point(
    norm: str, strength: float, lambda_n: float, group: pd.DataFrame, deltas: list[float], is_clear: bool
) -> RankedPoint:
    finished = group.dropna(subset=["aucpr_anomaly"])
    return RankedPoint(
        norm=norm,
        strength=None if np.isnan(strength) else float(strength),
        lambda_n=lambda_n,
        seeds=len(finished),
        failures=len(group) - len(finished),
        means={name: float(finished[name].mean()) for name in MEASURES},
        margin=margin_of_error(finished["aucpr_anomaly"].to_list()),
        delta=float(np.mean(deltas)) if deltas else None,
        delta_margin=margin_of_error(deltas),
        is_clear=is_clear,
    )


def best_of_each(points: list[RankedPoint]) -> list[RankedPoint]:
    """Return the first point of each mechanism in a ranking, which is its best one, in the order of the ranking."""
    best: dict[str, RankedPoint] = {}
    for point in points:
        best.setdefault(point.norm, point)
    return list(best.values())

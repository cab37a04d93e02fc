"""Ranking of the mechanisms across data sets, each against batch norm on the same data; free of torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

from anoonly_core.baselines import NORM_LABELS
from anoonly_core.config import make_config
from anoonly_core.metrics.confidence import clear_together, margin_of_error, p_of_mean
from anoonly_core.paths import ASSETS
from anoonly_core.reproduction.grid import Grid, GridValue
from anoonly_core.weak_supervision.points import LAMBDAS, reference_norm
from anoonly_core.weak_supervision.ranking import RankedPoint, best_of_each, ranked_points

__all__ = [
    "EVERY",
    "SHIPPED_FILE",
    "AcrossPoint",
    "AcrossRanking",
    "across_reports",
    "points_grid",
    "ranked_across",
    "shipped_measures",
    "systems_grid",
]

EVERY = "-all-strengths"  # end of the file name of a table of all strengths
SHIPPED_FILE = ASSETS / "results" / "mechanisms.csv"


@dataclass(frozen=True)
class AcrossPoint:
    """Results of one mechanism at one strength over several data sets.

    Attributes
    ----------
    norm : str
        Name of the mechanism.
    strength : float or None
        Its strength; None without a dial.
    deltas : mapping of str to float
        Difference in mean AUCPR of the anomalies to batch norm, by data set; one without a finished run is missing.
    better_on, worse_on : tuple of str
        Data sets on which the difference is clear: paired over the seeds, Holm's correction over all points.
    reach : float
        Share of the gradient that reaches the pool, mean over the data sets.
    is_clear : bool
        True if the mean difference is clear: Student's t over the data sets, Holm's correction over all points.
    """

    norm: str
    strength: float | None
    deltas: Mapping[str, float]
    better_on: tuple[str, ...]
    worse_on: tuple[str, ...]
    reach: float
    is_clear: bool = False

    @property
    def delta(self) -> float:
        """Mean difference over the data sets."""
        return float(np.mean(list(self.deltas.values())))

    @property
    def margin(self) -> float | None:
        """Half the 95 % interval of the mean difference; None with one data set."""
        return margin_of_error(list(self.deltas.values()))

    @property
    def ahead(self) -> int:
        """Number of data sets on which the mean AUCPR is higher than that of batch norm."""
        return sum(delta > 0 for delta in self.deltas.values())


@dataclass(frozen=True)
class AcrossRanking:
    """Ranking of all points of one system at one λ_n over its data sets.

    Attributes
    ----------
    baseline : str
        The system.
    lambda_n : float
        Weight of the loss on the pool.
    reference : str
        The batch norm that the others are compared with.
    base : mapping of str to float
        Mean AUCPR of batch norm by data set.
    points : tuple of AcrossPoint
        All other points, the highest mean difference first.
    """

    baseline: str
    lambda_n: float
    reference: str
    base: Mapping[str, float]
    points: tuple[AcrossPoint, ...]

    @property
    def best(self) -> list[AcrossPoint]:
        """Each mechanism at its best strength, in the order of the ranking."""
        return best_of_each(list(self.points))


@cache
def shipped_measures() -> pd.DataFrame:
    """Return the table of `assets/results/mechanisms.csv`, with the columns of `result.COLUMNS`; not to be changed."""
    return pd.read_csv(SHIPPED_FILE, dtype={"strength": float, "lambda_n": float})


def ranked_across(runs: pd.DataFrame, baseline: str, lambda_n: float) -> AcrossRanking:
    """Rank the mechanisms of one system at one λ_n by their mean difference in AUCPR to batch norm over data sets.

    Parameters
    ----------
    runs : DataFrame
        Runs with the columns of `result.COLUMNS`; those of other systems and other λ_n are left out. A data set without
        a finished run of batch norm is left out too.
    baseline : str
        The system.
    lambda_n : float
        Weight of the loss on the pool.

    Returns
    -------
    AcrossRanking
        Empty if there are no such runs.

    Raises
    ------
    InvalidConfig
        If the system has no norm to choose.
    """
    reference = reference_norm(make_config(baseline=baseline, lambda_n=0.0))
    kept = runs[(runs["baseline"] == baseline) & (runs["lambda_n"] == lambda_n)]
    base: dict[str, float] = {}
    found: dict[tuple[str, float | None], dict[str, RankedPoint]] = {}
    for dataset, of_dataset in kept.groupby("dataset"):
        points = ranked_points(of_dataset, reference, lambda_n)
        of_reference = next((point for point in points if point.norm == reference and point.seeds), None)
        if of_reference is None:
            continue
        base[str(dataset)] = of_reference.aucpr
        for point in points:
            if point.norm != reference and point.seeds:
                found.setdefault((point.norm, point.strength), {})[str(dataset)] = point
    ranked = sorted((_across(points, base) for points in found.values()), key=lambda point: -point.delta)
    clear = clear_together([p_of_mean(list(point.deltas.values())) for point in ranked])
    tested = tuple(replace(point, is_clear=is_clear) for point, is_clear in zip(ranked, clear, strict=True))
    return AcrossRanking(baseline, lambda_n, reference, base, tested)


def _across(points: Mapping[str, RankedPoint], base: Mapping[str, float]) -> AcrossPoint:
    """Return one mechanism at one strength, not tested yet, from its results by data set."""
    clear = {dataset: point.delta or 0.0 for dataset, point in points.items() if point.is_clear}
    first = next(iter(points.values()))
    return AcrossPoint(
        first.norm,
        first.strength,
        deltas={dataset: point.aucpr - base[dataset] for dataset, point in points.items()},
        better_on=tuple(dataset for dataset, delta in clear.items() if delta > 0),
        worse_on=tuple(dataset for dataset, delta in clear.items() if delta < 0),
        reach=float(np.mean([point.means["reach"] for point in points.values()])),
    )


def points_grid(ranking: AcrossRanking, points: Sequence[AcrossPoint]) -> Grid:
    """Return points of a ranking as a table for printing and export: one row a point, in AUCPR points of 100."""
    count = len(ranking.base)
    base = 100 * float(np.mean(list(ranking.base.values())))
    return Grid(
        f"{ranking.baseline} at λₙ = {ranking.lambda_n:g}, {count} data set{'s' * (count != 1)}: "
        f"difference in AUCPR to {NORM_LABELS[ranking.reference]}",
        ("Mechanism", "Strength", "Difference", "± 95 %", "Ahead on", "Clear", "Clearly better on", "Clearly worse on"),
        tuple(_row(point) for point in points),
        (
            "Difference: of mean AUCPR in points of 100, averaged over the data sets; batch norm reaches "
            f"{base:.1f} there. Clear: Student's t over the data sets, Holm's correction for all {len(ranking.points)} "
            "points. Clearly better or worse on: paired over seeds, Holm's correction for the points of a data set.",
            *_dependence_note(list(ranking.base)),
        ),
    )


def _dependence_note(datasets: Sequence[str]) -> list[str]:
    """Return a note if several of the data sets are digits of one collection; else an empty list."""
    digits = [name for name in datasets if name.startswith("digits_")]
    if len(digits) < 2:
        return []
    return [
        f"{len(digits)} of the data sets are digits of one collection: they share rows, so the interval over data sets "
        "is too narrow for new collections."
    ]


def _row(point: AcrossPoint) -> tuple[GridValue, ...]:
    return (
        NORM_LABELS[point.norm],
        None if point.strength is None else f"{point.strength:g}",
        _signed(point.delta),
        None if point.margin is None else f"{100 * point.margin:.1f}",
        f"{point.ahead} of {len(point.deltas)}",
        "yes" if point.is_clear else None,
        _names(point.better_on),
        _names(point.worse_on),
    )


def _signed(delta: float) -> str:
    return f"{100 * delta:+.1f}".replace("-", "−")


def _names(datasets: Sequence[str]) -> str | None:
    """Return up to three names of data sets, or their number if there are more; None for none."""
    return (", ".join(datasets) if len(datasets) <= 3 else f"{len(datasets)} data sets") or None


def across_reports() -> Iterator[tuple[str, Grid]]:
    """Yield the tables of the shipped runs, each with a file name without suffix.

    First comes one over all systems; then, for each system and λ_n, the mechanisms at their best strength, and at all.
    """
    runs = shipped_measures()
    rankings = [
        ranking
        for baseline in sorted(runs["baseline"].unique())
        for lambda_n in LAMBDAS
        if (ranking := ranked_across(runs, str(baseline), lambda_n)).points
    ]
    yield "mechanisms-systems", systems_grid(rankings)
    for ranking in rankings:
        stem = f"mechanisms-{ranking.baseline}-{ranking.lambda_n:g}"
        yield stem, points_grid(ranking, ranking.best)
        yield f"{stem}{EVERY}", points_grid(ranking, ranking.points)


def systems_grid(rankings: Sequence[AcrossRanking]) -> Grid:
    """Return a table with one row per system and λ_n: batch norm, the best mechanism beside it, and clear differences.

    `rankings` are those of all systems and weights; empty ones are left out.
    """
    rows = []
    for ranking in rankings:
        if ranking.points:
            best = ranking.points[0]
            strength = "" if best.strength is None else f", {best.strength:g}"
            margin = "" if best.margin is None else f" ± {100 * best.margin:.1f}"
            rows.append(
                (
                    ranking.baseline,
                    f"{ranking.lambda_n:g}",
                    len(ranking.base),
                    100 * float(np.mean(list(ranking.base.values()))),
                    f"{NORM_LABELS[best.norm]}{strength}",
                    f"{_signed(best.delta)}{margin}",
                    sum(point.is_clear and point.delta > 0 for point in ranking.points),
                    sum(point.is_clear and point.delta < 0 for point in ranking.points),
                    len(ranking.points),
                )
            )
    return Grid(
        "Every system, at each weight of the loss on the pool",
        ("System", "λₙ", "Data sets", "Batch norm", "Best other", "Difference", "Better", "Worse", "Points"),
        tuple(rows),
        ("Better, Worse: points with a clear mean difference to batch norm. Points: mechanisms at all strengths.",),
    )

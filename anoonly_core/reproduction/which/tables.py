"""Tables and sentences of the rankings: mean AUCPR by number of labels, ranks at one of them, and the crossover."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from anoonly_core.metrics.confidence import clear_together, wilcoxon_p
from anoonly_core.reproduction.cells import signed
from anoonly_core.reproduction.grid import Grid, join_words
from anoonly_core.reproduction.which.ranking import Ranking, SystemRank, complete_means, rank_systems
from anoonly_core.reproduction.which.runs import (
    POOLS,
    Point,
    points_of,
    pools_of,
    runs_at,
    scopes_of_runs,
    shipped_runs,
)
from anoonly_core.which.systems import SYSTEMS

__all__ = [
    "COMMAND",
    "Crossover",
    "crossover_of",
    "crossover_sentence",
    "means_grid",
    "rank_series",
    "ranking_sentence",
    "ranks_grid",
    "shipped_rankings",
    "which_reports",
]

COMMAND = "python -m tests.bench.which"
Rankings = Mapping[Point, Ranking]


@dataclass(frozen=True)
class Crossover:
    """The reference beside the best classifier over several points.

    Attributes
    ----------
    reference, classifier
        Names; the classifier is the one with the largest mean AUCPR over the points.
    differences
        Reference minus classifier in points of AUCPR at each point, mean over the data sets.
    is_clear
        Clear by Wilcoxon's test over the data sets, after Holm's correction for the points.
    """

    reference: str
    classifier: str
    differences: Mapping[Point, float]
    is_clear: Mapping[Point, bool]


def rank_series(runs: pd.DataFrame, scope: str, points: Sequence[Point]) -> dict[Point, Ranking]:
    """Rank the systems of a scope at each of some points; points with too few systems or data sets are left out."""
    rankings = {point: rank_systems(runs_at(runs, scope, point)) for point in points}
    return {point: ranking for point, ranking in rankings.items() if ranking is not None}


@cache
def shipped_rankings(scope: str, pool: str) -> dict[Point, Ranking]:
    """Rank the systems of the shipped runs at all points of a scope and pool; computed once."""
    runs = shipped_runs()
    return rank_series(runs, scope, points_of(runs, scope, pool))


def means_grid(runs: pd.DataFrame, scope: str, points: Sequence[Point]) -> Grid:
    """Tabulate the mean AUCPR in percent: a row per system, a column per point.

    Parameters
    ----------
    runs
        Runs, see `read_runs`.
    scope
        A key of SCOPES.
    points
        Points of one pool; all shares or all numbers of labels.
    """
    found = [complete_means(runs_at(runs, scope, point)) for point in points]
    columns = [100 * means.mean() for means, _ in found]
    names = _in_order({name for column in columns for name in map(str, column.index)})
    rows = [(name, *(float(column[name]) if name in column else None for column in columns)) for name in names]
    sizes = [len(means) for means, _ in found]
    of = "numbers of labeled anomalies" if points[0].count else "shares of labeled anomalies"
    datasets = f"{sizes[0]} data set{'s' * (sizes[0] != 1)}"
    if len(set(sizes)) > 1:  # a small data set has no large number of anomalies to label
        datasets = f"{join_words([str(size) for size in sizes])} data sets, so compare within a column"
    return Grid(
        f"AUCPR of the anomalies in %, {scope}, {POOLS[points[0].pool]}, by {of}",
        ("system", *(point.name for point in points)),
        tuple(rows),
        (f"Mean over the seeds of {datasets}. {_left_out(name for _, out in found for name in out)}{_remade()}",),
    )


def ranks_grid(ranking: Ranking, scope: str, point: Point) -> Grid:
    """Tabulate a ranking: mean AUCPR, mean rank, corrected p against the reference, wins, ties, losses and seconds."""
    rows = tuple(
        (
            system.name,
            system.mean,
            f"{system.rank:.2f}",
            None if system.p is None else f"{system.p:.3f}" if system.p >= 0.001 else "< 0.001",
            *((None,) * 3 if _is_plain(system, ranking) else (system.wins, system.ties, system.losses)),
            f"{system.seconds:.2g}" if system.seconds < 10 else f"{system.seconds:.0f}",
        )
        for system in ranking.systems
    )
    against = f" against {ranking.reference}" if ranking.reference else ""
    return Grid(
        f"Ranks, {scope}, {POOLS[point.pool]}, {point.words}",
        ("system", "AUCPR, %", "mean rank", f"p{against}", "wins", "ties", "losses", "seconds"),
        rows,
        (
            f"{len(ranking.datasets)} data sets; Friedman p {_p(ranking.friedman_p)}; Nemenyi's critical difference of "
            f"mean ranks {ranking.critical_difference:.2f}.",
            "p: Wilcoxon's signed-rank test over the data sets, corrected by Holm for all systems. Wins and losses: "
            f"data sets with a clear difference{against}; paired t tests over the seeds, corrected by Holm.",
            f"{_left_out(ranking.left_out)}{_remade()}",
        ),
    )


def ranking_sentence(ranking: Ranking, scope: str, point: Point) -> str:
    """Return Markdown on the first of a ranking and the place of the reference, with counts after correction."""
    first, total = ranking.systems[0], len(ranking.systems)
    where = f"With {point.words} and {_with_pool(point.pool)}"
    sentence = (
        f"{where}, **{first.name}** has the best mean rank of {total} systems on {len(ranking.datasets)} data sets "
        f"({scope}): {first.rank:.1f}, AUCPR {first.mean:.1f} %"
    )
    if (reference := ranking.system(ranking.reference)) is None:
        return f"{sentence}."
    others = [system for system in ranking.systems if system is not reference]
    behind = sum(system.is_clear and system.rank < reference.rank for system in others)
    ahead = sum(system.is_clear and system.rank > reference.rank for system in others)
    own = "" if reference is first else f"; **{reference.name}** has {reference.rank:.1f} and {reference.mean:.1f} %"
    return (
        f"{sentence}{own}. {'It' if reference is first else reference.name} is clearly ahead of {ahead} systems and "
        f"clearly behind {behind}; {len(others) - ahead - behind} cannot be told apart."
    )


def crossover_of(runs: pd.DataFrame, scope: str, rankings: Rankings) -> Crossover | None:
    """Compare the reference with the best classifier at each point of some rankings; None without both.

    Parameters
    ----------
    runs
        The runs of the rankings.
    scope
        A key of SCOPES.
    rankings
        Rankings by point; all shares or all numbers of labels.
    """
    names = [{system.name for system in ranking.systems} for ranking in rankings.values()]
    everywhere = set.intersection(*names) if names else set()
    reference = next((ranking.reference for ranking in rankings.values() if ranking.reference in everywhere), "")
    means = {
        name: float(np.mean([_mean(ranking.system(name)) for ranking in rankings.values()])) for name in everywhere
    }
    classifiers = [name for name in everywhere if name in SYSTEMS and SYSTEMS[name].kind == "classifier"]
    if not reference or not classifiers:
        return None
    best = max(sorted(classifiers), key=means.__getitem__)
    by_point = {}
    for point, ranking in rankings.items():
        at = runs_at(runs, scope, point)
        values = at[at["dataset"].isin(ranking.datasets)].groupby(["dataset", "system"])["aucpr"].mean().unstack()
        by_point[point] = (100 * (values[reference] - values[best])).dropna()
    clear = clear_together([wilcoxon_p(values.tolist()) for values in by_point.values()])
    differences = {point: float(values.mean()) for point, values in by_point.items()}
    return Crossover(reference, best, differences, dict(zip(by_point, clear, strict=True)))


def crossover_sentence(crossover: Crossover) -> str:
    """Return one sentence: the reference minus the best classifier over the number of labels, and where it is clear."""
    parts = ", ".join(f"{signed(value)} at {point.name}" for point, value in crossover.differences.items())
    clear = [point.name for point, is_clear in crossover.is_clear.items() if is_clear]
    doubt = f"clear at {join_words(clear)}" if clear else "clear at none"
    labels = " labels" if next(iter(crossover.differences)).count else ""
    return (
        f"{crossover.reference} minus {crossover.classifier}, the best classifier over all of these, in points of "
        f"AUCPR: {parts}{labels}; {doubt} (Wilcoxon over the data sets, Holm)."
    )


def which_reports(runs: pd.DataFrame) -> Iterator[tuple[str, Grid]]:
    """Yield all tables of some runs, each with a file name: means by number of labels, then the ranks at each."""
    for scope in scopes_of_runs(runs):
        for pool in pools_of(runs, scope):
            for kind in ("shares", "counts"):
                points = [point for point in points_of(runs, scope, pool) if (point.count > 0) == (kind == "counts")]
                if points:
                    yield from _series_reports(runs, scope, points, f"which-{scope}-{pool}-{kind}")


def _series_reports(runs: pd.DataFrame, scope: str, points: Sequence[Point], stem: str) -> Iterator[tuple[str, Grid]]:
    """Yield the means at some points with the crossover as a note, and the ranks at each, with names after `stem`."""
    rankings = rank_series(runs, scope, points)
    grid, crossover = means_grid(runs, scope, points), crossover_of(runs, scope, rankings)
    words = () if crossover is None else (crossover_sentence(crossover),)
    yield f"{stem}-means", Grid(grid.title, grid.columns, grid.rows, (*words, *grid.notes))
    for point, ranking in rankings.items():
        yield f"{stem}-{point.name.replace(' %', '')}-ranks", ranks_grid(ranking, scope, point)


def _mean(system: SystemRank | None) -> float | None:
    return None if system is None else system.mean


def _is_plain(system: SystemRank, ranking: Ranking) -> bool:
    """Return True for the reference, and for each system if there is none."""
    return not ranking.reference or system.name == ranking.reference


def _in_order(names: set[str]) -> list[str]:
    """Order names as in SYSTEMS; names that it lacks come last."""
    return [*(name for name in SYSTEMS if name in names), *sorted(names - set(SYSTEMS))]


def _left_out(names: Iterable[str]) -> str:
    """Return a sentence that names the systems that are left out; "" for none."""
    found = _in_order({*names})
    return f"Left out, with less than four fifths of the data sets: {join_words(found)}. " if found else ""


def _remade() -> str:
    return f"`{COMMAND}` measures it again."


def _with_pool(pool: str) -> str:
    return {"clean": "a clean pool", "natural": "the anomalies left in the pool"}[pool]


def _p(value: float) -> str:
    return f"= {value:.3f}" if value >= 0.001 else "< 0.001"

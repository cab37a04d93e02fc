"""Result of a ranking: pure functions of the finished runs, with paired intervals and corrected tests.

The m - 1 comparisons of each system with the best of m are corrected together by Bonferroni. The systems that are not
clearly worse then hold the truly best one with a probability of 95 % or more, although the best was chosen on the same
runs: the truly best system takes part in m - 1 comparisons only. Source: Hsu, Annals of Statistics 12 (1984), "multiple
comparisons with the best"; docs/methods.md § 4 and 14.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anoonly_core.metrics.confidence import ALPHA, adjust_holm, margin_of_error, p_of_mean
from anoonly_core.results.summary import RunSummary
from anoonly_core.which.plan import WhichPlan

__all__ = ["METRIC", "Crossover", "CurvePoint", "Rank", "WhichResult", "which_result"]

METRIC = "aucpr_anomaly"


@dataclass(frozen=True)
class CurvePoint:
    """A system at a number of labels.

    Attributes
    ----------
    system
        Name of the system.
    labels
        Labeled anomalies.
    values
        AUCPR of the anomalies by seed, of the finished runs.
    mean, margin
        Mean over the seeds, and half of its 95 % interval; None for one seed.
    seconds
        Mean seconds of training and of scoring the test rows, per run.
    """

    system: str
    labels: int
    values: Mapping[int, float]
    mean: float
    margin: float | None
    seconds: float


@dataclass(frozen=True)
class Rank:
    """A place in the ranking at one number of labels; the best system is the one with the largest mean.

    Attributes
    ----------
    point
        The system and its values.
    kind
        `System.kind`.
    behind, margin
        Mean paired difference of the best system minus this one over the seeds that both have, and half of its
        interval, all intervals together at 95 %; 0 and None for the best one, None for less than two seeds.
    p, p_corrected
        Two-sided p of the t test of that difference, and the same times the number of comparisons, at most 1.
    is_tied
        True if the corrected test cannot tell this system from the best one; True for the best one.
    """

    point: CurvePoint
    kind: str
    behind: float
    margin: float | None
    p: float | None
    p_corrected: float | None
    is_tied: bool


@dataclass(frozen=True)
class Crossover:
    """The best AnoOnly system and the best classifier, each by its mean over all numbers of labels.

    Attributes
    ----------
    anoonly, classifier
        Names of the systems.
    labels
        Numbers of labels at which both have finished runs.
    differences, margins
        Mean paired difference AnoOnly minus classifier at each number, and half of its 95 % interval.
    is_clear
        Clear after Holm's correction for all these numbers.
    between
        The last two neighboring numbers between which the sign of the difference changes; None if it does not.
    """

    anoonly: str
    classifier: str
    labels: tuple[int, ...]
    differences: tuple[float, ...]
    margins: tuple[float | None, ...]
    is_clear: tuple[bool, ...]
    between: tuple[int, int] | None


@dataclass(frozen=True)
class WhichResult:
    """Ranking, curves and crossover of a plan whose runs are finished, all or some.

    Attributes
    ----------
    plan
        The plan.
    ranking
        Systems at `plan.labels`, best first; those without a finished run there are left out.
    curves
        Points by name of the system, in the order of the numbers of labels.
    crossover
        None without an AnoOnly system and a classifier that have finished runs.
    failures
        One sentence for each reason why runs failed, with the names of the systems.
    finished
        Finished runs.
    """

    plan: WhichPlan
    ranking: tuple[Rank, ...]
    curves: Mapping[str, tuple[CurvePoint, ...]]
    crossover: Crossover | None
    failures: tuple[str, ...]
    finished: int


def which_result(
    plan: WhichPlan, runs: Mapping[str, RunSummary], failures: Mapping[str, str] | None = None
) -> WhichResult:
    """Rank the systems of a plan by the runs that are finished.

    Parameters
    ----------
    plan
        The plan.
    runs
        Finished runs by CPU `run_key`, some or all.
    failures
        One sentence per failed run by the same key.
    """
    points = {
        (system.name, count): point
        for system in plan.systems
        for count in plan.counts
        if (point := _point(plan, runs, system.name, count)) is not None
    }
    curves = {
        system.name: tuple(points[system.name, count] for count in plan.counts if (system.name, count) in points)
        for system in plan.systems
    }
    here = [points[system.name, plan.labels] for system in plan.systems if (system.name, plan.labels) in points]
    return WhichResult(
        plan=plan,
        ranking=_ranking(plan, here),
        curves={name: curve for name, curve in curves.items() if curve},
        crossover=_crossover(plan, curves),
        failures=_reasons(plan, failures or {}),
        finished=sum(key in runs for key in plan.configs),
    )


def _point(plan: WhichPlan, runs: Mapping[str, RunSummary], system: str, count: int) -> CurvePoint | None:
    keys = {seed: plan.keys[system, count, seed] for seed in plan.seeds}
    found = {seed: runs[key] for seed, key in keys.items() if key in runs}
    if not found:
        return None
    values = {seed: run.metrics[METRIC] for seed, run in found.items()}
    seconds = float(np.mean([run.seconds["train"] + run.seconds["score"] for run in found.values()]))
    numbers = list(values.values())
    return CurvePoint(system, count, values, float(np.mean(numbers)), margin_of_error(numbers), seconds)


def _differences(first: CurvePoint, second: CurvePoint) -> list[float]:
    """Return first minus second for each seed that both have."""
    return [value - second.values[seed] for seed, value in first.values.items() if seed in second.values]


def _ranking(plan: WhichPlan, points: list[CurvePoint]) -> tuple[Rank, ...]:
    """Order the points of one number of labels by their mean, and compare each with the best."""
    ordered = sorted(points, key=lambda point: -point.mean)
    kinds = {system.name: system.kind for system in plan.systems}
    comparisons = max(1, len(ordered) - 1)
    ranks = [Rank(point, kinds[point.system], 0.0, None, None, None, True) for point in ordered[:1]]
    for point in ordered[1:]:
        differences = _differences(ordered[0], point)
        p = p_of_mean(differences)
        corrected = None if p is None else min(1.0, comparisons * p)
        behind = float(np.mean(differences)) if differences else ordered[0].mean - point.mean
        margin = margin_of_error(differences, comparisons)
        is_tied = corrected is None or corrected >= ALPHA
        ranks.append(Rank(point, kinds[point.system], behind, margin, p, corrected, is_tied))
    return tuple(ranks)


def _crossover(plan: WhichPlan, curves: Mapping[str, tuple[CurvePoint, ...]]) -> Crossover | None:
    """Compare the best AnoOnly system with the best classifier at each number of labels."""
    best = [_best(plan, curves, kind) for kind in ("anoonly", "classifier")]
    if None in best:
        return None
    anoonly, classifier = (str(name) for name in best)
    beside = {point.labels: point for point in curves[classifier]}
    pairs = [(point, beside[point.labels]) for point in curves[anoonly] if point.labels in beside]
    differences = [found for first, second in pairs if (found := _differences(first, second))]
    if not differences or len(differences) < len(pairs):
        return None
    means = [float(np.mean(values)) for values in differences]
    labels = tuple(first.labels for first, _ in pairs)
    changes = [index for index in range(1, len(means)) if means[index - 1] * means[index] < 0]
    return Crossover(
        anoonly,
        classifier,
        labels,
        tuple(means),
        tuple(margin_of_error(values) for values in differences),
        tuple(p is not None and p < ALPHA for p in adjust_holm([p_of_mean(values) for values in differences])),
        (labels[changes[-1] - 1], labels[changes[-1]]) if changes else None,
    )


def _best(plan: WhichPlan, curves: Mapping[str, tuple[CurvePoint, ...]], kind: str) -> str | None:
    """Return the system of a kind with the largest mean over the numbers of labels, among those with most points."""
    names = [system.name for system in plan.systems if system.kind == kind and curves[system.name]]
    return max(
        names,
        key=lambda name: (len(curves[name]), float(np.mean([point.mean for point in curves[name]]))),
        default=None,
    )


def _reasons(plan: WhichPlan, failures: Mapping[str, str]) -> tuple[str, ...]:
    """Return each sentence of a failure once, after the names of its systems."""
    systems: dict[str, dict[str, None]] = {}
    for (name, _, _), key in plan.keys.items():
        if key in failures:
            systems.setdefault(failures[key], {})[name] = None
    return tuple(f"{', '.join(names)}: {sentence}" for sentence, names in systems.items())

"""Curves of a sweep's finished runs, and the sentence above them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.metrics.confidence import clear_together, margin_of_error
from anoonly_core.reproduction.grid import join_words
from anoonly_core.results.store import RunSummary
from anoonly_core.sweeps.sweep import GridPoint, Sweep

from ...controls.registry import CONTROLS
from ...text.conditions import dataset_text, pool_text, seeds_text
from ...text.differences import cause_sentence, differences
from ...text.labels import METRIC_LABELS, SETTING_LABELS, format_axis_value
from ...text.verdict import PairedDifference, correction_note, format_difference, paired_difference

__all__ = [
    "Curve",
    "CurvePoint",
    "axis_title",
    "chance_level",
    "make_curves",
    "norm_to_hold",
    "sweep_conditions",
    "sweep_sentence",
    "values_by_gain",
    "x_values",
]

BASELINE, ANOONLY = 1.0, 0.0


@dataclass(frozen=True)
class CurvePoint:
    """A point of a curve: the finished runs of one point of the sweep's grid.

    Parameters
    ----------
    x : int
        Index of its value on the first axis (see `x_values`).
    point : GridPoint
        The point of the grid, with the runs of all its seeds.
    values : dict of int to float
        The metric of each finished run, by seed.
    keys : dict of int to str
        The run key of each finished run, by seed.
    chance : float or None
        The metric of random scores, mean over these runs; None if their test rows were not counted.
    """

    x: int
    point: GridPoint
    values: dict[int, float]
    keys: dict[int, str]
    chance: float | None = None

    @property
    def config(self) -> RunConfig:
        """Configuration of the first seed, finished or not."""
        return next(iter(self.point.configs.values()))

    @property
    def mean(self) -> float:
        """Mean of the metric over the finished seeds."""
        return float(np.mean(list(self.values.values())))

    @property
    def margin(self) -> float:
        """Half the width of the 95 % interval (Student's t) of the mean; 0 with one seed."""
        return margin_of_error(list(self.values.values())) or 0.0


@dataclass(frozen=True)
class Curve:
    """One line of the chart: the points that agree in all axes of the sweep but the first.

    Parameters
    ----------
    labels : tuple of str
        Their values on these axes in words, without λₙ; the name of the baseline if there are none.
    lambda_n : float or None
        Their λₙ if it is one of these axes; else None.
    points : tuple of CurvePoint
        The points with a finished run, in the order of the first axis.
    """

    labels: tuple[str, ...]
    lambda_n: float | None
    points: tuple[CurvePoint, ...]

    @property
    def name(self) -> str:
        """Name of the curve in the legend, such as "DeepSAD + AnoOnly"."""
        name = ", ".join(self.labels)
        if self.lambda_n is None or self.lambda_n == BASELINE:
            return name
        return f"{name} + AnoOnly" if self.lambda_n == ANOONLY else f"{name}, λₙ = {self.lambda_n:g}"


def x_values(sweep: Sweep) -> list[Any]:
    """Return the values of the sweep's first axis that occur in its grid, in the order of the axis.

    Values with invalid combinations only are missing.
    """
    name = sweep.axes[0].name
    return list(dict.fromkeys(point.values[name] for point in sweep.points))


def make_curves(sweep: Sweep, runs: Mapping[str, RunSummary], metric: str) -> list[Curve]:
    """Group the finished runs of a sweep into curves: one for each combination of values on the axes but the first.

    A combination without a finished run gives a curve without points.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    runs : mapping of str to RunSummary
        Its finished runs by run key.
    metric : str
        The metric, a key of `METRIC_LABELS`.
    """
    first, *others = [axis.name for axis in sweep.axes]
    index_of = {repr(value): index for index, value in enumerate(x_values(sweep))}
    grouped: dict[tuple[tuple[str, ...], float | None], list[CurvePoint]] = {}
    for point in sweep.points:
        labels = tuple(format_axis_value(name, point.values[name]) for name in others if name != "lambda_n")
        if not labels:
            labels = ("each system" if first == "baseline" else str(sweep.settings.get("baseline", "DeepSAD")),)
        lambda_n = point.values["lambda_n"] if "lambda_n" in others else None
        finished = {config.seed: key for key, config in point.configs.items() if key in runs}
        points = grouped.setdefault((labels, lambda_n), [])
        if finished:
            values = {seed: runs[key].metrics[metric] for seed, key in finished.items()}
            chance = chance_level([runs[key] for key in finished.values()], metric)
            points.append(CurvePoint(index_of[repr(point.values[first])], point, values, finished, chance))
    return [Curve(*family, tuple(points)) for family, points in grouped.items()]


def chance_level(runs: Iterable[RunSummary], metric: str) -> float | None:
    """Return the metric that random scores would have on the test rows of these runs, mean over the runs.

    Parameters
    ----------
    runs : iterable of RunSummary
        The runs.
    metric : str
        "aucroc", "aucpr_anomaly" or "aucpr_normal".

    Returns
    -------
    float or None
        None for an AUCPR if no run has stored the counts of its test rows.
    """
    if metric == "aucroc":
        return 0.5
    counts = [run.counts for run in runs if run.counts.get("test")]
    if not counts:
        return None
    share = float(np.mean([rows["test_anomalies"] / rows["test"] for rows in counts]))
    return share if metric == "aucpr_anomaly" else 1 - share


def sweep_sentence(sweep: Sweep, curves: Sequence[Curve], metric: str) -> str:
    """Return the headline of a sweep in Markdown; "" if no curve has a point.

    It compares AnoOnly with its baselines or, without such pairs, the first and last point of up to three curves.
    Differences have intervals, and verdicts are corrected for all comparisons (Holm). Source: docs/methods.md § 4.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    curves : sequence of Curve
        Its curves.
    metric : str
        The metric, a key of `METRIC_LABELS`.
    """
    drawn = [curve for curve in curves if curve.points]
    if not drawn:
        return ""
    if pairs := _pairs(drawn):
        return _pairs_sentence(sweep, pairs, metric)
    return _ends_sentences(sweep, drawn[:3], metric)


def values_by_gain(sweep: Sweep, curves: Sequence[Curve]) -> tuple[list[Any], list[Any]]:
    """Return the values of the first axis at which AnoOnly is clearly better than its baseline, and all other values.

    The first pair of curves is compared, with the verdicts of `sweep_sentence`, whose parameters these are.
    """
    a, b = _pairs([curve for curve in curves if curve.points])[0]
    gaps, values = _paired_by_x(a, b), x_values(sweep)
    at_chance = _at_chance(b, gaps)
    clear = clear_together([gap.p for gap in gaps.values()])
    is_better = {
        x: is_clear and gap.delta > 0 and x not in at_chance
        for (x, gap), is_clear in zip(gaps.items(), clear, strict=True)
    }
    return [values[x] for x in gaps if is_better[x]], [values[x] for x in gaps if not is_better[x]]


def sweep_conditions(sweep: Sweep) -> str:
    """Return one line with what all points of a sweep share: data set, contamination, labels and seeds."""
    config = next(iter(sweep.configs.values()))
    varied = {axis.name for axis in sweep.axes}
    parts = [dataset_text(config.dataset)]
    if "contamination" not in varied:
        parts.append(pool_text(config.contamination))
    if not varied & {"labeled_ratio", "labeled_anomalies"}:
        share = f"{format_axis_value('labeled_ratio', config.labeled_ratio)} of the anomalies in training labeled"
        parts.append(share if config.labeled_anomalies is None else f"{config.labeled_anomalies} labeled anomalies")
    parts.append(seeds_text(range(config.seed, config.seed + sweep.seeds)))
    return " · ".join(parts)


def norm_to_hold(sweep: Sweep, curves: Sequence[Curve]) -> str | None:
    """Return the norm with which all points should train, so that those which the headline compares differ in λₙ alone.

    It is the norm of the second point (AnoOnly beside its baseline) of the first comparison whose points differ in the
    norm. None if no comparison does, if that point has no norm, or if the norm is an axis of the sweep.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    curves : sequence of Curve
        Its curves.
    """
    drawn = [curve for curve in curves if curve.points]
    compared = [(a, b) for pair in _pairs(drawn) for a, b in _points_by_x(*pair)]
    if not compared:
        compared = [(curve.points[0], curve.points[-1]) for curve in drawn]
    for a, b in compared:
        if "norm" in {difference.setting for difference in differences(a.config, b.config)} and b.config.norm:
            return None if "norm" in {axis.name for axis in sweep.axes} else b.config.norm
    return None


def _pairs(drawn: Sequence[Curve]) -> list[tuple[Curve, Curve]]:
    """Return pairs of the curves that differ in λₙ alone.

    The first is that of a baseline (λₙ = 1), the second that of AnoOnly (λₙ = 0).
    """
    return [
        (curve, other)
        for curve in drawn
        for other in drawn
        if curve.lambda_n == BASELINE and other.lambda_n == ANOONLY and curve.labels == other.labels
    ]


def _points_by_x(a: Curve, b: Curve) -> list[tuple[CurvePoint, CurvePoint]]:
    """Return pairs of points, one of each curve, with the same value on the first axis; other points are left out."""
    return [(before, after) for before in a.points for after in b.points if before.x == after.x]


def _pairs_sentence(sweep: Sweep, pairs: Sequence[tuple[Curve, Curve]], metric: str) -> str:
    """Return at how many values of the first axis AnoOnly is clearly better or worse than its baseline, as Markdown.

    Verdicts are corrected for all comparisons (Holm).

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    pairs : sequence of tuple of Curve
        The curves of a baseline and of AnoOnly.
    metric : str
        The metric, a key of `METRIC_LABELS`.
    """
    by_pair = [_paired_by_x(a, b) for a, b in pairs]
    p_values = [gap.p for gaps in by_pair for gap in gaps.values()]
    verdicts = iter(clear_together(p_values))
    clear = [{x: next(verdicts) for x in gaps} for gaps in by_pair]
    clauses = [
        _pair_clause(sweep, b, gaps, is_clear) for (_, b), gaps, is_clear in zip(pairs, by_pair, clear, strict=True)
    ]
    causes = _causes_sentence(sweep, pairs)
    return f"{METRIC_LABELS[metric]}: {'; '.join(clauses)}.{causes}{correction_note(p_values)}"


def _causes_sentence(sweep: Sweep, pairs: Sequence[tuple[Curve, Curve]]) -> str:
    """Return sentences on settings besides λₙ that differ between AnoOnly and its baseline; "" if none does.

    Each begins with a space. `pairs` holds the curves of a baseline and of AnoOnly.
    """
    name, values = sweep.axes[0].name, x_values(sweep)
    where: dict[str, dict[str, list[int]]] = {}
    for a, b in pairs:
        for before, after in _points_by_x(a, b):
            texts = [each.text for each in differences(before.config, after.config) if each.setting != "lambda_n"]
            if texts:
                where.setdefault(join_words(texts), {}).setdefault(b.name, []).append(before.x)
    totals = {b.name: len(_points_by_x(a, b)) for a, b in pairs}
    sentences = []
    for others, systems in where.items():
        of = [
            f"**{system}**" + ("" if len(xs) == totals[system] else f" at {_listed(name, [values[x] for x in xs])}")
            for system, xs in systems.items()
        ]
        sentences.append(f" For {join_words(of)}, {others} differs along with λₙ: the gap may come from either.")
    return "".join(sentences)


def _listed(name: str, values: Sequence[Any]) -> str:
    return join_words([format_axis_value(name, value) for value in values])


def _paired_by_x(a: Curve, b: Curve) -> dict[int, PairedDifference]:
    """Return the paired difference of curve `b` minus curve `a` at each index on the first axis.

    Seeds that only one of them has are left out, and so are values without a common seed.
    """
    return {
        before.x: paired_difference([before.values[seed] for seed in seeds], [after.values[seed] for seed in seeds])
        for before, after in _points_by_x(a, b)
        if (seeds := sorted(before.values.keys() & after.values.keys()))
    }


def _at_chance(curve: Curve, gaps: Mapping[int, PairedDifference]) -> list[int]:
    """Return the indices on the first axis at which AnoOnly is better, but its interval holds chance."""
    chance = {point.x: point.chance for point in curve.points}
    return [x for x, gap in gaps.items() if gap.is_clear and gap.delta > 0 and gap.holds(chance[x])]


def _pair_clause(sweep: Sweep, curve: Curve, gaps: Mapping[int, PairedDifference], clear: Mapping[int, bool]) -> str:
    """Return a clause on where AnoOnly is clearly better or worse than its baseline, and where it differs most.

    A value at which the interval of AnoOnly holds chance does not count as better. Counts without the correction follow
    if they differ.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    curve : Curve
        The curve of AnoOnly.
    gaps : mapping of int to PairedDifference
        AnoOnly minus its baseline, by index on the first axis.
    clear : mapping of int to bool
        The verdicts after the correction, by the same index.
    """
    name, values = sweep.axes[0].name, x_values(sweep)
    if not gaps:
        return f"**{curve.name}** and its baseline have no finished seed in common yet"
    at_chance = _at_chance(curve, gaps)
    (better, worse), (better_alone, worse_alone) = (
        [[x for x in gaps if is_clear[x] and sign * gaps[x].delta > 0 and x not in at_chance] for sign in (1, -1)]
        for is_clear in (clear, {x: gap.is_clear for x, gap in gaps.items()})
    )
    counted = f"clearly better than its baseline at {len(better)} of {len(gaps)} values of {SETTING_LABELS[name]}"
    others = [x for x in gaps if x not in better]
    if better and others:
        listed = f"not at {_listed(name, [values[x] for x in others])}"
        if len(others) > len(better):
            listed = _listed(name, [values[x] for x in better])
        counted += f" ({listed})"
    if worse:
        counted += f" and clearly worse at {len(worse)} ({_listed(name, [values[x] for x in worse])})"
    if (len(better), len(worse)) != (len(better_alone), len(worse_alone)):
        counted += f" (uncorrected: {len(better_alone)} and {len(worse_alone)})"
    if at_chance:
        counted += f"; at {_listed(name, [values[x] for x in at_chance])} its interval holds chance"
    largest = max(gaps, key=lambda x: abs(gaps[x].delta))
    at = f"{SETTING_LABELS[name]} {format_axis_value(name, values[largest])}"
    doubt = "" if clear[largest] else " no clear difference,"
    figures = format_difference(gaps[largest])
    return f"**{curve.name}** is {counted}; the largest difference, {figures},{doubt} is at {at}"


def _ends_sentences(sweep: Sweep, curves: Sequence[Curve], metric: str) -> str:
    """Return a sentence on each curve with the metric at its first and its last point, over their common seeds.

    Verdicts are corrected for all curves (Holm).

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    curves : sequence of Curve
        Its curves, each with at least one point.
    metric : str
        The metric, a key of `METRIC_LABELS`.
    """
    changes: list[tuple[PairedDifference, int] | None] = []
    for curve in curves:
        first, last = curve.points[0], curve.points[-1]
        seeds = sorted(first.values.keys() & last.values.keys()) if first.x != last.x else []
        sides = [[end.values[seed] for seed in seeds] for end in (first, last)]
        changes.append((paired_difference(*sides), len(seeds)) if seeds else None)
    p_values = [None if change is None else change[0].p for change in changes]
    sentences = [
        _ends_sentence(sweep, curve, metric, change, is_clear)
        for curve, change, is_clear in zip(curves, changes, clear_together(p_values), strict=True)
    ]
    return f"{' '.join(sentences)}{correction_note(p_values)}"


def _ends_sentence(
    sweep: Sweep, curve: Curve, metric: str, change: tuple[PairedDifference, int] | None, is_clear: bool
) -> str:
    """Return a sentence with the metric at the first and the last point of a curve.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    curve : Curve
        The curve.
    metric : str
        The metric, a key of `METRIC_LABELS`.
    change : tuple of PairedDifference and int, or None
        Last minus first point over their common seeds, and the number of these seeds; None without one.
    is_clear : bool
        The verdict after the correction.
    """
    name, values = sweep.axes[0].name, x_values(sweep)
    first, last = curve.points[0], curve.points[-1]
    subject = f"**{curve.name}**: {METRIC_LABELS[metric]}"
    at = [f"{SETTING_LABELS[name]} {format_axis_value(name, values[end.x])}" for end in (first, last)]
    if first.x == last.x:
        return f"{subject} is {first.mean:.2f} at {at[0]}."
    if change is None:
        return f"{subject} is {first.mean:.2f} at {at[0]} and {last.mean:.2f} at {at[1]}, on different seeds."
    difference, seeds = change
    doubt = "" if is_clear else ", clear only uncorrected" if difference.is_clear else ", no clear difference"
    over = f"over {seeds} seeds" if seeds > 1 else "on one seed"
    ends = f"{difference.a:.2f} at {at[0]} and {difference.b:.2f} at {at[1]}"
    several = len(differences(first.config, last.config)) > 1
    cause = f" {cause_sentence(first.config, last.config, is_clear)}" if several else ""
    return f"{subject} {over} is {ends} ({format_difference(difference)}{doubt}).{cause}"


def axis_title(name: str) -> str:
    """Return the title of the x axis for the setting `name`: the label of its control."""
    return next(control.label for control in CONTROLS if control.name == name)

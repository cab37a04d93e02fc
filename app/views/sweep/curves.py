"""Curves of a sweep's finished runs, and the sentence above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anoonly_core.metrics.confidence import clear_together, margin_of_error
from anoonly_core.results.store import RunSummary
from anoonly_core.sweeps.sweep import GridPoint, Sweep

from ...controls.registry import CONTROLS
from ...text.labels import METRIC_LABELS, SETTING_LABELS, format_axis_value
from ...text.verdict import PairedDifference, correction_note, format_difference, paired_difference

__all__ = ["Curve", "CurvePoint", "axis_title", "make_curves", "sweep_sentence", "x_values"]

BASELINE, ANOONLY = 1.0, 0.0


@dataclass(frozen=True)
class CurvePoint:
    """A point of a curve.

    Parameters
    ----------
    x : int
        Index of its value among those of the first axis (see `x_values`).
    point : GridPoint
        The point of the sweep's grid.
    values : dict of int to float
        The metric of each finished run, by seed.
    keys : dict of int to str
        The key of each finished run, by seed.
    """

    x: int
    point: GridPoint
    values: dict[int, float]
    keys: dict[int, str]

    @property
    def mean(self) -> float:
        """Mean over the finished seeds."""
        return float(np.mean(list(self.values.values())))

    @property
    def margin(self) -> float:
        """Half the width of the mean's 95 % interval (Student's t); 0 with one seed."""
        return margin_of_error(list(self.values.values())) or 0.0


@dataclass(frozen=True)
class Curve:
    """The points with the same values on all axes but the first.

    Parameters
    ----------
    labels : tuple of str
        Those values in words, without λₙ; the baseline if there are none.
    lambda_n : float or None
        λₙ if it is one of these axes.
    points : tuple of CurvePoint
        The points with a finished run, in the order of the first axis.
    """

    labels: tuple[str, ...]
    lambda_n: float | None
    points: tuple[CurvePoint, ...]

    @property
    def name(self) -> str:
        """Name in the legend."""
        name = ", ".join(self.labels)
        if self.lambda_n is None or self.lambda_n == BASELINE:
            return name
        return f"{name} + AnoOnly" if self.lambda_n == ANOONLY else f"{name}, λₙ = {self.lambda_n:g}"


def x_values(sweep: Sweep) -> list[Any]:
    """Return the values of the first axis that any point has, in their order."""
    name = sweep.axes[0].name
    return list(dict.fromkeys(point.values[name] for point in sweep.points))


def make_curves(sweep: Sweep, runs: Mapping[str, RunSummary], metric: str) -> list[Curve]:
    """Return a curve for each combination of values on the axes but the first.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    runs : mapping of str to RunSummary
        Its finished runs by key.
    metric : str
        Name of the metric, of `METRIC_LABELS`.
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
            points.append(CurvePoint(index_of[repr(point.values[first])], point, values, finished))
    return [Curve(*family, tuple(points)) for family, points in grouped.items()]


def sweep_sentence(sweep: Sweep, curves: Sequence[Curve], metric: str) -> str:
    """Return the sentence above the curves, with intervals; empty if no run has finished.

    Its verdicts are corrected for all comparisons of the sentence (Holm; docs/methods.md § 4).
    """
    drawn = [curve for curve in curves if curve.points]
    if not drawn:
        return ""
    pairs = [
        (curve, other)
        for curve in drawn
        for other in drawn
        if curve.lambda_n == BASELINE and other.lambda_n == ANOONLY and curve.labels == other.labels
    ]
    if pairs:
        return _pairs_sentence(sweep, pairs, metric)
    return _ends_sentences(sweep, drawn[:3], metric)


def _pairs_sentence(sweep: Sweep, pairs: Sequence[tuple[Curve, Curve]], metric: str) -> str:
    """Return at how many values of the first axis AnoOnly is better than its baseline.

    Each pair is the curve of a baseline and that of AnoOnly. Verdicts are corrected for all comparisons (Holm).
    """
    by_pair = [_paired_by_x(a, b) for a, b in pairs]
    p_values = [difference.p for differences in by_pair for difference in differences.values()]
    verdicts = iter(clear_together(p_values))
    clear = [{x: next(verdicts) for x in differences} for differences in by_pair]
    clauses = [
        _pair_clause(sweep, b.name, differences, is_clear)
        for (_, b), differences, is_clear in zip(pairs, by_pair, clear, strict=True)
    ]
    return f"{METRIC_LABELS[metric]}: {'; '.join(clauses)}.{correction_note(p_values)}"


def _paired_by_x(a: Curve, b: Curve) -> dict[int, PairedDifference]:
    """Return b minus a by index on the first axis, over the seeds that both have."""
    return {
        before.x: paired_difference([before.values[seed] for seed in seeds], [after.values[seed] for seed in seeds])
        for before in a.points
        for after in b.points
        if before.x == after.x and (seeds := sorted(before.values.keys() & after.values.keys()))
    }


def _pair_clause(
    sweep: Sweep, system: str, differences: Mapping[int, PairedDifference], clear: Mapping[int, bool]
) -> str:
    """Return at how many values `system` is clearly better or worse than its baseline, and where it differs most.

    `differences` and `clear`, the verdicts after the correction, are by index on the first axis. Counts without the
    correction follow if they differ.
    """
    name = sweep.axes[0].name
    if not differences:
        return f"**{system}** and its baseline have no finished seed in common yet"
    (better, worse), (better_alone, worse_alone) = (
        [sum(is_clear[x] and sign * differences[x].delta > 0 for x in differences) for sign in (1, -1)]
        for is_clear in (clear, {x: difference.is_clear for x, difference in differences.items()})
    )
    largest = max(differences, key=lambda x: abs(differences[x].delta))
    at = f"{SETTING_LABELS[name]} {format_axis_value(name, x_values(sweep)[largest])}"
    counted = f"clearly better than its baseline at {better} of {len(differences)} values of {SETTING_LABELS[name]}"
    counted += f" and clearly worse at {worse}" if worse else ""
    if (better, worse) != (better_alone, worse_alone):
        counted += f" (uncorrected: {better_alone} and {worse_alone})"
    doubt = "" if clear[largest] else " no clear difference,"
    figures = format_difference(differences[largest])
    return f"**{system}** is {counted}; the largest difference, {figures},{doubt} is at {at}"


def _ends_sentences(sweep: Sweep, curves: Sequence[Curve], metric: str) -> str:
    """Return the metric at the first and the last value of each curve, over the seeds that both have."""
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
    """Return the metric at the first and the last value of a curve as a sentence.

    `change` is the difference of the ends over common seeds and the number of these seeds; None without a common seed.
    `is_clear` is the verdict after the correction.
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
    return f"{subject} {over} is {ends} ({format_difference(difference)}{doubt})."


def axis_title(name: str) -> str:
    """Return the title of the x axis for a quantity."""
    return next(control.label for control in CONTROLS if control.name == name)

"""What a sweep's finished runs say: curves over what is varied, and the sentence that leads the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.results.store import RunSummary
from anoonly_core.sweeps.sweep import GridPoint, Sweep
from app.controls.registry import CONTROLS
from app.text.labels import METRIC_LABELS, SETTING_LABELS, format_axis_value
from app.text.verdict import PairedDifference, format_difference, paired_difference

__all__ = ["Curve", "CurvePoint", "axis_title", "curves_of", "sweep_verdict", "x_values"]

BASELINE, ANOONLY = 1.0, 0.0


@dataclass(frozen=True)
class CurvePoint:
    """One place on a curve: x is its place among the values of the first axis; values and keys by seed."""

    x: int
    point: GridPoint
    values: dict[int, float]
    keys: dict[int, str]

    @property
    def mean(self) -> float:
        """Over the finished seeds."""
        return float(np.mean(list(self.values.values())))

    @property
    def margin(self) -> float:
        """Half of the mean's 95 % interval (Student's t); 0 with one seed."""
        return margin_of_error(list(self.values.values())) or 0.0


@dataclass(frozen=True)
class Curve:
    """The points with the same values on all axes but the first.

    of: those values in words, λₙ apart, or the system where that is not varied. lambda_n: where it
    is one of these axes.
    """

    of: tuple[str, ...]
    lambda_n: float | None
    points: tuple[CurvePoint, ...]

    @property
    def name(self) -> str:
        """What sets it apart, in words."""
        name = ", ".join(self.of)
        if self.lambda_n is None or self.lambda_n == BASELINE:
            return name
        return f"{name} + AnoOnly" if self.lambda_n == ANOONLY else f"{name}, λₙ = {self.lambda_n:g}"


def x_values(sweep: Sweep) -> list[Any]:
    """The values of the first axis that any point has, in their order."""
    name = sweep.axes[0].name
    return list(dict.fromkeys(point.values[name] for point in sweep.points))


def curves_of(sweep: Sweep, runs: Mapping[str, RunSummary], metric: str) -> list[Curve]:
    """A curve for each combination of values on the axes but the first; places without a finished run are left out."""
    first, *others = [axis.name for axis in sweep.axes]
    places = {repr(value): place for place, value in enumerate(x_values(sweep))}
    grouped: dict[tuple[tuple[str, ...], float | None], list[CurvePoint]] = {}
    for point in sweep.points:
        of = tuple(format_axis_value(name, point.values[name]) for name in others if name != "lambda_n")
        if not of:
            of = ("each system" if first == "baseline" else str(sweep.settings.get("baseline", "DeepSAD")),)
        lambda_n = point.values["lambda_n"] if "lambda_n" in others else None
        finished = {config.seed: key for key, config in point.configs.items() if key in runs}
        here = grouped.setdefault((of, lambda_n), [])
        if finished:
            values = {seed: runs[key].metrics[metric] for seed, key in finished.items()}
            here.append(CurvePoint(places[repr(point.values[first])], point, values, finished))
    return [Curve(of, lambda_n, tuple(points)) for (of, lambda_n), points in grouped.items()]


def sweep_verdict(sweep: Sweep, curves: Sequence[Curve], metric: str) -> str:
    """The sentence over the Sweep page: what its curves say, with their doubt; empty where nothing has finished."""
    drawn = [curve for curve in curves if curve.points]
    if not drawn:
        return ""
    pairs = [
        (curve, other)
        for curve in drawn
        for other in drawn
        if curve.lambda_n == BASELINE and other.lambda_n == ANOONLY and curve.of == other.of
    ]
    if pairs:
        said = [_pair_words(sweep, a, b) for a, b in pairs]
        return f"{METRIC_LABELS[metric]}: {'; '.join(said)}."
    return " ".join(_ends_words(sweep, curve, metric) for curve in drawn[:3])


def _pair_words(sweep: Sweep, a: Curve, b: Curve) -> str:
    """At how many places AnoOnly is better than its baseline, and where most."""
    name = sweep.axes[0].name
    found: dict[int, PairedDifference] = {}
    for mine in a.points:
        for theirs in b.points:
            if mine.x == theirs.x and (seeds := sorted(mine.values.keys() & theirs.values.keys())):
                found[mine.x] = paired_difference([mine.values[s] for s in seeds], [theirs.values[s] for s in seeds])
    system = f"**{b.name}**"
    if not found:
        return f"{system} and its baseline have no finished seed in common yet"
    better = [x for x, own in found.items() if own.is_clear and own.delta > 0]
    worse = [x for x, own in found.items() if own.is_clear and own.delta < 0]
    values = x_values(sweep)
    largest = max(found, key=lambda x: abs(found[x].delta))
    at = f"{SETTING_LABELS[name]} {format_axis_value(name, values[largest])}"
    counted = f"clearly better than its baseline at {len(better)} of {len(found)} values of {SETTING_LABELS[name]}"
    counted += f" and clearly worse at {len(worse)}" if worse else ""
    return f"{system} is {counted}; the largest difference, {format_difference(found[largest])}, is at {at}"


def _ends_words(sweep: Sweep, curve: Curve, metric: str) -> str:
    """From the first value to the last, over the seeds that both have."""
    name, values = sweep.axes[0].name, x_values(sweep)
    first, last = curve.points[0], curve.points[-1]
    what = f"**{curve.name}**: {METRIC_LABELS[metric]}"
    at = [f"{SETTING_LABELS[name]} {format_axis_value(name, values[end.x])}" for end in (first, last)]
    if first.x == last.x:
        return f"{what} is {first.mean:.2f} at {at[0]}."
    seeds = sorted(first.values.keys() & last.values.keys())
    if not seeds:
        return f"{what} is {first.mean:.2f} at {at[0]} and {last.mean:.2f} at {at[1]}, on different seeds."
    found = paired_difference([first.values[s] for s in seeds], [last.values[s] for s in seeds])
    doubt = "" if found.is_clear else ", no clear difference"
    over = f"over {len(seeds)} seeds" if len(seeds) > 1 else "on one seed"
    return (
        f"{what} {over} is {found.a:.2f} at {at[0]} and {found.b:.2f} at {at[1]} ({format_difference(found)}{doubt})."
    )


def axis_title(name: str) -> str:
    """What stands under the chart."""
    return next(control.label for control in CONTROLS if control.name == name)

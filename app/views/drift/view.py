"""The choices that shape the charts of Drift, the styles of the ways, and their curves over a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from anoonly_core.drift.result import DriftResult
from anoonly_core.drift.summary import FIGURE_LABELS, moving_mean, stream_figures
from anoonly_core.drift.ways import WAYS

__all__ = ["MEASURES", "NO_DETECTOR", "WAY_STYLES", "StreamView", "stream_curves", "way_index"]

NO_DETECTOR = "none"
# Label of each measure that the first panel can show, by name.
MEASURES = {name: FIGURE_LABELS[name] for name in ("aucroc", "aucpr")}
# Color, dash and symbol of each way, the same in all charts of the page.
WAY_STYLES = {
    "running": ("#CC79A7", "dash", "x"),
    "batch": ("#009E73", "solid", "circle"),
    "mixed": ("#56B4E9", "dashdot", "square"),
    "moving": ("#E69F00", "solid", "diamond"),
    "guarded": ("#999933", "solid", "star"),
    "retrained": ("#AA6644", "dot", "cross"),
}


@dataclass(frozen=True, eq=False)
class StreamView:
    """Choices of a visitor, and settings of the stream, that shape the animation.

    Attributes
    ----------
    ways : tuple of str
        Names of the ways that are drawn, keys of WAYS.
    way : str
        Way whose hidden features are drawn, one of `ways`.
    measure : str
        Key of MEASURES.
    window : int
        Number of batches behind each value of a curve: the batch and those before.
    level : float
        Promised share of false alarms.
    start : int or None
        Index of the first shifted batch; None without a shift.
    unit : str
        Unit of the intensity of the shift.
    recalibrated : bool
        True to flag by the thresholds that follow, False by the promised ones.
    detector : str
        Detector of changes, a key of DETECTORS, or NO_DETECTOR.
    changes : mapping of str to sequence of int
        Indices of the batches in which the detector found a change, by way.
    """

    ways: tuple[str, ...]
    way: str
    measure: str = "aucroc"
    window: int = 5
    level: float = 0.05
    start: int | None = None
    unit: str = ""
    recalibrated: bool = False
    detector: str = NO_DETECTOR
    changes: Mapping[str, Sequence[int]] = field(default_factory=dict)


def way_index(way: str) -> int:
    """Return the index of a way on the first axis of the arrays of a result."""
    return list(WAYS).index(way)


def stream_curves(results: Sequence[DriftResult], view: StreamView) -> dict[str, np.ndarray]:
    """Return the curves of all ways for each seed, moving means over the window of the view.

    Returns
    -------
    dict of str to float64 [seeds, W, B]
        "measure", "false_alarms", "missed" and "path", which is not averaged. NaN where a window lacks a class.
    """
    figures = [stream_figures(result, view.recalibrated) for result in results]
    names = {"measure": view.measure, "false_alarms": "false_alarms", "missed": "missed"}
    curves = {
        name: moving_mean(np.stack([each.of(figure) for each in figures]), view.window)
        for name, figure in names.items()
    }
    return curves | {"path": np.stack([result.path for result in results]).astype(np.float64)}

"""Colors, marks, scales and layout: what means the same in every chart, and is drawn the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from anoonly_core.results.result import Role
from app.charts.panels import Panels

__all__ = [
    "ANOMALY",
    "DEFAULT_THRESHOLD",
    "HISTOGRAM_BINS",
    "MAX_LINE_MARKERS",
    "MODEBAR",
    "NEUTRAL",
    "NORMAL",
    "PALETTE",
    "ROLE_MARKS",
    "SIDE_LINES",
    "SYMBOLS",
    "THRESHOLDS",
    "ScoreScale",
    "Side",
    "apply_layout",
    "horizontal_legend",
]

NORMAL = "#0072B2"
ANOMALY = "#D55E00"
NEUTRAL = "#808080"
SIDE_LINES = {"A": ("dash", NEUTRAL), "B": ("solid", "#009E73")}
ROLE_MARKS = {
    Role.TEST_NORMAL: ("normal", NORMAL, "circle", 5, 0.55),
    Role.TEST_ANOMALY: ("anomaly", ANOMALY, "diamond", 8, 0.9),
    Role.LABELED_ANOMALY: ("labeled anomaly (training)", ANOMALY, "star", 12, 1.0),
}
HISTOGRAM_BINS = 48
MAX_LINE_MARKERS = 6  # so that lines of one dash can be told apart without color
MODEBAR = {"displaylogo": False, "toImageButtonOptions": {"format": "png", "scale": 2}}


@dataclass(frozen=True)
class ScoreScale:
    """Puts the scores of different runs on one axis: distance from the median, in interquartile ranges.

    Heads and λ_n give scores of very different size, and only their order counts. The axis is an
    inverse hyperbolic sine: linear around the median, logarithmic far from it.
    """

    median: float
    spread: float

    @classmethod
    def of(cls, scores: np.ndarray) -> ScoreScale:
        low, median, high = np.percentile(scores.astype(np.float64), [25, 50, 75])
        return cls(float(median), float(high - low) or 1.0)

    def units(self, scores: np.ndarray) -> np.ndarray:
        """Scores in interquartile ranges above the median."""
        return (scores - self.median) / self.spread

    def score(self, units: float) -> float:
        """The score that lies this many interquartile ranges above the median."""
        return self.median + units * self.spread


@dataclass(frozen=True, eq=False)
class Side:
    """One run, A or B, as the charts need it; letter "A" or "B"."""

    letter: str
    name: str
    y: np.ndarray
    scores: np.ndarray
    scale: ScoreScale

    @property
    def title(self) -> str:
        return f"<b>{self.letter}</b>  {self.name}"


def apply_layout(figure: Panels, height: int, legend: Mapping[str, Any], top: int = 62) -> go.Figure:
    """The figure with the margins and the behavior that those of Compare and Clean have."""
    figure.update_layout(
        height=height,
        margin={"l": 10, "r": 10, "t": top, "b": 8},
        legend=dict(legend),
        hovermode="closest",
        uirevision="keep",
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure.figure()


def horizontal_legend(y: float) -> dict[str, Any]:
    """A legend in one line at the right, at this height."""
    return {"orientation": "h", "x": 1, "xanchor": "right", "y": y, "yanchor": "top"}


# Thresholds in interquartile ranges above the median, evenly spaced on the charts' axis.
THRESHOLDS = [float(f"{u:.2g}") for u in np.sinh(np.linspace(np.arcsinh(-3), np.arcsinh(1000), 120))]
DEFAULT_THRESHOLD = min(THRESHOLDS, key=lambda u: abs(u - 3))


# Told apart without red and green; a mark of its own for each, so never by color alone.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#999933", "#882255")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "pentagon", "x")

"""Colors, marks, scales and layout that all charts share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from anoonly_core.results.result import Role

from .panels import Panels

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
MAX_LINE_MARKERS = 6  # markers distinguish lines of one dash without color
MODEBAR = {"displaylogo": False, "toImageButtonOptions": {"format": "png", "scale": 2}}


@dataclass(frozen=True)
class ScoreScale:
    """Scale that puts the scores of different runs on one axis: interquartile ranges above the median.

    Scores of different heads and λ_n differ widely in size, and only their order matters. Charts plot the inverse
    hyperbolic sine of these units: linear around the median, logarithmic far from it.
    """

    median: float
    spread: float

    @classmethod
    def of(cls, scores: np.ndarray) -> ScoreScale:
        """Fit the scale to an array of scores; a spread of 0 becomes 1."""
        low, median, high = np.percentile(scores.astype(np.float64), [25, 50, 75])
        return cls(float(median), float(high - low) or 1.0)

    def units(self, scores: np.ndarray) -> np.ndarray:
        """Convert scores to interquartile ranges above the median."""
        return (scores - self.median) / self.spread

    def score(self, units: float) -> float:
        """Convert interquartile ranges above the median to a score."""
        return self.median + units * self.spread


@dataclass(frozen=True, eq=False)
class Side:
    """Run A or run B as the charts need it: its letter, name, test labels, test scores and their scale."""

    letter: str
    name: str
    y: np.ndarray
    scores: np.ndarray
    scale: ScoreScale

    @property
    def title(self) -> str:
        """Title of a panel of this run, in Plotly HTML."""
        return f"<b>{self.letter}</b>  {self.name}"


def apply_layout(figure: Panels, height: int, legend: Mapping[str, Any], top: int = 62) -> go.Figure:
    """Set the shared margins and behavior, and return the figure; `height` and `top` (margin) are in pixels."""
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
    """Return the layout of a legend in one line at the right; `y` is its top edge, from 0 to 1 over the plot."""
    return {"orientation": "h", "x": 1, "xanchor": "right", "y": y, "yanchor": "top"}


# Thresholds in interquartile ranges above the median, evenly spaced on the axis of the charts.
THRESHOLDS = [float(f"{u:.2g}") for u in np.sinh(np.linspace(np.arcsinh(-3), np.arcsinh(1000), 120))]
DEFAULT_THRESHOLD = min(THRESHOLDS, key=lambda u: abs(u - 3))

# Distinguishable without red and green; each color has its own symbol.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#999933", "#882255")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "pentagon", "x")

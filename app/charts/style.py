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
    "DEFAULT_FLAGGED",
    "FLAGGED",
    "HISTOGRAM_BINS",
    "MAX_LINE_MARKERS",
    "MODEBAR",
    "NEUTRAL",
    "NORMAL",
    "PALETTE",
    "ROLE_MARKS",
    "SIDE_LINES",
    "SYMBOLS",
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
MODEBAR: dict[str, Any] = {"displaylogo": False, "toImageButtonOptions": {"format": "png", "scale": 2}}


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


@dataclass(frozen=True, eq=False)
class Side:
    """Run A or run B as the charts need it: letter, name, test labels, test scores and their scale, and seed."""

    letter: str
    name: str
    y: np.ndarray
    scores: np.ndarray
    scale: ScoreScale
    seed: int

    @property
    def title(self) -> str:
        """Title of a panel of this run, in Plotly HTML."""
        return f"<b>{self.letter}</b>  {self.name}, seed {self.seed}"


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


# Shares of the test rows that a threshold flags at most, in percent. The default is that of a detector too.
FLAGGED = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 75.0, 100.0)
DEFAULT_FLAGGED = 10.0

# Distinguishable without red and green; each color has its own symbol.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#999933", "#882255")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "pentagon", "x")

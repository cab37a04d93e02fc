"""Colors, marks, scales and layout that all charts share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    "PART_COLORS",
    "ROLE_MARKS",
    "SIDE_LINES",
    "SYMBOLS",
    "AbsoluteScale",
    "ScoreScale",
    "Side",
    "apply_layout",
    "horizontal_legend",
]

NORMAL = "#0072B2"
ANOMALY = "#D55E00"
NEUTRAL = "#808080"
PART_COLORS = ("#E69F00", "#009E73", "#CC79A7")  # of the gradient: direct, through the variance, through the mean
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
    """Linear scale that makes the scores of different runs comparable on one axis.

    A unit is the interquartile range of the run's scores, 0 is their median. Scores of different systems and λ_n differ
    widely in size, and only their order matters. Charts plot the inverse hyperbolic sine of these units: linear around
    the median, logarithmic far from it.
    """

    median: float
    spread: float

    @classmethod
    def of(cls, scores: np.ndarray) -> ScoreScale:
        """Make the scale from the median and the interquartile range of scores, float [n]; a range of 0 counts as 1."""
        low, median, high = np.percentile(scores.astype(np.float64), [25, 50, 75])
        return cls(float(median), float(high - low) or 1.0)

    def units(self, scores: np.ndarray) -> np.ndarray:
        """Convert scores to distances from the median, in interquartile ranges; same shape."""
        return (scores - self.median) / self.spread


@dataclass(frozen=True)
class AbsoluteScale:
    """Axis of scores that several runs share, so that the sizes of their scores can be compared.

    Positions are decadic logarithms if all scores are positive, else inverse hyperbolic sines, which are linear around
    0.

    Attributes
    ----------
    is_logarithm : bool
        True if all scores are positive.
    low, high : float
        Positions of the ends of the axis; scores beyond them are drawn at the ends.
    """

    is_logarithm: bool
    low: float
    high: float

    @classmethod
    def of(cls, scores: Sequence[np.ndarray]) -> AbsoluteScale:
        """Fit the axis so that 99.6 % of the scores of all runs lie within its ends.

        `scores` holds one array of any shape for each run.
        """
        every = np.concatenate([array.ravel() for array in scores])
        is_logarithm = bool((every > 0).all())
        positions = np.log10(every) if is_logarithm else np.arcsinh(every)
        low, high = np.percentile(positions, [0.2, 99.8])
        return cls(is_logarithm, float(low) - 0.1, float(high) + 0.1)

    def positions(self, scores: np.ndarray) -> np.ndarray:
        """Convert scores to positions on the axis, same shape; those beyond its ends are moved to the ends."""
        if self.is_logarithm:
            return np.clip(np.log10(np.maximum(scores.astype(np.float64), 1e-300)), self.low, self.high)
        return np.clip(np.arcsinh(scores.astype(np.float64)), self.low, self.high)

    def ticks(self) -> tuple[list[float], list[str]]:
        """Return the positions of a few round scores on the axis, and their texts."""
        if self.is_logarithm:
            powers = list(range(int(np.ceil(self.low)), int(np.floor(self.high)) + 1))
            powers = powers[:: max(1, -(-len(powers) // 4))]
            return [float(power) for power in powers], [_round_score(10.0**power) for power in powers]
        values = [value for value in (-1000, -100, -10, 0, 10, 100, 1000) if self.low <= np.arcsinh(value) <= self.high]
        if len(values) < 2:
            values = [value for value in (-3, -1, 0, 1, 3) if self.low <= np.arcsinh(value) <= self.high]
        return [float(np.arcsinh(value)) for value in values], [f"{value:g}".replace("-", "−") for value in values]


def _round_score(value: float) -> str:
    return f"{value:g}" if 1e-3 <= value < 1e5 else f"10<sup>{round(np.log10(value))}</sup>".replace("-", "−")


@dataclass(frozen=True, eq=False)
class Side:
    """Run A or run B as the chart functions take it.

    Attributes
    ----------
    letter : str
        "A" or "B".
    name : str
        Name of the run, such as "DeepSAD + AnoOnly".
    y : np.ndarray
        Labels of the test rows, 1 for an anomaly, int8 [n].
    scores : np.ndarray
        Anomaly scores of the test rows, float32 [n].
    scale : ScoreScale
        The scale of these scores.
    seed : int
        Seed of the run.
    """

    letter: str
    name: str
    y: np.ndarray
    scores: np.ndarray
    scale: ScoreScale
    seed: int

    @property
    def title(self) -> str:
        """Title of the run's panel in Plotly HTML: letter, name and seed."""
        return f"<b>{self.letter}</b>  {self.name}, seed {self.seed}"


def apply_layout(figure: Panels, height: int, legend: Mapping[str, Any], top: int = 62) -> go.Figure:
    """Set height, margins, legend and hover behavior of a collected figure and return it as a Plotly figure.

    Parameters
    ----------
    figure : Panels
        The collected figure; changed in place.
    height : int
        Height in pixels.
    legend : mapping
        Plotly attributes of the legend.
    top : int
        Upper margin in pixels.
    """
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
    """Return Plotly attributes of a one-line legend at the right edge of the plot.

    `y` is the height of its upper edge, 0 at the lower and 1 at the upper edge of the plot; a negative one lies below.
    """
    return {"orientation": "h", "x": 1, "xanchor": "right", "y": y, "yanchor": "top"}


# Shares of the test rows that a threshold flags at most, in percent. The default is that of a detector too.
FLAGGED = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 75.0, 100.0)
DEFAULT_FLAGGED = 10.0

# Distinguishable without red and green; each color has its own symbol.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#999933", "#882255")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "pentagon", "x")

"""Curves of all ways side by side in panels, with a band, a shaded shift and a cursor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from anoonly_core.metrics.confidence import t_quantile

from ...charts.animation import TraceChange
from ...charts.panels import Panels
from ...charts.style import MAX_LINE_MARKERS, NEUTRAL
from .view import WAY_STYLES, way_index

__all__ = ["SMALL", "Panel", "arrange", "axis_limits", "draw_cursor", "draw_curves", "means_and_margins"]

Panel = tuple[int, int]  # row and column
SMALL = 12  # size of titles


def arrange(figure: Panels, height: int) -> None:
    """Give a chart its height in pixels, narrow margins and a legend in one line at its lower edge."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 26, "b": 30},
        legend={"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom", "font": {"size": SMALL}},
        hovermode="closest",
        uirevision="keep",
    )


def means_and_margins(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over seeds, and half of its 95 % interval, which is 0 for one seed; `values` are [seeds, ...]."""
    seeds = len(values)
    margins = (
        t_quantile(seeds) * values.std(axis=0, ddof=1) / np.sqrt(seeds) if seeds > 1 else np.zeros(values.shape[1:])
    )
    return values.mean(axis=0), margins


def axis_limits(name: str, values: np.ndarray) -> tuple[float, float]:
    """Return the ends of the y axis of a panel.

    Parameters
    ----------
    name : str
        "measure", "false_alarms", "missed" or "path".
    values : float [seeds, W, x]
        The curves, with NaN for no value.
    """
    means = values.mean(axis=0)
    drawn = means[np.isfinite(means)]
    if name == "measure":
        return max(float(drawn.min(initial=1.0)) - 0.05, -0.02), 1.03
    top = max(float(drawn.max(initial=0.0)), 0.1)
    return (-0.03, 1.03) if name != "path" and top > 0.5 else (-0.03 * top, 1.1 * top)


def draw_curves(
    figure: Panels, panel: Panel, x: np.ndarray, values: np.ndarray, ways: Sequence[str], chosen: str, is_named: bool
) -> None:
    """Draw the curve of each way, a mean over seeds; that of the chosen way is wider and has a band, its interval.

    Parameters
    ----------
    figure : Panels
        The figure.
    panel : Panel
        Row and column of the panel.
    x : float [x]
        Positions, such as numbers of batches.
    values : float [seeds, W, x]
        Values of all ways of WAYS.
    ways : sequence of str
        Names of the ways to draw.
    chosen : str
        Name of the chosen way.
    is_named : bool
        True to list the ways in the legend.
    """
    means, margins = means_and_margins(values)
    if len(values) > 1:
        _draw_band(figure, panel, x, (means[way_index(chosen)], margins[way_index(chosen)]), chosen)
    for way in ways:
        color, dash, symbol = WAY_STYLES[way]
        figure.add_scatter(
            x=x,
            y=means[way_index(way)],
            customdata=margins[way_index(way)],
            mode="lines+markers",
            name=way,
            legendgroup=way,
            showlegend=is_named,
            line={"color": color, "dash": dash, "width": 3 if way == chosen else 1.8},
            marker={"color": color, "symbol": symbol, "size": 7, "maxdisplayed": MAX_LINE_MARKERS},
            hovertemplate=f"%{{y:.3f}} ± %{{customdata:.3f}} at %{{x:.3g}}<extra>{way}</extra>",
            row=panel[0],
            col=panel[1],
        )


def _draw_band(
    figure: Panels, panel: Panel, x: np.ndarray, mean_and_margin: tuple[np.ndarray, np.ndarray], way: str
) -> None:
    mean, margin = mean_and_margin
    red, green, blue = (int(WAY_STYLES[way][0][begin : begin + 2], 16) for begin in (1, 3, 5))
    known = np.isfinite(mean + margin)
    x, mean, margin = x[known], mean[known], margin[known]
    figure.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([mean + margin, (mean - margin)[::-1]]),
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=f"rgba({red}, {green}, {blue}, 0.18)",
        legendgroup=way,
        showlegend=False,
        hoverinfo="skip",
        row=panel[0],
        col=panel[1],
    )


def draw_cursor(
    figure: Panels,
    times: np.ndarray,
    first: int,
    panels: Mapping[str, Panel],
    limits: Mapping[str, tuple[float, float]],
) -> list[TraceChange]:
    """Add a vertical line at the moment on show to each panel; return the changes of their x, one for each panel.

    Parameters
    ----------
    figure : Panels
        The figure.
    times : float [moments]
        x of each moment.
    first : int
        Index of the moment to begin with.
    panels : mapping of str to Panel
        The panels by name.
    limits : mapping of str to tuple of float
        Ends of the y axis of each panel.
    """
    changes = []
    ends = [np.array([time, time], dtype=np.float32) for time in times]
    for name, (row, col) in panels.items():
        changes.append(TraceChange(len(figure.data), "x", ends))
        figure.add_scatter(
            x=ends[first],
            y=list(limits[name]),
            mode="lines",
            line={"color": NEUTRAL, "width": 1.5},
            showlegend=False,
            hoverinfo="skip",
            row=row,
            col=col,
        )
    return changes

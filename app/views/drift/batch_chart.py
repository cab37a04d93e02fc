"""The batch under the cursor of Drift: its scores under each way, and its hidden features under one way."""

from __future__ import annotations

import numpy as np

from anoonly_core.drift.result import DriftResult

from ...charts.animation import TraceChange
from ...charts.panels import Panels
from ...charts.style import ANOMALY, NEUTRAL, NORMAL, ScoreScale
from .curves import SMALL, Panel
from .view import StreamView, way_index

__all__ = ["PLANE", "SCORES", "draw_plane", "draw_scores", "score_positions"]

SCORES, PLANE = (2, 2), (2, 3)
KINDS = ((False, "normal", NORMAL, "circle", 5, 0.55), (True, "anomaly", ANOMALY, "diamond", 8, 0.9))
SPREAD = 0.6  # height of a way's rows in the panel of scores, in the distance of two ways
GOLDEN = 0.6180339887498949  # its multiples, modulo 1, spread rows evenly
TICKS = (-100, -30, -10, -3, -1, 0, 1, 3, 10, 30, 100, 1000, 10000)


def score_positions(result: DriftResult, start: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions of scores and thresholds on one axis, in units of each way before the shift.

    A unit is the interquartile range of the scores of a way before the shift, 0 is their median. Positions are the
    inverse hyperbolic sine of these units.

    Parameters
    ----------
    result : DriftResult
        The stream of one seed.
    start : int or None
        Index of the first shifted batch; without one, all batches count.

    Returns
    -------
    scores : float64 [W, B, n]
    promised, recalibrated : float64 [W, B]
        Positions of the promised thresholds, and of those that are set anew.
    """
    scores = result.scores.astype(np.float64)
    scales = [ScoreScale.of(of_way[:start]) for of_way in scores]
    median = np.array([scale.median for scale in scales])
    spread = np.array([scale.spread for scale in scales])
    return (
        np.arcsinh((scores - median[:, None, None]) / spread[:, None, None]),
        *(np.arcsinh((result.thresholds(follow) - median[:, None]) / spread[:, None]) for follow in (False, True)),
    )


def draw_scores(
    figure: Panels, result: DriftResult, view: StreamView, row_ids: np.ndarray, first: int
) -> list[TraceChange]:
    """Add the scores of the batch on show, a line of marks for each way, with its thresholds; return the changes.

    The threshold that the curves count with is thick, the other one thin.

    Parameters
    ----------
    figure : Panels
        The figure.
    result : DriftResult
        The stream of the first seed.
    view : StreamView
        What the animation shows.
    row_ids : int64 [B, n]
        Id of each row, for the hover text.
    first : int
        Index of the batch to begin with.
    """
    drawn = [way_index(way) for way in view.ways]
    positions, promised, recalibrated = (values[drawn] for values in score_positions(result, view.start))
    low, high = np.percentile(positions, [0.2, 99.8])
    ways, batches, rows = positions.shape
    lift = SPREAD * (np.arange(rows) * GOLDEN % 1 - 0.5)
    changes = []
    for is_anomaly, label, *style in KINDS:
        chosen = [np.flatnonzero(anomalous == is_anomaly) for anomalous in result.anomalous]
        xs = [np.clip(positions[:, batch, at], low, high).ravel() for batch, at in enumerate(chosen)]
        ys = [(np.arange(ways)[:, None] + lift[at]).ravel() for at in chosen]
        ids = [np.tile(row_ids[batch, at], ways) for batch, at in enumerate(chosen)]
        changes += _draw_marks(figure, SCORES, (xs, ys, ids), first, label, style)
    for values, label, is_used in (
        (promised, "promised", not view.recalibrated),
        (recalibrated, "set anew", view.recalibrated),
    ):
        ends = [np.repeat(np.clip(values[:, batch], low, high), 3) for batch in range(batches)]
        changes.append(TraceChange(len(figure.data), "x", ends))
        figure.add_scatter(
            x=ends[first],
            y=np.array([[way - 0.42, way + 0.42, np.nan] for way in range(ways)]).ravel(),
            mode="lines",
            showlegend=False,
            line={"color": NEUTRAL, "width": 3 if is_used else 1},
            hovertemplate=f"threshold, {label}<extra></extra>",
            row=SCORES[0],
            col=SCORES[1],
        )
    figure.update_xaxes(
        range=[low - 0.2, high + 0.2],
        tickvals=np.arcsinh(TICKS),
        ticktext=[f"{tick:g}".replace("-", "−") for tick in TICKS],
        title={"text": "interquartile ranges before the shift", "standoff": 2, "font": {"size": SMALL}},
        row=SCORES[0],
        col=SCORES[1],
    )
    axis = {"tickvals": list(range(ways)), "ticktext": list(view.ways), "range": [ways - 0.45, -0.55]}
    figure.update_yaxes(**axis, row=SCORES[0], col=SCORES[1])
    return changes


def draw_plane(
    figure: Panels, result: DriftResult, view: StreamView, row_ids: np.ndarray, first: int
) -> list[TraceChange]:
    """Add the hidden features of the batch on show under the chosen way, over those of training rows.

    Parameters and value are those of `draw_scores`.
    """
    plane = result.plane[way_index(view.way)].astype(np.float64)
    training = result.training_plane.astype(np.float64)
    low, high = np.percentile(np.concatenate([plane.reshape(-1, 2), training]), [0.3, 99.7], axis=0)
    pad = 0.06 * np.maximum(high - low, 1e-6)
    plane, training = np.clip(plane, low, high), np.clip(training, low, high)
    figure.add_scatter(
        x=training[:, 0],
        y=training[:, 1],
        mode="markers",
        name="training rows",
        marker={"color": NEUTRAL, "size": 4, "opacity": 0.35},
        hoverinfo="skip",
        row=PLANE[0],
        col=PLANE[1],
    )
    changes = []
    for is_anomaly, label, *style in KINDS:
        chosen = [np.flatnonzero(anomalous == is_anomaly) for anomalous in result.anomalous]
        xs, ys = ([plane[batch, at, axis] for batch, at in enumerate(chosen)] for axis in (0, 1))
        ids = [row_ids[batch, at] for batch, at in enumerate(chosen)]
        changes += _draw_marks(figure, PLANE, (xs, ys, ids), first, label, style)
    hidden = {"showticklabels": False, "zeroline": False, "ticks": ""}
    figure.update_xaxes(range=[low[0] - pad[0], high[0] + pad[0]], **hidden, row=PLANE[0], col=PLANE[1])
    figure.update_yaxes(range=[low[1] - pad[1], high[1] + pad[1]], **hidden, row=PLANE[0], col=PLANE[1])
    return changes


def _draw_marks(
    figure: Panels,
    panel: Panel,
    values: tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]],
    first: int,
    label: str,
    style: list[object],
) -> list[TraceChange]:
    """Add marks that differ from batch to batch; return the changes of x, y and row id.

    Parameters
    ----------
    figure : Panels
        The figure.
    panel : Panel
        Row and column of the panel.
    values : tuple of list of array
        x, y and row id of the marks, an array for each batch.
    first : int
        Index of the batch to begin with.
    label : str
        Name of the marks in the legend.
    style : list
        Color, symbol, size and opacity.
    """
    trace = len(figure.data)
    xs, ys, ids = values
    figure.add_scatter(
        x=xs[first],
        y=ys[first],
        customdata=ids[first],
        mode="markers",
        name=label,
        legendgroup=label,
        showlegend=panel == SCORES,
        marker={
            **dict(zip(("color", "symbol", "size", "opacity"), style, strict=True)),
            "line": {"color": "white", "width": 0.5},
        },
        hovertemplate=f"row %{{customdata}}, {label}<extra></extra>",
        row=panel[0],
        col=panel[1],
    )
    return [TraceChange(trace, name, each) for name, each in (("x", xs), ("y", ys), ("customdata", ids))]

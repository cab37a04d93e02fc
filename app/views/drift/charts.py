"""The animation of Drift: curves of all ways over the stream, and the batch under the cursor."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from anoonly_core.drift.result import DriftResult

from ...charts.animation import Animation, Pictures, RowPreviews
from ...charts.panels import Panels
from ...charts.style import NEUTRAL
from .batch_chart import PLANE, SCORES, draw_plane, draw_scores
from .curves import SMALL, Panel, arrange, axis_limits, draw_cursor, draw_curves
from .view import MEASURES, WAY_STYLES, StreamView, way_index

__all__ = ["CURVES", "drift_animation"]

HEIGHT = 396
SHIFT_COLOR = "rgba(128, 128, 128, 0.14)"
CURVES = {"measure": (1, 1), "false_alarms": (1, 2), "missed": (1, 3), "path": (2, 1)}
THRESHOLDS = {False: "promised", True: "set anew"}


def drift_animation(
    result: DriftResult,
    curves: Mapping[str, np.ndarray],
    view: StreamView,
    row_ids: np.ndarray,
    pictures: Pictures | RowPreviews | None = None,
) -> Animation:
    """Draw the animation of a stream, with one moment for each batch.

    Curves of all ways are means over the seeds. Lines mark the batch on show; its scores under each way and its hidden
    features under one way are those of the first seed.

    Parameters
    ----------
    result : DriftResult
        The stream of the first seed.
    curves : mapping of str to float [seeds, W, B]
        The curves of all seeds, from `stream_curves`.
    view : StreamView
        What to show.
    row_ids : int64 [B, n]
        Id of each row of the stream, for the hover text.
    pictures : Pictures or RowPreviews, optional
        Pictures or words of rows, one set a batch.
    """
    batches = len(result.rows)
    numbers = np.arange(1, batches + 1)
    first = min((view.start or 0) + view.window - 1, batches - 1)  # its whole window is shifted
    figure = Panels(2, 3, spacing=(0.08, 0.17), widths=[0.4, 0.32, 0.28], heights=[0.52, 0.48])
    limits = {name: axis_limits(name, curves[name][:, [way_index(way) for way in view.ways]]) for name in CURVES}
    for name, panel in CURVES.items():
        _draw_shift(figure, panel, result.intensity, limits[name], is_named=name == "measure")
        draw_curves(figure, panel, numbers, curves[name], view.ways, view.way, is_named=name == "measure")
    _draw_changes(figure, view, curves["measure"].mean(axis=0))
    clock = len(figure.data)
    changes = draw_cursor(figure, numbers, first, CURVES, limits)
    changes += draw_scores(figure, result, view, row_ids, first)
    changes += draw_plane(figure, result, view, row_ids, first)
    _set_axes(figure, view, limits, batches)
    arrange(figure, HEIGHT)
    return Animation(
        figure=figure.figure(),
        changes=tuple(changes),
        captions=tuple(_caption(result, curves["measure"], view, batch) for batch in range(batches)),
        clock=clock,
        times=tuple(float(number) for number in numbers),
        start=first,
        pictures=pictures,
    )


def _caption(result: DriftResult, measure: np.ndarray, view: StreamView, batch: int) -> str:
    """Return one line on a batch: its rows, its anomalies, the shift, and the measure, [seeds, W, B], of two ways."""
    anomalies, intensity = int(result.anomalous[batch].sum()), float(result.intensity[batch])
    shift = f"shift {intensity:.2g} ({view.unit})" if intensity else "no shift"
    shown = dict.fromkeys(["running", view.way])
    means = measure[:, :, batch].mean(axis=0)
    figures = ", ".join(f"{way} {means[way_index(way)]:.2f}" for way in shown)
    return (
        f"Batch {batch + 1} of {len(result.rows)} · {result.rows.shape[1]} rows, {anomalies} "
        f"anomal{'y' if anomalies == 1 else 'ies'} · {shift} · {MEASURES[view.measure]}: {figures}"
    )


def _draw_shift(
    figure: Panels, panel: Panel, intensity: np.ndarray, limits: tuple[float, float], is_named: bool
) -> None:
    """Shade a panel by the intensity of the shift, float [B]: up to the top where it is greatest."""
    if not intensity.any():
        return
    low, high = limits
    heights = low + (high - low) * intensity / float(intensity.max())
    numbers = np.arange(1, len(intensity) + 1)
    figure.add_scatter(
        x=np.concatenate([numbers, numbers[::-1]]),
        y=np.concatenate([heights, np.full(len(numbers), low)]),
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=SHIFT_COLOR,
        name="shift",
        legendgroup="shift",
        showlegend=is_named,
        hoverinfo="skip",
        row=panel[0],
        col=panel[1],
    )


def _draw_changes(figure: Panels, view: StreamView, means: np.ndarray) -> None:
    """Mark the batches at which a detector found a change on the curves, `means` float [W, B]."""
    drawn = [way for way in view.ways if len(view.changes.get(way, ()))]
    for way in drawn:
        found = np.asarray(view.changes[way])
        figure.add_scatter(
            x=found + 1,
            y=means[way_index(way), found],
            mode="markers",
            name="change found",
            legendgroup="changes",
            showlegend=way == drawn[0],
            marker={"symbol": "triangle-down", "size": 13, "color": WAY_STYLES[way][0], "line": {"width": 1.5}},
            hovertemplate=f"change found at batch %{{x}}<extra>{way}</extra>",
            row=CURVES["measure"][0],
            col=CURVES["measure"][1],
        )


def _set_axes(figure: Panels, view: StreamView, limits: Mapping[str, tuple[float, float]], batches: int) -> None:
    """Set titles, ranges and reference lines of all panels."""
    windows = f"mean of {view.window} batches" if view.window > 1 else "of each batch"
    titles = {
        CURVES["measure"]: f"{MEASURES[view.measure]}, {windows}",
        CURVES["false_alarms"]: f"false alarms (dotted: promised {view.level:.0%})",
        CURVES["missed"]: "anomalies missed",
        CURVES["path"]: "distance of the mean in use, σ",
        SCORES: f"scores of the batch; thick: threshold, {THRESHOLDS[view.recalibrated]}",
        PLANE: f"hidden features, {view.way}",
    }
    for (row, col), title in titles.items():
        figure.add_title(title, row, col, SMALL)
    line = {"color": NEUTRAL, "width": 1, "dash": "dot"}
    if view.measure == "aucroc":
        figure.add_hline(0.5, line, *CURVES["measure"])
    figure.add_hline(view.level, line, *CURVES["false_alarms"])
    for name, (row, col) in CURVES.items():
        figure.update_xaxes(range=[0.5, batches + 0.5], row=row, col=col)
        figure.update_yaxes(range=list(limits[name]), zeroline=False, row=row, col=col)
    for name in ("false_alarms", "missed"):
        figure.update_yaxes(tickformat=".0%", row=CURVES[name][0], col=CURVES[name][1])
    figure.update_xaxes(title={"text": "batch", "standoff": 2, "font": {"size": SMALL}}, row=2, col=1)
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)

"""Animation of two runs over the epochs: score distributions, hidden features, metrics and losses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anoonly_core.replay.result import Replay
from anoonly_core.results.result import Role

from ...charts.animation import Animation, TraceChange, describe_epoch, histogram_outline
from ...charts.panels import Panels
from ...charts.style import (
    ANOMALY,
    HISTOGRAM_BINS,
    MAX_LINE_MARKERS,
    NEUTRAL,
    NORMAL,
    ROLE_MARKS,
    SIDE_LINES,
    ScoreScale,
)
from ...text.labels import METRIC_LABELS, PROJECTION_LABELS

__all__ = ["replay_animation"]

SMALL = 12
HEIGHT = 432
CURVES = {name: METRIC_LABELS[name] for name in ("aucpr_anomaly", "aucroc")}


def replay_animation(replay: Replay, names: Sequence[str], row_ids: Sequence[np.ndarray]) -> Animation:
    """Draw the animation of runs A and B with one moment for each recorded epoch.

    Score histograms and maps of the hidden features change with the epoch; metrics and losses are curves over all
    epochs, with a line at the epoch.

    Parameters
    ----------
    replay : Replay
        The recorded runs A and B.
    names : sequence of str
        Names of A and B, for the titles.
    row_ids : sequence of np.ndarray
        For A and B, the row ids of the recorded rows (`RunReplay.rows`), int64 [m].
    """
    figure = Panels(2, 3, spacing=(0.05, 0.19), widths=[0.37, 0.37, 0.26], heights=[0.42, 0.58])
    changes = [*_scores(figure, replay, names), *_maps(figure, replay, row_ids)]
    _metrics(figure, replay)
    _losses(figure, replay)
    clock = len(figure.data)
    changes += _clock(figure, replay)
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 8, "r": 8, "t": 30, "b": 40},
        legend={"orientation": "h", "x": 0, "y": -0.04, "yanchor": "top"},
        hovermode="closest",
        uirevision="keep",
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    captions = [_caption(replay, moment) for moment in range(len(replay.epochs))]
    return Animation.over_epochs(figure.figure(), changes, captions, clock, replay.epochs)


def _caption(replay: Replay, moment: int) -> str:
    epoch = int(replay.epochs[moment])
    figures = " · ".join(
        f"{label} {a.metrics[name][moment]:.2f} → {b.metrics[name][moment]:.2f}"
        for a, b in [replay.runs]
        for name, label in CURVES.items()
    )
    ended = [
        f" · {letter} ended at epoch {len(run.losses['loss_normal'])}"
        for letter, run in zip("AB", replay.runs, strict=True)
        if epoch > len(run.losses["loss_normal"])
    ]
    return f"{describe_epoch(replay.epochs, moment)} · A → B: {figures}{''.join(ended)}"


def _scores(figure: Panels, replay: Replay, names: Sequence[str]) -> list[TraceChange]:
    """Add the score histograms of normal rows and anomalies for A and B to the figure.

    Scores are scaled anew at each epoch, as only their order matters; bars are percentages of the class.

    Parameters
    ----------
    figure : Panels
        The figure.
    replay : Replay
        The recorded runs A and B.
    names : sequence of str
        Names of A and B, for the titles.

    Returns
    -------
    list of TraceChange
        One change per histogram: its heights at each recorded epoch.
    """
    positions = []
    for run in replay.runs:
        is_test = run.role != Role.LABELED_ANOMALY
        positions.append(np.stack([np.arcsinh(ScoreScale.of(scores[is_test]).units(scores)) for scores in run.scores]))
    low, high = min(float(array.min()) for array in positions), max(float(array.max()) for array in positions)
    edges = np.linspace(low - 0.1, high + 0.1, HISTOGRAM_BINS + 1)
    outline = np.repeat(edges, 2)
    changes = []
    tallest = 0.0
    for column, (run, run_positions, name) in enumerate(zip(replay.runs, positions, names, strict=True), start=1):
        for role, label, color in ((Role.TEST_NORMAL, "normal", NORMAL), (Role.TEST_ANOMALY, "anomaly", ANOMALY)):
            rows = np.flatnonzero(run.role == role)
            heights = [histogram_outline(epoch_positions[rows], edges) for epoch_positions in run_positions]
            tallest = max(tallest, *(float(array.max()) for array in heights))
            figure.add_scatter(
                x=outline,
                y=heights[-1],
                mode="lines",
                fill="tozeroy",
                line={"color": color, "width": 1.5, "dash": "solid" if role == Role.TEST_NORMAL else "dot"},
                name=label,
                showlegend=False,
                hovertemplate=f"%{{y:.1f}} % of the {label} rows<extra></extra>",
                row=1,
                col=column,
            )
            changes.append(TraceChange(len(figure.data) - 1, "y", heights))
        figure.add_title(f"<b>{'AB'[column - 1]}</b>  {name}", 1, column, SMALL)
    ticks = [t for t in (-30, -10, -3, -1, 0, 1, 3, 10, 30, 100, 300, 1000, 10000) if low <= np.arcsinh(t) <= high]
    figure.update_xaxes(
        tickvals=np.arcsinh(ticks),
        ticktext=[f"{t:g}" for t in ticks],
        range=[low - 0.1, high + 0.1],
        title={"text": "score, interquartile ranges above the median", "standoff": 0, "font": {"size": 12}},
        row=1,
    )
    figure.update_xaxes(tickvals=None, ticktext=None, range=None, title=None, row=1, col=3)
    for column in (1, 2):
        figure.update_yaxes(range=[0, min(tallest, 100) * 1.04], row=1, col=column)
    figure.update_yaxes(title={"text": "% of its class", "font": {"size": 12}}, row=1, col=1)
    return changes


def _maps(figure: Panels, replay: Replay, row_ids: Sequence[np.ndarray]) -> list[TraceChange]:
    """Add the maps of the hidden features of A and B to the figure.

    Parameters
    ----------
    figure : Panels
        The figure.
    replay : Replay
        The recorded runs A and B.
    row_ids : sequence of np.ndarray
        For A and B, the row ids of the recorded rows, for the hover text, int64 [m].

    Returns
    -------
    list of TraceChange
        Two changes per run and role of rows: x and y at each recorded epoch.
    """
    changes = []
    spans = [_axis_limits(run.points) for run in replay.runs]
    if replay.shared_plane:
        spans = [(np.minimum(spans[0][0], spans[1][0]), np.maximum(spans[0][1], spans[1][1]))] * 2
    for column, (run, ids, (low, high)) in enumerate(zip(replay.runs, row_ids, spans, strict=True), start=1):
        roles = run.role[run.plotted]
        for role, (name, color, symbol, size, opacity) in ROLE_MARKS.items():
            rows = np.flatnonzero(roles == role)
            xs, ys = ([points[rows, axis] for points in run.points] for axis in (0, 1))
            figure.add_scatter(
                x=xs[-1],
                y=ys[-1],
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                customdata=ids[run.plotted][rows],
                marker={
                    "color": color,
                    "symbol": symbol,
                    "size": size,
                    "opacity": opacity,
                    "line": {"color": "white", "width": 0.5},
                },
                hovertemplate=f"row %{{customdata}}, {name}<extra></extra>",
                row=2,
                col=column,
            )
            changes += [TraceChange(len(figure.data) - 1, "x", xs), TraceChange(len(figure.data) - 1, "y", ys)]
        hidden = {"showticklabels": False, "zeroline": False, "ticks": ""}
        figure.update_xaxes(range=[low[0], high[0]], **hidden, row=2, col=column)
        figure.update_yaxes(range=[low[1], high[1]], **hidden, row=2, col=column)
        plane = "same plane for A and B" if replay.shared_plane else "its own plane"
        projection = f"PCA, {plane}" if replay.projector == "pca" else PROJECTION_LABELS[replay.projector]
        figure.add_title(f"hidden features, <b>{'AB'[column - 1]}</b>  ({projection})", 2, column, SMALL)
    return changes


def _axis_limits(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper axis limits [2] of a map that shows `points`, float [epochs, rows, 2].

    They hold all points of the last epoch and the middle 99.6 % of those of all epochs, with a margin.
    """
    low, high = np.percentile(points.reshape(-1, 2), [0.2, 99.8], axis=0)
    low, high = np.minimum(low, points[-1].min(axis=0)), np.maximum(high, points[-1].max(axis=0))
    padding = 0.06 * np.maximum(high - low, 1e-6)
    return low - padding, high + padding


def _metrics(figure: Panels, replay: Replay) -> None:
    for letter, run in zip("AB", replay.runs, strict=True):
        for name, label in CURVES.items():
            marker = (ANOMALY, "diamond") if name == "aucpr_anomaly" else (NEUTRAL, "square")
            _line(figure, 1, replay.epochs, run.metrics[name], f"{letter}  {label}", *marker, SIDE_LINES[letter][0])
    figure.update_yaxes(range=[0, 1.03], row=1, col=3)
    figure.add_title("AUCPR ◆, AUCROC ■; A --, B —", 1, 3, SMALL)


def _losses(figure: Panels, replay: Replay) -> None:
    for letter, run in zip("AB", replay.runs, strict=True):
        for name, color, symbol, label in (
            ("loss_normal", NORMAL, "circle", "L_N, pool (before λₙ)"),
            ("loss_anomaly", ANOMALY, "star", "L_A, labeled anomalies"),
        ):
            values = run.losses[name]
            if (values > 0).any():
                positive_values = np.where(values > 0, values, np.nan)
                epochs = np.arange(1, len(values) + 1)
                _line(figure, 2, epochs, positive_values, f"{letter}  {label}", color, symbol, SIDE_LINES[letter][0])
    positive = [value for run in replay.runs for values in run.losses.values() for value in values[values > 0]]
    decades = float(np.log10(max(positive, default=1.0) / min(positive, default=1.0)))
    # Fewer ticks over many decades, so that their labels do not overlap.
    figure.update_yaxes(type="log", exponentformat="power", dtick=1 + decades // 4, row=2, col=3)
    figure.update_xaxes(title={"text": "epoch", "standoff": 16, "font": {"size": 12}}, row=2, col=3)
    figure.add_title("losses: L_N ●, L_A ★", 2, 3, SMALL)


def _line(
    figure: Panels, row: int, x: np.ndarray, y: np.ndarray, name: str, color: str, symbol: str, dash: str
) -> None:
    """Add a curve over the epochs to the third column of the figure.

    Parameters
    ----------
    figure : Panels
        The figure.
    row : int
        Row of the panel: 1 for metrics, 2 for losses.
    x, y : np.ndarray
        Epochs and values.
    name, color, symbol, dash : str
        Name on hover, and Plotly attributes of the line and its markers.
    """
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines+markers" if len(y) > 1 else "markers",
        name=name,
        marker={"color": color, "symbol": symbol, "size": 7, "maxdisplayed": MAX_LINE_MARKERS},
        line={"color": color, "dash": dash, "width": 2},
        showlegend=False,
        hovertemplate=f"epoch %{{x}}: %{{y:.3g}}<extra>{name}</extra>",
        row=row,
        col=3,
    )


def _clock(figure: Panels, replay: Replay) -> list[TraceChange]:
    """Add vertical lines through the metric and loss curves at the epoch on show; return the changes of their x.

    There is one change per line, with its two x positions at each recorded epoch.
    """
    changes = []
    times = [np.array([epoch, epoch], dtype=np.float32) for epoch in replay.epochs]
    losses = [value for run in replay.runs for values in run.losses.values() for value in values[values > 0]]
    for row, span in ((1, [0, 1.03]), (2, [min(losses, default=0.1), max(losses, default=1.0)])):
        figure.add_scatter(
            x=times[-1],
            y=span,
            mode="lines",
            line={"color": NEUTRAL, "width": 1.5},
            showlegend=False,
            hoverinfo="skip",
            row=row,
            col=3,
        )
        changes.append(TraceChange(len(figure.data) - 1, "x", times))
        figure.update_xaxes(range=[0, float(replay.epochs[-1]) * 1.02], row=row, col=3)
    return changes

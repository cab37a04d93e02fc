"""The film of two runs that learn: score distributions, hidden features and curves, all at the same epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anoonly_core.replay.result import Replay, RunReplay
from anoonly_core.results.result import Role
from app.charts.animation import Animation, TraceChange
from app.charts.panels import Panels
from app.charts.style import ANOMALY, MAX_LINE_MARKERS, NEUTRAL, NORMAL, ROLE_MARKS, SIDE_LINES, ScoreScale

__all__ = ["replay_animation"]

HISTOGRAM_BINS = 48
SMALL = 12
HEIGHT = 432
CURVES = {"aucpr_anomaly": "AUCPR anomaly", "aucroc": "AUCROC"}


def replay_animation(replay: Replay, names: Sequence[str], row_ids: Sequence[np.ndarray]) -> Animation:
    """The film of A and B, a moment a recorded epoch; names: theirs; row_ids: of each reel's rows."""
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
    return Animation(
        figure=figure.figure(),
        changes=tuple(changes),
        captions=tuple(_caption(replay, moment) for moment in range(len(replay.epochs))),
        clock=clock,
        times=tuple(float(epoch) for epoch in replay.epochs),
        start=len(replay.epochs) - 1,
    )


def _caption(replay: Replay, moment: int) -> str:
    epoch = int(replay.epochs[moment])
    figures = " · ".join(
        f"{label} {a.metrics[name][moment]:.2f} → {b.metrics[name][moment]:.2f}"
        for a, b in [replay.runs]
        for name, label in CURVES.items()
    )
    ended = [
        f" · {letter} ended at epoch {len(reel.losses['loss_normal'])}"
        for letter, reel in zip("AB", replay.runs, strict=True)
        if epoch > len(reel.losses["loss_normal"])
    ]
    when = "Before the first step" if epoch == 0 else f"Epoch {epoch} of {replay.epochs[-1]}"
    return f"{when} · A → B: {figures}{''.join(ended)}"


def _tested(reel: RunReplay, role: int) -> np.ndarray:
    return np.flatnonzero(reel.role == role)


def _scores(figure: Panels, replay: Replay, names: Sequence[str]) -> list[TraceChange]:
    """Each class as a share of itself, on each moment's own scale: what counts is the order."""
    axes = []
    for reel in replay.runs:
        tested = reel.role != Role.LABELED_ANOMALY
        axes.append(np.stack([np.arcsinh(ScoreScale.of(own[tested]).units(own)) for own in reel.scores]))
    low, high = min(float(own.min()) for own in axes), max(float(own.max()) for own in axes)
    edges = np.linspace(low - 0.1, high + 0.1, HISTOGRAM_BINS + 1)
    outline = np.repeat(edges, 2)
    changes = []
    tallest = 0.0
    for column, (reel, places, name) in enumerate(zip(replay.runs, axes, names, strict=True), start=1):
        for role, label, color in ((Role.TEST_NORMAL, "normal", NORMAL), (Role.TEST_ANOMALY, "anomaly", ANOMALY)):
            mine = _tested(reel, role)
            heights = []
            for own in places:
                counts, _ = np.histogram(own[mine], edges)
                shares = np.repeat(100 * counts / max(len(mine), 1), 2)
                heights.append(np.concatenate([[0], shares, [0]]).astype(np.float32))
            tallest = max(tallest, *(float(own.max()) for own in heights))
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
    changes = []
    spans = [_span(reel.points) for reel in replay.runs]
    if replay.shared_plane:
        spans = [(np.minimum(spans[0][0], spans[1][0]), np.maximum(spans[0][1], spans[1][1]))] * 2
    for column, (reel, ids, (low, high)) in enumerate(zip(replay.runs, row_ids, spans, strict=True), start=1):
        role = reel.role[reel.plotted]
        for kind, (name, color, symbol, size, opacity) in ROLE_MARKS.items():
            mine = np.flatnonzero(role == kind)
            xs, ys = ([own[mine, axis] for own in reel.points] for axis in (0, 1))
            figure.add_scatter(
                x=xs[-1],
                y=ys[-1],
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                customdata=ids[reel.plotted][mine],
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
        plane = "one plane for A and B" if replay.shared_plane else "its own plane"
        how = f"PCA, {plane}" if replay.projector == "pca" else {"tsne": "t-SNE", "umap": "UMAP"}[replay.projector]
        figure.add_title(f"hidden features, <b>{'AB'[column - 1]}</b>  ({how})", 2, column, SMALL)
    return changes


def _span(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the axes show of a map: all points at the end, and of the moments before all but for far outliers."""
    low, high = np.percentile(points.reshape(-1, 2), [0.2, 99.8], axis=0)
    low, high = np.minimum(low, points[-1].min(axis=0)), np.maximum(high, points[-1].max(axis=0))
    room = 0.06 * np.maximum(high - low, 1e-6)
    return low - room, high + room


def _metrics(figure: Panels, replay: Replay) -> None:
    for letter, reel in zip("AB", replay.runs, strict=True):
        for name, label in CURVES.items():
            look = (ANOMALY, "diamond") if name == "aucpr_anomaly" else (NEUTRAL, "square")
            _line(figure, 1, replay.epochs, reel.metrics[name], f"{letter}  {label}", *look, SIDE_LINES[letter][0])
    figure.update_yaxes(range=[0, 1.03], row=1, col=3)
    figure.add_title("AUCPR ◆, AUCROC ■; A --, B —", 1, 3, SMALL)


def _losses(figure: Panels, replay: Replay) -> None:
    for letter, reel in zip("AB", replay.runs, strict=True):
        for name, color, symbol, label in (
            ("loss_normal", NORMAL, "circle", "L_N, pool (before λₙ)"),
            ("loss_anomaly", ANOMALY, "star", "L_A, labeled anomalies"),
        ):
            values = reel.losses[name]
            if (values > 0).any():
                shown = np.where(values > 0, values, np.nan)
                epochs = np.arange(1, len(values) + 1)
                _line(figure, 2, epochs, shown, f"{letter}  {label}", color, symbol, SIDE_LINES[letter][0])
    above_zero = [own for reel in replay.runs for values in reel.losses.values() for own in values[values > 0]]
    decades = float(np.log10(max(above_zero, default=1.0) / min(above_zero, default=1.0)))
    # So many decades apart that the ticks' words do not run into each other.
    figure.update_yaxes(type="log", exponentformat="power", dtick=1 + decades // 4, row=2, col=3)
    figure.update_xaxes(title={"text": "epoch", "standoff": 16, "font": {"size": 12}}, row=2, col=3)
    figure.add_title("losses: L_N ●, L_A ★", 2, 3, SMALL)


def _line(
    figure: Panels, row: int, x: np.ndarray, y: np.ndarray, name: str, color: str, symbol: str, dash: str
) -> None:
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
    """A line through the curves at the epoch on show."""
    changes = []
    times = [np.array([epoch, epoch], dtype=np.float32) for epoch in replay.epochs]
    losses = [own for reel in replay.runs for values in reel.losses.values() for own in values[values > 0]]
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

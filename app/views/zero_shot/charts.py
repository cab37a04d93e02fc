"""Zero-shot's figures: AUCROC over what a test batch holds, and one batch to which anomalies are added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from anoonly_core.zero_shot.class_table import ClassTable
from anoonly_core.zero_shot.result import RATIOS, SCORER_LABELS, SIZE_SHARE, SIZES, ZeroShotResult
from app.charts.panels import Panels
from app.charts.style import ANOMALY, NEUTRAL, NORMAL, ScoreScale
from app.text.verdict import PairedDifference, format_difference, paired_difference

__all__ = [
    "aucroc_at_step",
    "batch_figure",
    "class_counts_figure",
    "image_mosaic",
    "scorers_figure",
    "scorers_table",
    "zero_shot_sentence",
]

# Each scorer's color, dash and mark, the same in all figures.
SCORER_STYLES = {
    "batch": ("#009E73", "solid", "circle", 3.0),
    "running": ("#CC79A7", "dash", "x", 1.8),
    "none": (NEUTRAL, "dot", "cross", 1.8),
    "untrained": ("#56B4E9", "dashdot", "square-open", 1.8),
    "neighbors": ("#E69F00", "solid", "diamond", 1.8),
    "mean": ("#0072B2", "dash", "triangle-up", 1.8),
}
QUOTED_RATIO = 0.05
BINS = 40
TILE = 3  # how many pixels of the screen a digit's pixel is wide
GAP = 2


def _stacked(results: Sequence[ZeroShotResult], name: str) -> np.ndarray:
    """AUCROC, [seeds, scorers, points, classes, draws]."""
    return np.stack([getattr(result, name) for result in results]).astype(np.float64)


def zero_shot_sentence(results: Sequence[ZeroShotResult]) -> str:
    """What the figures say at 5 % anomalies, with their doubt: 95 % intervals over seeds and classes."""
    pairs = _stacked(results, "by_ratio")[:, :, RATIOS.index(QUOTED_RATIO)].mean(axis=3)
    of = {name: pairs[:, place].ravel() for place, name in enumerate(SCORER_LABELS)}
    running, untrained = paired_difference(of["running"], of["batch"]), paired_difference(of["untrained"], of["batch"])
    best = max(("neighbors", "mean"), key=lambda name: float(of[name].mean()))
    rival = paired_difference(of[best], of["batch"])
    batch_against_running = _against(running, "batch statistics", "running ones")
    return (
        f"At {QUOTED_RATIO:.0%} anomalies among classes never seen, {batch_against_running}. Meta-training "
        f"{_adds(untrained)}; {SCORER_LABELS[best]} {_rival(rival, many=best == 'neighbors')}."
    )


def _against(found: PairedDifference, ours: str, theirs: str) -> str:
    figures = f"AUCROC {found.b:.2f} against {found.a:.2f} ({format_difference(found)})"
    if found.margin is not None and not found.is_clear:
        return f"there is no clear difference between {ours} and {theirs}: {figures}"
    return f"{ours} {'beat' if found.delta > 0 else 'lose to'} {theirs}: {figures}"


def _adds(found: PairedDifference) -> str:
    if found.margin is not None and not found.is_clear:
        return f"adds nothing clear to an untrained network ({format_difference(found)})"
    return f"{'adds to' if found.delta > 0 else 'takes from'} an untrained network ({format_difference(found)})"


def _rival(found: PairedDifference, many: bool) -> str:
    do = "do" if many else "does"
    if found.margin is not None and not found.is_clear:
        return f"{do} about as well ({found.a:.2f})"
    return f"{do} {'better' if found.delta < 0 else 'worse'} ({found.a:.2f})"


def scorers_figure(results: Sequence[ZeroShotResult]) -> go.Figure:
    """AUCROC of each scorer over the share of anomalies, and over the rows of a batch; means, and for ours a band."""
    figure = Panels(1, 2, spacing=(0.07, 0))
    panels = (
        ("by_ratio", 100 * np.array(RATIOS), "anomalies in the batch, %"),
        ("by_size", results[0].size_rows, "rows in the batch, log scale"),
    )
    for column, (name, x, title) in enumerate(panels, start=1):
        means = _stacked(results, name).mean(axis=4)  # over the draws
        for place, (scorer, (color, dash, symbol, width)) in enumerate(SCORER_STYLES.items()):
            mean, spread = means[:, place].mean(axis=(0, 2)), means[:, place].std(axis=(0, 2))
            if scorer == "batch":
                figure.add_scatter(
                    x=np.concatenate([x, x[::-1]]),
                    y=np.concatenate([mean + spread, (mean - spread)[::-1]]),
                    fill="toself",
                    fillcolor="rgba(0, 158, 115, 0.18)",
                    line={"width": 0},
                    mode="lines",
                    showlegend=False,
                    hoverinfo="skip",
                    row=1,
                    col=column,
                )
            figure.add_scatter(
                x=x,
                y=mean,
                customdata=spread,
                mode="lines+markers",
                name=SCORER_LABELS[scorer],
                legendgroup=scorer,
                showlegend=column == 1,
                line={"color": color, "dash": dash, "width": width},
                marker={"symbol": symbol, "size": 7, "color": color},
                hovertemplate=f"{SCORER_LABELS[scorer]}: %{{y:.3f}} ± %{{customdata:.3f}} at %{{x:.0f}}<extra></extra>",
                row=1,
                col=column,
            )
        figure.add_hline(y=0.5, line={"color": NEUTRAL, "width": 1, "dash": "dot"}, row=1, col=column)
        figure.update_xaxes(title={"text": title, "standoff": 4}, row=1, col=column)
    figure.update_xaxes(type="log", tickvals=list(SIZES), ticktext=list(map(str, SIZES)), col=2)
    lowest = min(float(np.min(trace["y"])) for trace in figure.data if trace.get("name"))
    figure.update_yaxes(range=[min(0.38, lowest - 0.03), 1.02])
    figure.update_yaxes(title={"text": "AUCROC", "standoff": 10}, col=1)
    rows = results[0].ratio_rows
    told = f"{rows.max()}" if rows.min() == rows.max() else f"{rows.min()} to {rows.max()}"
    figure.add_title(f"batches of {told} rows", 1, 1)
    figure.add_title(f"{SIZE_SHARE:.0%} anomalies, at least one row", 1, 2)
    return _laid_out(figure, 262)


def _laid_out(figure: Panels, height: int) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 44, "b": 4},
        legend={"orientation": "h", "x": 0, "y": 1.26, "yanchor": "top"},
        uirevision="keep",
    )
    figure.update_xaxes(automargin=True, zeroline=False)
    figure.update_yaxes(automargin=True, zeroline=False)
    return figure.figure()


def scorers_table(results: Sequence[ZeroShotResult]) -> pd.DataFrame:
    """All means, with their deviations over classes and seeds, and over draws."""
    rows = []
    for name, points, sizes in (("by_ratio", RATIOS, "ratio_rows"), ("by_size", SIZES, "size_rows")):
        values = _stacked(results, name)
        of_classes = values.mean(axis=4)
        for place, scorer in enumerate(SCORER_LABELS.values()):
            for number, point in enumerate(points):
                rows.append(
                    {
                        "scorer": scorer,
                        "anomalies": point if name == "by_ratio" else SIZE_SHARE,
                        "rows": int(getattr(results[0], sizes)[number]),
                        "AUCROC": values[:, place, number].mean(),
                        "± seeds and classes": of_classes[:, place, number].std(),
                        "± draws": values[:, place, number].std(axis=2).mean(),
                    }
                )
    return pd.DataFrame(rows)


def aucroc_at_step(result: ZeroShotResult, step: int, place: int) -> float:
    """AUCROC of the growing batch of a class at this moment; NaN before the first anomaly."""
    scores, normals = result.shift_scores[step, place], int(result.shift_normals[0])
    strange = scores[normals:][np.isfinite(scores[normals:])]
    if not len(strange):
        return float("nan")
    beats = (strange[:, None] > scores[:normals]) + 0.5 * (strange[:, None] == scores[:normals])
    return float(beats.mean())


def batch_figure(result: ZeroShotResult, step: int, place: int) -> go.Figure:
    """One batch's scores at this moment, and over all moments how far its mean has moved and its AUCROC."""
    scores, normals = result.shift_scores[:, place], int(result.shift_normals[0])
    figure = Panels(1, 3, spacing=(0.07, 0), widths=[0.5, 0.25, 0.25])
    units = np.arcsinh(ScoreScale.of(scores[0, :normals]).units(scores))  # one axis for all moments
    edges = np.linspace(np.nanmin(units), np.nanmax(units) + 1e-6, BINS + 1)
    here = units[step]
    kinds = ((here[:normals], "normal", NORMAL, ""), (here[normals:], "anomaly", ANOMALY, "/"))
    for values, name, color, pattern in kinds:
        counts, _ = np.histogram(values[np.isfinite(values)], edges)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=100 * counts / max(counts.sum(), 1),
            customdata=counts,
            name=name,
            width=edges[1] - edges[0],
            marker={
                "color": color,
                "opacity": 0.65,
                "line": {"width": 0},
                "pattern": {"shape": pattern, "fillmode": "overlay", "fgcolor": "white", "size": 5, "solidity": 0.25},
            },
            hovertemplate=f"%{{customdata}} {name} rows, %{{y:.1f}} %<extra></extra>",
            row=1,
            col=1,
        )
    share = 100 * result.shift_counts / (result.shift_counts + normals)
    areas = [aucroc_at_step(result, number, place) for number in range(len(share))]
    lines = ((2, result.shift_away[:, place], "#CC79A7", "moved by"), (3, areas, "#009E73", "AUCROC"))
    for column, y, color, name in lines:
        figure.add_scatter(
            x=share,
            y=y,
            mode="lines",
            line={"color": color, "width": 2.5},
            showlegend=False,
            hovertemplate=f"{name} %{{y:.2f}} at %{{x:.0f}} %<extra></extra>",
            row=1,
            col=column,
        )
        figure.add_scatter(
            x=[share[step]],
            y=[y[step]],
            mode="markers",
            marker={"color": color, "size": 12, "symbol": "x"},
            showlegend=False,
            hoverinfo="skip",
            row=1,
            col=column,
        )
        figure.update_xaxes(title={"text": "anomalies, %", "standoff": 4}, range=[-2, 82], row=1, col=column)
    ticks = [t for t in (-10, -3, -1, 0, 1, 3, 10, 30, 100, 1000) if edges[0] <= np.arcsinh(t) <= edges[-1]]
    title = "score, interquartile ranges above the normal rows' first median"
    figure.update_xaxes(title={"text": title, "standoff": 4}, row=1, col=1)
    figure.update_xaxes(tickvals=np.arcsinh(ticks), ticktext=[f"{t:g}" for t in ticks], row=1, col=1)
    figure.update_yaxes(title={"text": "% of its kind", "standoff": 10}, row=1, col=1)
    figure.update_yaxes(range=[0.3, 1.03], row=1, col=3)
    figure.add_hline(y=0.5, line={"color": NEUTRAL, "width": 1, "dash": "dot"}, row=1, col=3)
    figure.add_title("batch mean has moved, σ", 1, 2)
    figure.add_title("AUCROC of this batch", 1, 3)
    figure.update_layout(barmode="overlay", bargap=0)
    return _laid_out(figure, 200)


def class_counts_figure(by_count: Mapping[int, Sequence[ZeroShotResult]]) -> go.Figure:
    """AUCROC at 5 % anomalies over the number of classes trained on: a dot a seed and class, and the means."""
    figure = Panels()
    point = RATIOS.index(QUOTED_RATIO)
    for scorer in ("batch", "running"):
        color, dash, symbol, width = SCORER_STYLES[scorer]
        place = list(SCORER_LABELS).index(scorer)
        values = {n: _stacked(results, "by_ratio")[:, place, point].mean(axis=2) for n, results in by_count.items()}
        xs = np.concatenate([np.full(own.size, n) for n, own in values.items()])
        figure.add_scatter(
            x=xs,
            y=np.concatenate([own.ravel() for own in values.values()]),
            mode="markers",
            marker={"color": color, "symbol": symbol, "size": 5, "opacity": 0.35},
            showlegend=False,
            hovertemplate="%{y:.3f}<extra></extra>",
        )
        figure.add_scatter(
            x=list(values),
            y=[own.mean() for own in values.values()],
            mode="lines+markers",
            name=SCORER_LABELS[scorer],
            line={"color": color, "dash": dash, "width": width},
            marker={"symbol": symbol, "size": 9, "color": color},
        )
    figure.update_xaxes(title={"text": "classes meta-trained on"}, dtick=1)
    figure.update_yaxes(title={"text": f"AUCROC at {QUOTED_RATIO:.0%} anomalies"})
    return _laid_out(figure, 280)


def image_mosaic(table: ClassTable, rows: np.ndarray, anomalous: np.ndarray, across: int) -> np.ndarray:
    """Pictures of rows side by side, uint8 [height, width, 3]; an anomaly has an orange frame, a normal row none."""
    assert table.image_shape is not None
    height, width = (TILE * side + 2 * GAP for side in table.image_shape)
    down = -(-len(rows) // across)
    canvas = np.full((down * height, across * width, 3), 255, dtype=np.uint8)
    frame = np.array([int(ANOMALY[at : at + 2], 16) for at in (1, 3, 5)], dtype=np.uint8)
    brightest = max(float(table.X.max()), 1e-9)
    for number, (row, strange) in enumerate(zip(rows, anomalous, strict=True)):
        top, left = (number // across) * height, (number % across) * width
        pixels = (255 * table.X[row].reshape(table.image_shape) / brightest).clip(0, 255).astype(np.uint8)
        tile = np.kron(pixels, np.ones((TILE, TILE), dtype=np.uint8))
        canvas[top : top + height, left : left + width] = frame if strange else 200
        canvas[top + GAP : top + height - GAP, left + GAP : left + width - GAP] = tile[:, :, None]
    return canvas

"""The figures of a comparison of runs A and B, as pure functions from data to a Plotly figure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from anoonly_core.metrics.ranking import Confusion, Curves
from anoonly_core.results.result import History

from .panels import Panels
from .style import (
    ANOMALY,
    HISTOGRAM_BINS,
    MAX_LINE_MARKERS,
    NEUTRAL,
    NORMAL,
    ROLE_MARKS,
    SIDE_LINES,
    AbsoluteScale,
    Side,
    apply_layout,
    horizontal_legend,
)

__all__ = [
    "RowMap",
    "confusion_figure",
    "curves_figure",
    "cut_text",
    "history_figure",
    "points_figure",
    "scores_figure",
    "split_figure",
]


def scores_figure(
    sides: Sequence[Side],
    cuts: Sequence[float],
    confusions: Sequence[Confusion],
    scale: AbsoluteScale | None = None,
) -> go.Figure:
    """Draw the test scores of A and B as histograms with their thresholds, one panel a run.

    Both panels have the same x axis. By default its unit is that of the run, `Side.scale`, so that distributions of
    different size can be compared; `scale` keeps the sizes.

    Parameters
    ----------
    sides : sequence of Side
        A and B.
    cuts : sequence of float
        Score from which A and B flag a row; infinite for a run that flags no row.
    confusions : sequence of Confusion
        Confusion matrices of A and B at these thresholds, for the titles.
    scale : AbsoluteScale, optional
        One axis for the scores of both runs as they are.

    Returns
    -------
    go.Figure
        Two panels with a histogram of normal rows and one of anomalies; bars are percentages of their class.
    """

    def positions(side: Side, scores: np.ndarray) -> np.ndarray:
        return np.arcsinh(side.scale.units(scores)) if scale is None else scale.positions(scores)

    axis_units = [positions(side, side.scores) for side in sides]
    low, high = min(a.min() for a in axis_units), max(a.max() for a in axis_units) + 0.1
    edges = np.linspace(low - 0.1, high, HISTOGRAM_BINS + 1)
    figure = Panels(1, 2, spacing=(0.05, 0))
    tallest = 0.0
    for column, (side, units, cut, matrix) in enumerate(zip(sides, axis_units, cuts, confusions, strict=True), start=1):
        _class_histograms(figure, side, units, edges, column)
        tallest = max(tallest, *(float(max(trace["y"])) for trace in figure.data))
        if np.isfinite(cut):
            position = float(positions(side, np.array(cut)))
            figure.add_vline(position, {"color": NEUTRAL, "width": 2, "dash": "dash"}, col=column)
            figure.add_mark_text(f" from {cut:.4g}", position, col=column)
        flagged = (
            f"{side.title}<br>flags {matrix.anomalies_flagged} of {matrix.anomalies_flagged + matrix.anomalies_missed} "
            f"anomalies, {matrix.normals_flagged} of {matrix.normals_flagged + matrix.normals_passed} normal"
            f"{'' if np.isfinite(cut) else ': ' + cut_text(cut)}"
        )
        figure.add_title(flagged, 1, column)
    places, texts, unit = _score_ticks(scale, low, high)
    figure.update_xaxes(tickvals=places, ticktext=texts, range=[low - 0.1, high])
    figure.update_xaxes(title={"text": unit, "standoff": 2, "font": {"size": 12}})
    figure.update_yaxes(range=[0, tallest * 1.05])
    figure.update_yaxes(title={"text": "% of its class"}, col=1)
    figure.update_layout(barmode="overlay", bargap=0)
    # At the side: above the panels it would meet long names.
    legend = {"orientation": "v", "x": 1.01, "xanchor": "left", "y": 1, "yanchor": "top"}
    return apply_layout(figure, 180, legend, top=44)


def _score_ticks(scale: AbsoluteScale | None, low: float, high: float) -> tuple[list[float], list[str], str]:
    """Return the positions and texts of the ticks of a score axis from `low` to `high`, and its title."""
    if scale is not None:
        return *scale.ticks(), "score as the network gives it, one scale for A and B"
    ticks = [t for t in (-100, -10, -3, -1, 0, 1, 3, 10, 30, 100, 300, 1000, 10000) if low <= np.arcsinh(t) <= high]
    places = [float(np.arcsinh(tick)) for tick in ticks]
    return places, [f"{tick:g}" for tick in ticks], "score, interquartile ranges above the median"


def _class_histograms(figure: Panels, side: Side, units: np.ndarray, edges: np.ndarray, column: int) -> None:
    """Add the score histograms of normal rows and anomalies to the panel of one run.

    Parameters
    ----------
    figure : Panels
        The figure; changed in place.
    side : Side
        The run.
    units : np.ndarray
        Score of each test row in the unit of the x axis, float [rows].
    edges : np.ndarray
        Edges of the bins, in the same unit.
    column : int
        Column of the panel, from 1.
    """
    for label, name, color, pattern in ((0, "normal", NORMAL, ""), (1, "anomaly", ANOMALY, "/")):
        counts, _ = np.histogram(units[side.y == label], edges)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=100 * counts / max(counts.sum(), 1),
            customdata=counts,
            name=name,
            legendgroup=name,
            showlegend=column == 1,
            marker={
                "color": color,
                "opacity": 0.65,
                "line": {"width": 0},
                "pattern": {
                    "shape": pattern,
                    "fillmode": "overlay",
                    "fgcolor": "white",
                    "size": 5,
                    "solidity": 0.25,
                },
            },
            width=edges[1] - edges[0],
            hovertemplate=f"%{{customdata}} {name} rows, %{{y:.1f}} %<extra>{side.letter}</extra>",
            row=1,
            col=column,
        )


def cut_text(cut: float) -> str:
    """Return a score threshold as a phrase, such as "scores from 0.12"; for an infinite one, why no row is flagged."""
    return f"scores from {cut:.4g}" if np.isfinite(cut) else "too many rows share the highest score"


@dataclass(frozen=True, eq=False)
class RowMap:
    """Rows as points in a plane, for one panel of `points_figure`.

    Attributes
    ----------
    title : str
        Title of the panel.
    points : np.ndarray or None
        Coordinates, float [rows, 2]; None while the projection is being computed.
    role : np.ndarray
        `Role` of each row, int8 [rows].
    row_ids : np.ndarray
        Row ids of the data set, int64 [rows].
    """

    title: str
    points: np.ndarray | None
    role: np.ndarray
    row_ids: np.ndarray


def points_figure(panels: Sequence[RowMap], selected: Sequence[int] = (), waiting: str = "") -> go.Figure:
    """Draw the maps of rows side by side as scatter plots; marks differ by the role of a row.

    Parameters
    ----------
    panels : sequence of RowMap
        The maps; a row has the same id in each.
    selected : sequence of int
        Row ids to highlight, all other rows fade; empty to highlight none.
    waiting : str
        Text in the panel of a map whose points are None.
    """
    figure = Panels(1, len(panels), spacing=(0.02, 0))
    first = next((column for column, panel in enumerate(panels, start=1) if panel.points is not None), 1)
    for column, panel in enumerate(panels, start=1):
        figure.add_title(panel.title, 1, column)
        points, row_ids = panel.points, panel.row_ids
        if points is None:
            figure.add_scatter(x=[0], y=[0], mode="text", text=[waiting], showlegend=False, row=1, col=column)
            continue
        for role, (name, color, symbol, size, opacity) in ROLE_MARKS.items():
            rows = np.flatnonzero(panel.role == role)
            selected_points = np.flatnonzero(np.isin(row_ids[rows], list(selected))).tolist()  # Plotly needs a list
            figure.add_scatter(
                x=points[rows, 0],
                y=points[rows, 1],
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=column == first,
                customdata=row_ids[rows],
                selectedpoints=selected_points if len(selected) else None,
                marker={
                    "color": color,
                    "symbol": symbol,
                    "size": size,
                    "opacity": opacity,
                    "line": {"color": "white", "width": 0.6},
                },
                unselected={"marker": {"opacity": 0.12}},
                selected={"marker": {"opacity": 1.0, "size": size + 5}},
                hovertemplate=f"row %{{customdata}}, {name}<extra></extra>",
                row=1,
                col=column,
            )
    figure.update_xaxes(showticklabels=False, zeroline=False, ticks="")
    figure.update_yaxes(showticklabels=False, zeroline=False, ticks="")
    figure.update_layout(dragmode="lasso")
    return apply_layout(figure, 236, horizontal_legend(-0.02), top=24)


def curves_figure(
    sides: Sequence[Side], curves: Sequence[Curves], threshold_points: Sequence[int], chance: Mapping[str, float]
) -> go.Figure:
    """Draw the ROC curve and both precision-recall curves of A (dashed) and B (solid).

    Parameters
    ----------
    sides : sequence of Side
        A and B.
    curves : sequence of Curves
        The curves of A and B.
    threshold_points : sequence of int
        Index of the curve point at the threshold of A and of B, where a marker is drawn; -1 for no marker.
    chance : mapping of str to float
        Chance levels by metric; "aucpr_anomaly" and "aucpr_normal" are used.
    """
    figure = Panels(1, 3, spacing=(0.07, 0))
    rates = ("false_positive_rate", "true_positive_rate")
    # Drawn so that the area under each line is its metric: average precision is a sum of steps.
    panels = (
        (f"ROC, seed {sides[0].seed}", "false positive rate", "true positive rate", *rates, None, "linear"),
        ("PR of the anomalies", "recall", "precision", rates[1], "precision_anomaly", "aucpr_anomaly", "vh"),
        ("PR of the normal rows", "recall", "precision", "recall_normal", "precision_normal", "aucpr_normal", "hv"),
    )
    for column, (title, x_title, y_title, x_name, y_name, chance_name, shape) in enumerate(panels, start=1):
        cell = {"row": 1, "col": column}
        first = column == 1
        level = [0, 1] if chance_name is None else [chance[chance_name]] * 2
        dots = {"color": NEUTRAL, "width": 1, "dash": "dot"}
        figure.add_scatter(
            x=[0, 1], y=level, mode="lines", line=dots, name="chance", showlegend=first, hoverinfo="skip", **cell
        )
        for side, curve, index in zip(sides, curves, threshold_points, strict=True):
            x, y = getattr(curve, x_name), getattr(curve, y_name)
            # The point of a threshold above every score, which flags no row.
            origin = {1: (0.0, 0.0), 2: (0.0, y[0]), 3: (1.0, chance["aucpr_normal"])}[column]
            dash, color = SIDE_LINES[side.letter]
            figure.add_scatter(
                x=np.append(origin[0], x),
                y=np.append(origin[1], y),
                mode="lines",
                line={"color": color, "width": 2.5, "dash": dash, "shape": shape},
                name=f"{side.letter}  {side.name}",
                showlegend=first,
                hovertemplate=f"{x_title} %{{x:.2f}}, {y_title} %{{y:.2f}}<extra>{side.letter}</extra>",
                **cell,
            )
            if index >= 0:
                figure.add_scatter(
                    x=[x[index]],
                    y=[y[index]],
                    mode="markers",
                    marker={"color": color, "size": 11, "symbol": "x"},
                    name="at the threshold",
                    showlegend=first and side.letter == "B",
                    hovertemplate=f"at the threshold: %{{x:.2f}}, %{{y:.2f}}<extra>{side.letter}</extra>",
                    **cell,
                )
        figure.update_xaxes(title={"text": x_title}, range=[-0.02, 1.02], col=column)
        figure.update_yaxes(title={"text": y_title}, range=[-0.02, 1.04], col=column)
        figure.add_title(title, 1, column)
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.2, "yanchor": "top"}  # long names need a line each
    return apply_layout(figure, 320, legend, top=30)


def history_figure(sides: Mapping[str, History], seed: int, single_loss: Collection[str] = ()) -> go.Figure:
    """Draw the training losses (log scale) and the test metrics over the epochs, A dashed and B solid.

    Parameters
    ----------
    sides : mapping of str to History
        History of each run by its letter, "A" or "B"; one without epochs is left out.
    seed : int
        Seed of the runs, for the title.
    single_loss : collection of str
        Letters of the runs whose system has one loss instead of L_N and L_A.
    """
    figure = Panels(1, 2, spacing=(0.09, 0))
    for letter, history in sides.items():
        dash = "dash" if letter == "A" else "solid"
        epochs = np.arange(1, len(history.loss_normal) + 1)
        losses = [
            (1, epochs, history.loss_normal, "L_N, pool (before λₙ)", NORMAL, "circle"),
            (1, epochs, history.loss_anomaly, "L_A, labeled anomalies", ANOMALY, "star"),
        ]
        if letter in single_loss:
            losses = [(1, epochs, history.loss_normal, "single loss", NEUTRAL, "square")]
        lines = (
            *losses,
            (2, history.measured, history.aucroc, "AUCROC", NEUTRAL, "square"),
            (2, history.measured, history.aucpr_anomaly, "AUCPR anomaly", ANOMALY, "diamond"),
            (2, history.measured, history.aucpr_normal, "AUCPR normal", NORMAL, "circle"),
        )
        for column, x, y, name, color, symbol in lines if len(epochs) else ():
            positive = np.where(y > 0, y, np.nan) if column == 1 else y
            figure.add_scatter(
                x=x,
                y=positive,
                mode="lines+markers",
                name=f"{letter}  {name}",
                line={"color": color, "dash": dash, "width": 2},
                marker={"symbol": symbol, "size": 8, "maxdisplayed": MAX_LINE_MARKERS},
                hovertemplate=f"epoch %{{x}}: %{{y:.3g}}<extra>{letter}  {name}</extra>",
                row=1,
                col=column,
            )
    figure.update_xaxes(title={"text": "epoch"})
    figure.update_yaxes(title={"text": "mean loss a batch, log scale"}, type="log", exponentformat="power", col=1)
    figure.update_yaxes(title={"text": "test metric"}, range=[0, 1.03], col=2)
    figure.add_title(f"Losses, seed {seed}", 1, 1)
    figure.add_title("Metrics on the test rows", 1, 2)
    legend = {"orientation": "v", "x": 1.02, "y": 1, "xanchor": "left", "yanchor": "top"}
    return apply_layout(figure, 330, legend, top=30)


def split_figure(counts: Mapping[str, int], seed: int) -> go.Figure:
    """Draw the numbers of training and test rows of one split as two stacked bars, split by kind.

    Parameters
    ----------
    counts : mapping of str to int
        Row counts by kind, as in `RunResult.counts`.
    seed : int
        Seed of the split, for the title.
    """
    rows = counts["labelled_anomalies"]
    distinct = counts.get("labelled_anomalies_distinct", rows)
    labeled = "labeled anomalies" if distinct == rows else f"labeled anomalies (distinct: {distinct})"
    parts = [
        ("training", "pool, normal", counts["pool_normal"], NORMAL, ""),
        ("training", "pool, anomalous (unknown to training)", counts["pool_anomalies"], ANOMALY, "/"),
        ("training", labeled, rows, ANOMALY, ""),
        ("test", "normal", counts["test_normal"], NORMAL, ""),
        ("test", "anomalous", counts["test_anomalies"], ANOMALY, "/"),
    ]
    if dropped := counts["dropped"]:
        parts.insert(3, ("training", "dropped", dropped, NEUTRAL, "."))
    if unlabeled := counts.get("pool_unlabelled", 0):
        parts.insert(2, ("training", "pool, without a label", unlabeled, NEUTRAL, ""))
    figure = Panels()
    for bar, name, count, color, pattern in parts:
        hatch = {"shape": pattern, "fillmode": "overlay", "fgcolor": "white", "solidity": 0.3}
        figure.add_bar(
            y=[bar],
            x=[count],
            orientation="h",
            name=f"{bar}: {name}, {count}",
            marker={"color": color, "opacity": 0.8, "pattern": hatch},
            hovertemplate=f"{count} rows: {bar}, {name}<extra></extra>",
        )
    figure.add_title(f"The split of seed {seed}")
    figure.update_layout(barmode="stack", bargap=0.35)
    figure.update_xaxes(title={"text": "rows"})
    figure.update_yaxes(autorange="reversed")
    # Below the bars: next to them it would cover them on a phone.
    legend = {"orientation": "h", "x": 0, "y": -0.45, "xanchor": "left", "yanchor": "top", "traceorder": "normal"}
    return apply_layout(figure, 330, legend, top=28)


def confusion_figure(sides: Sequence[Side], confusions: Sequence[Confusion]) -> go.Figure:
    """Draw the confusion matrices of A and B side by side as gray heatmaps.

    Parameters
    ----------
    sides : sequence of Side
        A and B, for the titles.
    confusions : sequence of Confusion
        Their counts. A cell shows the count and its share of the class, which sets the gray.
    """
    figure = Panels(1, 2, spacing=(0.12, 0))
    for column, (side, matrix) in enumerate(zip(sides, confusions, strict=True), start=1):
        counts = np.array(
            [[matrix.normals_passed, matrix.normals_flagged], [matrix.anomalies_missed, matrix.anomalies_flagged]]
        )
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        cells = [f"<b>{n}</b><br>{share:.0%}" for n, share in zip(counts.ravel(), shares.ravel(), strict=True)]
        figure.add_heatmap(
            z=shares,
            x=["passed", "flagged"],
            y=["normal", "anomaly"],
            zmin=0,
            zmax=1,
            showscale=False,
            colorscale=[[0, "#F2F2F2"], [1, "#A6A6A6"]],
            text=np.array(cells).reshape(2, 2),
            texttemplate="%{text}",
            textfont={"size": 16, "color": "black"},
            hoverinfo="skip",
            row=1,
            col=column,
        )
        figure.add_title(side.title, 1, column)
    figure.update_yaxes(autorange="reversed")
    return apply_layout(figure, 230, horizontal_legend(1.0), top=30)

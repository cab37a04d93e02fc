"""Charts of Zero-shot: AUCROC over the make-up of a test batch, and one batch to which anomalies are added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from anoonly_core.metrics.confidence import clear_together
from anoonly_core.zero_shot.class_table import ClassTable
from anoonly_core.zero_shot.result import RATIOS, SCORER_LABELS, SIZE_SHARE, SIZES, ZeroShotResult
from anoonly_core.zero_shot.summary import independent_values

from ...charts.panels import Panels
from ...charts.style import ANOMALY, NEUTRAL, NORMAL, ScoreScale
from ...text.verdict import PairedDifference, correction_note, format_difference, paired_difference

__all__ = [
    "aucroc_at_step",
    "batch_figure",
    "class_counts_figure",
    "image_mosaic",
    "scorers_figure",
    "scorers_table",
    "zero_shot_sentence",
]

# Color, dash, symbol and line width of each scorer, the same in all charts.
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
ZOOM = 3  # screen pixels per pixel of an image
FRAME = 2  # width of an image's frame in screen pixels


def _stacked(results: Sequence[ZeroShotResult], name: str) -> np.ndarray:
    """Stack the AUCROC of all results into one array, float64 [seeds, scorers, points, classes, draws], 0 to 1.

    `results` has one result per seed. `name` is "by_ratio" or "by_size": points are then shares of anomalies or sizes
    of a test batch. Scorers are those of SCORER_LABELS, classes the held-out ones, draws random test batches.
    """
    return np.stack([getattr(result, name) for result in results]).astype(np.float64)


def zero_shot_sentence(results: Sequence[ZeroShotResult], batches: str = "among classes never seen") -> str:
    """Return the headline: how the scorer by batch statistics compares with others at 5 % anomalies.

    Intervals are over the held-out classes, or over seeds if one class is held out; see `independent_values`. Verdicts
    are corrected for the four comparisons (Holm), since the better of two references is chosen.

    Parameters
    ----------
    results : sequence of ZeroShotResult
        One result a seed.
    batches : str
        Phrase on the anomalies of a test batch, from `describe_test_batches`.
    """
    values, unit = independent_values(results, "by_ratio", RATIOS.index(QUOTED_RATIO))
    names = ("running", "untrained", "neighbors", "mean")
    differences = {name: paired_difference(values[name], values["batch"]) for name in names}
    p_values = [difference.p for difference in differences.values()]
    clear = dict(zip(names, clear_together(p_values), strict=True))
    best = max(("neighbors", "mean"), key=lambda name: float(np.mean(values[name])))
    batch_against_running = _compared(differences["running"], clear["running"], "batch statistics", "running ones")
    count = len(values["batch"])
    if count == 1:
        interval = "One seed of one class shows no spread"
    elif unit == "classes":
        interval = f"± is over the {count} classes held out"
    else:
        interval = f"± is over {count} seeds of one class and says nothing of other classes"
    return (
        f"At {QUOTED_RATIO:.0%} anomalies {batches}, {batch_against_running}. Meta-training "
        f"{_adds(differences['untrained'], clear['untrained'])}; {SCORER_LABELS[best]} "
        f"{_rival(differences[best], clear[best], many=best == 'neighbors')}. {interval}.{correction_note(p_values)}"
    )


def _compared(difference: PairedDifference, is_clear: bool, subject: str, reference: str) -> str:
    """Return a clause that compares the AUCROC of two scorers.

    Parameters
    ----------
    difference : PairedDifference
        AUCROC of `reference` (a) and of `subject` (b).
    is_clear : bool
        The verdict after the correction for several comparisons.
    subject, reference : str
        Names of the scorers, plural.
    """
    values = f"AUCROC {difference.b:.2f} against {difference.a:.2f} ({_figures(difference, is_clear)})"
    if difference.margin is None:
        return f"{subject} stand beside {reference}: {values}"
    if not is_clear:
        return f"there is no clear difference between {subject} and {reference}: {values}"
    return f"{subject} {'beat' if difference.delta > 0 else 'lose to'} {reference}: {values}"


def _adds(difference: PairedDifference, is_clear: bool) -> str:
    """Return a verb phrase on how meta-training changes the AUCROC of an untrained network.

    For example "adds to an untrained network (+0.10 ± 0.02)". `difference` is trained (b) minus untrained (a);
    `is_clear` is the verdict after the correction for several comparisons.
    """
    figures = _figures(difference, is_clear)
    if difference.margin is None:
        return f"changes an untrained network by {figures}"
    if not is_clear:
        return f"adds nothing clear to an untrained network ({figures})"
    return f"{'adds to' if difference.delta > 0 else 'takes from'} an untrained network ({figures})"


def _rival(difference: PairedDifference, is_clear: bool, many: bool) -> str:
    """Return a verb phrase on how a reference method does beside the scorer by batch statistics.

    For example "does worse (0.80, +0.10 ± 0.02)".

    Parameters
    ----------
    difference : PairedDifference
        AUCROC of the reference method (a) and of the scorer by batch statistics (b).
    is_clear : bool
        The verdict after the correction for several comparisons.
    many : bool
        True for a verb in the plural.
    """
    do = "do" if many else "does"
    figures = f"({difference.a:.2f}, {_figures(difference, is_clear)})"
    if difference.margin is None:
        return f"{'reach' if many else 'reaches'} {figures}"
    if not is_clear:
        return f"{do} not clearly better or worse {figures}"
    return f"{do} {'better' if difference.delta < 0 else 'worse'} {figures}"


def _figures(difference: PairedDifference, is_clear: bool) -> str:
    """Format a paired difference, such as "+0.02 ± 0.01", with a note if it is clear only without the correction.

    `is_clear` is the verdict after the correction for several comparisons.
    """
    only_alone = ", clear only uncorrected" if difference.is_clear and not is_clear else ""
    return f"{format_difference(difference)}{only_alone}"


def scorers_figure(results: Sequence[ZeroShotResult]) -> go.Figure:
    """Draw AUCROC of each scorer in two panels: over the share of anomalies, and over the rows of a test batch.

    Lines are means over seeds, classes and draws. The band is the standard deviation of the scorer by batch statistics
    over seeds and classes. `results` has one result per seed.
    """
    figure = Panels(1, 2, spacing=(0.07, 0))
    rows = results[0].ratio_rows
    row_range = f"{rows.max()}" if rows.min() == rows.max() else f"{rows.min()} to {rows.max()}"
    panels = (
        ("by_ratio", 100 * np.array(RATIOS), f"anomalies in a batch of {row_range} rows, %"),
        ("by_size", results[0].size_rows, f"rows in a batch ({SIZE_SHARE:.0%} anomalies), log scale"),
    )
    for column, (name, x, title) in enumerate(panels, start=1):
        means = _stacked(results, name).mean(axis=4)  # over the draws
        for index, (scorer, (color, dash, symbol, width)) in enumerate(SCORER_STYLES.items()):
            mean, spread = means[:, index].mean(axis=(0, 2)), means[:, index].std(axis=(0, 2))
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
    return _apply_layout(figure, 262)


def _apply_layout(figure: Panels, height: int) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 30, "b": 4},
        # At the upper edge, where it takes the room of as many rows as it needs.
        legend={"orientation": "h", "x": 0, "y": 1, "yref": "container", "yanchor": "top"},
        uirevision="keep",
    )
    figure.update_xaxes(automargin=True, zeroline=False)
    figure.update_yaxes(automargin=True, zeroline=False)
    return figure.figure()


def scorers_table(results: Sequence[ZeroShotResult]) -> pd.DataFrame:
    """Return the mean AUCROC of each scorer at each share of anomalies and each size of a test batch, a row each.

    Columns: scorer, anomalies (share), rows, AUCROC, "± seeds and classes" and "± draws" (standard deviations).
    `results` has one result per seed.
    """
    rows = []
    for name, points, sizes in (("by_ratio", RATIOS, "ratio_rows"), ("by_size", SIZES, "size_rows")):
        values = _stacked(results, name)
        class_means = values.mean(axis=4)
        for index, scorer in enumerate(SCORER_LABELS.values()):
            for number, point in enumerate(points):
                rows.append(
                    {
                        "scorer": scorer,
                        "anomalies": point if name == "by_ratio" else SIZE_SHARE,
                        "rows": int(getattr(results[0], sizes)[number]),
                        "AUCROC": values[:, index, number].mean(),
                        "± seeds and classes": class_means[:, index, number].std(),
                        "± draws": values[:, index, number].std(axis=2).mean(),
                    }
                )
    return pd.DataFrame(rows)


def aucroc_at_step(result: ZeroShotResult, step: int, class_index: int) -> float:
    """Return the AUCROC within one batch to which anomalies have been added; NaN while it has none.

    Parameters
    ----------
    result : ZeroShotResult
        The result of one seed.
    step : int
        Index into `result.shift_counts`, the numbers of added anomalies.
    class_index : int
        Index of the held-out class that is normal in the batch.
    """
    scores, normals = result.shift_scores[step, class_index], int(result.shift_normals[0])
    anomalies = scores[normals:][np.isfinite(scores[normals:])]
    if not len(anomalies):
        return float("nan")
    beats = (anomalies[:, None] > scores[:normals]) + 0.5 * (anomalies[:, None] == scores[:normals])
    return float(beats.mean())


def batch_figure(result: ZeroShotResult, step: int, class_index: int) -> go.Figure:
    """Draw one batch to which anomalies have been added, in three panels.

    The first shows the scores of its rows. The others show the shift of the batch mean and the AUCROC at all steps,
    with a marker at `step`.

    Parameters
    ----------
    result : ZeroShotResult
        The result of one seed.
    step : int
        Index into `result.shift_counts`, the numbers of added anomalies.
    class_index : int
        Index of the held-out class that is normal in the batch.
    """
    scores, normals = result.shift_scores[:, class_index], int(result.shift_normals[0])
    figure = Panels(1, 3, spacing=(0.07, 0), widths=[0.5, 0.25, 0.25])
    units = np.arcsinh(ScoreScale.of(scores[0, :normals]).units(scores))  # one axis for all steps
    edges = np.linspace(np.nanmin(units), np.nanmax(units) + 1e-6, BINS + 1)
    current = units[step]
    kinds = ((current[:normals], "normal", NORMAL, ""), (current[normals:], "anomaly", ANOMALY, "/"))
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
    areas = [aucroc_at_step(result, number, class_index) for number in range(len(share))]
    lines = ((2, result.shift_away[:, class_index], "#CC79A7", "moved by"), (3, areas, "#009E73", "AUCROC"))
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
    title = "interquartile ranges above the first normal median"
    figure.update_xaxes(title={"text": title, "standoff": 4}, row=1, col=1)
    figure.update_xaxes(tickvals=np.arcsinh(ticks), ticktext=[f"{t:g}" for t in ticks], row=1, col=1)
    figure.update_yaxes(title={"text": "% of its kind", "standoff": 10}, row=1, col=1)
    figure.update_yaxes(range=[0.3, 1.03], row=1, col=3)
    figure.add_hline(y=0.5, line={"color": NEUTRAL, "width": 1, "dash": "dot"}, row=1, col=3)
    figure.add_title("batch mean has moved, σ", 1, 2)
    figure.add_title("AUCROC of this batch", 1, 3)
    figure.update_layout(barmode="overlay", bargap=0)
    return _apply_layout(figure, 200)


def class_counts_figure(by_count: Mapping[int, Sequence[ZeroShotResult]]) -> go.Figure:
    """Draw AUCROC at 5 % anomalies over the number of classes trained on: a dot a seed and class, and the means.

    Parameters
    ----------
    by_count : mapping of int to sequence of ZeroShotResult
        The result of each seed, by the number of classes trained on.
    """
    figure = Panels()
    point = RATIOS.index(QUOTED_RATIO)
    for scorer in ("batch", "running"):
        color, dash, symbol, width = SCORER_STYLES[scorer]
        index = list(SCORER_LABELS).index(scorer)
        values = {n: _stacked(results, "by_ratio")[:, index, point].mean(axis=2) for n, results in by_count.items()}
        xs = np.concatenate([np.full(areas.size, n) for n, areas in values.items()])
        figure.add_scatter(
            x=xs,
            y=np.concatenate([areas.ravel() for areas in values.values()]),
            mode="markers",
            marker={"color": color, "symbol": symbol, "size": 5, "opacity": 0.35},
            showlegend=False,
            hovertemplate="%{y:.3f}<extra></extra>",
        )
        figure.add_scatter(
            x=list(values),
            y=[areas.mean() for areas in values.values()],
            mode="lines+markers",
            name=SCORER_LABELS[scorer],
            line={"color": color, "dash": dash, "width": width},
            marker={"symbol": symbol, "size": 9, "color": color},
        )
    figure.update_xaxes(title={"text": "classes meta-trained on"}, dtick=1)
    figure.update_yaxes(title={"text": f"AUCROC at {QUOTED_RATIO:.0%} anomalies"})
    return _apply_layout(figure, 280)


def image_mosaic(table: ClassTable, rows: np.ndarray, anomalous: np.ndarray, across: int) -> np.ndarray:
    """Arrange the images of some rows in a grid; anomalies get an orange frame, normal rows a gray one.

    Parameters
    ----------
    table : ClassTable
        A table with images as rows.
    rows : int [n]
        Indices of the rows in the table, in the order in which they are drawn.
    anomalous : bool [n]
        True for an anomaly.
    across : int
        Number of images in a line.

    Returns
    -------
    uint8 [height, width, 3]
        The picture in RGB.
    """
    assert table.image_shape is not None
    height, width = (ZOOM * side + 2 * FRAME for side in table.image_shape)
    down = -(-len(rows) // across)
    canvas = np.full((down * height, across * width, 3), 255, dtype=np.uint8)
    frame = np.array([int(ANOMALY[at : at + 2], 16) for at in (1, 3, 5)], dtype=np.uint8)
    brightest = max(float(table.X.max()), 1e-9)
    for number, (row, is_anomaly) in enumerate(zip(rows, anomalous, strict=True)):
        top, left = (number // across) * height, (number % across) * width
        pixels = (255 * table.X[row].reshape(table.image_shape) / brightest).clip(0, 255).astype(np.uint8)
        tile = np.kron(pixels, np.ones((ZOOM, ZOOM), dtype=np.uint8))
        canvas[top : top + height, left : left + width] = frame if is_anomaly else 200
        canvas[top + FRAME : top + height - FRAME, left + FRAME : left + width - FRAME] = tile[:, :, None]
    return canvas

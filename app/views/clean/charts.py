"""Figures of the Clean page: the suspicion of the rows of a pool, and AUCROC after their removal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from anoonly_core.purify.result import PoolScores, PurifyResult, removal_curve

from ...charts.panels import Panels
from ...charts.style import ANOMALY, HISTOGRAM_BINS, NEUTRAL, NORMAL, ScoreScale, apply_layout
from ...text.verdict import paired_difference

__all__ = ["VARIANT_MARKS", "outcome_figure", "suspicion_figure"]

HEIGHT, TOP = 330, 28
# Color, dash, symbol, symbol size and text position; the two symbols may overlap.
RECALL = ("#009E73", "solid", "circle", 15, "bottom right")
PRECISION = ("#CC79A7", "dash", "square", 9, "top right")
# Axis label, color and symbol of each variant of the pool.
VARIANT_MARKS = {
    "before": ("before", NEUTRAL, "square"),
    "after": ("after", "#009E73", "circle"),
    "random": ("random", "#E69F00", "triangle-up"),
    "oracle": ("oracle", "#56B4E9", "star"),
}
GRID = np.linspace(0, 1, 201)
TICKS = (-30, -10, -3, -1, 0, 1, 3, 10, 30, 100, 300, 1000)


def suspicion_figure(suspicions: Sequence[PoolScores], remove: float | None) -> go.Figure:
    """Draw the suspicion S of the pool rows as a histogram, and how well removing the most suspicious works.

    Parameters
    ----------
    suspicions : sequence of PoolScores
        The scored pool of each seed; the histogram shows the first.
    remove : float or None
        q, the share of the pool to remove; None for the known share of contaminants.

    Returns
    -------
    go.Figure
        A histogram with a line at the cut. If contaminants are known, a second panel shows recall and precision of the
        removal over q, means over the seeds.
    """
    known = all(scores.aucroc is not None for scores in suspicions)
    figure = Panels(1, 2 if known else 1, spacing=(0.1, 0))
    _draw_histogram(figure, suspicions[0], remove, known)
    if known:
        _draw_removal(figure, suspicions, remove)
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": 0, "yref": "container", "yanchor": "bottom"}
    return apply_layout(figure, HEIGHT, legend, top=TOP)


def _draw_histogram(figure: Panels, first: PoolScores, remove: float | None, known: bool) -> None:
    """Add the histogram of the suspicion of the pool rows, for the first seed, with a dashed line at the cut.

    Parameters
    ----------
    figure : Panels
        The figure; changed in its first panel.
    first : PoolScores
        The scored pool of the first seed.
    remove : float or None
        Share of the pool to remove; None for the known share of contaminants.
    known : bool
        True if contaminants are known; normal rows and contaminants then get a histogram each.
    """
    axis = np.arcsinh(ScoreScale.of(first.score).units(first.score))
    low, high = float(axis.min()) - 0.1, float(axis.max()) + 0.1
    edges = np.linspace(low, high, HISTOGRAM_BINS + 1)
    groups = (
        (~first.is_contaminant, "normal" if known else "all rows of the pool", NORMAL, ""),
        (first.is_contaminant, "contaminant", ANOMALY, "/"),
    )
    for rows, name, color, pattern in groups[: 2 if known else 1]:
        counts, _ = np.histogram(axis[rows] if known else axis, edges)
        hatch = {"shape": pattern, "fillmode": "overlay", "fgcolor": "white", "size": 5, "solidity": 0.25}
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            name=name,
            width=edges[1] - edges[0],
            marker={"color": color, "opacity": 0.65, "line": {"width": 0}, "pattern": hatch},
            hovertemplate=f"%{{y}} rows: {name}<extra></extra>",
            row=1,
            col=1,
        )
    removed = first.rows_to_remove(remove)
    if len(removed):
        kept = np.delete(axis, removed)
        cut = (axis[removed].min() + kept.max()) / 2
        figure.add_vline(x=float(cut), line={"color": NEUTRAL, "width": 2, "dash": "dash"}, row=1, col=1)
    ticks = [tick for tick in TICKS if low <= np.arcsinh(tick) <= high]
    figure.update_xaxes(tickvals=np.arcsinh(ticks), ticktext=[f"{tick:g}" for tick in ticks], col=1)
    figure.update_xaxes(title={"text": "suspicion S, interquartile ranges above the median"}, range=[low, high], col=1)
    figure.update_yaxes(title={"text": "rows of the pool"}, col=1)
    figure.update_layout(barmode="overlay", bargap=0)
    count_text = f"{len(removed)} of {len(first.rows)} removed" if len(removed) else "no row removed"
    figure.add_title(f"<b>Suspicion</b>, seed {first.config.run.seed}: {count_text}", 1, 1)


def _draw_removal(figure: Panels, suspicions: Sequence[PoolScores], remove: float | None) -> None:
    """Add the curves of recall and precision over q, the share of the pool that is removed, means over the seeds.

    Parameters
    ----------
    figure : Panels
        The figure; changed in its second panel.
    suspicions : sequence of PoolScores
        The scored pool of each seed, with known contaminants.
    remove : float or None
        Share of the pool to remove, shown by markers and a line; None for the known share of contaminants.
    """
    cell = {"row": 1, "col": 2}
    curves_of_seeds = [removal_curve(scores.is_contaminant, scores.score) for scores in suspicions]
    removed_share = float(np.mean([scores.share(remove) for scores in suspicions]))
    dots = {"color": NEUTRAL, "width": 1, "dash": "dot"}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=dots, name="recall at random", hoverinfo="skip", **cell)
    for name, (color, dash, symbol, size, text_position) in (("recall", RECALL), ("precision", PRECISION)):
        # Precision is undefined at index 0, where no row is removed.
        curves = [(scores.share[1:], getattr(scores, name)[1:]) for scores in curves_of_seeds]
        grid = GRID[max(float(share[0]) for share, _ in curves) <= GRID]
        mean = np.mean([np.interp(grid, share, values) for share, values in curves], axis=0)
        figure.add_scatter(
            x=grid,
            y=mean,
            mode="lines",
            name=name,
            line={"color": color, "width": 2.5, "dash": dash},
            hovertemplate=f"q = %{{x:.0%}}: {name} %{{y:.2f}}<extra></extra>",
            **cell,
        )
        if removed_share > 0:
            mean_at_q = float(np.mean([np.interp(removed_share, share, values) for share, values in curves]))
            figure.add_scatter(
                x=[removed_share],
                y=[mean_at_q],
                mode="markers+text",
                text=[f"{mean_at_q:.2f}"],
                textposition=text_position,
                textfont={"color": color},
                marker={"color": color, "symbol": symbol, "size": size, "line": {"color": "white", "width": 1}},
                showlegend=False,
                hovertemplate=f"at q = %{{x:.0%}}: {name} %{{y:.2f}}<extra></extra>",
                **cell,
            )
    figure.add_vline(x=removed_share, line={"color": NEUTRAL, "width": 2, "dash": "dash"}, **cell)
    figure.update_xaxes(title={"text": "q, share of the pool removed"}, tickformat=".0%", range=[-0.02, 1.02], col=2)
    figure.update_yaxes(range=[-0.02, 1.04], col=2)
    figure.add_title(f"<b>Removal</b>, mean of {len(suspicions)} seeds", 1, 2)


def outcome_figure(results: Sequence[PurifyResult]) -> go.Figure:
    """Draw AUCROC on the test rows for the whole pool, the cleaned pool, random removal, and an oracle's removal.

    Parameters
    ----------
    results : sequence of PurifyResult
        The result of each seed. A seed is a dot for each pool, joined by a line; means have 95 % intervals.
    """
    figure = Panels()
    names = [name for name in VARIANT_MARKS if all(name in result.variants for result in results)]
    values = {name: [result.variants[name].aucroc for result in results] for name in names}
    for index, result in enumerate(results):
        figure.add_scatter(
            x=list(range(len(names))),
            y=[values[name][index] for name in names],
            mode="lines",
            line={"color": NEUTRAL, "width": 1},
            opacity=0.3,
            showlegend=False,
            hoverinfo="skip",
            name=f"seed {result.config.run.seed}",
        )
    for x, name in enumerate(names):
        label, color, symbol = VARIANT_MARKS[name]
        mean = paired_difference([0.0] * len(results), values[name])
        figure.add_scatter(
            x=[x] * len(results),
            y=values[name],
            customdata=[result.config.run.seed for result in results],
            mode="markers",
            name=label,
            marker={"color": color, "symbol": symbol, "size": 7, "opacity": 0.45},
            hovertemplate=f"{label}, seed %{{customdata}}: %{{y:.3f}}<extra></extra>",
        )
        figure.add_scatter(
            x=[x + 0.16],
            y=[mean.b],
            error_y={"array": [mean.margin or 0.0], "thickness": 1.5, "width": 4},
            mode="markers+text",
            text=[f"{mean.b:.3f}"],
            textposition="middle right",
            cliponaxis=False,
            name=f"{label}, mean",
            marker={"color": color, "symbol": symbol, "size": 12, "line": {"color": "white", "width": 1}},
            hovertemplate=f"{label}, mean of {len(results)}: %{{y:.3f}} ± {mean.margin or 0:.3f}<extra></extra>",
        )
    figure.update_xaxes(
        tickvals=list(range(len(names))),
        ticktext=[VARIANT_MARKS[name][0] for name in names],
        range=[-0.3, len(names) - 0.1],
        zeroline=False,
    )
    figure.update_yaxes(title={"text": "AUCROC on the test rows"}, tickformat=".2f")
    figure.add_title("<b>The final head</b>: seeds, mean ± 95 %", 1, 1)
    figure.update_layout(showlegend=False)
    return apply_layout(figure, HEIGHT, {}, top=TOP)

"""The Clean page's figures: what the suspicion says of a pool's rows, and what comes of acting upon it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from anoonly_core.purify.result import PoolScores, PurifyResult, removal_curve
from app.charts.panels import Panels
from app.charts.style import ANOMALY, HISTOGRAM_BINS, NEUTRAL, NORMAL, ScoreScale, apply_layout
from app.text.verdict import paired_difference

__all__ = ["VARIANT_MARKS", "outcome_figure", "suspicion_figure"]

HEIGHT, TOP = 330, 28
# Color, dash, mark, its size and where its number stands: the two marks may lie upon each other.
RECALL = ("#009E73", "solid", "circle", 15, "bottom right")
PRECISION = ("#CC79A7", "dash", "square", 9, "top right")
# By what was taken from the pool: its name under the chart, color and mark.
VARIANT_MARKS = {
    "before": ("before", NEUTRAL, "square"),
    "after": ("after", "#009E73", "circle"),
    "random": ("random", "#E69F00", "triangle-up"),
    "oracle": ("oracle", "#56B4E9", "star"),
}
GRID = np.linspace(0, 1, 201)
TICKS = (-30, -10, -3, -1, 0, 1, 3, 10, 30, 100, 300, 1000)


def suspicion_figure(suspicions: Sequence[PoolScores], remove: float | None) -> go.Figure:
    """The first seed's S as a histogram with the cut; and recall and precision over q, means over the seeds.

    Where a pool has no known contaminant, the histogram stands alone.
    """
    known = all(own.aucroc is not None for own in suspicions)
    figure = Panels(1, 2 if known else 1, spacing=(0.1, 0))
    _draw_histogram(figure, suspicions[0], remove, known)
    if known:
        _draw_removal(figure, suspicions, remove)
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.2, "yanchor": "top"}
    return apply_layout(figure, HEIGHT, legend, top=TOP)


def _draw_histogram(figure: Panels, first: PoolScores, remove: float | None, known: bool) -> None:
    axis = np.arcsinh(ScoreScale.of(first.score).units(first.score))
    low, high = float(axis.min()) - 0.1, float(axis.max()) + 0.1
    edges = np.linspace(low, high, HISTOGRAM_BINS + 1)
    kinds = (
        (~first.is_contaminant, "normal" if known else "all rows of the pool", NORMAL, ""),
        (first.is_contaminant, "contaminant", ANOMALY, "/"),
    )
    for mine, name, color, pattern in kinds[: 2 if known else 1]:
        counts, _ = np.histogram(axis[mine] if known else axis, edges)
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
    taken = first.rows_to_remove(remove)
    if len(taken):
        left = np.delete(axis, taken)
        cut = (axis[taken].min() + left.max()) / 2
        figure.add_vline(x=float(cut), line={"color": NEUTRAL, "width": 2, "dash": "dash"}, row=1, col=1)
    ticks = [tick for tick in TICKS if low <= np.arcsinh(tick) <= high]
    figure.update_xaxes(tickvals=np.arcsinh(ticks), ticktext=[f"{tick:g}" for tick in ticks], col=1)
    figure.update_xaxes(title={"text": "suspicion S, interquartile ranges above the median"}, range=[low, high], col=1)
    figure.update_yaxes(title={"text": "rows of the pool"}, col=1)
    figure.update_layout(barmode="overlay", bargap=0)
    gone = f"{len(taken)} of {len(first.rows)} rows go" if len(taken) else "no row goes"
    figure.add_title(f"<b>Suspicion</b>, seed {first.config.run.seed}: {gone}", 1, 1)


def _draw_removal(figure: Panels, suspicions: Sequence[PoolScores], remove: float | None) -> None:
    """Means over the seeds of what a share of the pool holds, and the chosen share."""
    here = {"row": 1, "col": 2}
    found = [removal_curve(own.is_contaminant, own.score) for own in suspicions]
    chosen = float(np.mean([own.share(remove) for own in suspicions]))
    dots = {"color": NEUTRAL, "width": 1, "dash": "dot"}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=dots, name="recall at random", hoverinfo="skip", **here)
    for name, (color, dash, symbol, size, beside) in (("recall", RECALL), ("precision", PRECISION)):
        # Of precision the first place, where nothing goes, is no number.
        curves = [(own.share[1:], getattr(own, name)[1:]) for own in found]
        grid = GRID[max(float(share[0]) for share, _ in curves) <= GRID]
        mean = np.mean([np.interp(grid, share, values) for share, values in curves], axis=0)
        figure.add_scatter(
            x=grid,
            y=mean,
            mode="lines",
            name=name,
            line={"color": color, "width": 2.5, "dash": dash},
            hovertemplate=f"q = %{{x:.0%}}: {name} %{{y:.2f}}<extra></extra>",
            **here,
        )
        if chosen > 0:
            at = float(np.mean([np.interp(chosen, share, values) for share, values in curves]))
            figure.add_scatter(
                x=[chosen],
                y=[at],
                mode="markers+text",
                text=[f"{at:.2f}"],
                textposition=beside,
                textfont={"color": color},
                marker={"color": color, "symbol": symbol, "size": size, "line": {"color": "white", "width": 1}},
                showlegend=False,
                hovertemplate=f"at q = %{{x:.0%}}: {name} %{{y:.2f}}<extra></extra>",
                **here,
            )
    figure.add_vline(x=chosen, line={"color": NEUTRAL, "width": 2, "dash": "dash"}, **here)
    figure.update_xaxes(title={"text": "q, share of the pool that goes"}, tickformat=".0%", range=[-0.02, 1.02], col=2)
    figure.update_yaxes(range=[-0.02, 1.04], col=2)
    figure.add_title(f"<b>What goes</b>, mean of {len(suspicions)} seeds", 1, 2)


def outcome_figure(found: Sequence[PurifyResult]) -> go.Figure:
    """AUCROC on the test rows by what was taken from the pool: a dot a seed, joined, and means with intervals."""
    figure = Panels()
    names = [name for name in VARIANT_MARKS if all(name in own.variants for own in found)]
    values = {name: [own.variants[name].aucroc for own in found] for name in names}
    for place, own in enumerate(found):
        figure.add_scatter(
            x=list(range(len(names))),
            y=[values[name][place] for name in names],
            mode="lines",
            line={"color": NEUTRAL, "width": 1},
            opacity=0.3,
            showlegend=False,
            hoverinfo="skip",
            name=f"seed {own.config.run.seed}",
        )
    for x, name in enumerate(names):
        label, color, symbol = VARIANT_MARKS[name]
        mean = paired_difference([0.0] * len(found), values[name])
        figure.add_scatter(
            x=[x] * len(found),
            y=values[name],
            customdata=[own.config.run.seed for own in found],
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
            name=f"{label}, mean",
            marker={"color": color, "symbol": symbol, "size": 12, "line": {"color": "white", "width": 1}},
            hovertemplate=f"{label}, mean of {len(found)}: %{{y:.3f}} ± {mean.margin or 0:.3f}<extra></extra>",
        )
    figure.update_xaxes(
        tickvals=list(range(len(names))),
        ticktext=[VARIANT_MARKS[name][0] for name in names],
        range=[-0.3, len(names) - 0.25],
        zeroline=False,
    )
    figure.update_yaxes(title={"text": "AUCROC on the test rows"}, tickformat=".2f")
    figure.add_title("<b>The final head</b>: seeds, mean ± 95 %", 1, 1)
    figure.update_layout(showlegend=False)
    return apply_layout(figure, HEIGHT, {}, top=TOP)

"""The chart of Sweep: mean and interval of each curve, and a dot for each seed."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from ...charts.style import NEUTRAL, PALETTE, SYMBOLS
from .curves import Curve

__all__ = ["MARK_FIELDS", "sweep_figure"]

BASELINE_STYLE, ANOONLY_STYLE = (NEUTRAL, "dash", "square"), ("#009E73", "solid", "circle")
HEIGHT = 430
# Shares of the chart's width by which curves are shifted, so that their intervals do not overlap, and dots beside
# their mark, so that each can be clicked.
SIDE_STEP, DOT_STEP = 0.02, 0.009
MARK_FIELDS = ("seeds", "label", "margin")  # of a mark's customdata after the run key; a dot has fewer


def sweep_figure(
    curves: Sequence[Curve], labels: Sequence[str], x_title: str, y_title: str, chance: float | None
) -> go.Figure:
    """Draw the curves of a sweep: means with 95 % intervals, and a pale dot for each seed.

    Parameters
    ----------
    curves : sequence of Curve
        The curves; each has at least one point.
    labels : sequence of str
        Text of each value on the x axis, evenly spaced; `CurvePoint.x` is an index into them.
    x_title, y_title : str
        The titles of the axes.
    chance : float or None
        The metric of random scores, drawn as a line; None for no line.

    Returns
    -------
    plotly.graph_objects.Figure
        Two traces a curve: the dots, then the means. The first item of a point's customdata is a run key: the run of a
        dot, or the run of the first seed of a mean.
    """
    figure = go.Figure()
    if chance is not None:
        figure.add_hline(y=chance, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
        figure.add_annotation(
            text=f"chance {chance:.2f}", x=0, xref="paper", y=chance, yanchor="bottom", xanchor="left", showarrow=False
        )
    families = list(dict.fromkeys(curve.labels for curve in curves))
    for index, curve in enumerate(curves):
        shift = SIDE_STEP * len(labels) * (index - (len(curves) - 1) / 2)
        _draw_curve(figure, curve, _style(curve, families), shift, labels)
    figure.update_xaxes(
        title_text=x_title,
        tickvals=list(range(len(labels))),
        ticktext=list(labels),
        range=[-0.4, len(labels) - 0.6],
        automargin=True,
        zeroline=False,
    )
    figure.update_yaxes(title_text=y_title, automargin=True, range=None if curves else [0, 1])
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 10, "r": 10, "t": 34, "b": 8},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.01, "yanchor": "bottom", "itemwidth": 56},
        hovermode="closest",
        clickmode="event+select",
        dragmode=False,
        uirevision="keep",
    )
    # A click opens a run: the other traces must not fade.
    figure.update_traces(unselected={"marker": {"opacity": 1}}, selector={"mode": "lines+markers"})
    figure.update_traces(unselected={"marker": {"opacity": 0.35}}, selector={"mode": "markers"})
    return figure


def _draw_curve(
    figure: go.Figure, curve: Curve, style: tuple[str, str, str], shift: float, labels: Sequence[str]
) -> None:
    """Add one curve to the figure: a trace of dots, one a seed, and a trace of means with intervals.

    Parameters
    ----------
    figure : go.Figure
        The figure; changed in place.
    curve : Curve
        The curve.
    style : tuple of str
        Color, dash and symbol.
    shift : float
        Horizontal shift, in steps of the x axis.
    labels : sequence of str
        Texts of the values on the x axis.
    """
    color, dash, symbol = style
    xs = [point.x + shift for point in curve.points]
    figure.add_scatter(
        x=[x + DOT_STEP * len(labels) for x, point in zip(xs, curve.points, strict=True) for _ in point.values],
        y=[value for point in curve.points for value in point.values.values()],
        customdata=[[key, seed, labels[p.x]] for p in curve.points for seed, key in p.keys.items()],
        mode="markers",
        marker={"color": color, "symbol": symbol, "size": 6, "opacity": 0.35},
        name=curve.name,
        legendgroup=curve.name,
        showlegend=False,
        hovertemplate=f"{curve.name}, %{{customdata[2]}}<br>seed %{{customdata[1]}}: %{{y:.3f}}"
        "<br>click to open it in Compare<extra></extra>",
    )
    figure.add_scatter(
        x=xs,
        y=[point.mean for point in curve.points],
        error_y={"array": [point.margin for point in curve.points], "thickness": 1.5, "width": 4},
        customdata=[[next(iter(p.keys.values())), len(p.values), labels[p.x], f"{p.margin:.3f}"] for p in curve.points],
        mode="lines+markers",
        line={"color": color, "dash": dash, "width": 2.5},
        marker={"color": color, "symbol": symbol, "size": 10, "line": {"color": "white", "width": 1}},
        name=curve.name,
        legendgroup=curve.name,
        hovertemplate=f"{curve.name}, %{{customdata[2]}}<br>mean of %{{customdata[1]}} seeds: %{{y:.3f}} "
        "± %{customdata[3]}<br>click to open it in Compare<extra></extra>",
    )


def _style(curve: Curve, families: list[tuple[str, ...]]) -> tuple[str, str, str]:
    """Return the color, dash and symbol of a curve.

    `families` holds the distinct `Curve.labels` of the figure, each of which has a color. With a single family, the
    baseline is gray and dashed, AnoOnly green and solid, as on Compare.
    """
    if len(families) == 1 and curve.lambda_n is not None:
        if curve.lambda_n == 1:
            return BASELINE_STYLE
        return ANOONLY_STYLE if curve.lambda_n == 0 else (PALETTE[0], "dot", "diamond")
    number = families.index(curve.labels)
    dash = "dash" if curve.lambda_n == 1 else "solid"
    return PALETTE[number % len(PALETTE)], dash, SYMBOLS[number % len(SYMBOLS)]

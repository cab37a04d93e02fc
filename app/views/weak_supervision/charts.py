"""The chart of the page Weak supervision: one row a mechanism, in the order of the ranking."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from anoonly_core.baselines import NORM_LABELS
from anoonly_core.weak_supervision.ranking import RankedPoint, best_of_each

from ...charts.panels import Panels
from ...charts.style import NEUTRAL, NORMAL, PART_COLORS, apply_layout
from .text import PART_LABELS, describe_point, point_id

__all__ = ["ranking_figure"]

ROW, EDGES = 21, 96  # pixels of a mechanism, and above and below all of them
MARK = 10  # pixels of every mark: where two overlap, Plotly's click finds the smaller one, else the one on top
REFERENCE = "#D55E00"


def ranking_figure(
    points: Sequence[RankedPoint], reference: str, chosen: str = "", is_stacked: bool = False
) -> go.Figure:
    """Draw a ranking: AUCPR by strength, the gradient that reaches the pool, and the effective rank.

    Parameters
    ----------
    points : sequence of RankedPoint
        All points at one λ_n, the best first.
    reference : str
        The batch norm that they are compared with.
    chosen : str
        The point to mark, by its `point_id`; "" for none.
    is_stacked : bool
        True if the panels will stand one below another, so that each needs the names of the mechanisms.

    Returns
    -------
    plotly.graph_objects.Figure
        The customdata of each mark begins with the `point_id` of its point.
    """
    best = [point for point in best_of_each(list(points)) if point.seeds]
    rows = {point.norm: -number for number, point in enumerate(best)}
    figure = Panels(1, 3, spacing=(0.03, 0.0), widths=(2.4, 1.0, 0.8))
    _draw_aucpr(figure, [point for point in points if point.norm in rows], best, rows, reference)
    for color, (name, label) in zip(PART_COLORS, PART_LABELS.items(), strict=True):
        figure.add_bar(
            1,
            2,
            orientation="h",
            x=[100 * point.means["reach"] * _share(point, name) for point in best],
            y=[rows[point.norm] for point in best],
            customdata=[[point_id(point), describe_point(point)] for point in best],
            marker={"color": color},
            name=label,
            hovertemplate=f"%{{customdata[1]}}<br>%{{x:.1f}} % of the gradient: {label}<extra></extra>",
        )
    figure.add_bar(
        1,
        3,
        orientation="h",
        x=[point.means["effective_rank"] for point in best],
        y=[rows[point.norm] for point in best],
        customdata=[[point_id(point), describe_point(point)] for point in best],
        marker={"color": NEUTRAL},
        showlegend=False,
        hovertemplate="%{customdata[1]}<br>effective rank %{x:.1f}<extra></extra>",
    )
    _mark_chosen(figure, points, rows, chosen)
    return _laid_out(figure, best, is_stacked)


def _draw_aucpr(
    figure: Panels, points: Sequence[RankedPoint], best: Sequence[RankedPoint], rows: dict[str, int], reference: str
) -> None:
    """Draw pale marks of all strengths, then the best of each mechanism with its interval."""
    others = [point for point in points if point not in best and point.seeds]
    hover = "%{customdata[1]}<br>AUCPR %{x:.3f}<br>click to choose it<extra></extra>"
    figure.add_scatter(
        mode="markers",
        x=[point.aucpr for point in others],
        y=[rows[point.norm] for point in others],
        customdata=[[point_id(point), describe_point(point)] for point in others],
        marker={"color": NORMAL, "size": MARK, "opacity": 0.35},
        name="other strengths",
        hovertemplate=hover,
    )
    symbols = ["diamond" if p.norm == reference else "circle" if p.is_clear else "circle-open" for p in best]
    figure.add_scatter(
        mode="markers",
        x=[point.aucpr for point in best],
        y=[rows[point.norm] for point in best],
        error_x={"array": [point.margin or 0.0 for point in best], "thickness": 1.5, "width": 3},
        customdata=[[point_id(point), describe_point(point)] for point in best],
        marker={
            "color": [REFERENCE if point.norm == reference else NORMAL for point in best],
            "symbol": symbols,
            "size": MARK,
            "line": {"width": 2},
        },
        name="best strength",
        hovertemplate=hover,
    )
    base = next((point for point in best if point.norm == reference), None)
    if base is not None:
        figure.add_vline(base.aucpr, {"color": REFERENCE, "width": 1, "dash": "dot"})


def _share(point: RankedPoint, name: str) -> float:
    share = point.means[name]
    return share if share == share else 0.0  # NaN: no gradient reaches the pool


def _mark_chosen(figure: Panels, points: Sequence[RankedPoint], rows: dict[str, int], chosen: str) -> None:
    """Draw a ring around the chosen point."""
    point = next((each for each in points if point_id(each) == chosen), None)
    if point is not None and point.norm in rows and point.seeds:
        figure.add_scatter(
            mode="markers",
            x=[point.aucpr],
            y=[rows[point.norm]],
            marker={"symbol": "circle-open", "size": 18, "color": NEUTRAL, "line": {"width": 2}},
            showlegend=False,
            hoverinfo="skip",
        )


def _laid_out(figure: Panels, best: Sequence[RankedPoint], is_stacked: bool) -> go.Figure:
    labels = [NORM_LABELS[point.norm].removeprefix("no norm, ") for point in best]
    figure.update_yaxes(
        tickvals=[-number for number in range(len(best))],
        ticktext=labels,
        range=[-len(best) + 0.4, 0.6],
        zeroline=False,
        fixedrange=True,
    )
    for column in (2, 3):
        figure.update_yaxes(1, column, showticklabels=is_stacked)
    figure.update_xaxes(fixedrange=True, zeroline=False, rangemode="tozero")
    for column, title in enumerate(("AUCPR of the anomalies", "reach, % of the gradient", "effective rank"), start=1):
        figure.update_xaxes(1, column, title_text=title)
    figure.update_layout(barmode="stack", bargap=0.35, clickmode="event+select", dragmode=False)
    legend = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}
    drawn = apply_layout(figure, ROW * len(best) + EDGES, legend, top=34)
    drawn.update_traces(unselected={"marker": {"opacity": 1}}, selector={"type": "bar"})
    drawn.update_traces(unselected={"marker": {"opacity": 1}}, selector={"name": "best strength"})
    drawn.update_traces(unselected={"marker": {"opacity": 0.35}}, selector={"name": "other strengths"})
    return drawn

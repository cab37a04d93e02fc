"""Figures of the page Label: the map of a table with ranks and labels, and the budget curves."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from anoonly_core.labeling.budget_table import BudgetCurve, budget_points
from anoonly_core.labeling.rules import QUERY_RULES

from ...charts.panels import Panels
from ...charts.style import ANOMALY, NEUTRAL, NORMAL, PALETTE, SYMBOLS, apply_layout

__all__ = ["budget_figure", "label_map_figure"]

# Size and color both show the rank, so the map is readable without color and in both themes.
SCALE = [[0, "#C51B8A"], [0.5, "#C994C7"], [1, "#A8A8A8"]]
SMALLEST, LARGEST = 5.0, 12.0
LOWEST = 0.001
BUDGET_HEIGHT = 330


def label_map_figure(points: np.ndarray, row_ids: np.ndarray, ranks: np.ndarray, labels: dict[int, bool]) -> go.Figure:
    """Draw rows of an uploaded table as a map, in which size and color show the rank and symbols the known labels.

    Parameters
    ----------
    points : np.ndarray
        Positions of the rows in the plane, float [m, 2].
    row_ids : np.ndarray
        Numbers of these rows in the file, int [m].
    ranks : np.ndarray
        Rank of these rows among all rows, from 0 for the most anomalous to 1 for the least, float [m].
    labels : dict of int to bool
        Known labels by row number in the file, True for an anomaly, False for a normal row.
    """
    figure = go.Figure()
    labels_of_rows = np.array([labels.get(int(row)) for row in row_ids], dtype=object)
    groups = (
        ("not labeled", labels_of_rows == None, "circle", 7, None),  # noqa: E711 - elementwise
        ("labeled normal", labels_of_rows == False, "x-thin-open", 8, NORMAL),  # noqa: E712
        ("labeled anomaly", labels_of_rows == True, "star", 14, ANOMALY),  # noqa: E712
    )
    for name, rows, symbol, size, color in groups:
        marker = {"symbol": symbol, "size": size, "line": {"color": color or "white", "width": 0.8}}
        if color is None:
            bar = {
                "tickvals": [-3, -2, -1, 0],
                "ticktext": ["top 0.1 %", "top 1 %", "top 10 %", "last"],
                "thickness": 10,
            }
            values = np.log10(np.maximum(ranks[rows], LOWEST))
            marker |= {"color": values, "cmin": -3, "cmax": 0, "colorscale": SCALE}
            marker["size"] = SMALLEST + (LARGEST - SMALLEST) * values / np.log10(LOWEST)
            marker |= {"colorbar": bar, "showscale": True}
        else:
            marker["color"] = color
        figure.add_scatter(
            x=points[rows, 0],
            y=points[rows, 1],
            mode="markers",
            name=name,
            customdata=np.stack([row_ids[rows], 100 * ranks[rows]], axis=1),
            marker=marker,
            unselected={"marker": {"opacity": 0.25}},
            hovertemplate="row %{customdata[0]}, among the top %{customdata[1]:.2g} %" + f", {name}<extra></extra>",
        )
    figure.update_xaxes(showticklabels=False, zeroline=False, ticks="")
    figure.update_yaxes(showticklabels=False, zeroline=False, ticks="")
    figure.update_layout(
        height=380,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        dragmode="lasso",
        hovermode="closest",
        uirevision="keep",
        legend={"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top"},
    )
    return figure


def budget_figure(curves: list[BudgetCurve], batch: int, user_counts: list[int]) -> go.Figure:
    """Draw anomalies found and AUCPR over labels spent, one line per query rule with intervals.

    Parameters
    ----------
    curves : list of BudgetCurve
        Curves of one data set and system.
    batch : int
        Labels of a round.
    user_counts : list of int
        Anomalies among the user's first 0, 1, 2, … labels; drawn if there is more than one entry.
    """
    figure = Panels(1, 2, spacing=(0.08, 0))
    rules = [rule for rule in QUERY_RULES if any(curve.rule == rule for curve in curves)]
    for number, rule in enumerate(rules):
        points = budget_points([curve for curve in curves if curve.rule == rule], batch)
        shift = (number - (len(rules) - 1) / 2) * 0.6  # intervals side by side
        for column, name in ((1, "found"), (2, "aucpr")):
            values = [getattr(point, name) for point in points]
            figure.add_scatter(
                col=column,
                x=[point.labels + shift for point in points],
                y=values,
                customdata=[point.labels for point in points],
                error_y={
                    "array": [getattr(point, f"{name}_margin") or 0 for point in points],
                    "thickness": 1,
                    "width": 0,
                },
                mode="lines+markers",
                name=QUERY_RULES[rule].label,
                legendgroup=rule,
                showlegend=column == 1,
                line={"color": PALETTE[number % len(PALETTE)], "dash": "dot" if rule == "random" else "solid"},
                marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 7},
                hovertemplate=f"{QUERY_RULES[rule].label}, %{{customdata}} labels: %{{y:.3g}}<extra></extra>",
            )
    if len(user_counts) > 1:
        figure.add_scatter(
            col=1,
            x=list(range(len(user_counts))),
            y=user_counts,
            mode="lines",
            name="you",
            line={"color": NEUTRAL, "width": 3},
            hovertemplate="you, %{x} labels: %{y}<extra></extra>",
        )
    for column, title in ((1, "<b>Anomalies found</b>"), (2, "<b>AUCPR of test rows</b>")):
        figure.add_title(title, 1, column)
        figure.update_xaxes(1, column, title={"text": "labels spent"})
    return apply_layout(figure, BUDGET_HEIGHT, {"orientation": "h", "x": 0, "y": -0.22, "yanchor": "top"}, top=30)

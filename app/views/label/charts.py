"""The map of a table that is marked by hand: where its rows lie, how anomalous they look, what is marked."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from app.charts.style import ANOMALY, NORMAL

__all__ = ["label_map_figure"]

# From gray to strong, and larger, so that it reads without color too, on white and on black.
SCALE = [[0, "#C51B8A"], [0.5, "#C994C7"], [1, "#A8A8A8"]]
SMALLEST, LARGEST = 5.0, 12.0
LOWEST = 0.001


def label_map_figure(points: np.ndarray, row_ids: np.ndarray, ranks: np.ndarray, marks: dict[int, bool]) -> go.Figure:
    """Rows as points [m, 2]; ranks: 0 for the most anomalous row of the table up to 1 for the least [m]."""
    figure = go.Figure()
    kinds = np.array([marks.get(int(row)) for row in row_ids], dtype=object)
    groups = (
        ("not looked at", kinds == None, "circle", 7, None),  # noqa: E711 - of each element
        ("not an anomaly", kinds == False, "x-thin-open", 8, NORMAL),  # noqa: E712
        ("marked anomaly", kinds == True, "star", 14, ANOMALY),  # noqa: E712
    )
    for name, mine, symbol, size, color in groups:
        marker = {"symbol": symbol, "size": size, "line": {"color": color or "white", "width": 0.8}}
        if color is None:
            bar = {
                "tickvals": [-3, -2, -1, 0],
                "ticktext": ["top 0.1 %", "top 1 %", "top 10 %", "last"],
                "thickness": 10,
            }
            values = np.log10(np.maximum(ranks[mine], LOWEST))
            marker |= {"color": values, "cmin": -3, "cmax": 0, "colorscale": SCALE}
            marker["size"] = SMALLEST + (LARGEST - SMALLEST) * values / np.log10(LOWEST)
            marker |= {"colorbar": bar, "showscale": True}
        else:
            marker["color"] = color
        figure.add_scatter(
            x=points[mine, 0],
            y=points[mine, 1],
            mode="markers",
            name=name,
            customdata=np.stack([row_ids[mine], 100 * ranks[mine]], axis=1),
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

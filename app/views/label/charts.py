"""Map of an uploaded table with the ranks and marks of its rows."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from ...charts.style import ANOMALY, NORMAL

__all__ = ["label_map_figure"]

# Size and color both show the rank, so the map is readable without color and in both themes.
SCALE = [[0, "#C51B8A"], [0.5, "#C994C7"], [1, "#A8A8A8"]]
SMALLEST, LARGEST = 5.0, 12.0
LOWEST = 0.001


def label_map_figure(points: np.ndarray, row_ids: np.ndarray, ranks: np.ndarray, marks: dict[int, bool]) -> go.Figure:
    """Draw rows of an uploaded table as a map, in which size and color show the rank and symbols the known labels.

    Parameters
    ----------
    points : np.ndarray
        Positions of the rows in the plane, float [m, 2].
    row_ids : np.ndarray
        Numbers of these rows in the file, int [m].
    ranks : np.ndarray
        Rank of these rows among all rows, from 0 for the most anomalous to 1 for the least, float [m].
    marks : dict of int to bool
        Known labels by row number in the file, True for an anomaly, False for a normal row.
    """
    figure = go.Figure()
    marks_of_rows = np.array([marks.get(int(row)) for row in row_ids], dtype=object)
    groups = (
        ("not marked", marks_of_rows == None, "circle", 7, None),  # noqa: E711 - elementwise
        ("not an anomaly", marks_of_rows == False, "x-thin-open", 8, NORMAL),  # noqa: E712
        ("marked anomaly", marks_of_rows == True, "star", 14, ANOMALY),  # noqa: E712
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

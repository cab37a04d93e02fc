"""Figures of the paper, measured again: lines over the varied quantity, and boxes over the data sets."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.reproduction.boxes import Box
from anoonly_core.reproduction.experiments import ANOONLY
from anoonly_core.reproduction.tables import METRIC_LABELS, Table

from ...charts.style import PALETTE, SYMBOLS

__all__ = ["boxes_figure", "table_figure"]

HEIGHT = 330
FILL, CLEAR = "66", "00"  # opacity of a box, in hexadecimal after its color
SIDE_STEP = 0.012  # share of the chart's width, so that intervals do not overlap


def table_figure(table: Table, x_title: str) -> go.Figure:
    """Draw the rows of a table of results as lines over its columns, with 95 % intervals over the seeds.

    Baselines are dashed and AnoOnly is solid; heads differ by color and symbol.

    Parameters
    ----------
    table : Table
        The table: a row a system, a column a value of the varied setting.
    x_title : str
        The title of the x axis.
    """
    figure = go.Figure()
    heads = list(dict.fromkeys(row.removesuffix(ANOONLY) for row in table.rows))
    paired = any(row.endswith(ANOONLY) for row in table.rows)
    index_of = {column: index for index, column in enumerate(table.columns)}
    for number, row in enumerate(table.rows):
        cells = [
            (index_of[column], table.cells[row, column]) for column in table.columns if (row, column) in table.cells
        ]
        head = heads.index(row.removesuffix(ANOONLY))
        shift = SIDE_STEP * len(index_of) * (number - (len(table.rows) - 1) / 2)
        dash = "dash" if paired and not row.endswith(ANOONLY) else "solid"
        figure.add_scatter(
            x=[index + shift for index, _ in cells],
            y=[cell.mean for _, cell in cells],
            error_y={"array": [margin_of_error(cell.values) or 0 for _, cell in cells], "thickness": 1.3, "width": 3},
            customdata=[
                [table.columns[index], len(cell.values), margin_of_error(cell.values) or 0] for index, cell in cells
            ],
            mode="lines+markers",
            name=row,
            line={"color": PALETTE[head], "dash": dash, "width": 2.2},
            marker={"color": PALETTE[head], "symbol": SYMBOLS[head], "size": 9, "line": {"color": "white", "width": 1}},
            hovertemplate=f"{row}, %{{customdata[0]}}<br>%{{y:.1f}} ± %{{customdata[2]:.1f}} over %{{customdata[1]}} "
            "seeds<extra></extra>",
        )
    figure.update_xaxes(
        title_text=x_title,
        tickvals=list(index_of.values()),
        ticktext=list(index_of),
        range=[-0.4, max(len(index_of), 1) - 0.6],
        zeroline=False,
        automargin=True,
    )
    figure.update_yaxes(title_text=f"{METRIC_LABELS[table.metric]} in %", automargin=True)
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 10, "r": 10, "t": 30, "b": 8},
        # Wide enough for a dash beside the mark.
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.01, "yanchor": "bottom", "itemwidth": 56},
        dragmode=False,
        uirevision="keep",
    )
    return figure


def boxes_figure(boxes: Sequence[Box], y_title: str) -> go.Figure:
    """Draw the spread of each system over the data sets as a box with a mark for each data set.

    A head and its AnoOnly share a color; the box of AnoOnly is filled.

    Parameters
    ----------
    boxes : sequence of Box
        Systems in the order of the boxes.
    y_title : str
        The title of the y axis.
    """
    figure = go.Figure()
    heads = list(dict.fromkeys(box.system.removesuffix(ANOONLY) for box in boxes))
    for box in boxes:
        color = PALETTE[heads.index(box.system.removesuffix(ANOONLY))]
        figure.add_box(
            y=[*box.values.values()],
            x=[box.system.replace(ANOONLY, f"<br>{ANOONLY.strip()}")] * len(box.values),
            text=[*box.values],
            name=box.system,
            boxpoints="all",
            jitter=0.4,
            pointpos=0,
            fillcolor=f"{color}{FILL if box.system.endswith(ANOONLY) else CLEAR}",
            line={"color": color, "width": 2},
            marker={"color": "#404040", "size": 4},
            hovertemplate=f"{box.system}, %{{text}}<br>%{{y:.1f}}<extra></extra>",
        )
    figure.update_yaxes(title_text=y_title, automargin=True, zeroline=False)
    figure.update_xaxes(automargin=True)
    return figure.update_layout(
        height=HEIGHT, margin={"l": 10, "r": 10, "t": 30, "b": 8}, showlegend=False, dragmode=False, uirevision="keep"
    )

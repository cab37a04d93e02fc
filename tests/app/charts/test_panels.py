"""Tests of app.charts.panels against the subplots of Plotly."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from app.charts.panels import Panels

LINE = {"color": "#808080", "width": 2}


@pytest.mark.parametrize(
    ("panels", "options"),
    [
        (Panels(), {}),
        (Panels(1, 3, spacing=(0.07, 0)), {"cols": 3, "horizontal_spacing": 0.07}),
        (
            Panels(1, 3, spacing=(0.07, 0), widths=[0.5, 0.25, 0.25]),
            {"cols": 3, "horizontal_spacing": 0.07, "column_widths": [0.5, 0.25, 0.25]},
        ),
        (
            Panels(2, 4, spacing=(0.05, 0.2), heights=[0.56, 0.44], spans={(1, 1): 3}),
            {
                "rows": 2,
                "cols": 4,
                "horizontal_spacing": 0.05,
                "vertical_spacing": 0.2,
                "row_heights": [0.56, 0.44],
                "specs": [[{"colspan": 3}, None, None, {}], [{}, {}, {}, {}]],
            },
        ),
    ],
)
def test_panels_have_the_domains_of_plotly_subplots(panels: Panels, options: dict[str, Any]) -> None:
    actual, expected = (figure.to_plotly_json()["layout"] for figure in (panels.figure(), make_subplots(**options)))
    axes = [name for name in expected if "axis" in name]
    assert sorted(axes) == sorted(name for name in actual if "axis" in name)
    for axis in axes:
        assert actual[axis]["anchor"] == expected[axis]["anchor"]
        assert actual[axis]["domain"] == pytest.approx(expected[axis]["domain"])


def test_each_trace_stays_in_its_panel() -> None:
    panels = Panels(2, 2)
    panels.add_bar(2, 1, x=[1], y=[2])
    panels.add_scatter(2, 2, x=[1], y=[3])
    panels.add_title("below right", 2, 2)
    panels.add_vline(0.5, LINE, 2, 1)
    panels.add_hline(0.25, LINE, 2, 2)
    figure = panels.figure()
    assert [(trace.type, trace.xaxis, trace.yaxis) for trace in figure.data] == [
        ("bar", "x3", "y3"),
        ("scatter", "x4", "y4"),
    ]
    assert [trace["y"] for trace in panels.traces(2, 2)] == [[3]]
    assert (figure.layout.annotations[0].text, figure.layout.annotations[0].xref) == ("below right", "x4 domain")
    vertical, horizontal = figure.layout.shapes
    assert (vertical.x0, vertical.x1, vertical.xref, vertical.yref) == (0.5, 0.5, "x3", "y3 domain")
    assert (horizontal.y0, horizontal.y1, horizontal.xref, horizontal.yref) == (0.25, 0.25, "x4 domain", "y4")


def test_axes_are_set_for_one_panel_a_row_a_column_or_all() -> None:
    panels = Panels(2, 2)
    panels.update_xaxes(showgrid=False)
    panels.update_xaxes(row=1, ticks="")
    panels.update_yaxes(col=2, type="log")
    panels.update_yaxes(row=2, col=1, range=[0, 1])
    layout = panels.figure().layout
    axes = ("", "2", "3", "4")
    assert [layout[f"xaxis{n}"].showgrid for n in axes] == [False] * 4
    assert [layout[f"xaxis{n}"].ticks for n in axes] == ["", "", None, None]
    assert [layout[f"yaxis{n}"].type for n in axes] == [None, "log", None, "log"]
    assert [layout[f"yaxis{n}"].range for n in axes] == [None, None, (0, 1), None]


def test_false_and_zero_settings_are_kept() -> None:
    panels = Panels()
    panels.update_layout(showlegend=False, bargap=0)
    assert panels.figure().layout.showlegend is False
    assert panels.figure().layout.bargap == 0


def test_an_unknown_attribute_is_refused() -> None:
    panels = Panels()
    panels.add_scatter(x=[1], y=[1], colour="blue")
    with pytest.raises(ValueError, match="colour"):
        panels.figure()
    assert isinstance(Panels().figure(), go.Figure)

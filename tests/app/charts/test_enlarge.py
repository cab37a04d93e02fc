"""Tests of app.charts.enlarge: larger type in every figure, whatever it states itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import plotly.graph_objects as go
import pytest

from anoonly_core.results.result import RunResult
from app.charts.enlarge import enlarge
from app.charts.pair import Pair
from app.charts.panels import Panels
from app.charts.runs import split_figure

LEAST = 18  # pixels


def sizes(node: Any, name: str = "") -> Iterator[float]:
    """Yield the size of every font within a part of a figure, outside of its template."""
    if isinstance(node, dict):
        for key, value in node.items():
            if name.endswith("font") and key == "size":
                yield value
            elif key != "template":
                yield from sizes(value, key)
    elif isinstance(node, list | tuple):
        for each in node:
            yield from sizes(each, name)


@pytest.mark.parametrize("name", ["scores", "curves", "confusion", "history", "split"])
def test_no_type_is_below_18_pixels(name: str, shipped: tuple[list[RunResult], list[RunResult]]) -> None:
    pair = Pair(shipped[0][0], shipped[1][0], 10.0)
    figure = split_figure(pair.b.counts, 0) if name == "split" else getattr(pair, name)()
    large = enlarge(figure, 1.5)
    spec = large.to_dict()
    assert min(sizes(spec)) >= LEAST
    layout = spec["layout"]
    assert layout["font"]["size"] == layout["legend"]["font"]["size"] == layout["hoverlabel"]["font"]["size"] == LEAST
    axes = [part for key, part in layout.items() if key.startswith(("xaxis", "yaxis"))]
    assert axes and all(axis["tickfont"]["size"] >= LEAST for axis in axes)
    assert all(axis["title"]["font"]["size"] >= LEAST for axis in axes if "title" in axis)
    assert all(axis.get("exponentformat") != "power" for axis in axes), "superscripts are smaller"
    assert large.layout.height == figure.layout.height and len(large.data) == len(figure.data)


def test_marks_lines_and_margins_grow_with_the_type_and_the_figure_itself_stays() -> None:
    figure = go.Figure(
        go.Scatter(
            x=[1, 2],
            y=[1, 2],
            marker={"size": [4, 6], "line": {"width": 1}, "colorbar": {"thickness": 10}, "color": [0, 1]},
            line={"width": 2},
            error_y={"array": [1, 1], "thickness": 1, "width": 4},
        )
    )
    figure.update_layout(margin={"l": 10, "t": 20}, height=200)
    before = figure.to_dict()
    trace, layout = (part := enlarge(figure, 1.5)).data[0], part.layout
    assert list(trace.marker.size) == [6, 9] and trace.marker.line.width == 1.5 and trace.line.width == 3
    assert (trace.error_y.thickness, trace.error_y.width) == (1.5, 6) and trace.marker.colorbar.tickfont.size == LEAST
    assert (layout.margin.l, layout.margin.t, layout.height) == (15, 30, 200)
    assert figure.to_dict() == before


def test_array_sizes_of_marks_may_be_numpy() -> None:
    import numpy as np

    figure = go.Figure(go.Scatter(x=[1, 2], y=[1, 2], marker={"size": np.array([4.0, 6.0])}))
    assert list(enlarge(figure, 2).data[0].marker.size) == [8, 12]


def test_the_lines_of_a_legend_of_a_panel_move_apart_with_their_type() -> None:
    panels = Panels(2, 1, spacing=(0.0, 0.3))
    name = panels.add_legend(2, 1, above=0.04)
    panels.add_scatter(2, 1, x=[0], y=[0], legend=name)
    panels.update_layout(height=400)
    enlarged = enlarge(panels.figure(), 1.5)
    assert enlarged.layout[name].y - enlarged.layout.yaxis2.domain[1] == pytest.approx(0.06)
    assert enlarged.layout[name].font.size == pytest.approx(16.5)

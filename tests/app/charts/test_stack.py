"""Panels one below another, for a phone."""

from __future__ import annotations

from itertools import pairwise

import pytest

from app.charts.panels import Panels
from app.charts.stack import GAP, LINE, stack, wrap


def made(rows: int, columns: int, **more: object) -> Panels:
    figure = Panels(rows, columns, spacing=(0.1, 0.2), **more)  # type: ignore[arg-type]
    for panel, (row, column) in enumerate(figure._axes):
        figure.add_scatter(row, column, x=[0, 1], y=[panel, panel])
        figure.add_title("a title of a panel that is much longer than a phone is wide, by far", row, column)
        figure.add_vline(0.5, {"width": 1}, row, column)
    figure.update_layout(height=360, margin={"t": 60, "b": 50}, legend={"y": -0.2})
    return figure


@pytest.mark.parametrize(
    ("rows", "columns", "more"),
    [(1, 2, {}), (1, 3, {}), (2, 2, {}), (3, 1, {}), (2, 4, {"spans": {(1, 1): 3}, "heights": [0.6, 0.4]})],
)
def test_panels_stand_one_below_another(rows: int, columns: int, more: dict[str, object]) -> None:
    figure = made(rows, columns, **more).figure()
    stacked = stack(figure)
    downs, rights = list(stacked.select_yaxes()), list(stacked.select_xaxes())
    assert all(axis.domain == (0, 1) for axis in rights)
    plot = stacked.layout.height - 110
    for upper, lower in pairwise(downs):  # Panels numbers them row by row
        assert (upper.domain[0] - lower.domain[1]) * plot == pytest.approx(GAP + 2 * LINE, abs=1)
    for before, after in zip(figure.select_yaxes(), downs, strict=True):
        height = (before.domain[1] - before.domain[0]) * 250
        assert (after.domain[1] - after.domain[0]) * plot == pytest.approx(height, abs=1), "a panel keeps its height"
    assert stacked.layout.legend.y * plot == pytest.approx(-0.2 * 250, abs=1)
    assert all("<br>" in title.text for title in stacked.layout.annotations)
    assert figure.layout.height == 360, "the chart of a wide window is left as it is"


def test_the_legend_of_a_panel_moves_with_it() -> None:
    panels = made(2, 2)
    name = panels.add_legend(2, 2, above=0.1)
    panels.add_scatter(2, 2, x=[0], y=[0], legend=name)
    stacked = stack(panels.figure())
    plot = stacked.layout.height - stacked.layout.margin.t - stacked.layout.margin.b
    above = (stacked.layout[name].y - stacked.layout.yaxis4.domain[1]) * plot
    assert stacked.layout[name].x == 0 and above == pytest.approx(0.1 * 250, abs=1)


def test_a_legend_beside_the_panels_moves_below_them() -> None:
    panels = made(1, 2)
    panels.update_layout(legend={}, margin={"t": 60, "b": 50, "r": 180})
    stacked = stack(panels.figure())
    plot = stacked.layout.height - stacked.layout.margin.t - stacked.layout.margin.b
    assert stacked.layout.legend.orientation == "h" and -80 < stacked.layout.legend.y * plot < -40
    assert stacked.layout.margin.b == 110 and stacked.layout.margin.r < 20


@pytest.mark.parametrize(("y", "margin"), [(0, "b"), (1, "t")])
def test_a_legend_at_an_edge_of_the_figure_stays_and_gets_more_lines(y: int, margin: str) -> None:
    panels = made(1, 2)
    panels.update_layout(legend={"y": y, "yref": "container"}, margin={"t": 30, "b": 30})
    stacked = stack(panels.figure())
    assert stacked.layout.legend.y == y and stacked.layout.margin[margin] == 30 + 4 * LINE


def test_long_names_on_an_axis_are_wrapped() -> None:
    panels = made(1, 2)
    panels.update_xaxes(tickvals=[0, 1], ticktext=["direct", "<b>through the variance</b>"], col=1)
    panels.update_xaxes(tickvals=[0, 1], ticktext=["before", "after"], col=2)
    first, second = stack(panels.figure()).select_xaxes()
    assert first.ticktext == ("direct", "<b>through the<br>variance</b>") and first.tickangle == 0
    assert second.ticktext == ("before", "after") and second.tickangle is None


def test_a_single_panel_stays() -> None:
    figure = made(1, 1).figure()
    assert stack(figure).layout.height == 360


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short", "short"),
        ("one two three", "one two<br>three"),
        ("<b>one two</b> three", "<b>one two</b><br>three"),
        ("one<br>two three four", "one<br>two three<br>four"),
        ("indivisible", "indivisible"),
        ("", ""),
    ],
)
def test_lines_break_between_words_and_tags_do_not_count(text: str, expected: str) -> None:
    assert wrap(text, 9) == expected


@pytest.mark.parametrize(("words", "lines"), [(3, 1), (12, 2), (20, 3), (28, 4)])
def test_a_title_of_more_lines_gets_more_room(words: int, lines: int) -> None:
    panels = Panels(1, 2)
    for column in (1, 2):
        panels.add_scatter(x=[0, 1], y=[0, 1], col=column)
        panels.add_title(" ".join(["title"] * words), col=column)
    figure = panels.figure().update_layout(height=200, margin={"t": 40, "b": 20})
    stacked = stack(figure)
    assert {annotation.text.count("<br>") + 1 for annotation in stacked.layout.annotations} == {lines}
    plot = stacked.layout.height - stacked.layout.margin.t - stacked.layout.margin.b
    lower, upper = sorted((stacked.layout.yaxis.domain, stacked.layout.yaxis2.domain))
    assert (upper[0] - lower[1]) * plot == pytest.approx(GAP + LINE * max(lines, 2), abs=1.5)
    assert stacked.layout.margin.t == 40 + LINE * max(lines - 2, 0)

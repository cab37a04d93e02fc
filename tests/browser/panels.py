"""Panels of a chart in a narrow window: one below another, each as wide as most of the window."""

from __future__ import annotations

from itertools import pairwise

from playwright.sync_api import Page

__all__ = ["PANELS", "TOO_WIDE", "assert_stacked"]

# By the path of the page: the number of panels of each chart by its key.
PANELS = {
    "compare": {"scores": 2, "points": 3},
    "microscope": {"microscope": 6},
    "zero-shot": {"scorers": 2},
    "which": {"which": 2},
    "drift": {"drift": 6, "absorption": 3},
    "clean": {"suspicion": 2},
}
# The edges of the panels of a chart, from the top: [left, top, right, bottom].
EDGES = """
key => {
  const chart = document.querySelector(`.st-key-${key} .js-plotly-plot`);
  const box = chart.getBoundingClientRect();
  return Object.keys(chart._fullLayout._plots).map(name => {
    const { xaxis, yaxis } = chart._fullLayout._plots[name];
    const left = box.left + xaxis._offset, top = box.top + yaxis._offset;
    return [left, top, left + xaxis._length, top + yaxis._length];
  }).sort((one, other) => one[1] - other[1]);
}
"""
STACKED = """
key => {
  const plots = Object.values(document.querySelector(`.st-key-${key} .js-plotly-plot`)?._fullLayout?._plots ?? {});
  return plots.length > 1 && plots[1].yaxis._offset > plots[0].yaxis._offset + plots[0].yaxis._length;
}
"""
# The number of charts that reach beyond the window.
TOO_WIDE = """
() => [...document.querySelectorAll('[data-testid=stMain] .js-plotly-plot')]
  .filter(chart => chart.getBoundingClientRect().right > innerWidth + 1).length
"""


def assert_stacked(page: Page, key: str, count: int, width: int) -> None:
    """Wait until the panels of a chart stand one below another, and check that they are whole in the window."""
    page.wait_for_function(STACKED, arg=key)
    edges = page.evaluate(EDGES, key)
    assert len(edges) == count
    for upper, lower in pairwise(edges):
        assert lower[1] > upper[3], "the lower panel begins below the upper one"
    for left, _, right, _ in edges:
        assert left >= 0 and right <= width and right - left > width / 2

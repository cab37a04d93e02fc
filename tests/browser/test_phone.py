"""A phone of 390 pixels: panels stand one below another, and no chart is wider than the window."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.compare_page import ComparePage
from tests.browser.server import Server

PATIENCE_MS = 60_000
WINDOW = {"width": 390, "height": 844}
# By path: the parameters, and the number of panels of each chart by its key.
PAGES = {
    "compare": ({"dataset": "digits_7", "epochs": "1", "seeds": "1"}, {"scores": 2, "points": 3}),
    "microscope": ({"dataset": "digits_5", "epochs": "1"}, {"microscope": 6}),
    "zero-shot": ({"steps": "25", "seeds": "1", "tasks": "4"}, {"scorers": 2}),
    "which": ({}, {"which": 2}),
    "clean": ({"dataset": "digits_only_6", "epochs": "1", "parts": "2", "seeds": "1"}, {"suspicion": 2}),
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
TOO_WIDE = """
() => [...document.querySelectorAll('[data-testid=stMain] .js-plotly-plot')]
  .filter(chart => chart.getBoundingClientRect().right > innerWidth + 1).length
"""


@pytest.fixture(scope="module")
def phone(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport=WINDOW, has_touch=True, is_mobile=True, reduced_motion="reduce")
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    opened.close()


@pytest.mark.parametrize("path", PAGES)
def test_panels_stand_one_below_another_and_fit(phone: BrowserContext, server: Server, path: str) -> None:
    parameters, panels = PAGES[path]
    page = phone.new_page()
    try:
        page.goto(f"{server.url}/{path}?{urlencode(parameters)}")
        for key in panels:
            page.wait_for_function(STACKED, arg=key)
        ComparePage(page, server.url).wait_until_idle()
        for key, count in panels.items():
            edges = page.evaluate(EDGES, key)
            assert len(edges) == count
            for upper, lower in pairwise(edges):
                assert lower[1] > upper[3], "the lower panel begins below the upper one"
            for left, _, right, _ in edges:
                assert left >= 0 and right <= WINDOW["width"] and right - left > WINDOW["width"] / 2
        assert page.evaluate(TOO_WIDE) == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= WINDOW["width"]
    finally:
        ComparePage(page, server.url).cancel_training()
        page.close()

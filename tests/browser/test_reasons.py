"""Why this row? in a real browser: a click in the table explains the row, as heat maps for a digit."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.compare_page import ComparePage

Open = Callable[..., ComparePage]
HEADER, ROW = 38, 35
MAPS = """() => {
  const chart = document.querySelector('.st-key-contributions .js-plotly-plot');
  return !!chart && chart.data && chart.data.filter(trace => trace.type === 'heatmap').length === 3;
}"""


def test_a_click_in_the_table_explains_the_row(open_page: Open) -> None:
    page = open_page("compare", seeds="1", epochs="3", tab="rows").page
    expect(page.get_by_text("Select a row in the table")).to_be_visible()
    page.locator("[data-testid=stDataFrame]").first.click(position={"x": 18, "y": HEADER + ROW // 2})
    page.wait_for_function(MAPS)
    expect(page.get_by_text("Select a row in the table")).to_have_count(0)
    expect(
        page.get_by_text("of 100 random orders").or_(page.get_by_text("do not explain this score"))
    ).not_to_have_count(0)
    expect(page.locator(".st-key-deletion .js-plotly-plot")).to_be_visible()

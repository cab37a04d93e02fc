"""Weak supervision in a real browser: full from shipped runs, by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.compare_page import ComparePage

PATIENCE_MS = 60_000
Open = Callable[..., ComparePage]
CHART = "document.querySelector('.st-key-mechanisms .js-plotly-plot')"
# The position of a mark of a trace in the window, by the trace's name and the number of the mark.
POSITION = f"""([name, number]) => {{
  const chart = {CHART}, trace = chart._fullData.find(trace => trace.name === name);
  const box = chart.getBoundingClientRect();
  const axis = name => chart._fullLayout[name.replace(/^[xy]/, "$&axis")];
  const x = axis(trace.xaxis), y = axis(trace.yaxis);
  return [box.left + x._offset + x.d2p(trace.x[number]), box.top + y._offset + y.d2p(trace.y[number]),
    trace.customdata[number][1]];
}}"""


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the control with this name has the focus."""
    focused = "() => document.activeElement?.ariaLabel || document.activeElement?.textContent"
    for _ in range(80):
        page.keyboard.press("Tab")
        if name in str(page.evaluate(focused)):
            return
    raise AssertionError(f"Tab does not reach {name!r}")


def test_a_mark_chooses_a_mechanism_and_keys_open_it(open_page: Open) -> None:
    page = open_page("weak-supervision").page
    page.wait_for_function(f"() => {CHART}?._fullData?.length > 4", timeout=PATIENCE_MS)
    expect(page.locator("[data-testid=stMain]")).to_contain_text("At λₙ = 0:")
    chosen: Any = page.get_by_role("combobox", name="Mechanism and strength")
    x, y, label = page.evaluate(POSITION, ["best strength", 4])
    page.mouse.click(x - 3, y)  # beside its middle; the mark of another strength lies partly below it
    expect(chosen).to_have_value(label, timeout=PATIENCE_MS)

    tab_to(page, "Mechanism and strength")
    page.keyboard.type("layer norm")
    page.keyboard.press("Enter")
    expect(chosen).to_have_value("layer norm", timeout=PATIENCE_MS)
    expect(page.locator("[data-testid=stMain]")).to_contain_text("No gradient reaches the pool")
    tab_to(page, "Compare")
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare?**norm=layer**", timeout=PATIENCE_MS)

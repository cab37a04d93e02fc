"""The page Drift in a real browser, by keyboard: batches, pictures, the share of anomalies and a control."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.compare_page import ComparePage

Open = Callable[..., ComparePage]
QUICK = {"epochs": "5", "seeds": "1", "batches": "30", "start": "10", "rows": "16", "level": "0.1"}
# The first line of the cursor in a chart, by the key of the chart: its x.
CURSOR = """
([key, x]) => document.querySelector(`.st-key-${key} .js-plotly-plot`)?.data
  ?.some(trace => trace.x?.length === 2 && trace.x[0] === x && trace.x[1] === x)
"""


def player(page: Page, chart: str) -> Locator:
    return page.locator(f".st-key-player_{chart} .player")


def wait_for_cursor(page: Page, chart: str, x: float) -> None:
    page.wait_for_function(CURSOR, arg=[chart, x])


def test_the_page_works_by_keyboard(open_page: Open) -> None:
    opened = open_page("drift")
    page = opened.page
    expect(page.locator("h5").first).to_contain_text("Under a sudden shift (contrast, 1), running statistics go from")
    wait_for_cursor(page, "drift", 25)
    stream = player(page, "drift")
    pictures = stream.get_by_role("img")
    expect(stream.locator("canvas")).to_have_count(30)
    expect(stream.locator("canvas.framed")).to_have_count(3)
    before = pictures.get_attribute("aria-label") or ""
    slider = stream.get_by_role("slider")
    slider.focus()
    page.keyboard.press("ArrowRight")
    wait_for_cursor(page, "drift", 26)
    expect(stream.locator("output")).to_contain_text("Batch 26 of 60")
    expect(pictures).not_to_have_attribute("aria-label", before)
    page.wait_for_url(re.compile(r"[?&]batch=26\b"))
    page.keyboard.press("Home")
    wait_for_cursor(page, "drift", 1)
    expect(stream.locator("output")).to_contain_text("no shift")
    absorption = player(page, "absorption")
    absorption.get_by_role("slider").focus()
    page.keyboard.press("End")
    expect(absorption.locator("output")).to_contain_text("80% anomalies")
    wait_for_cursor(page, "absorption", 80)
    page.keyboard.press("Home")
    wait_for_cursor(page, "absorption", 2)


def test_a_control_scores_another_stream(open_page: Open) -> None:
    opened = open_page("drift", **QUICK)
    page = opened.page
    sentence = page.locator("h5").first
    expect(sentence).to_contain_text("Under a sudden shift (contrast, 1)")
    opened.wait_until_idle()
    opened.press("anomaly_share", "End")
    expect(player(page, "drift").locator("output")).to_contain_text("16 rows, 13 anomalies")
    page.wait_for_url(re.compile(r"[?&]anomaly_share=0\.8\b"))
    opened.wait_until_idle()
    opened.choose("schedule", "no shift (none)")
    expect(sentence).to_contain_text("Without a shift")
    page.wait_for_url(re.compile(r"[?&]schedule=none\b"))
    assert "anomaly_share=0.8" in page.url

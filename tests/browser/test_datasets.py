"""The Datasets page in a real browser: a data set is found, previewed and opened in Compare."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.compare_page import ComparePage

Open = Callable[..., ComparePage]
IN_VIEW = """() => [...document.querySelectorAll('.st-key-look .main-svg, .digits')].filter(part => {
  const box = part.getBoundingClientRect();
  return box.height > 0 && box.top >= 0 && box.bottom <= window.innerHeight;
}).length >= 3"""
HEADER, ROW = 38, 30


def test_a_data_set_is_found_previewed_and_opened_in_compare(open_page: Open) -> None:
    datasets = open_page("datasets")
    page = datasets.page
    expect(page.locator("h5").first).to_contain_text("219 data sets, 24 on this machine")
    words = page.locator(".st-key-datasets_words input")
    words.fill("digits_8")
    words.press("Enter")
    expect(page.locator("h5").first).to_contain_text("1 of them is listed")
    expect(page.get_by_text("Select a data set to preview it")).to_be_visible()
    page.locator("[data-testid=stDataFrame]").first.click(position={"x": 18, "y": HEADER + ROW // 2})
    expect(page.get_by_text("the 8 is the anomaly")).to_be_visible()
    page.wait_for_function(IN_VIEW)
    expect(page.locator(".digits img")).to_have_count(18)
    expect(page.locator(".digits").last).to_contain_text("anomaly")

    datasets.click("Open in Compare")
    page.wait_for_url(re.compile("dataset=digits_8"))
    expect(page.locator(".st-key-dataset [role=combobox]")).to_have_value("digits_8")

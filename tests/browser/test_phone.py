"""A phone of 390 pixels: panels stand one below another, and no chart is wider than the window.

tests/browser/test_accessible.py checks the same of all pages in a window that is made as narrow.
"""

from __future__ import annotations

from urllib.parse import urlencode

from playwright.sync_api import Browser

from tests.browser.compare_page import ComparePage
from tests.browser.panels import PANELS, TOO_WIDE, assert_stacked
from tests.browser.server import Server

PATIENCE_MS = 60_000
WINDOW = {"width": 390, "height": 844}
PARAMETERS = {"dataset": "digits_7", "epochs": "1", "seeds": "1"}


def test_panels_stand_one_below_another_and_fit(browser: Browser, server: Server) -> None:
    panels = PANELS["compare"]
    context = browser.new_context(viewport=WINDOW, has_touch=True, is_mobile=True, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    try:
        page.goto(f"{server.url}/compare?{urlencode(PARAMETERS)}")
        for key in panels:
            page.wait_for_selector(f".st-key-{key} .main-svg")
        ComparePage(page, server.url).wait_until_idle()
        for key, count in panels.items():
            assert_stacked(page, key, count, WINDOW["width"])
        assert page.evaluate(TOO_WIDE) == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= WINDOW["width"]
    finally:
        ComparePage(page, server.url).cancel_training()
        context.close()

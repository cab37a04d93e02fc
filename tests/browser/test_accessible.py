"""Every page in both themes and as narrow as a phone: no serious axe finding, no overlapping text, stacked panels."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.accessible import axe_findings, faults
from tests.browser.compare_page import ComparePage
from tests.browser.full_pages import PAGES, upload, wait_until_still
from tests.browser.panels import PANELS, TOO_WIDE, assert_stacked
from tests.browser.server import Server
from tests.tables import penguins

PATIENCE_MS = 60_000
TALL = {"width": 1280, "height": 2400}  # axe judges what the window shows
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def visitor(server: Server, browser: Browser) -> Iterator[Page]:
    """Yield a page whose session has uploaded a table, on a server that has stored a run."""
    page = browser.new_page(reduced_motion="reduce")
    page.set_default_timeout(PATIENCE_MS)
    compare = ComparePage(page, server.url)
    compare.open(epochs="1", seeds="1")
    compare.wait_for_figures()
    upload(page, server.url, penguins(raw=True))
    yield page
    page.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible(visitor: Page, server: Server, name: str) -> None:
    visitor.emulate_media(color_scheme="light")
    visitor.set_viewport_size(TALL)  # type: ignore[arg-type]
    PAGES[name].open(visitor, server.url)
    for theme in ("light", "dark"):
        if theme == "dark":
            visitor.emulate_media(color_scheme=theme)
            wait_until_still(visitor)
        assert axe_findings(visitor) == [], f"in the {theme} theme"
        assert faults(visitor, "chart_overlaps", "chart_clipped", "faint") == [], f"in the {theme} theme"
    visitor.set_viewport_size(PHONE)  # type: ignore[arg-type]
    wait_until_still(visitor)
    for key, count in PANELS.get(PAGES[name].path, {}).items():
        assert_stacked(visitor, key, count, PHONE["width"])
    assert visitor.evaluate(TOO_WIDE) == 0, "a chart is wider than a phone"
    assert faults(visitor, "page_scroll", "chart_overlaps", "chart_clipped") == [], "on a phone"

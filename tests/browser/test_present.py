"""Present, figures that grow, and exported figures, in a real browser."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Page

from app.text.citations import ANOONLY
from tests.browser.accessible import faults
from tests.browser.compare_page import ComparePage
from tests.browser.full_pages import wait_until_still

Open = Callable[..., ComparePage]
LEAST = 18  # pixels
# Text on display below a size, with its size; that of diagrams and tables, which are enlarged as pictures, is left out.
SMALL = """(least) => {
  const found = [];
  const walk = (root) => {
    const nodes = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    while (nodes.nextNode()) {
      const node = nodes.currentNode, owner = node.parentElement;
      if (node.shadowRoot) walk(node.shadowRoot);
      if (node.nodeType !== Node.TEXT_NODE || !node.data.trim() || !owner) continue;
      if (owner.closest("style, script, [data-testid=stGraphVizChart], [data-testid=stDataFrame]")) continue;
      if (!owner.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const size = parseFloat(getComputedStyle(owner).fontSize);
      if (range.getBoundingClientRect().width > 1 && size < least) found.push(`${node.data.trim()}: ${size} px`);
    }
  };
  walk(document.body);
  return found;
}"""
HEIGHTS = "() => [...document.querySelectorAll('.js-plotly-plot')].map((chart) => Math.round(chart._fullLayout.height))"
BOTTOMS = "() => [...document.querySelectorAll('.js-plotly-plot')].map((chart) => chart.getBoundingClientRect().bottom)"
SIZE_OF_SCORES = """() => {
  const { width, height } = document.querySelector(".st-key-scores .js-plotly-plot")._fullLayout;
  return [width, height];
}"""
A_MARK = """() => {
  const marks = [...document.querySelectorAll(".st-key-points .points path")].map((one) => one.getBoundingClientRect());
  const seen = marks.filter((one) => one.top > 0 && one.bottom < innerHeight);
  const one = seen[Math.floor(seen.length / 2)];
  return [one.x + one.width / 2, one.y + one.height / 2];
}"""


def present(page: Page) -> None:
    page.locator(".st-key-present button").first.click()
    page.wait_for_selector(".st-key-leave_present")
    wait_until_still(page)


def test_compare_in_present_has_large_type_no_menu_and_comes_back(compare_page: ComparePage) -> None:
    page = compare_page
    wait_until_still(page.page)
    before = page.page.evaluate(HEIGHTS)
    present(page.page)
    assert page.page.evaluate("() => document.fullscreenElement === document.documentElement")
    assert page.page.evaluate(SMALL, LEAST) == []
    assert not page.page.locator("[data-testid=stSidebar]").is_visible()
    assert page.page.evaluate(HEIGHTS) == [pytest.approx(1.3 * height, abs=1) for height in before]
    page.page.set_viewport_size({"width": 1920, "height": 1080})
    wait_until_still(page.page)
    assert page.page.evaluate(HEIGHTS) == [pytest.approx(1.5 * height, abs=1) for height in before]
    assert page.page.evaluate(SMALL, LEAST) == []
    page.page.set_viewport_size({"width": 1280, "height": 720})
    wait_until_still(page.page)
    assert faults(page.page, "page_scroll", "cut") == []
    page.page.evaluate("() => document.exitFullscreen()")  # as Esc does
    page.page.wait_for_selector(".st-key-present")
    wait_until_still(page.page)
    assert page.page.locator("[data-testid=stSidebar]").is_visible()
    assert page.page.evaluate(HEIGHTS) == before


def test_keys_go_through_a_lesson_in_present(open_page: Open) -> None:
    page = open_page("lessons", lesson="imbalance", step="2").page
    page.wait_for_selector("[data-testid=stMain] [role=radiogroup]")
    for key in ("PageDown", "ArrowRight"):  # without effect before
        page.keyboard.press(key)
    present(page)
    page.locator("[data-testid=stMain] [role=radiogroup] label").nth(2).click()
    page.wait_for_selector(".st-key-commit button:not([disabled])")
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("PageDown")  # commits
    page.wait_for_selector(".st-key-next button")
    page.wait_for_selector(".js-plotly-plot .main-svg")
    wait_until_still(page)
    assert page.evaluate(SMALL, LEAST) == []
    assert page.evaluate(BOTTOMS)[0] <= 720, "the outcome is above the fold"
    for forward, back in (("PageDown", "PageUp"), ("ArrowRight", "ArrowLeft")):
        page.keyboard.press(forward)
        page.get_by_text("Question 3 of 3").wait_for()
        page.keyboard.press(back)
        page.get_by_text("Question 2 of 3").wait_for()
        page.wait_for_selector(".st-key-next button:not([disabled])")


def test_all_rows_of_a_tall_figure_are_above_the_fold_in_present(open_page: Open) -> None:
    page = open_page("why").page
    page.wait_for_selector(".st-key-why .js-plotly-plot .main-svg")
    present(page)
    for height in (720, 1080):
        page.set_viewport_size({"width": height * 16 // 9, "height": height})
        wait_until_still(page)
        assert page.evaluate(BOTTOMS)[0] <= height
        assert page.evaluate(SMALL, LEAST) == []


def test_figures_grow_with_the_window_and_stay_whole_in_an_enlarged_page(compare_page: ComparePage) -> None:
    page = compare_page
    wait_until_still(page.page)
    before = page.page.evaluate(HEIGHTS)
    page.page.set_viewport_size({"width": 1920, "height": 1080})
    wait_until_still(page.page)
    assert page.page.evaluate(HEIGHTS) == [pytest.approx(1.5 * height, abs=1) for height in before]
    for width, height in ((853, 480), (1280, 720)):  # 150 % zoom at 1280 and at 1920 pixels
        page.page.set_viewport_size({"width": width, "height": height})
        wait_until_still(page.page)
        assert page.page.evaluate(HEIGHTS) == before
        assert faults(page.page, "page_scroll", "chart_overlaps", "chart_clipped") == [], width


def test_an_exported_figure_has_a_name_and_a_footer(compare_page: ComparePage) -> None:
    page = compare_page
    width, height = page.page.evaluate(SIZE_OF_SCORES)
    with page.page.expect_download() as download:
        page.page.locator(".st-key-scores .modebar-btn[data-title^='Download plot']").click(force=True)
    assert download.value.suggested_filename == "digits_3_DeepSAD_seed_0_scores.png"
    with Image.open(download.value.path()) as picture:
        assert picture.width == 2 * width and picture.height > 2 * (height + 2 * 17)
        footer = picture.convert("L").crop((0, 2 * height + 10, picture.width, picture.height))
        darkest, brightest = footer.getextrema()
        assert brightest > 240 and darkest < 120, "the footer has text"


def test_the_picture_of_a_row_is_shown_at_its_mark(compare_page: ComparePage) -> None:
    page = compare_page
    picture = page.page.locator(".row-picture")
    assert picture.is_hidden()
    page.page.locator(".st-key-points .js-plotly-plot").scroll_into_view_if_needed()
    wait_until_still(page.page)
    x, y = page.page.evaluate(A_MARK)
    for step in (3, 0):  # the listener is attached by the first movement
        page.page.mouse.move(x + step, y)
        page.page.wait_for_timeout(200)
    picture.wait_for()
    assert picture.locator("canvas").evaluate("(canvas) => [canvas.width, canvas.height]") == [72, 72]
    page.page.mouse.move(5, 5)
    picture.wait_for(state="hidden")


def test_the_report_links_the_page_as_it_is_shown(open_page: Open) -> None:
    page = open_page(norm="none", seeds="1", epochs="2")
    page.wait_for_figures()
    page.wait_until_idle()
    page.page.get_by_role("tab", name="Take away").click()
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name="Download report").click()
    text = download.value.path().read_text(encoding="utf-8")
    (link,) = re.findall(r'This comparison: <a href="([^"]+)"', text)
    place = urlsplit(html.unescape(link))
    settings = {name: values[-1] for name, values in parse_qs(place.query).items()}
    assert place.path == "/compare" and settings == page.parameters | {"tab": "export"}
    assert "none" in settings["norm"] and settings["seeds"] == "1"
    assert ANOONLY.url in text and text.count(">vary only ") == 3


def test_a_table_on_the_page_grows_in_present_and_its_rows_can_be_selected(open_page: Open) -> None:
    page = open_page("datasets").page
    table = page.locator("[data-testid=stDataFrame]").first
    table.locator("canvas").first.wait_for()
    wait_until_still(page)
    before = table.bounding_box()
    present(page)
    after = table.bounding_box()
    assert before is not None and after is not None
    assert after["height"] == pytest.approx(1.3 * before["height"], abs=3) and after["x"] + after["width"] <= 1280
    row = before["height"] / 6 * 1.3  # a head and five rows
    page.mouse.click(after["x"] + 24, after["y"] + 1.7 * row)
    page.get_by_role("button", name="Open in Compare").wait_for()
    page.get_by_text("digits_0: 1704 rows").wait_for()

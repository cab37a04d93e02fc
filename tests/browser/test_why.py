"""Why it works in a real browser: full from shipped records, and told by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from anoonly_core.supervision.columns import COLUMNS
from tests.browser.compare_page import ComparePage

PATIENCE_MS = 60_000
Open = Callable[..., ComparePage]
CHART = "document.querySelector('.st-key-why .js-plotly-plot')"
# Columns that no sheet covers: the middle of each is compared with the sheets.
BRIGHT = f"""() => {{
  const layout = {CHART}?.layout;
  if (!layout) return null;
  const sheets = layout.shapes || [];
  const names = ["xaxis", ...[2, 3, 4, 5, 6].map(number => `xaxis${{number}}`)];
  const middles = names.map(name => (layout[name].domain[0] + layout[name].domain[1]) / 2);
  return middles.flatMap((middle, index) => sheets.some(({{x0, x1}}) => x0 < middle && middle < x1) ? [] : [index]);
}}"""
STORY = [[0, 1, 2, 3, 4, 5], [0, 5], [0, 3, 4], [0, 1], [0, 2]]


def chart(page: Page, expression: str) -> Any:
    return page.evaluate(f"() => {{ const g = {CHART}; return {expression} }}")


def wait_for_columns(page: Page, bright: list[int]) -> None:
    page.wait_for_function(f"expected => JSON.stringify(({BRIGHT})()) === JSON.stringify(expected)", arg=bright)


def wait_for_epoch(page: Page, epoch: int) -> None:
    page.wait_for_function(f"epoch => {CHART}?.data?.[0].x[0] === epoch", arg=epoch)


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the button or slider with this name has the focus."""
    focused = (
        "() => { let e = document.activeElement; while (e?.shadowRoot) e = e.shadowRoot.activeElement;"
        " return e?.ariaLabel || e?.textContent }"
    )
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(focused) == name:
            return
    raise AssertionError(f"Tab does not reach {name!r}")


def test_the_story_is_told_by_keyboard_alone(open_page: Open) -> None:
    page = open_page("why").page
    story = page.locator(".story")
    expect(story.locator("output")).to_have_text("1 of 5", timeout=PATIENCE_MS)
    wait_for_epoch(page, 50)  # shipped: the page trains nothing
    texts = [story.locator("p").inner_text()]
    wait_for_columns(page, STORY[0])
    for number, bright in enumerate(STORY[1:], start=2):
        page.keyboard.press("ArrowRight")
        expect(story.locator("output")).to_have_text(f"{number} of 5")
        wait_for_columns(page, bright)
        texts.append(story.locator("p").inner_text())
    assert len(set(texts)) == 5
    assert "mean of the batch" in texts[-1]
    page.keyboard.press("ArrowRight")
    expect(story.locator("output")).to_have_text("5 of 5")
    page.keyboard.press("ArrowLeft")
    expect(story.locator("output")).to_have_text("4 of 5")
    wait_for_columns(page, STORY[3])

    tab_to(page, "epoch")  # on the slider the keys move the epochs, not the story
    page.keyboard.press("Home")
    wait_for_epoch(page, 0)
    page.keyboard.press("ArrowRight")
    wait_for_epoch(page, 2)
    expect(story.locator("output")).to_have_text("4 of 5")
    wait_for_columns(page, STORY[3])
    assert chart(page, "g.data.filter(t => t.text).map(t => t.text[0]).length") == len(COLUMNS)

    page.emulate_media(color_scheme="dark")  # redraws the chart
    page.wait_for_function(
        "() => getComputedStyle(document.querySelector('.stApp')).backgroundColor !== 'rgb(255, 255, 255)'"
    )
    wait_for_columns(page, STORY[3])
    page.get_by_role("radio", name="1", exact=True).or_(page.get_by_role("button", name="1", exact=True)).first.click()
    expect(page.locator(".story p")).to_contain_text("λₙ = 1", timeout=PATIENCE_MS)
    wait_for_columns(page, STORY[0])

    tab_to(page, "mean part cut")
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare?**grad_mean=0**")

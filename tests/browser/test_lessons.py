"""The Lessons page in a real browser: a whole lesson by keyboard in a projector's window."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from app.views.lessons.lessons import LESSONS, Position
from tests.browser.compare_page import ComparePage

Open = Callable[..., ComparePage]

WINDOW = (1280, 720)
PATIENCE_MS = 60_000
MAX_TABS = 40  # far more than the page has stops
FOCUS = "document.activeElement"


@pytest.fixture
def open_lesson(open_page: Open) -> Callable[[Position], ComparePage]:
    def opened(place: Position) -> ComparePage:
        compare = open_page("lessons", lesson=place.lesson, step=str(place.step))
        compare.page.get_by_text(f"Question {place.step} of").wait_for()
        return compare

    return opened


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is in what the selector finds."""
    for _ in range(MAX_TABS):
        if page.evaluate(f"selector => !!{FOCUS}.closest(selector)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not reach {selector}")


def press_button(page: Page, key: str) -> None:
    """Reach a button by Tab, once it can be pressed, and press Enter."""
    page.wait_for_selector(f".st-key-{key} button:not([disabled])")
    tab_to(page, f".st-key-{key} button")
    page.keyboard.press("Enter")


def sentence(page: Page) -> Locator:
    return page.locator("h5", has_text="You predicted")


def assert_fits(page: Page, *selectors: str) -> None:
    """Check that these elements lie inside the window and that the page is not scrolled."""
    for selector in selectors:
        boxes = [found.bounding_box() for found in page.locator(f"{selector}:visible").all()]
        assert boxes, selector
        for box in boxes:
            assert box, selector
            assert box["x"] >= 0 and box["y"] >= 0, selector
            assert box["x"] + box["width"] <= WINDOW[0] and box["y"] + box["height"] <= WINDOW[1], (selector, box)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0


def test_the_first_lesson_can_be_done_by_keyboard(open_page: Open) -> None:
    compare = open_page("compare")
    page = compare.page
    compare.wait_for_figures()
    tab_to(page, "[data-testid=stSidebarNav] a[href$='/lessons']")
    page.keyboard.press("Enter")
    name = next(iter(LESSONS))
    for number, step in enumerate(LESSONS[name].steps, start=1):
        page.get_by_text(f"Question {number} of").wait_for()
        expect(page.locator(".st-key-commit button")).to_be_disabled()
        compare.wait_until_idle()
        assert_fits(page, "h5", ".st-key-commit", ".st-key-lesson_choice")
        tab_to(page, "[data-testid=stMain] [role=radiogroup]")
        page.keyboard.press("Space")
        page.wait_for_selector(".st-key-commit button:not([disabled])")
        offered = list(step.predictions)
        for _ in range(offered.index(step.claim)):
            page.keyboard.press("ArrowDown")
        chosen = page.locator("[data-testid=stMain] [role=radiogroup] label:has(input:checked)")
        expect(chosen).to_have_text(step.predictions[step.claim])
        compare.wait_until_idle()
        press_button(page, "commit")
        expect(sentence(page)).to_contain_text("and that is what happened. Over 5 seeds", timeout=PATIENCE_MS)
        page.wait_for_selector(".st-key-scores .js-plotly-plot .main-svg")
        compare.wait_until_idle()
        assert_fits(page, "h5", ".st-key-scores", ".st-key-next", "[data-testid=stMain] p")
        press_button(page, "next")
    page.get_by_text("3 of your 3 predictions were right.").wait_for()
    page.locator("[data-testid=stLinkButton]").first.wait_for()
    compare.wait_until_idle()
    assert_fits(page, "h5", ".st-key-next", "[data-testid=stLinkButton]")
    expect(page.locator(".st-key-lesson_choice")).to_contain_text(f"✓ {LESSONS[name].question}")
    page.reload()
    page.get_by_text("3 of your 3 predictions were right.").wait_for()
    expect(page.locator(".st-key-lesson_choice")).to_contain_text(f"✓ {LESSONS[name].question}")
    page.locator("[data-testid=stLinkButton]").first.wait_for()
    press_button(page, "next")
    page.get_by_text("Question 1 of").wait_for()
    page.wait_for_url(re.compile(r"lesson=norms&step=1"))


def test_the_longest_answers_fit_a_projector(open_lesson: Callable[[Position], ComparePage]) -> None:
    name = "the_other_aucpr"
    compare = open_lesson(Position(name))
    page = compare.page
    for _ in LESSONS[name].steps:
        page.locator("[data-testid=stMain] [role=radiogroup] label").first.click()
        page.locator(".st-key-commit button:not([disabled])").click()
        sentence(page).wait_for()
        page.wait_for_selector(".js-plotly-plot .main-svg")
        compare.wait_until_idle()
        assert_fits(page, "h5", ".js-plotly-plot", ".st-key-next", "[data-testid=stMain] p", ".st-key-lesson_choice")
        page.locator(".st-key-next button").click()
        sentence(page).wait_for(state="detached")


def test_cancel_returns_to_the_question_and_a_reload_keeps_step_and_answer(
    open_lesson: Callable[[Position], ComparePage],
) -> None:
    compare = open_lesson(Position("small_batches", 2))  # batches of one row take their time
    page = compare.page
    page.locator("[data-testid=stMain] [role=radiogroup] label").nth(1).click()
    page.locator(".st-key-commit button:not([disabled])").click()
    assert compare.epoch() >= 0
    page.locator(".st-key-cancel button").click()
    commit = page.locator(".st-key-commit button:not([disabled])")
    commit.wait_for()
    assert sentence(page).count() == 0
    chosen = page.locator("[data-testid=stMain] [role=radiogroup] label:has(input:checked)")
    expect(chosen).to_have_text(list(LESSONS["small_batches"].steps[1].predictions.values())[1])
    commit.click()
    expect(sentence(page)).to_contain_text("batch 1", timeout=PATIENCE_MS)
    page.reload()
    page.get_by_text("Question 2 of").wait_for()
    assert compare.parameters == {"lesson": "small_batches", "step": "2"}
    expect(sentence(page)).to_contain_text("batch 1", timeout=PATIENCE_MS)


def test_the_link_after_a_lesson_opens_its_settings(open_page: Open) -> None:
    page = open_page("lessons", lesson="a_fair_rival", step="4").page
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open Compare").click()
    other = opened.value
    other.wait_for_selector("h5 >> text=DeepSAD, layer norm")
    assert other.get_by_text("cannot be used").count() == 0
    other.close()

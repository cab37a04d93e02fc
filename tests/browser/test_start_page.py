"""Start in a real browser: its picture, the tour and the glossary by keyboard alone, and links of before."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from app.text.glossary import GLOSSARY
from app.text.tour import TOUR
from tests.browser.compare_page import IDLE, ComparePage

Open = Callable[..., ComparePage]
MAX_TABS = 80

# True if the ring lies around the element with this key.
POINTS_AT = """key => {
  const ring = document.querySelector(".tour-ring:not([hidden])")?.getBoundingClientRect();
  const box = document.querySelector(`.st-key-${key}`)?.getBoundingClientRect();
  return !!ring && !!box && box.width > 1
    && Math.abs(ring.left + 4 - box.left) < 2 && Math.abs(ring.top + 4 - box.top) < 2;
}"""
INSIDE = """() => {
  const box = document.querySelector(".tour").getBoundingClientRect();
  return box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight;
}"""


# Tab begins at the top of the page, wherever a test before on the same page has clicked.
GO_TO_TOP = """() => {
  const top = document.createElement("span");
  top.tabIndex = -1;
  document.body.prepend(top);
  top.focus();
  top.remove();
}"""


def tab_to(page: Page, selector: str) -> None:
    page.wait_for_selector(selector)
    page.wait_for_selector(IDLE)  # a run of the script may replace the element with the focus
    page.evaluate(GO_TO_TOP)
    for _ in range(MAX_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("selector => !!document.activeElement?.matches(selector)", selector):
            return
    raise AssertionError(f"Tab never reached {selector}")


def visible_arrows(page: Page, name: str) -> int:
    found: int = page.locator(f".method g.{name}[opacity='1']").count()
    return found


def test_the_picture_follows_the_control_and_a_door_opens_by_keyboard(open_page: Open) -> None:
    page = open_page("").page
    page.wait_for_selector(".method svg")
    assert page.locator("h1").inner_text() == "Start"
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight") <= 720, "it fits a projector"
    assert visible_arrows(page, "pool-loss") == 0 and visible_arrows(page, "norm-out") > 0
    tab_to(page, ".st-key-start_weight input")
    page.keyboard.press("Home")
    expect(page.get_by_text("The published baseline.")).to_be_visible()
    expect(page.locator(".method g.pool-loss[opacity='1']").first).to_be_attached()
    page.wait_for_url(re.compile(r"\?weight=1$"))
    tab_to(page, ".st-key-door_compare a")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/compare$"))
    page.wait_for_selector("h1 >> text=Compare")


def test_a_question_opens_its_finished_comparison_by_keyboard(open_page: Open) -> None:
    page = open_page("").page
    page.wait_for_selector(".method svg")
    tab_to(page, ".st-key-ask_rival button")
    page.keyboard.press("Enter")
    expect(page.locator(".st-key-headline")).to_contain_text("Only λₙ (1 → 0) differs")
    expect(page.locator(".st-key-sides")).to_contain_text("pinned")


def test_the_tour_points_at_real_controls_by_keyboard_alone(open_page: Open) -> None:
    page = open_page("").page
    page.wait_for_selector(".method svg")
    page.locator(".tour-start").click()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".tour-text")).to_have_text(TOUR[1].text)
    page.reload()
    expect(page.locator(".tour-text")).to_have_text(TOUR[1].text)
    page.wait_for_function(POINTS_AT, arg=TOUR[1].key)
    page.locator(".tour-next").press("ArrowLeft")
    expect(page.locator(".tour-text")).to_have_text(TOUR[0].text)
    page.keyboard.press("Escape")
    expect(page.locator(".tour")).to_have_count(0)

    tab_to(page, ".tour-start")
    page.keyboard.press("Enter")
    for number, step in enumerate(TOUR, start=1):
        if step.page == "lessons":
            page.wait_for_selector(".st-key-commit button")  # the end of the page, which is drawn anew on arrival
        expect(page.locator(".tour-count")).to_have_text(f"Tour, {number} of {len(TOUR)}")
        expect(page.locator(".tour-text")).to_have_text(step.text)
        page.wait_for_function(POINTS_AT, arg=step.key)
        assert page.evaluate(INSIDE), step.key
        page.wait_for_selector(IDLE)
        assert page.evaluate("document.activeElement.className") == "tour-next"
        page.keyboard.press("Enter")
    expect(page.locator(".tour")).to_have_count(0)
    page.wait_for_function("document.activeElement.closest('.st-key-lesson_choice')")  # the focus is where it ended


def test_a_word_is_explained_on_focus_and_by_touch(compare_page: ComparePage) -> None:
    page = compare_page.page
    meanings = {term.name: term.meaning for term in GLOSSARY}
    page.wait_for_selector(".term[data-term=AUCPR]")
    tab_to(page, ".term[data-term=AUCPR]")
    expect(page.get_by_role("tooltip")).to_have_text(f"AUCPR {meanings['AUCPR']}")
    page.keyboard.press("Escape")
    expect(page.locator(".term-tip")).to_be_hidden()
    page.locator(".term[data-term=pool]").hover()
    expect(page.get_by_role("tooltip")).to_have_text(f"pool {meanings['pool']}")
    names = page.locator(".term").evaluate_all("terms => terms.map((term) => term.dataset.term)")
    assert len(set(names)) == len(names) >= 5, "each word once, where it first stands"
    assert {"AUCPR", "AUCROC", "chance", "pool"} <= set(names)
    compare_page.press("lambda_n", "ArrowLeft")
    compare_page.wait_for_sentence("λₙ = 1e-06")
    page.wait_for_function("document.querySelectorAll('.term').length >= 5")
    compare_page.press("lambda_n", "ArrowRight")
    page.wait_for_function("location.search === ''")


def test_a_link_of_before_opens_compare_with_its_settings(open_page: Open) -> None:
    compare = open_page("", lambda_n="0.01", seeds="1", epochs="5", norm="layer")
    compare.wait_for_sentence("DeepSAD, λₙ = 0.01, layer norm")
    assert "/compare?" in compare.page.url
    compare.page.wait_for_url(re.compile(r"norm=layer(&|$)"))  # the bound control first writes its label
    assert compare.parameters == {"lambda_n": "0.01", "seeds": "1", "epochs": "5", "norm": "layer"}

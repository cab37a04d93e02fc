"""The browser's Back and Forward undo and redo each change of a control, and keep the settings of every page.

With `BACK_PAIRS=all` in the environment all ordered pairs of pages are visited, slowly and quickly, each in a tab. By
default one tour in one tab enters and leaves each page once, in turns slowly and quickly, and undoes a change on each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext, Page, TimeoutError

from tests.browser.compare_page import ComparePage
from tests.browser.server import Server

PATIENCE_MS = 60_000
STEADY_MS = 500
SETTLED_MS = 1000  # as in assets/history.js
PINNED = "baseline=DeepSAD,lambda_n=1.0,epochs=1"

# The address and a control are as expected: [path, parameters, key of the control, what its text begins with].
SHOWS = """
([path, parameters, key, text]) => {
  const given = new URLSearchParams(location.search);
  const root = document.querySelector(`.st-key-${key}`);
  const box = root?.querySelector('[role=combobox]');
  const part = root?.querySelector('[data-testid=stSliderThumbValue], label:has(input:checked)');
  const shown = box ? box.value : part?.innerText.trim().split('\\n')[0];
  return location.pathname === path && shown?.startsWith(text)
    && Object.entries(parameters).every(([name, value]) => given.get(name) === value);
}
"""

# Go through the history and wait until the browser has arrived.
STEP = "by => new Promise(arrived => { addEventListener('popstate', arrived, { once: true }); history.go(by) })"

Change = Callable[[ComparePage], None]


def choose(key: str, option: str) -> Change:
    return lambda page: page.choose(key, option)


def press(key: str, name: str) -> Change:
    return lambda page: page.press(key, name)


def click(key: str, option: str) -> Change:
    return lambda page: page.page.locator(f".st-key-{key} label", has_text=option).first.click()


@dataclass(frozen=True)
class Controls:
    """A page with controls, and a control of it that a visitor moves.

    Parameters
    ----------
    title, path : str
        The link in the menu and the path in the address.
    key : str
        The key of the control.
    begin, by_link, by_change : str
        What the control shows by default, by the link, and once it is moved.
    link, changed : mapping of str to str
        The parameters of the link, and those that the moved control writes.
    change : callable
        Moves the control.
    """

    title: str
    path: str
    key: str
    begin: str
    link: Mapping[str, str]
    by_link: str
    change: Change
    changed: Mapping[str, str]
    by_change: str


PAGES = {
    "start": Controls(
        *("Start", "/", "start_weight", "0"),
        *({"weight": "0.1"}, "0.1"),
        *(press("start_weight", "Home"), {"weight": "1"}, "1"),
    ),
    "compare": Controls(
        *("Compare", "/compare", "seeds", "5"),
        *({"dataset": "digits_7", "epochs": "1", "a": PINNED, "seeds": "2"}, "2"),
        *(choose("seeds", "3"), {"seeds": "3"}, "3"),
    ),
    "lessons": Controls(
        *("Lessons", "/lessons", "lesson_choice", "1. Supervision imbalance"),
        *({"lesson": "norms", "step": "2"}, "2. Without batch norm"),
        *(click("lesson_choice", "The dirty pool"), {"lesson": "dirty_pool", "step": "1"}, "3. The dirty pool"),
    ),
    "microscope": Controls(
        *("Microscope", "/microscope", "labeled_ratio", "0.1"),
        *({"dataset": "digits_5", "epochs": "1", "labeled_ratio": "0.5"}, "0.5"),
        *(press("labeled_ratio", "End"), {"labeled_ratio": "1"}, "1"),
    ),
    "why": Controls(
        *("Why it works", "/why", "labeled_ratio", "0.1"),
        *({"dataset": "digits_5", "epochs": "1", "labeled_ratio": "0.5"}, "0.5"),
        *(press("labeled_ratio", "End"), {"labeled_ratio": "1"}, "1"),
    ),
    "sweep": Controls(
        *("Sweep", "/sweep", "sweep_seeds", "5"),
        *({"dataset": "digits_4", "vary": "batch_size", "sweep_seeds": "2"}, "2"),
        *(choose("sweep_seeds", "3"), {"sweep_seeds": "3"}, "3"),
    ),
    "which": Controls(
        *("Which method?", "/which", "seeds", "5"),
        *({"dataset": "digits_4", "systems": "KNN", "seeds": "2"}, "2"),
        *(choose("seeds", "3"), {"seeds": "3"}, "3"),
    ),
    "weak_supervision": Controls(
        *("Weak supervision", "/weak-supervision", "labeled_ratio", "0.1"),
        *({"dataset": "digits_5", "epochs": "1", "labeled_ratio": "0.5"}, "0.5"),
        *(press("labeled_ratio", "End"), {"labeled_ratio": "1"}, "1"),
    ),
    "zero_shot": Controls(
        *("Zero-shot", "/zero-shot", "zero_shot_test_rows", "100"),
        *({"steps": "25", "seeds": "1", "tasks": "4", "held_out": "7,8,9", "test_rows": "50"}, "50"),
        *(choose("zero_shot_test_rows", "25"), {"test_rows": "25"}, "25"),
    ),
    "drift": Controls(
        *("Drift", "/drift", "schedule", "sudden"),
        *({"batches": "30", "rows": "16", "start": "10", "seeds": "1", "schedule": "gradual"}, "gradual"),
        *(choose("schedule", "no shift (none)"), {"schedule": "none"}, "no shift (none)"),
    ),
    "clean": Controls(
        *("Clean", "/clean", "parts", "3"),
        *({"dataset": "digits_only_6", "epochs": "1", "parts": "2"}, "2"),
        *(press("parts", "End"), {"parts": "20"}, "20"),
    ),
    "reproduce": Controls(
        *("Reproduce", "/reproduce", "show", "Table 1"),
        *({"show": "table2"}, "Table 2"),
        *(click("show", "Differences"), {"show": "differences"}, "Differences"),
    ),
    "label": Controls(
        *("Label", "/label", "lambda_n", "0"),
        *({"epochs": "1", "lambda_n": "0.1"}, "0.1"),
        *(press("lambda_n", "Home"), {"lambda_n": "1"}, "1"),
    ),
}
ORDERED = [(first, then) for first in PAGES for then in PAGES if first != then]
AROUND = list(zip(PAGES, [*list(PAGES)[1:], next(iter(PAGES))], strict=True))


class Visit:
    """A browser tab in which a visitor goes from one page with controls to another and back."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.moves = ComparePage(page, url)
        self.failures: list[str] = []
        self.checks = 0

    def open(self, controls: Controls) -> None:
        self.page.goto(f"{self.moves.url}{controls.path}?{urlencode(controls.link)}")

    def enter(self, controls: Controls) -> None:
        self.page.get_by_test_id("stSidebarNavItems").get_by_role("link", name=controls.title, exact=True).click()

    def step(self, by: int, to: Controls) -> None:
        """Press Back or Forward once, and wait until the address is that of the page."""
        self.page.evaluate(STEP, by)
        self.wait_for_path(to)

    def wait_for_path(self, controls: Controls) -> None:
        self.page.wait_for_function("path => location.pathname === path", arg=controls.path)

    def check(self, words: str, controls: Controls, parameters: Mapping[str, str], text: str) -> None:
        """Note a failure unless the page comes to show this, and still does a moment later."""
        self.checks += 1
        expected = [controls.path, dict(parameters), controls.key, text]
        try:
            self.page.wait_for_function(SHOWS, arg=expected, timeout=PATIENCE_MS)
            self.page.wait_for_timeout(STEADY_MS)
            kept = self.page.evaluate(SHOWS, expected)
        except TimeoutError:
            kept = False
        if not kept:
            shown = self.page.locator(f".st-key-{controls.key}").all_inner_texts()
            self.failures.append(f"{words}: not {parameters} {text!r} but {self.page.url} {shown}")

    def change(self, controls: Controls) -> None:
        """Move the control; the page may still train."""
        controls.change(self.moves)


def go_slowly(visit: Visit, first: Controls, then: Controls, given: Mapping[str, str], text: str) -> None:
    """Go from a page that shows this to another one and change it; wait for each page before the next action."""
    visit.enter(then)
    visit.check("menu", then, {}, then.begin)
    visit.change(then)
    visit.check("change", then, then.changed, then.by_change)
    visit.step(-1, then)
    visit.check("back to before the change", then, {}, then.begin)
    visit.step(-1, first)
    visit.check("back to the page before", first, given, text)
    visit.step(1, then)
    visit.check("forward to the page", then, {}, then.begin)
    visit.step(1, then)
    visit.check("forward to the change", then, then.changed, then.by_change)


def go_quickly(visit: Visit, first: Controls, then: Controls, given: Mapping[str, str], text: str) -> None:
    """Act again as soon as the browser has arrived, and leave the first page right after a change."""
    visit.enter(then)
    visit.wait_for_path(then)
    visit.step(-1, first)
    visit.step(1, then)
    visit.step(-1, first)
    visit.check("back, forward, back", first, given, text)
    visit.change(first)
    visit.enter(then)
    visit.wait_for_path(then)
    visit.step(-1, first)
    visit.check("back to a change", first, {**given, **first.changed}, first.by_change)
    visit.step(-1, first)
    visit.step(1, first)
    visit.step(-1, first)
    visit.check("back, forward, back over a change", first, given, text)
    visit.step(1, first)
    visit.step(1, then)
    visit.check("forward", then, {}, then.begin)


def go_over_a_change(visit: Visit, page: Controls, given: Mapping[str, str], text: str) -> None:
    """Change a page that shows this, and undo it."""
    visit.change(page)
    visit.check("change before leaving", page, {**given, **page.changed}, page.by_change)
    visit.step(-1, page)
    visit.check("back over a change before leaving", page, given, text)


def visit_slowly(visit: Visit, first: Controls, then: Controls) -> None:
    """Go from one page, opened by its link, slowly to another, and reload that."""
    visit.open(first)
    visit.check("link", first, first.link, first.by_link)
    go_slowly(visit, first, then, first.link, first.by_link)
    visit.page.reload()
    visit.check("reload", then, then.changed, then.by_change)
    visit.step(-1, then)
    visit.check("back after a reload", then, {}, then.begin)
    visit.step(-1, first)
    visit.check("back to the page before the reload", first, first.link, first.by_link)


def visit_quickly(visit: Visit, first: Controls, then: Controls) -> None:
    """Go from one page, opened by its link, quickly to another."""
    visit.open(first)
    visit.check("link", first, first.link, first.by_link)
    go_quickly(visit, first, then, first.link, first.by_link)


def tour(visit: Visit) -> None:
    """Go around all pages, in turns slowly and quickly; then reload the last one and go back."""
    begin = PAGES[AROUND[0][0]]
    visit.open(begin)
    given, text = begin.link, begin.by_link
    visit.check("link", begin, given, text)
    for number, (first, then) in enumerate(AROUND):
        before, last = PAGES[first], PAGES[then]
        left = given, text
        if number % 2 == 0:
            go_over_a_change(visit, before, given, text)
            go_slowly(visit, before, last, given, text)
            visit.step(-1, last)  # to before its change
        else:
            go_quickly(visit, before, last, given, text)
            left = {**given, **before.changed}, before.by_change
        given, text = {}, last.begin
    visit.page.reload()
    visit.check("reload", last, given, text)
    visit.step(-1, before)
    visit.check("back to the page before the reload", before, *left)


VISITS: dict[str, Callable[[Visit], None]] = {"tour": tour}
if os.environ.get("BACK_PAIRS") == "all":
    VISITS |= {
        f"{first}-{then}-{way.__name__}": partial(way, first=PAGES[first], then=PAGES[then])
        for first, then in ORDERED
        for way in (visit_slowly, visit_quickly)
    }


@pytest.fixture
def visit(context: BrowserContext, server: Server) -> Iterator[Visit]:
    """A visit in a new tab, without failures at its end."""
    begun = Visit(context.new_page(), server.url)
    yield begun
    begun.moves.cancel_training()
    begun.page.close()
    assert begun.failures == []


@pytest.mark.parametrize("way", VISITS)
def test_settings_survive(visit: Visit, way: str) -> None:
    VISITS[way](visit)


def test_moves_of_one_control_are_one_step(visit: Visit) -> None:
    controls = PAGES["start"]
    visit.open(controls)
    visit.check("link", controls, controls.link, controls.by_link)
    visit.moves.press(controls.key, "ArrowRight", "ArrowRight")
    visit.check("two presses", controls, {"weight": "0.001"}, "0.001")
    visit.page.wait_for_timeout(SETTLED_MS)
    visit.moves.press(controls.key, "Home")
    visit.check("a press later on", controls, {"weight": "1"}, "1")
    visit.step(-1, controls)
    visit.check("back over one press", controls, {"weight": "0.001"}, "0.001")
    visit.step(-1, controls)
    visit.check("back over two presses", controls, controls.link, controls.by_link)

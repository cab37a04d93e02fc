"""Nothing jumps: figures keep their place while the next ones are computed, and stay in sight, grayed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.compare_page import ComparePage
from tests.browser.server import Server
from tests.browser.test_back import Change, choose, press

PATIENCE_MS = 60_000
# Note at each frame where a figure is, null while it is away, and whether a computation is shown.
WATCH = """
selector => {
  window.frames_seen = [];
  const note = () => {
    const figure = document.querySelector(selector);
    const place = figure ? Math.round(figure.getBoundingClientRect().top) : null;
    const bar = document.querySelector('[data-testid=stBottom] [data-testid=stProgress]');
    window.frames_seen.push([place, Boolean(bar)]);
    requestAnimationFrame(note);
  };
  note();
}
"""
FRAMES = "() => window.frames_seen"
# A short computation may end before a frame shows its bar, so the address tells that the change arrived.
ANSWERED = """
before => location.href !== before
  && document.querySelector('[data-testid=stApp][data-test-script-state=notRunning]')
  && !document.querySelector('[data-testid=stBottom] [data-testid=stProgress]')
"""
GAP = """
selector => document.querySelector(selector).getBoundingClientRect().top
  - document.querySelector('[data-testid=stMain] h5').getBoundingClientRect().bottom
"""


@dataclass(frozen=True)
class Recomputed:
    """A page whose figure is computed anew as a control is moved.

    Parameters
    ----------
    path : str
        The path of the page.
    link : mapping of str to str
        Its parameters.
    figure : str
        The key of the figure.
    change : callable
        Moves the control.
    """

    path: str
    link: Mapping[str, str]
    figure: str
    change: Change


PAGES = {
    "compare": Recomputed(
        "/compare", {"dataset": "digits_7", "epochs": "20", "seeds": "2"}, "scores", press("labeled_ratio", "End")
    ),
    "microscope": Recomputed(
        "/microscope", {"dataset": "digits_5", "epochs": "20"}, "microscope", press("labeled_ratio", "End")
    ),
    "zero_shot": Recomputed(
        "/zero-shot", {"steps": "50", "seeds": "1", "tasks": "4"}, "scorers", choose("zero_shot_test_rows", "50")
    ),
    "clean": Recomputed(
        *("/clean", {"dataset": "digits_only_6", "epochs": "5", "parts": "2", "seeds": "1"}),
        *("suspicion", press("parts", "ArrowRight")),
    ),
}


@pytest.fixture(scope="module")
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    yield opened
    opened.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_figure_keeps_its_place_while_the_next_is_computed(
    visitor: BrowserContext, server: Server, name: str
) -> None:
    tried = PAGES[name]
    page = visitor.new_page()
    page.set_default_timeout(PATIENCE_MS)
    compare = ComparePage(page, server.url)
    selector = f".st-key-{tried.figure}"
    try:
        page.goto(f"{server.url}{tried.path}?{urlencode(tried.link)}")
        page.wait_for_selector(f"{selector} .main-svg")
        compare.wait_until_idle()
        page.evaluate(WATCH, selector)
        gap, address = page.evaluate(GAP, selector), page.url
        tried.change(compare)
        page.wait_for_function(ANSWERED, arg=address)
        frames = page.evaluate(FRAMES)
        begun = next((number for number, (_, computing) in enumerate(frames) if computing), 0)
        places = {place for place, _ in frames[: begun + 1]}
        assert len(places) == 1, "the figure moved, or went away, as the computation began"
        assert None not in [place for place, _ in frames], "the figure went away for a moment"
        assert page.evaluate(GAP, selector) == pytest.approx(gap, abs=1)
    finally:
        compare.cancel_training()
        page.close()

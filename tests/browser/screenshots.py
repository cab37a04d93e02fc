"""Command `make screenshots`: take the pictures of the documentation in headless Chromium."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.server import CHROMIUM_ARGUMENTS, chromium, serving
from tests.tables import cancer, penguins

FOLDER = Path(__file__).parents[2] / "assets" / "screenshots"
PATIENCE_MS = 120_000
SETTLE_MS = 1500


def _stays(page: Page) -> None:
    page.wait_for_selector(".js-plotly-plot .main-svg >> nth=1")


def _picture_is_there(page: Page) -> None:
    page.wait_for_selector(".method svg")


def _is_retrained(page: Page) -> None:
    page.wait_for_selector(".st-key-outcome .js-plotly-plot .main-svg")


def _step_to_a_labeled_anomaly(page: Page) -> None:
    page.get_by_role("button", name="+1", exact=True).click()
    page.get_by_role("button", name="−1", exact=True).click()


def _step_to_the_mean(page: Page) -> None:
    _stays(page)
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.get_by_text("5 of 5").wait_for()


def _go_back_to_epoch_8(page: Page) -> None:
    page.get_by_role("button", name="Start", exact=True).click()
    for _ in range(8):
        page.get_by_role("button", name="+1", exact=True).click()


def _add_anomalies(page: Page) -> None:
    page.locator(".st-key-zero_shot_moment").get_by_role("slider").focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    page.get_by_text("18 anomalies move").wait_for()


def _picture_of_a_batch(page: Page) -> None:
    page.wait_for_selector(".st-key-drift .js-plotly-plot .main-svg")
    page.wait_for_selector(".player canvas")


def _is_full(page: Page) -> None:
    page.wait_for_selector("table td button >> nth=50")


def _commit_to_a_prediction(page: Page) -> None:
    page.locator("[data-testid=stMain] [role=radiogroup] label").first.click()
    page.locator(".st-key-commit button:not([disabled])").click()
    page.wait_for_selector(".st-key-next button")
    page.wait_for_selector(".js-plotly-plot .main-svg")


def _sweep_to_the_end(page: Page) -> None:
    page.locator(".st-key-sweep_start button:not([disabled])").click()
    page.get_by_role("button", name="Finished", exact=True).wait_for()


def _tick(page: Page, *rows: int) -> None:
    """Select rows of the page's table, counted from 1."""
    frame = page.locator("[data-testid=stDataFrame]").first
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert box is not None
    row_height = 30 if "datasets" in page.url else 35
    for row in rows:
        page.mouse.click(box["x"] + 16, box["y"] + row_height * row + row_height // 2 + 3)
        page.wait_for_timeout(SETTLE_MS)


def _look_at_a_set(page: Page) -> None:
    words = page.locator(".st-key-datasets_words input")
    words.fill("digits_8")
    words.press("Enter")
    page.get_by_text("1 of them is listed").wait_for()
    _tick(page, 1)
    page.wait_for_selector(".digits img >> nth=17")


def _bring_penguins(page: Page) -> None:
    page.set_input_files("input[type=file]", penguins(raw=True))
    page.get_by_text("344 rows of").first.wait_for()


def _list_pictures(page: Page) -> None:
    page.get_by_role("button", name="Use images").click()
    page.get_by_role("button", name="Make features", exact=True).click()
    page.get_by_text("1,797 rows of").first.wait_for()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text("Over 5 seeds").first.wait_for()
    page.get_by_role("tab", name="Confusion and rows").click()
    _tick(page, 1)
    page.locator(".row-card img").wait_for()
    page.locator(".st-key-contributions .main-svg").first.wait_for()
    page.locator("[data-testid=stDataFrame]").first.evaluate("table => table.scrollIntoView({ block: 'start' })")


def _mark_three_rows(page: Page) -> None:
    cells = cancer().drop(columns="target").to_csv(index=False).encode()
    page.set_input_files("input[type=file]", {"name": "cells.csv", "mimeType": "text/csv", "buffer": cells})
    page.get_by_role("button", name="Label by hand").click()
    page.get_by_text("puts the strangest of 569 rows on top").wait_for()
    _tick(page, 1, 2, 3)
    page.get_by_role("button", name="Label as anomaly (3)").click()
    page.get_by_text("Trained on 3 labeled anomalies").wait_for()
    page.get_by_text("of their first 20 rows").wait_for()
    page.locator("h1").scroll_into_view_if_needed()
    _stays(page)


def _select_a_run(page: Page) -> None:
    page.get_by_text("Select one run").wait_for()
    _tick(page, 2)
    page.get_by_text("In Python").wait_for()


# By the picture's name: the page's address, and what is done there before it is taken.
PICTURES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "start": ("/", _picture_is_there),
    "compare": ("/compare", _stays),
    "learn": ("/compare?view=learn", _go_back_to_epoch_8),
    "why": ("/why", _step_to_the_mean),
    "microscope": ("/microscope", _step_to_a_labeled_anomaly),
    "weak_supervision": ("/weak-supervision", _stays),
    "zero_shot": ("/zero-shot", _add_anomalies),
    "drift": ("/drift", _picture_of_a_batch),
    "clean": ("/clean", _is_retrained),
    "reproduce": ("/reproduce", _is_full),
    "lessons": ("/lessons?lesson=imbalance&step=2", _commit_to_a_prediction),
    "sweep": ("/sweep?question=contamination&sweep_seeds=3", _sweep_to_the_end),
    "which": ("/which", _stays),
    "datasets": ("/datasets", _look_at_a_set),
    "your_table": ("/your-table", _bring_penguins),
    "images": ("/your-table", _list_pictures),
    "label": ("/your-table", _mark_three_rows),
    "runs": ("/runs", _select_a_run),
}


def main(names: Sequence[str]) -> None:
    """Replace all pictures in assets/screenshots, or those with these names, at 1280 × 720."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with serving() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        for name in names or PICTURES:
            address, prepare = PICTURES[name]
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            page.set_default_timeout(PATIENCE_MS)
            page.goto(f"{server.url}{address}")
            prepare(page)
            page.wait_for_timeout(SETTLE_MS)
            page.mouse.move(0, 0)
            page.screenshot(path=FOLDER / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])

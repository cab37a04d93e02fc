"""make screenshots: the README's pictures, taken of a fresh server in headless Chromium."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.server import CHROMIUM_ARGUMENTS, chromium, serving

FOLDER = Path(__file__).parents[2] / "assets" / "screenshots"
PATIENCE_MS = 120_000
SETTLE_MS = 1500


def _stays(page: Page) -> None:
    page.wait_for_selector(".js-plotly-plot .main-svg >> nth=1")


def _is_retrained(page: Page) -> None:
    page.wait_for_selector(".st-key-outcome .js-plotly-plot .main-svg")


def _step_to_a_labelled_anomaly(page: Page) -> None:
    page.get_by_role("button", name="+1", exact=True).click()
    page.get_by_role("button", name="−1", exact=True).click()


def _go_back_to_epoch_8(page: Page) -> None:
    page.get_by_role("button", name="Start", exact=True).click()
    for _ in range(8):
        page.get_by_role("button", name="+1", exact=True).click()


def _add_anomalies(page: Page) -> None:
    page.locator(".st-key-zero_shot_moment").get_by_role("slider").focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    page.get_by_text("18 anomalies move").wait_for()


def _is_full(page: Page) -> None:
    page.wait_for_selector("table td button >> nth=50")


def _commit_to_a_prediction(page: Page) -> None:
    page.locator("[data-testid=stMain] [role=radiogroup] label").first.click()
    page.locator(".st-key-commit button:not([disabled])").click()
    page.wait_for_selector(".st-key-next button")
    page.wait_for_selector(".js-plotly-plot .main-svg")


# By the picture's name: the page's address, and what is done there before it is taken.
PICTURES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "compare": ("/", _stays),
    "learn": ("/?view=watch+it+learn", _go_back_to_epoch_8),
    "microscope": ("/microscope", _step_to_a_labelled_anomaly),
    "zero_shot": ("/zero-shot", _add_anomalies),
    "clean": ("/clean", _is_retrained),
    "reproduce": ("/reproduce", _is_full),
    "lessons": ("/lessons?lesson=imbalance&step=2", _commit_to_a_prediction),
}


def main() -> None:
    """Replace the pictures in assets/screenshots by new ones, as a projector shows the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with serving() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        for name, (address, prepare) in PICTURES.items():
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
    main()

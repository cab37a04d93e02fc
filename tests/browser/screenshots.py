"""make screenshots: the README's pictures, taken of a fresh server in headless Chromium."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.server import CHROMIUM_ARGUMENTS, chromium, serving

FOLDER = Path(__file__).parents[2] / "assets" / "screenshots"


def main() -> None:
    """Replace assets/screenshots/compare.png by the default page on a projector."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with serving() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(server.url)
        page.wait_for_selector(".js-plotly-plot .main-svg >> nth=1")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=FOLDER / "compare.png")
        browser.close()


if __name__ == "__main__":
    main()

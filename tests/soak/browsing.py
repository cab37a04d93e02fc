"""Real browser windows in the load test: each moves λₙ and waits for the charts."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Error, sync_playwright

from tests.browser.compare_page import ComparePage
from tests.browser.server import CHROMIUM_ARGUMENTS, Server, chromium

__all__ = ["Browsing"]

PATIENCE_MS = 120_000
PAUSE_S = (2.0, 6.0)
KEYS = ("ArrowLeft", "ArrowRight")


@dataclass
class Browsing:
    """Windows of one browser on Compare, moved by a thread until `stop`.

    figures: seconds from each key press to the new charts. errors: messages of the console and of pages.
    """

    server: Server
    windows: int
    figures: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._browse, name="browsers")
        if self.windows:
            self._thread.start()

    def stop(self) -> None:
        """Finish the current movement and close the windows."""
        self._stopped.set()
        if self.windows:
            self._thread.join()

    def _browse(self) -> None:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
            try:
                pages = [self._window(browser, number) for number in range(self.windows)]
                draw = random.Random(0)
                while not self._stopped.wait(draw.uniform(*PAUSE_S) / self.windows):
                    self._move(draw.choice(pages), draw.choice(KEYS))
            except Error as error:
                self.errors.append(f"browser: {error}")
            finally:
                browser.close()

    def _window(self, browser: Browser, number: int) -> ComparePage:
        """Open a window with a new profile and its seed."""
        page = browser.new_context(viewport={"width": 1280, "height": 720}, reduced_motion="reduce").new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.errors.append(f"browser: {error}"))
        compare = ComparePage(page, self.server.url)
        compare.open(seeds="2", seed=str(number), lambda_n="0.001")
        compare.wait_for_figures()
        return compare

    def _move(self, window: ComparePage, key: str) -> None:
        before = window.slid("lambda_n")
        begun = time.monotonic()
        window.press("lambda_n", key)
        value = window.slid("lambda_n")
        if value != before:
            window.wait_for_title("scores", f"λₙ = {value}" if value not in ("0", "1") else "DeepSAD")
            window.wait_until_idle()
            self.figures.append(time.monotonic() - begun)
        if "Traceback" in window.text:
            self.errors.append(f"browser: {window.text[:300]}")

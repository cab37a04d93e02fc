"""Fixtures: a server and a browser per worker, and for each test a fresh profile with checks for errors."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.browser.compare_page import ComparePage
from tests.browser.server import CHROMIUM_ARGUMENTS, ROOT, Server, chromium, serving
from tests.tables import cancer

PATIENCE_MS = 60_000
VIEWPORT: ViewportSize = {"width": 1280, "height": 720}
RESULTS = ROOT / "test-results"
ALARMING = re.compile(r"Traceback|\b\w*(?:Error|Exception)\b")

Open = Callable[..., ComparePage]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running
        assert running.stop() == set(), "processes outlive the server"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def context(server: Server, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser that has uploaded a table, which the page Label needs; its tab stays open so that the table does."""
    path: Path = tmp_path_factory.mktemp("table") / "cells.csv"
    cancer().drop(columns="target").to_csv(path, index=False)
    opened = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = opened.new_page()
    page.goto(f"{server.url}/your-table")
    page.set_input_files("input[type=file]", path)
    expect(page.locator("h5").first).to_contain_text("no label")
    yield opened
    opened.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that share five servers, so that no second worker comes to start these again."""
    items.sort(key=lambda item: item.path.name != "test_start.py")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


FAILED = pytest.StashKey[bool]()


class Window:
    """A page of a fresh profile, with what it writes to the console and the hosts that it asks."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.console: list[str] = []
        self.hosts: set[str] = set()
        context = browser.new_context(viewport=VIEWPORT, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE_MS)
        self.page = context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.console.append(str(error)))
        self.page.on("request", lambda sent: self.hosts.add(re.sub(r"^(?:blob:)?\w+://([^/:]*).*", r"\1", sent.url)))
        self.page.on("websocket", lambda socket: self.hosts.add(re.sub(r"^\w+://([^/:]*).*", r"\1", socket.url)))
        self.compare = ComparePage(self.page, url)

    def _note(self, message: ConsoleMessage) -> None:
        # At the address of a page, the browser first looks for the root of the server.
        probing = message.location["url"].endswith(("_stcore/health", "_stcore/host-config"))
        if message.type == "error" and not probing:
            self.console.append(f"{message.text} ({message.location['url']})")

    def text(self, picture: Path | None) -> str:
        """Return the text of the page, "" if it is closed; take a picture too."""
        try:
            if picture is not None:
                picture.parent.mkdir(exist_ok=True)
                self.page.screenshot(path=picture)
            return self.page.inner_text("body")
        except Error:
            return ""  # the test has reported the reason

    def close(self) -> None:
        self.compare.cancel_training()
        self.page.context.close()


def assert_faultless(windows: list[Window], texts: list[str]) -> None:
    """Check what these pages show, wrote to the console, and asked for."""
    for text in texts:
        assert not ALARMING.search(text), f"the page shows {ALARMING.search(text)}"
    assert [words for window in windows for words in window.console] == [], "errors in the browser's console"
    hosts = {host for window in windows for host in window.hosts}
    assert hosts <= {"localhost", "", "data", "blob"}, "the page asks other hosts"


def picture_of(request: pytest.FixtureRequest, number: int) -> Path | None:
    """Return the file for a picture of a page, if the test has failed."""
    name = re.sub(r"\W+", "_", request.node.name)
    return RESULTS / f"{name}_{number}.png" if request.node.stash.get(FAILED, True) else None


@pytest.fixture
def open_page(server: Server, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Yield a function that opens a page with a fresh profile; check the pages for errors at the end."""
    opened: list[Window] = []

    def open_link(path: str = "compare", **parameters: str | list[str]) -> ComparePage:
        window = Window(browser, server.url)
        opened.append(window)
        window.compare.open(path, **parameters)
        return window.compare

    yield open_link

    texts = [window.text(picture_of(request, number)) for number, window in enumerate(opened)]
    for window in opened:
        window.close()
    assert_faultless(opened, texts)


@pytest.fixture(scope="session")
def kept_windows(browser: Browser) -> Iterator[list[Window]]:
    """The window of `compare_page`, if a test has left one."""
    kept: list[Window] = []
    yield kept
    for window in kept:
        window.close()


@pytest.fixture
def compare_page(
    server: Server, browser: Browser, kept_windows: list[Window], request: pytest.FixtureRequest
) -> Iterator[ComparePage]:
    """Compare with its figures at its default settings: the page of the test before, if that left it so."""
    if not kept_windows:
        kept_windows.append(Window(browser, server.url))
        begun = time.perf_counter()
        kept_windows[0].compare.open()
        kept_windows[0].compare.wait_for_figures()
        print(f"\nopening Compare to its figures: {time.perf_counter() - begun:.1f} s")
    window = kept_windows.pop()
    window.compare.wait_until_idle()
    yield window.compare
    text = window.text(picture_of(request, 0))
    if window.page.url == f"{server.url}/compare" and not request.node.stash.get(FAILED, True):
        window.page.set_viewport_size(VIEWPORT)
        window.page.evaluate(
            "() => { document.activeElement?.blur(); document.querySelector('[data-testid=stMain]').scrollTo(0, 0) }"
        )
        kept_windows.append(window)
    else:
        window.close()
    assert_faultless([window], [text])

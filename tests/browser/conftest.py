"""Fixtures: a server and a browser per worker, and for each test a fresh profile with checks for errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, expect, sync_playwright

from tests.browser.compare_page import ComparePage
from tests.browser.server import CHROMIUM_ARGUMENTS, ROOT, Server, chromium, serving
from tests.tables import cancer

PATIENCE_MS = 60_000
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


@pytest.fixture
def open_page(server: Server, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Yield a function that opens a page with a fresh profile; check the pages for errors at the end."""
    opened: list[Page] = []
    console: list[str] = []
    hosts: set[str] = set()

    def watch(message: ConsoleMessage) -> None:
        # At the address of a page, the browser first looks for the root of the server.
        probing = message.location["url"].endswith(("_stcore/health", "_stcore/host-config"))
        if message.type == "error" and not probing:
            console.append(f"{message.text} ({message.location['url']})")

    def open_link(path: str = "compare", **parameters: str | list[str]) -> ComparePage:
        context = browser.new_context(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("console", watch)
        page.on("pageerror", lambda error: console.append(str(error)))
        page.on("request", lambda sent: hosts.add(re.sub(r"^(?:blob:)?\w+://([^/:]*).*", r"\1", sent.url)))
        page.on("websocket", lambda socket: hosts.add(re.sub(r"^\w+://([^/:]*).*", r"\1", socket.url)))
        opened.append(page)
        compare = ComparePage(page, server.url)
        compare.open(path, **parameters)
        return compare

    yield open_link

    texts = []
    for number, page in enumerate(opened):
        try:
            texts.append(page.inner_text("body"))
            if request.node.stash.get(FAILED, True):
                RESULTS.mkdir(exist_ok=True)
                name = re.sub(r"\W+", "_", request.node.name)
                page.screenshot(path=RESULTS / f"{name}_{number}.png")
        except Error:
            pass  # the page is closed; the test has reported the reason
        ComparePage(page, server.url).cancel_training()
        page.context.close()
    for text in texts:
        assert not ALARMING.search(text), f"the page shows {ALARMING.search(text)}"
    assert console == [], "errors in the browser's console"
    assert hosts <= {"localhost", "", "data", "blob"}, "the page asks other hosts"

"""The Reproduce page in a real browser: complete offline; a cell is selected, downloaded and trained again."""

from __future__ import annotations

import csv
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from anoonly_core.results.store import FILE_NAME, Store
from tests.browser.compare_page import ComparePage, choose_option
from tests.browser.server import UNWARMED, Server

Open = Callable[..., ComparePage]
DATA = os.environ.get("ANOONLY_DATA")
CELLS = "table td button"


def cell(page: Page, name: str) -> str:
    """Return the text of the cell with this name."""
    return page.get_by_role("button", name=re.compile(re.escape(name))).first.inner_text()


def test_the_page_is_complete_offline_and_a_cell_can_be_selected_and_downloaded(open_page: Open) -> None:
    begun = time.monotonic()
    opened = open_page("reproduce")
    page = opened.page
    page.locator(CELLS).nth(60).wait_for()
    print(f"\nReproduce: full {time.monotonic() - begun:.2f} s after its address was asked for")
    assert re.search(r"in \d+ of \d+ pairs of head and data set", opened.sentence)
    rows = page.locator("tbody th").all_inner_texts()
    assert len(rows) == 11 and rows[-1] == "DevNet + AnoOnly"
    text = page.get_by_role("button", name=re.compile(r"^DeepSAD, MVTec-AD:")).inner_text()
    assert re.fullmatch(r"\d+\.\d ± \d+\.\d \([+−]?\d+\.\d\)", text)
    # By keyboard, as by mouse.
    page.get_by_role("button", name=re.compile(r"^DeepSAD, MVTec-AD:")).press("Enter")
    detail = page.get_by_text(re.compile(r"It is the mean over 10 of 15 files and 5 seeds, 50 runs"))
    expect(detail).to_be_visible()
    assert "ours " + text.split(" (")[0] in detail.inner_text() and "the paper 79.6" in detail.inner_text()
    expect(page.get_by_text("To train it here, first fetch MVTec-AD_bottle")).to_be_visible()  # no file is here
    expect(detail).to_be_in_viewport()
    page.wait_for_url(re.compile(r"cell=DeepSAD%7EMVTec-AD|cell=DeepSAD~MVTec-AD"))
    page.go_back()
    expect(detail).not_to_be_visible()
    page.get_by_role("button", name=re.compile(r"^DeepSAD, MVTec-AD:")).press("Enter")  # the same cell again
    expect(detail).to_be_in_viewport()
    page.reload()
    expect(detail).to_be_in_viewport()
    opened.wait_until_idle()
    page.get_by_text("Take away").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    with open(download.value.path(), newline="", encoding="utf-8") as file:
        cells = {(row["row"], row["column"]): row for row in csv.DictReader(file)}
    assert f"{float(cells['DeepSAD', 'MVTec-AD']['mean']):.1f}" == text.split(" ")[0] and len(cells) >= 60

    page.get_by_text("Fig. 9: batch size").click()
    page.locator(".st-key-figure-fig9 .main-svg").first.wait_for()
    page.get_by_text("Fig. 10: scores and features").click()
    page.get_by_role("button", name="SVHN_0 in Compare").wait_for()
    page.get_by_text("What does not add up").click()
    page.get_by_text("Small sets leak from training into the test").wait_for()
    page.wait_for_url(re.compile(r"show=points"))
    page.get_by_text("Differences", exact=True).click()
    page.get_by_role("cell", name=re.compile("unexplained")).first.wait_for()


def test_a_cell_is_trained_again_on_this_machine(browser: Browser) -> None:
    if DATA is None or not Path(DATA, "NLP_by_BERT", "20news_3.npz").is_file():
        pytest.skip("ADBench's files are absent: set ANOONLY_DATA")
    with tempfile.TemporaryDirectory(prefix="anoonly-") as folder:
        server = Server(Path(folder), data=DATA, command=UNWARMED)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        try:
            server.wait_until_healthy()
            page.goto(f"{server.url}/reproduce")
            page.get_by_role("button", name=re.compile(r"^DevNet, 20news:")).click()
            page.get_by_role("button", name="Run it on this machine, 5 runs").click()
            detail = page.get_by_text(re.compile(r"5 of which were trained on this machine; the shipped value is"))
            detail.wait_for()
            ours, shipped = re.findall(r"(?:ours|shipped value is) (\d+\.\d)", detail.inner_text())
            assert abs(float(ours) - float(shipped)) < 2, "processors round differently"
            assert len(Store(Path(folder) / FILE_NAME).runs()) == 5
            expect(page.get_by_role("button", name="All of it was run on this machine")).to_be_disabled()
            choose_option(page.get_by_role("combobox", name="Open one of its data sets in Compare"), "20news_3")
            page.wait_for_url(re.compile(r"dataset=20news_3.*"))
        finally:
            page.close()
            server.kill()

"""Uploaded tables in a real browser: equal scores on the command line, and no access from other browsers."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from playwright.sync_api import Page, expect

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import resolve
from anoonly_core.data.split import make_split
from tests.browser.compare_page import IDLE, ComparePage
from tests.browser.server import ROOT
from tests.tables import cancer, penguins

Open = Callable[..., ComparePage]
READ = "label=Species&anomaly=Chinstrap penguin (Pygoscelis antarctica)&without=Individual ID,Date Egg"
READ += "&categories=one_hot&missing=impute"


def upload(page: Page, path: Path) -> None:
    page.set_input_files("input[type=file]", path)


def test_page_and_command_line_give_equal_scores_and_other_browsers_have_no_access(
    open_page: Open, tmp_path: Path
) -> None:
    page = open_page("your-table").page
    path = penguins(raw=True)
    upload(page, path)
    expect(page.locator("h5").first).to_contain_text("penguins-raw.csv: 344 rows of 27 features, 68 anomalies")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url(re.compile(r":\d+/compare\?dataset=own_penguins-raw_"))
    page.goto(f"{page.url}&seeds=1")
    expect(page.locator("h5").first).to_contain_text("On one seed")
    page.wait_for_selector(IDLE)
    page.get_by_role("tab", name="Take away").click()
    with page.expect_download() as taken:
        page.get_by_role("button", name="Download scores").click()
    scores = pd.read_csv(io.BytesIO(taken.value.path().read_bytes())).set_index("row")

    address = f"{path}?{READ}"
    split = make_split(resolve(address).load(), make_config(dataset=address))
    assert sorted(scores.index) == sorted(resolve(address).load().row_ids[split.test])
    command = [sys.executable, "-m", "anoonly_core", "run", "--dataset", address, "--lambda-n", "0"]
    environment = {**os.environ, "ANOONLY_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, "--json"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)["metrics"]
    for name in ("aucroc", "aucpr_anomaly", "aucpr_normal"):
        expect(page.get_by_text(f"→ {said[name]:.3f}").first).to_be_visible()

    stranger = open_page(dataset=page.url.partition("dataset=")[2].partition("&")[0], seeds="1").page
    expect(stranger.get_by_text("belongs to another browser").first).to_be_visible()
    expect(stranger.locator(".st-key-dataset [role=combobox]")).to_have_value("digits_3")
    page.reload()  # the browser that uploaded it keeps access
    expect(page.locator("h5").first).to_contain_text("On one seed")
    expect(page.locator(".st-key-dataset [role=combobox]")).to_have_value(re.compile("^own_penguins-raw_"))


def test_rows_labeled_by_hand_train_a_ranking(open_page: Open, tmp_path: Path) -> None:
    table = cancer()
    table.drop(columns="target").to_csv(tmp_path / "cells.csv", index=False)
    page = open_page("your-table").page
    upload(page, tmp_path / "cells.csv")
    expect(page.locator("h5").first).to_contain_text("no label. Label a few anomalies by hand")
    page.get_by_role("button", name="Label by hand").click()
    expect(page.locator("h5").first).to_contain_text("Isolation forest puts the strangest of 569 rows on top")
    frame = page.locator("[data-testid=stDataFrame]").first
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert box is not None
    for row in (1, 2, 3):
        page.mouse.click(box["x"] + 16, box["y"] + 35 * row + 18)
        expect(page.get_by_role("button", name=f"Label as anomaly ({row})")).to_be_visible()
    page.get_by_role("button", name="Label as anomaly (3)").click()
    expect(page.locator("h5").first).to_contain_text("Trained on 3 labeled anomalies, DeepSAD puts")
    # The other λₙ trains too, and its ranks replace the file behind the button.
    expect(page.get_by_text("of their first 20 rows")).to_be_visible()
    page.wait_for_selector(IDLE)
    with page.expect_download() as taken:
        page.get_by_role("button", name="Download all scores").click()
    scores = pd.read_csv(io.BytesIO(taken.value.path().read_bytes()))
    assert len(scores) == 569 and (scores["label"] == "anomaly").sum() == 3


def test_the_page_works_after_a_hostile_file(open_page: Open, tmp_path: Path) -> None:
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(2 << 30)
    hostile = tmp_path / "<img src=x onerror=alert(1)>.csv"
    hostile.write_bytes(b"a,b\n1\n1,2,3\n")
    page = open_page("your-table").page
    upload(page, huge)
    expect(page.get_by_text("must be 200.0MB or smaller").first).to_be_visible()
    upload(page, hostile)
    expect(page.get_by_text(f"{hostile.name} cannot be read as a .csv table: line 3 has 3 cells").first).to_be_visible()
    page.get_by_role("button", name="Remove table").click()
    expect(page.locator("h5").first).to_contain_text("Upload a table")

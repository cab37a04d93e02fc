"""Label in a real browser, by keyboard alone: two rounds of ten labels on digits, one taken back."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd
from playwright.sync_api import Page, expect

from anoonly_core.data.catalogue import load_cached
from tests.browser.compare_page import ComparePage

Open = Callable[..., ComparePage]
PATIENCE_MS = 120_000
ROUND = 10
ROW = re.compile(r"Row (\d+) · (\d+) of 10")


def shown(page: Page) -> tuple[int, int]:
    """Return the number of the row on display, and its number within the round."""
    found = ROW.search(page.locator(".st-key-label_question").inner_text())
    assert found is not None
    return int(found[1]), int(found[2])


def label_round(page: Page, first_label: int) -> list[int]:
    """Label the ten rows of a round as the truth says by keyboard, each once its row is on display; return the rows."""
    dataset, rows = load_cached("digits_7"), list[int]()
    truth = dict(zip(dataset.row_ids.tolist(), dataset.y.tolist(), strict=True))
    for number in range(ROUND):
        expect(page.locator(".st-key-label_question")).to_contain_text(f"{number + 1} of 10", timeout=PATIENCE_MS)
        row, _ = shown(page)
        rows.append(row)
        page.keyboard.press("a" if truth[row] else "n")
        expect(page.locator(".st-key-label_progress")).to_contain_text(
            f"{first_label + number} label", timeout=PATIENCE_MS
        )
    return rows


def test_twenty_rows_are_labeled_by_keyboard(open_page: Open) -> None:
    opened = open_page("label", table="digits_7", epochs="5")
    page = opened.page
    opened.wait_for_sentence("Isolation forest puts the strangest of")
    opened.wait_until_idle()
    first = label_round(page, 1)
    page.keyboard.press("z")
    expect(page.locator(".st-key-label_progress")).to_contain_text("9 labels", timeout=PATIENCE_MS)
    expect(page.locator(".st-key-label_question")).to_contain_text(f"Row {first[-1]} ")
    page.keyboard.press("u")
    expect(page.locator(".st-key-label_progress")).to_contain_text("1 unsure", timeout=PATIENCE_MS)
    page.keyboard.press("Enter")
    opened.wait_for_sentence("Trained on 3 labeled anomalies, DeepSAD puts")
    expect(page.locator(".st-key-label_progress")).to_contain_text("Round 2", timeout=PATIENCE_MS)
    opened.wait_until_idle()
    second = label_round(page, 11)
    assert len({*first, *second}) == 20, "no row is asked about twice"
    page.get_by_text("Labels as CSV").click()
    with page.expect_download() as taken:
        page.get_by_role("button", name="Download labels").click()
    labels = pd.read_csv(taken.value.path())
    assert labels["row"].tolist() == [*first, *second] and labels["round"].tolist() == [1] * 10 + [2] * 10
    assert labels["label"].tolist()[9] == "unsure" and (labels["rule"] == "highest").all()

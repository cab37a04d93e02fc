"""Which method? in a real browser, by keyboard alone: choose a data set, rank, and open a system in Compare."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.compare_page import ComparePage

Open = Callable[..., ComparePage]
PATIENCE_MS = 120_000
SYSTEMS = ["LogisticRegression", "KNN", "IsolationForest"]
ROWS = "document.querySelector('.st-key-which .js-plotly-plot')?.layout?.yaxis?.ticktext ?? []"


def choose(page: Page, key: str, option: str) -> None:
    """Type an option into the select box with this key, and take it with Enter."""
    box = page.locator(f".st-key-{key} input")
    box.focus()
    page.keyboard.type(option)
    page.keyboard.press("Enter")


def press(page: Page, name: str) -> None:
    button = page.get_by_role("button", name=name, exact=True)
    expect(button).to_be_enabled(timeout=PATIENCE_MS)
    button.focus()
    page.keyboard.press("Enter")


def test_a_data_set_is_ranked_and_a_system_opened_by_keyboard(open_page: Open) -> None:
    opened = open_page("which", systems=SYSTEMS, seeds="2", labeled_anomalies="5")
    page = opened.page
    opened.wait_for_sentence("With 5 labeled anomalies")  # of digits_3, which ships
    choose(page, "dataset", "digits_4")
    opened.wait_for_sentence("No system is trained yet")
    assert all(text.endswith("waiting") for text in page.evaluate(ROWS))
    opened.wait_until_idle()
    press(page, "Start")
    said = opened.wait_for_sentence("With 5 labeled anomalies", "LogisticRegression")
    page.get_by_text(re.compile(r"All \d+ runs are finished")).first.wait_for(timeout=PATIENCE_MS)
    opened.wait_until_idle()
    rows = page.evaluate(ROWS)
    assert rows[0].startswith("LogisticRegression") and len(rows) == 3 and "waiting" not in " ".join(rows)
    mean = re.search(r"LogisticRegression \(AUCPR (\d\.\d\d)", said)
    assert mean is not None
    choose(page, "which_system", "KNN")
    opened.wait_until_idle()
    press(page, "Open in Compare")
    compared = opened.wait_for_sentence("ver 2 seeds", "KNN")
    assert mean[1] in compared, "the same runs, the same figures"
    parameters = opened.parameters
    assert (parameters["baseline"], parameters["labeled_anomalies"], parameters["dataset"]) == ("KNN", "5", "digits_4")
    assert "baseline=LogisticRegression" in parameters["a"]
    page.get_by_role("link", name="Which method?").click()
    page.wait_for_url(re.compile(r"/which\?.*labeled_anomalies=5"))
    opened.wait_for_sentence("With 5 labeled anomalies")

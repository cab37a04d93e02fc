"""The Clean page in a real browser: fits the window, works by keyboard, exports rows and restores its link."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pandas as pd
from playwright.sync_api import expect

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split
from app.views.clean.page import DEFAULTS
from tests.browser.compare_page import IDLE, ComparePage

Open = Callable[..., ComparePage]
IN_VIEW = """key => {
  const box = document.querySelector(`.st-key-${key} .js-plotly-plot .main-svg`)?.getBoundingClientRect();
  return !!box && box.top >= 0 && box.bottom <= window.innerHeight;
}"""


def test_removed_rows_are_shown_changed_by_keyboard_and_downloaded(open_page: Open) -> None:
    clean = open_page("clean", seeds="2", epochs="10")
    page = clean.page
    expect(page.locator("h5").first).to_contain_text("Over 2 seeds")
    for key in ("suspicion", "outcome"):
        page.wait_for_function(IN_VIEW, arg=key)
    page.wait_for_selector(IDLE)  # a run of the script replaces the file behind the button
    with page.expect_download() as taken:
        page.get_by_role("button", name="Download suspicious rows").click()
    table = pd.read_csv(io.BytesIO(taken.value.path().read_bytes()))
    split = make_split(load_cached(str(DEFAULTS["dataset"])), make_config(**DEFAULTS))
    assert set(table["row"]) == set(split.train[~split.labeled]) and table["removed"].sum() == 32

    said = page.locator("h5").first.inner_text()
    clean.slider("remove").focus()
    page.keyboard.press("ArrowRight")  # to no row
    expect(page.locator("h5").first).to_contain_text("No row is removed")
    page.keyboard.press("End")
    expect(page.get_by_text("Removing 95% of the pool removes").first).to_be_visible()
    page.wait_for_url(re.compile("remove=0.95"))
    page.keyboard.press("Home")
    expect(page.locator("h5").first).to_have_text(said)

    page.get_by_role("link", name="Microscope", exact=True).click()
    page.wait_for_url(re.compile("microscope$"))
    expect(page.locator(".st-key-dataset [role=combobox]")).to_have_value("digits_3")
    page.get_by_role("link", name="Clean", exact=True).click()
    page.wait_for_url(re.compile("clean.*epochs=10"))
    expect(page.locator("h5").first).to_have_text(said)

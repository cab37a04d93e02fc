"""The Zero-shot page in a real browser: a batch to which anomalies are added, more classes, cancel."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.compare_page import ComparePage

Open = Callable[..., ComparePage]
QUICK = {"steps": "25", "seeds": "1", "tasks": "4", "held_out": "7,8,9", "meta": "0,1,2,3"}


def test_batch_statistics_belong_to_normal_rows_until_anomalies_outnumber_them(open_page: Open) -> None:
    opened = open_page("zero-shot", **QUICK)
    page = opened.page
    expect(page.locator("h5").first).to_contain_text("At 5% anomalies among classes never seen")
    for key, curves in (("scorers", 14), ("batch", 6)):
        page.wait_for_function(
            "([key, count]) => document.querySelector(`.st-key-${key} .js-plotly-plot`)?.data?.length === count",
            arg=[key, curves],
        )
    # The first image: during a redraw, the previous one remains below for a moment.
    picture = page.locator("[data-testid=stImage] img").first
    expect(picture).to_be_visible()
    before = picture.get_attribute("src") or ""
    moved = page.get_by_text("anomalies move the mean of 100 normal rows by").first
    expect(moved).to_contain_text("5 anomalies")
    slider = page.locator(".st-key-zero_shot_moment").get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    expect(moved).to_contain_text("353 anomalies")
    expect(moved).to_contain_text("The statistics are the anomalies' now.")
    expect(picture).not_to_have_attribute("src", before)
    slider.focus()
    page.keyboard.press("Home")
    expect(moved).to_contain_text("0 anomalies move the mean of 100 normal rows by 0.00")
    opened.wait_until_idle()
    page.get_by_text("How many classes to meta-train on").click()
    page.get_by_text("Train on the first 2, 3, … 4 classes too (2 more trainings)").click()
    page.wait_for_function(
        "() => String(document.querySelector('.st-key-class_counts .js-plotly-plot')?.data?.[1]?.x) === '2,3,4'"
    )
    assert re.search(r"held_out=7(%2C|,)8(%2C|,)9", page.url) and "steps=25" in page.url


def test_a_run_can_be_canceled_and_started_again(open_page: Open) -> None:
    page = open_page("zero-shot", steps="800", tasks="32", seeds="2").page
    expect(page.get_by_text(re.compile(r"Meta-training, step \d+ of 1600")).first).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("Canceled.").first).to_be_visible()
    page.get_by_role("button", name="Begin again", exact=True).click()
    expect(page.get_by_text(re.compile(r"Meta-training, step \d+ of 1600")).first).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("Canceled.").first).to_be_visible()

"""The Sweep page in a real browser: start, progress, cancel and resume."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, expect

from tests.browser.compare_page import ComparePage

Open = Callable[..., ComparePage]
PATIENCE_MS = 60_000


def link(url: str, **parameters: Any) -> str:
    return f"{url}/sweep?{urlencode(parameters, doseq=True)}"


def start(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def counted(page: Page) -> tuple[int, int]:
    """Return the finished runs and all runs, as shown in the progress bar."""
    bar = page.get_by_text(re.compile(r"\d+ of \d+ runs|All \d+ runs")).first
    bar.wait_for()
    found = [int(number) for number in re.findall(r"\d+", bar.inner_text())]
    return (found[0], found[0]) if bar.inner_text().startswith("All") else (found[0], found[1])


def wait_for_runs(page: Page, fewest: int) -> None:
    """Wait until the sentence counts at least this many runs in the curves."""
    page.wait_for_function(
        "fewest => { const said = document.querySelector('h5');"
        " const found = said && said.innerText.match(/\\((\\d+) of \\d+ runs so far/);"
        " return found && +found[1] >= fewest }",
        arg=fewest,
    )


MARKS = (
    "() => { const plot = document.querySelector('.st-key-sweep .js-plotly-plot');"
    " return plot?.data?.filter(trace => trace.error_y).reduce((sum, trace) => sum + trace.x.length, 0) }"
)


def wait_for_marks(page: Page, fewest: int, most: int) -> None:
    """Wait until the chart shows a number of means in this range."""
    page.wait_for_function(
        f"([fewest, most]) => {{ const shown = ({MARKS})(); return fewest <= shown && shown <= most }}",
        arg=[fewest, most],
    )


def standing_still(mark: Locator) -> dict[str, float]:
    """Return the box of a mark once it no longer moves."""
    before: Any = None
    while (box := mark.bounding_box()) != before or box is None:
        before = box
        time.sleep(0.5)
    return dict(box)  # type: ignore[call-overload]


def test_a_sweep_of_sixteen_runs_is_canceled_resumed_and_opened(open_page: Open) -> None:
    values = ["32", "64", "128", "256"]
    opened = open_page("sweep", question="fig9", values_batch_size=values, sweep_seeds="2", epochs="60", seed="3")
    page = opened.page
    expect(page.get_by_text("16 runs, about")).to_be_visible(timeout=PATIENCE_MS)
    wait_for_marks(page, 0, 0)
    opened.wait_until_idle()
    start(page, "Start")
    wait_for_runs(page, 4)
    wait_for_marks(page, 2, 7)  # the baseline and AnoOnly at one batch size, or at more
    start(page, "Cancel")
    resume = page.get_by_role("button", name="Resume", exact=True)
    resume.wait_for(timeout=PATIENCE_MS)
    kept, total = counted(page)
    assert total == 16 and "runs to train" in page.inner_text("body")
    page.reload()
    resume.wait_for(timeout=PATIENCE_MS)
    assert counted(page) == (kept, 16), "a reload keeps the finished runs"
    opened.wait_until_idle()
    resume.click()
    page.get_by_text("All 16 runs are finished").first.wait_for(timeout=PATIENCE_MS)
    opened.wait_until_idle()
    sentence = page.inner_text("h5")
    assert re.search(r"AUCPR anomaly: DeepSAD \+ AnoOnly is .* of 4 values of batch size", sentence), sentence
    wait_for_marks(page, 8, 8)
    shown = page.evaluate("document.querySelector('.st-key-sweep .js-plotly-plot').data[3].y[0]")
    first = page.locator(".st-key-sweep .js-plotly-plot .scatterlayer .trace").nth(3).locator("path.point").nth(0)
    box = standing_still(first)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    said = opened.wait_for_sentence("ver 2 seeds", "DeepSAD + AnoOnly")
    assert f"AUCPR {shown:.2f} against" in said, "the same runs, the same figures"
    assert opened.parameters["batch_size"] == "32" and opened.parameters["seeds"] == "2"
    page.get_by_role("link", name="Sweep").click()
    page.get_by_text("All 16 runs are finished").first.wait_for(timeout=PATIENCE_MS)
    page.wait_for_url(re.compile(r"/sweep\?.*values_batch_size=64"))

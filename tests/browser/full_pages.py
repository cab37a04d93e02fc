"""All pages with real content: how to open each one and how to wait until it is complete."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Page

__all__ = ["FURTHER", "PAGES", "FullPage", "upload", "wait_until_still"]

SETTLE_MS = 400
# No stale element, all charts are drawn, and the script is not running.
STILL = """() => {
  const app = document.querySelector("[data-testid=stApp]");
  const charts = [...document.querySelectorAll(".stPlotlyChart")];
  return app?.dataset.testScriptState === "notRunning" && !document.querySelector("[data-stale=true]")
    && !document.querySelector("[data-testid=stSkeleton]")
    && charts.every((one) => one.querySelector(".main-svg") || !one.checkVisibility());
}"""


def wait_until_still(page: Page) -> None:
    """Wait until the page no longer changes."""
    page.wait_for_function(STILL)
    page.wait_for_timeout(SETTLE_MS)
    page.wait_for_function(STILL)


def _charts(*keys: str) -> Callable[[Page], None]:
    """Return a function that waits until these charts are drawn."""

    def wait(page: Page) -> None:
        for key in keys:
            page.wait_for_selector(f".st-key-{key} .js-plotly-plot .main-svg", state="attached")

    return wait


def _visible(selector: str) -> Callable[[Page], None]:
    def wait(page: Page) -> None:
        page.wait_for_selector(selector)

    return wait


def _commit_to_a_prediction(page: Page) -> None:
    page.wait_for_selector("[data-testid=stMain] [role=radiogroup], .st-key-next button")
    if page.locator(".st-key-next button").count() == 0:
        page.locator("[data-testid=stMain] [role=radiogroup] label").first.click()
        page.locator(".st-key-commit button:not([disabled])").click()
    page.wait_for_selector(".st-key-next button")
    page.wait_for_selector(".js-plotly-plot .main-svg", state="attached")


def _finish_the_sweep(page: Page) -> None:
    _charts("sweep")(page)
    page.get_by_text(re.compile(r"runs, about|All \d+ runs are finished")).first.wait_for()
    wait_until_still(page)
    start = page.get_by_role("button", name="Start", exact=True)
    if start.count():
        start.click()
    page.get_by_text(re.compile(r"All \d+ runs are finished")).first.wait_for()


def _choose_a_cell(page: Page) -> None:
    page.wait_for_selector("table td button >> nth=50")
    cell = page.get_by_role("button", name=re.compile(r"^DeepSAD, MVTec-AD:"))
    if cell.get_attribute("aria-pressed") != "true":
        cell.click()
    page.get_by_text("It is the mean over 10 of 15 files").wait_for()


def _select_a_row(page: Page) -> None:
    page.wait_for_selector("[data-testid=stDataFrame] canvas")
    wait_until_still(page)
    if page.locator(".st-key-look, .stCode").count() == 0:
        page.locator("[data-testid=stDataFrame]").first.click(position={"x": 18, "y": 38 + 15})
        page.wait_for_selector(".st-key-look, .stCode")


def upload(page: Page, url: str, table: Path) -> None:
    """Upload a table, which the pages Your table and Label need."""
    page.goto(f"{url}/your-table")
    page.wait_for_selector("input[type=file]", state="attached")
    page.set_input_files("input[type=file]", table)
    page.get_by_text(table.name).first.wait_for()
    page.get_by_role("button", name="Label by hand").wait_for()


@dataclass(frozen=True)
class FullPage:
    """The address of a page with its parameters, and a function that waits until it is complete."""

    path: str
    fill: Callable[[Page], None]
    parameters: tuple[tuple[str, str], ...] = ()

    def open(self, page: Page, url: str) -> None:
        """Open the page and wait until it is complete."""
        page.goto(f"{url}/{self.path}?{urlencode(self.parameters)}" if self.parameters else f"{url}/{self.path}")
        self.fill(page)
        wait_until_still(page)


SWEEP = (
    ("question", "fig9"),
    ("values_batch_size", "64"),
    ("values_batch_size", "128"),
    ("sweep_seeds", "2"),
    ("epochs", "5"),
)
ZERO_SHOT = (("steps", "25"), ("seeds", "1"), ("tasks", "4"), ("held_out", "7,8,9"), ("meta", "0,1,2,3"))

# All pages, in the order of the navigation.
PAGES = {
    "start": FullPage("", _visible(".method svg")),
    "compare": FullPage("compare", _charts("scores", "points")),
    "lessons": FullPage("lessons", _commit_to_a_prediction, (("lesson", "imbalance"), ("step", "2"))),
    "why": FullPage("why", _charts("why")),
    "microscope": FullPage("microscope", _visible(".js-plotly-plot .main-svg")),
    "sweep": FullPage("sweep", _finish_the_sweep, SWEEP),
    "which": FullPage("which", _charts("which")),
    "weak-supervision": FullPage("weak-supervision", _charts("mechanisms")),
    "zero-shot": FullPage("zero-shot", _charts("scorers", "batch"), ZERO_SHOT),
    "drift": FullPage("drift", _charts("drift", "absorption")),
    "clean": FullPage("clean", _charts("suspicion", "outcome"), (("seeds", "2"), ("epochs", "10"))),
    "reproduce": FullPage("reproduce", _choose_a_cell),
    "datasets": FullPage("datasets", _select_a_row),
    "your-table": FullPage("your-table", _visible("[data-testid=stDataFrame] canvas")),
    "label": FullPage("label", _visible("[class*=st-key-label_map] .js-plotly-plot .main-svg")),
    "runs": FullPage("runs", _select_a_row),
}
# Other views of the same pages.
FURTHER = {
    "compare-learn": FullPage("compare", _visible(".player"), (("view", "learn"),)),
    "compare-curves": FullPage("compare", _charts("scores", "curves"), (("tab", "curves"),)),
    "compare-confusion": FullPage("compare", _charts("confusion"), (("tab", "rows"),)),
    "compare-training": FullPage("compare", _charts("history"), (("tab", "training"),)),
    "compare-split": FullPage("compare", _charts("scores"), (("tab", "split"),)),
    "compare-method": FullPage(
        "compare",
        _visible("[data-testid=stGraphVizChart] svg"),
        (("tab", "method"), ("baseline", "FEAWAD"), ("seeds", "1"), ("epochs", "3")),
    ),
    "reproduce-figure": FullPage("reproduce", _visible(".js-plotly-plot .main-svg"), (("show", "fig9"),)),
    "reproduce-points": FullPage("reproduce", _visible("h5"), (("show", "points"),)),
    "reproduce-differences": FullPage("reproduce", _visible("h5"), (("show", "differences"),)),
}

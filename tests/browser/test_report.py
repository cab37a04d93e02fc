"""The report in a browser without a network: every figure is drawn, nothing is asked for, nothing complains."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from anoonly_core.results.result import RunResult, from_bytes
from app.controls.choice import baseline_of, default_choice
from app.server.result_cache import SHIPPED
from app.views.compare.report import WIDTH, report_html
from tests.app.views.compare.test_report import FIGURES, HARMFUL, MADE, report_input, with_dataset


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report about a file with a name that would do harm."""
    by_config: dict[object, RunResult] = {}
    for path in SHIPPED.glob("*.npz"):
        result = from_bytes(path.read_bytes())
        by_config[result.config] = result
    b = default_choice().b
    a, b_runs = ([by_config[config]] for config in (baseline_of(b), b))
    written = tmp_path / "report.html"
    address = f"{HARMFUL}?label=x"
    written.write_text(
        report_html(report_input(with_dataset(address, a), with_dataset(address, b_runs), HARMFUL), MADE),
        encoding="utf-8",
    )
    return written


def test_all_figures_are_drawn_offline(browser: Browser, report: Path) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    figures = page.locator(".plotly-graph-div")
    expect(figures.filter(has=page.locator(".cartesianlayer .trace, .heatmaplayer image"))).to_have_count(FIGURES)
    boxes = [figures.nth(number).bounding_box() for number in range(FIGURES)]
    assert all(box and box["width"] == WIDTH and box["x"] + WIDTH <= 1280 for box in boxes), "some are cut off"
    assert page.locator("h1").inner_text() == "DeepSAD + AnoOnly beside DeepSAD"
    context.close()
    assert (said, asked) == ([], [report.as_uri()])

"""Animations in a real browser: the microscope step by step, and a replay without server messages."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Locator, Page, WebSocket, expect

from anoonly_core.config import make_config
from anoonly_core.microscope.result import RowKind
from anoonly_core.microscope.run import observe
from anoonly_core.replay.run import record
from app.charts.animation import export_html
from app.controls.choice import default_choice
from app.views.compare.replay_chart import replay_animation
from tests.browser.compare_page import ComparePage

PATIENCE_MS = 60_000
# Plotly sometimes does this if a chart is redrawn during an animation: the promise is never resolved.
NEVER_DONE = """() => {
  const animate = window.Plotly.animate;
  window.Plotly.animate = () => { window.Plotly.animate = animate; return new Promise(() => {}); };
}"""
# Collects the steps that the chart of the microscope shows.
WATCH_CLOCK = """() => {
  const chart = document.querySelector(".st-key-microscope .js-plotly-plot");
  window.moments = [];
  setInterval(() => {
    const shown = chart.data.at(-4).x[0];
    if (window.moments.at(-1) !== shown) window.moments.push(shown);
  }, 5);
}"""
Open = Callable[..., ComparePage]


def player(page: Page) -> Locator:
    return page.locator(".player")


def button(page: Page, name: str) -> Locator:
    return player(page).get_by_role("button", name=name, exact=True)


def caption(page: Page) -> str:
    return player(page).locator("output").inner_text()


def chart(page: Page, key: str, expression: str) -> Any:
    """Evaluate a JavaScript expression in `g`, the graph element of a chart."""
    return page.evaluate(
        f"key => {{ const g = document.querySelector(`.st-key-${{key}} .js-plotly-plot`); return {expression} }}", key
    )


def wait_for_moment(page: Page, key: str, clock: str, value: float) -> None:
    page.wait_for_function(
        f"([key, value]) => {{ const g = document.querySelector(`.st-key-${{key}} .js-plotly-plot`);"
        f" return g?.data && {clock} === value }}",
        arg=[key, value],
    )


def test_the_microscope_moves_all_charts_batch_by_batch(open_page: Open) -> None:
    page = open_page("microscope").page
    expect(page.locator("h5")).to_contain_text("no loss, but they get a gradient", timeout=PATIENCE_MS)
    wait_for_moment(page, "microscope", "g.data.at(-4).x[0]", 1)
    seen = observe(default_choice().b)[-1]
    for step in (1, 2, 3):
        button(page, "+1").click()
        wait_for_moment(page, "microscope", "g.data.at(-4).x[0]", step + 1)
        assert caption(page).startswith(f"Step {step + 1} of 400 · epoch {step // 9 + 1}, batch {step % 9 + 1} of 9")
        assert chart(page, "microscope", "g.data.slice(-4).map(t => t.x[0])") == [step + 1] * 4
        rows = chart(
            page, "microscope", "g.data.slice(0, 3).flatMap(t => [...t.customdata]).filter(row => row !== null)"
        )
        assert sorted(rows) == sorted(seen.row_ids[step].tolist() * 3)
        drawn = chart(
            page,
            "microscope",
            "g.querySelectorAll('.xy .scatterlayer .points path.point[style*=\"opacity: 0.75\"]').length",
        )
        assert drawn == 3 * 128, "a mark for each row and part"
        share = 100 * np.mean(seen.kind[step] == 0)
        assert abs(chart(page, "microscope", "g.data[4].y[0]") - share) < 1e-3
    labeled = np.flatnonzero((seen.kind == RowKind.LABELED_ANOMALY).any(axis=1))
    button(page, "Next labeled anomaly").click()
    wait_for_moment(page, "microscope", "g.data.at(-4).x[0]", int(labeled[labeled > 3][0]) + 1)
    page.evaluate(WATCH_CLOCK)
    button(page, "Play").click()
    page.wait_for_function("() => window.moments.length > 8")
    button(page, "Pause").click()
    played = page.evaluate("window.moments")
    assert played == (labeled[labeled >= played[0] - 1][: len(played)] + 1).tolist(), "no batch without a gradient"
    page.wait_for_url(re.compile(rf"[?&]step={played[-1]}\b"))
    page.reload()
    wait_for_moment(page, "microscope", "g.data.at(-4).x[0]", played[-1])
    page.goto(re.sub("step=[0-9]+", "step=11", page.url))
    wait_for_moment(page, "microscope", "g.data.at(-4).x[0]", 11)
    page.evaluate(NEVER_DONE)
    button(page, "+1").click()
    wait_for_moment(page, "microscope", "g.data.at(-4).x[0]", 12)
    button(page, "+1 epoch").click()
    wait_for_moment(page, "microscope", "g.data.at(-4).x[0]", 21)
    player(page).get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    wait_for_moment(page, "microscope", "g.data.at(-4).x[0]", 22)
    page.get_by_role("combobox", name="Norm", exact=True).click()
    page.get_by_role("option", name="no norm (none)", exact=True).click()
    expect(page.locator("h5")).to_contain_text("no gradient reaches the normal rows", timeout=PATIENCE_MS)
    # The same batch under the other norm, where every length is as small as any; the chart has two traces fewer.
    drawn_anew = "g.data.length === 18 && Array.isArray(g.data[0].y) && new Set(g.data[0].y).size === 1"
    wait_for_moment(page, "microscope", f"{drawn_anew} && g.data.at(-4).x[0]", 22)
    page.wait_for_url(re.compile(r"norm=none.*step=22|step=22.*norm=none"))
    button(page, "Start").click()
    wait_for_moment(page, "microscope", "g.data.at(-4).x[0]", 1)
    page.wait_for_url(re.compile("^((?!step=).)*$"))
    marks = "g.querySelectorAll('.xy .scatterlayer .points path').length"
    before = chart(page, "microscope", marks)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "() => getComputedStyle(document.querySelector('.stApp')).backgroundColor !== 'rgb(255, 255, 255)'"
    )
    page.wait_for_timeout(1000)
    assert chart(page, "microscope", marks) == before > 300, "the marks remain after a change of theme"
    assert chart(page, "microscope", "Array.isArray(g.data[0].x) || ArrayBuffer.isView(g.data[0].x)")


def test_a_replay_moves_through_50_epochs_without_server_messages(open_page: Open) -> None:
    compare = open_page("runs")  # a light page, to listen from before the next one
    page = compare.page
    sent: list[Any] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: sent.append(frame))
        socket.on("framereceived", lambda frame: sent.append(frame))

    page.on("websocket", listen)
    page.on("request", lambda request: sent.append(request.url))
    compare.open(view="learn")
    wait_for_moment(page, "replay", "g.data.at(-1).x[0]", 50)
    page.wait_for_function("() => document.querySelector('[data-testid=stApp]').dataset.testScriptState !== 'running'")
    page.wait_for_timeout(1500)  # what is still on its way
    assert sent, "no message of the server was recorded"
    sent.clear()
    slider = player(page).get_by_role("slider")
    taken = slider.evaluate(
        """async slider => {
          const g = document.querySelector('.st-key-replay .js-plotly-plot'), taken = [];
          for (let epoch = 50; epoch >= 0; epoch--) {
            const begun = performance.now();
            slider.value = epoch;
            slider.dispatchEvent(new Event('input', { bubbles: true }));
            while (g.data.at(-1).x[0] !== epoch) await new Promise(done => setTimeout(done));
            await new Promise(done => requestAnimationFrame(done));
            taken.push(performance.now() - begun);
          }
          return taken;
        }"""
    )
    print(f"\na moment of the replay: median {statistics.median(taken):.0f} ms, slowest {max(taken):.0f} ms")
    assert caption(page).startswith("Before the first step")
    markers = "g.data.filter(t => t.mode === 'markers').map(t => [...t.x])"
    first = chart(page, "replay", markers)
    assert first[:3] == first[3:], "A and B start with equal points"
    player(page).get_by_role("slider").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    wait_for_moment(page, "replay", "g.data.at(-1).x[0]", 3)
    assert sent == [], "moving the slider sends no message"
    configs = [make_config(lambda_n=1.0), make_config(lambda_n=0.0)]
    runs = record([config.with_(epochs=50) for config in configs], "pca").runs
    expected = [reel.points[3, reel.role == role, 0] for reel in runs for role in range(3)]
    for found, wanted in zip(chart(page, "replay", markers), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    button(page, "Play").click()
    page.wait_for_function("() => document.querySelector('.st-key-replay .js-plotly-plot').data.at(-1).x[0] > 6")
    button(page, "Pause").click()


def test_a_downloaded_replay_plays_from_its_file(browser: Browser, tmp_path: Path) -> None:
    b = make_config(epochs=10, lambda_n=0.0)
    replay = record([b.with_(lambda_n=1.0), b], "pca")
    file = tmp_path / "replay.html"
    file.write_bytes(export_html(replay_animation(replay, ["A", "B"], [reel.rows for reel in replay.runs])))
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    shown = "document.querySelector('.js-plotly-plot')._fullData.at(-1).x[0]"
    try:
        page.goto(file.as_uri())
        page.wait_for_selector(".js-plotly-plot .main-svg")
        assert page.evaluate(shown) == 10
        page.get_by_text("Play", exact=True).click(force=True)
        page.wait_for_function(f"() => {shown} < 10")
        page.wait_for_function(f"() => {shown} === 10")
    finally:
        page.close()
    assert asked == [file.as_uri()], "the file loads nothing else"

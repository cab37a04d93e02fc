"""The Compare page as a visitor sees and moves it."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from playwright.sync_api import Locator, Page

__all__ = ["ComparePage"]

# The charts of the settings on show: drawn, and not grayed out as of settings before.
DRAWN = """
() => ['scores', 'points'].every(key => {
  const chart = document.querySelector(`.st-key-${key} .js-plotly-plot`);
  return chart && chart.querySelector('.main-svg') && chart.data && chart.data.length > 2;
})
"""
TITLES = "key => document.querySelector(`.st-key-${key} .js-plotly-plot`).layout.annotations.map(a => a.text)"
EPOCH = re.compile(r"epoch (\d+) of (\d+)")


class ComparePage:
    """One visitor's page; every wait ends with the thing waited for or the context's own time-out."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self, path: str = "", **parameters: str | list[str]) -> None:
        self.page.goto(f"{self.url}/{path}?{urlencode(parameters, doseq=True)}" if path or parameters else self.url)

    # -- what it says

    @property
    def sentence(self) -> str:
        return self.page.inner_text("h5")

    @property
    def text(self) -> str:
        return self.page.inner_text("body")

    @property
    def parameters(self) -> dict[str, str]:
        """The settings in the page's address."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.page.url).query).items()}

    @property
    def tiles(self) -> list[str]:
        return [tile for tile in self.page.locator("[data-testid=stMarkdown]").all_inner_texts() if "chance" in tile]

    def titles(self, chart: str) -> list[str]:
        """The titles over a chart's panels: "scores" or "points"."""
        found: list[str] = self.page.evaluate(TITLES, chart)
        return found

    def flagged(self) -> list[tuple[int, int]]:
        """(anomalies, normal rows) flagged by A and by B, as the titles over the scores say."""
        counts = [re.findall(r"flags (\d+) of \d+ anomalies, (\d+) of", title) for title in self.titles("scores")]
        return [(int(anomalies), int(normals)) for ((anomalies, normals),) in counts]

    def epoch(self) -> int:
        """How far the training on show has come; waits until some progress is shown."""
        bar = self.page.locator("[data-testid=stProgress]", has_text=EPOCH).first
        bar.wait_for()
        found = EPOCH.search(bar.inner_text())
        assert found, "the progress bar went away"
        return int(found[1])

    # -- what it waits for

    def wait_for(self, script: str, argument: Any = None) -> None:
        self.page.wait_for_function(script, arg=argument)

    def wait_for_sentence(self, *words: str) -> str:
        """The first sentence that holds all these words."""
        self.wait_for(
            "words => { const said = document.querySelector('h5');"
            " return said && words.every(word => said.innerText.includes(word)) }",
            list(words),
        )
        return self.sentence

    def wait_for_all_seeds(self) -> str:
        self.wait_for(
            "() => { const s = document.querySelector('h5'); return s && !s.innerText.includes('seeds are training') }"
        )
        return self.sentence

    def wait_for_figures(self) -> str:
        """The sentence, once it and both charts below it are drawn."""
        self.page.wait_for_selector("h5")
        self.wait_for(DRAWN)
        return self.sentence

    def wait_for_text(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def wait_for_new_counts(self, before: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """What is flagged, once it differs from before."""
        counts = (
            "() => JSON.stringify(document.querySelector('.st-key-scores .js-plotly-plot').layout.annotations"
            ".map(a => a.text.match(/flags (\\d+) of \\d+ anomalies, (\\d+) of/).slice(1).map(Number)))"
        )
        self.wait_for(f"before => ({counts})() !== before", json.dumps(before, separators=(",", ":")))
        return self.flagged()

    def wait_for_epoch(self, number: int) -> int:
        """How far the training has come, once that is this many epochs or more."""
        self.wait_for(
            "number => { const bar = document.querySelector('[data-testid=stProgress]');"
            " const found = bar && bar.innerText.match(/epoch (\\d+) of/); return found && +found[1] >= number }",
            number,
        )
        return self.epoch()

    def wait_for_points(self) -> None:
        """Return once all three maps hold their points."""
        self.wait_for(
            "() => { const map = document.querySelector('.st-key-points .js-plotly-plot');"
            " return map && map.data.length === 9 && map.data.every(trace => trace.mode === 'markers') }"
        )

    def wait_for_title(self, chart: str, words: str) -> None:
        """Return once a chart's titles hold these words."""
        self.wait_for(f"([key, words]) => ({TITLES})(key).some(title => title.includes(words))", [chart, words])

    def wait_for_thumb_in_address(self, key: str) -> None:
        """Return once the address holds what the slider shows."""
        self.wait_for(
            "key => new URLSearchParams(location.search).get(key) ==="
            " document.querySelector(`.st-key-${key} [data-testid=stSliderThumbValue]`).innerText.trim()",
            key,
        )

    def wait_for_marks(self) -> None:
        """Return once every map marks some points."""
        self.wait_for(
            "() => { const map = document.querySelector('.st-key-points .js-plotly-plot');"
            " return ['x', 'x2', 'x3'].every(axis => map.data.some(trace =>"
            " (trace.xaxis || 'x') === axis && trace.selectedpoints && trace.selectedpoints.length)) }"
        )

    def wait_until_idle(self) -> None:
        """Return once the server has drawn all that it has to draw."""
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")

    # -- how it is moved

    def slider(self, key: str) -> Locator:
        return self.page.locator(f".st-key-{key} input[type=range]")

    def press(self, key: str, *presses: str) -> None:
        self.slider(key).focus()
        for one in presses:
            self.page.keyboard.press(one)

    def click(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def give_up(self) -> None:
        """Leave no training behind, whatever covers the button."""
        self.page.evaluate("[...document.querySelectorAll('button')].find(b => b.innerText === 'Cancel')?.click()")

    def choose(self, key: str, option: str) -> None:
        """Pick an option of a select box."""
        self.page.locator(f".st-key-{key} input").click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def chosen(self, key: str) -> str:
        """What a select box shows."""
        return self.page.locator(f".st-key-{key} [role=combobox]").input_value()

    def slid(self, key: str) -> str:
        """What a slider shows."""
        return self.page.locator(f".st-key-{key} [data-testid=stSliderThumbValue]").inner_text()

    def lasso(self, chart: str, left: float, right: float) -> None:
        """Draw a lasso over the full height of a chart, between two shares of its width."""
        box = self.page.locator(f".st-key-{chart} .js-plotly-plot").bounding_box()
        assert box
        x0, x1 = (box["x"] + share * box["width"] for share in (left, right))
        y0, y1 = box["y"] + 0.15 * box["height"], box["y"] + 0.85 * box["height"]
        mouse = self.page.mouse
        mouse.move(x0, y0)
        mouse.down()
        for x, y in ((x1, y0), (x1, y1), (x0, y1), (x0, y0)):
            mouse.move(x, y, steps=4)
        mouse.up()

    def marked_points(self) -> list[int]:
        """How many points each of the three maps marks."""
        found: list[int] = self.page.evaluate(
            "() => { const map = document.querySelector('.st-key-points .js-plotly-plot');"
            " return ['x', 'x2', 'x3'].map(axis => map.data.filter(trace => (trace.xaxis || 'x') === axis)"
            ".reduce((sum, trace) => sum + (trace.selectedpoints || []).length, 0)) }"
        )
        return found

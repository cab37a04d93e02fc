"""Page object of the Compare page."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from playwright.sync_api import Locator, Page, TimeoutError

__all__ = ["ComparePage", "choose_option"]

# True once the charts of the current settings are drawn.
DRAWN = """
() => ['scores', 'points'].every(key => {
  const chart = document.querySelector(`.st-key-${key} .js-plotly-plot`);
  return chart && chart.querySelector('.main-svg') && chart.data && chart.data.length > 2;
})
"""
# Of a chart that is drawn: a new one waits for its place and its turn.
TITLES = "key => (document.querySelector(`.st-key-${key} .js-plotly-plot`)?.layout?.annotations ?? []).map(a => a.text)"
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
EPOCH = re.compile(r"epoch (\d+) of (\d+)")
CLICK_MS, ATTEMPTS = 5_000, 12


def choose_option(box: Locator, option: str) -> None:
    """Choose an option of a select box; a redraw closes the open list, which is then opened again.

    Its name is typed first: of a long list only the options near the chosen one are drawn.
    """
    for _ in range(ATTEMPTS):
        box.click()
        try:
            box.fill(option, timeout=CLICK_MS)
            box.page.get_by_role("option", name=option, exact=True).click(timeout=CLICK_MS)
        except TimeoutError:
            box.page.keyboard.press("Escape")
        else:
            return
    raise AssertionError(f"the list offers no option {option!r}")


class ComparePage:
    """A page of one visitor; every wait ends with the condition or the timeout of the context."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self, path: str = "compare", **parameters: str | list[str]) -> None:
        self.page.goto(f"{self.url}/{path}?{urlencode(parameters, doseq=True)}" if path or parameters else self.url)

    # -- content

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
        """Return the titles of the panels of a chart, "scores" or "points"."""
        script = f"key => {{ const titles = ({TITLES})(key); return titles.length && titles }}"
        found: list[str] = self.page.wait_for_function(script, arg=chart).json_value()
        return found

    def flagged(self) -> list[tuple[int, int]]:
        """Return (anomalies, normal rows) flagged by A and by B, from the titles of the scores."""
        pattern = r"flags (\d+) of \d+ anomalies, (\d+) of"
        counts = [pair for title in self.titles("scores") for pair in re.findall(pattern, title)]
        return [(int(anomalies), int(normals)) for anomalies, normals in counts]

    def epoch(self) -> int:
        """Return the epoch of the training; wait until a progress bar is shown."""
        bar = self.page.locator("[data-testid=stProgress]", has_text=EPOCH).first
        bar.wait_for()
        found = EPOCH.search(bar.inner_text())
        assert found, "the progress bar went away"
        return int(found[1])

    # -- waiting

    def wait_for(self, script: str, argument: Any = None) -> None:
        self.page.wait_for_function(script, arg=argument)

    def wait_for_sentence(self, *words: str) -> str:
        """Wait until the sentence has all these words, and return it."""
        self.wait_for(
            "words => { const said = document.querySelector('h5');"
            " return said && words.every(word => said.innerText.includes(word)) }",
            list(words),
        )
        return self.sentence

    def wait_for_figures(self) -> str:
        """Wait until the sentence and both charts are drawn; return the sentence."""
        self.page.wait_for_selector("h5")
        self.wait_for(DRAWN)
        return self.sentence

    def wait_for_text(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def wait_for_new_counts(self, before: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Wait until the flagged counts differ from `before`, and return them."""
        counts = (
            f"({TITLES})('scores').map(title => title.match(/flags (\\d+) of \\d+ anomalies, (\\d+) of/))"
            ".filter(Boolean).map(counts => counts.slice(1).map(Number))"
        )
        self.wait_for(
            f"before => {{ const counts = {counts}; return counts.length && JSON.stringify(counts) !== before }}",
            json.dumps(before, separators=(",", ":")),
        )
        return self.flagged()

    def wait_for_epoch(self, number: int) -> int:
        """Wait until the training has reached an epoch; return the current epoch."""
        self.wait_for(
            "number => { const bar = document.querySelector('[data-testid=stProgress]');"
            " const found = bar && bar.innerText.match(/epoch (\\d+) of/); return found && +found[1] >= number }",
            number,
        )
        return self.epoch()

    def wait_for_points(self) -> None:
        """Wait until all three maps have their points."""
        self.wait_for(
            "() => { const map = document.querySelector('.st-key-points .js-plotly-plot');"
            " return map && map.data.length === 9 && map.data.every(trace => trace.mode === 'markers') }"
        )

    def wait_for_title(self, chart: str, words: str) -> None:
        """Wait until a title of a chart has these words."""
        self.wait_for(f"([key, words]) => ({TITLES})(key).some(title => title.includes(words))", [chart, words])

    def wait_for_thumb_in_address(self, key: str) -> None:
        """Wait until the address has the value of the slider."""
        self.wait_for(
            "key => new URLSearchParams(location.search).get(key) === document.querySelector("
            "`.st-key-${key} [data-testid=stSliderThumbValue]`).innerText.trim().replace(' %', '')",
            key,
        )

    def wait_for_marks(self) -> None:
        """Wait until every map marks some points."""
        self.wait_for(
            "() => { const map = document.querySelector('.st-key-points .js-plotly-plot');"
            " return ['x', 'x2', 'x3'].every(axis => map.data.some(trace =>"
            " (trace.xaxis || 'x') === axis && trace.selectedpoints && trace.selectedpoints.length)) }"
        )

    def wait_until_idle(self) -> None:
        """Wait until the script has finished."""
        self.page.wait_for_selector(IDLE)

    # -- controls

    def slider(self, key: str) -> Locator:
        return self.page.locator(f".st-key-{key} input[type=range]")

    def press(self, key: str, *presses: str) -> None:
        self.slider(key).focus()
        for one in presses:
            self.page.keyboard.press(one)

    def click(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def cancel_training(self) -> None:
        """Press Cancel if there is such a button, even if something covers it."""
        self.page.evaluate("[...document.querySelectorAll('button')].find(b => b.innerText === 'Cancel')?.click()")

    def choose(self, key: str, option: str) -> None:
        """Choose an option of the select box with this key."""
        choose_option(self.page.locator(f".st-key-{key} input"), option)

    def chosen(self, key: str) -> str:
        """Return the value of a select box."""
        return self.page.locator(f".st-key-{key} [role=combobox]").input_value()

    def slid(self, key: str) -> str:
        """Return the value of a slider."""
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
        """Return the number of marked points in each of the three maps."""
        found: list[int] = self.page.evaluate(
            "() => { const map = document.querySelector('.st-key-points .js-plotly-plot');"
            " return ['x', 'x2', 'x3'].map(axis => map.data.filter(trace => (trace.xaxis || 'x') === axis)"
            ".reduce((sum, trace) => sum + (trace.selectedpoints || []).length, 0)) }"
        )
        return found

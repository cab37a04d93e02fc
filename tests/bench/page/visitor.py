"""A real browser on a server with notes: act, wait for the answer, and return its stages and its CPU time."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.bench.page.server import COMMAND
from tests.bench.page.stages import stages
from tests.bench.page.trace import VARIABLE, read_events
from tests.bench.processes import processor_seconds
from tests.browser.compare_page import IDLE, ComparePage
from tests.browser.server import CHROMIUM_ARGUMENTS, Server, chromium

__all__ = ["Answer", "Opening", "Visitor", "visiting"]

WATCH = Path(__file__).with_name("watch.js")
VIEWPORT: ViewportSize = {"width": 1280, "height": 720}
PATIENCE_MS = 60_000
SETTLED_S = 0.4  # after the script has ended and no bar is left
QUIET = f"""
() => document.querySelector('{IDLE}') && !document.querySelector('[data-testid=stBottom] [data-testid=stProgress]')
  && !(document.querySelector('[data-testid=stMain] h5')?.textContent ?? '').includes('more seeds')
"""
LOADED = """
() => performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
  .reduce((sum, entry) => sum + entry.transferSize, 0)
"""


@dataclass(frozen=True)
class Answer:
    """One measured answer of the page.

    Attributes
    ----------
    stages : dict of str to float
        Seconds of each stage of the first new figure.
    first, moved, whole : float
        Seconds from the action to the first new figure, to the first movement on the page (a progress bar, or the
        figure), and to the last headline.
    cpu : dict of str to float
        CPU seconds of "server", "workers" and "browser" until the page is quiet.
    """

    stages: dict[str, float]
    first: float
    moved: float
    whole: float
    cpu: dict[str, float]


@dataclass(frozen=True)
class Opening:
    """A page opened by a browser with an empty cache: seconds to its figures, MB loaded, CPU seconds."""

    seconds: float
    megabytes: float
    cpu: dict[str, float]


class Visitor:
    """A visitor of the server, with a browser of a fresh profile."""

    def __init__(self, server: Server, browser: Browser, trace: Path) -> None:
        self._server, self._browser, self._trace = server, browser, trace
        self.page = self._fresh_page()

    def _fresh_page(self) -> Page:
        context = self._browser.new_context(viewport=VIEWPORT, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(path=WATCH)
        return context.new_page()

    @property
    def compare(self) -> ComparePage:
        """The page with the actions of the browser tests."""
        return ComparePage(self.page, self._server.url)

    def open(self, path: str, parameters: dict[str, str]) -> None:
        """Open a page in the same browser and wait until it is quiet."""
        self.page.goto(f"{self._server.url}/{path}?{urlencode(parameters)}")
        self.page.wait_for_selector("[data-testid=stMain] h5")
        self.wait_until_quiet()

    def open_cold(self, path: str, charts: list[str]) -> Opening:
        """Open a page in a browser without cache, and wait until these charts are drawn and the page is quiet."""
        self.page.context.close()
        self.page = self._fresh_page()
        before = self._cpu()
        begun = time.perf_counter()
        self.page.goto(f"{self._server.url}/{path}")
        for chart in charts:
            self.page.wait_for_selector(f".st-key-{chart} .js-plotly-plot .cartesianlayer path", state="attached")
        self.page.wait_for_function(QUIET)
        seconds = time.perf_counter() - begun
        time.sleep(SETTLED_S)
        return Opening(seconds, self.page.evaluate(LOADED) / 1e6, self._since(before))

    def wait_until_quiet(self) -> None:
        """Wait until nothing trains for the page and its script has ended, also after a moment."""
        while True:
            self.page.wait_for_function(QUIET)
            time.sleep(SETTLED_S)
            if self.page.evaluate(QUIET):
                return

    def answer(self, act: Callable[[], None], chart: str) -> Answer:
        """Act, wait until the page is quiet, and return what the new content of a chart took."""
        self.wait_until_quiet()
        self.page.evaluate("selector => benchWatch(selector)", f".st-key-{chart}")
        before = self._cpu()
        act()
        self.page.wait_for_function("() => benchNotes.painted.length > 0")
        self.wait_until_quiet()
        notes: dict[str, Any] = self.page.evaluate("() => benchNotes")
        begun = notes["acted"][0]
        return Answer(
            stages(notes, read_events(self._trace), chart),
            first=notes["painted"][0] - begun,
            moved=min((*notes["moved"], *notes["changed"])) - begun,
            whole=max((headline["at"] for headline in notes["headlines"]), default=notes["painted"][-1]) - begun,
            cpu=self._since(before),
        )

    def _cpu(self) -> dict[str, dict[int, float]]:
        """Return the CPU seconds of each process, by group."""
        own = self._server.processes()
        server = self._server.process.pid
        groups = {"server": {server}, "workers": own - {server}, "browser": _descendants(os.getpid()) - own}
        return {group: {pid: s for pid in pids if (s := _seconds(pid)) is not None} for group, pids in groups.items()}

    def _since(self, before: dict[str, dict[int, float]]) -> dict[str, float]:
        """Return the CPU seconds of each group since `before`."""
        now = self._cpu()
        return {
            group: sum(seconds - before[group].get(pid, 0.0) for pid, seconds in now[group].items()) for group in now
        }


def _seconds(process: int) -> float | None:
    """Return the CPU seconds of a process; None if it has ended."""
    try:
        return processor_seconds(process)
    except OSError:
        return None


def _descendants(process: int) -> set[int]:
    """Return the ids of the browser's processes below this one; the driver of the browser is left out."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        parents[int(folder.name)], names[int(folder.name)] = int(rest.split()[1]), name
    found, new = set[int](), {process}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return {pid for pid in found if "chrom" in names[pid]}


@contextmanager
def visiting() -> Iterator[Visitor]:
    """Start a server with an empty cache and a browser, and yield a visitor."""
    with tempfile.TemporaryDirectory(prefix="anoonly-bench-") as folder, sync_playwright() as playwright:
        trace = Path(folder) / "trace.jsonl"
        trace.touch()
        server = Server(Path(folder), command=COMMAND, environment={VARIABLE: str(trace)})
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        try:
            server.wait_until_healthy()
            yield Visitor(server, browser, trace)
        finally:
            browser.close()
            server.stop()

"""Command `make look`: screenshots of every page at three widths in both themes, with a report of faults."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

from tests.browser.accessible import EXEMPT, MEASURES, axe_findings, measure, not_reached
from tests.browser.full_pages import FURTHER, PAGES, upload, wait_until_still
from tests.browser.server import CHROMIUM_ARGUMENTS, ROOT, chromium, serving
from tests.tables import cancer, penguins

FOLDER = ROOT / "test-results" / "look"
PATIENCE_MS = 60_000
WIDTHS = {1280: 720, 1920: 1080, 390: 844}
THEMES = ("light", "dark")
NOTHING: dict[str, Any] = {**{name: [] for name in MEASURES}, "lowest_contrast": 21.0}


@dataclass
class Finding:
    """Faults of one page at one width in one theme.

    unreached: controls that Tab does not reach; None if not tested. complaint: the reason why the page did not load.
    """

    page: str
    width: int
    theme: str
    axe: list[dict[str, Any]] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=lambda: dict(NOTHING))
    unreached: list[str] | None = None
    complaint: str = ""

    @property
    def lines(self) -> Iterator[str]:
        """One line per fault."""
        if self.complaint:
            yield self.complaint
        for one in self.axe:
            yield f"axe {one['impact']} {one['rule']}: `{one['target']}` {one['why']}"
        for name, words in MEASURES.items():
            for one in self.measured[name]:
                yield f"{words}: {one}"
        for one in self.unreached or ():
            yield f"not reached by Tab: {one}"


def look(browser: Browser, names: Sequence[str], widths: Sequence[int]) -> Iterator[Finding]:
    """Open the pages one after the other in one session of a new server; yield the findings."""
    everything = {**PAGES, **FURTHER}
    with serving() as server, tempfile.TemporaryDirectory(prefix="anoonly-") as folder:
        page = browser.new_page(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
        page.set_default_timeout(PATIENCE_MS)
        cancer().drop(columns="target").to_csv(Path(folder) / "cells.csv", index=False)
        for table in (Path(folder) / "cells.csv", penguins(raw=True)):
            upload(page, server.url, table)
        for name in names:
            for width in widths:
                page.set_viewport_size({"width": width, "height": WIDTHS[width]})
                page.emulate_media(color_scheme="light")
                try:
                    everything[name].open(page, server.url)
                except TimeoutError as error:
                    page.screenshot(path=FOLDER / f"{name}_{width}_never_full.png")
                    yield Finding(name, width, "light", complaint=f"it never became full: {error}")
                    continue
                found = [_seen(page, name, width, theme) for theme in THEMES]
                found[-1].unreached = not_reached(page)  # which scrolls the page
                yield from found
        page.context.close()


def _seen(page: Page, name: str, width: int, theme: str) -> Finding:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.mouse.move(0, 0)
    wait_until_still(page)
    page.screenshot(path=FOLDER / f"{name}_{width}_{theme}.png")
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": max(height + 20, WIDTHS[width])})
    wait_until_still(page)
    page.screenshot(path=FOLDER / f"{name}_{width}_{theme}_whole.png")
    found = Finding(name, width, theme, axe_findings(page), measure(page))  # of the whole page
    page.set_viewport_size({"width": width, "height": WIDTHS[width]})
    wait_until_still(page)
    return found


def table_of(findings: Sequence[Finding]) -> str:
    """Return the report in Markdown: a table with one row per page, width and theme, then all faults."""
    heads = ["page", "width", "theme", "axe", *MEASURES.values(), "lowest contrast in charts", "not reached by Tab"]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for one in findings:
        counts = [len(one.axe), *(len(one.measured[name]) for name in MEASURES)]
        lowest = one.measured["lowest_contrast"]
        reach = "" if one.unreached is None else str(len(one.unreached))
        contrast = "" if lowest > 20.9 else f"{lowest:.1f}"
        cells = [one.page, str(one.width), one.theme, *map(str, counts), contrast, reach]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Exempt, because they come from Streamlit or Plotly:", ""]
    lines += [f"- {one.rule}, `{one.selector}`: {one.reason}" for one in EXEMPT] or ["none"]
    for one in findings:
        if said := list(one.lines):
            lines += ["", f"**{one.page}, {one.width} px, {one.theme}**", "", *(f"- {words}" for words in said)]
    return "\n".join(lines)


def main() -> None:
    """Take the screenshots, print and save the report; exit with 1 if there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", nargs="+", choices=[*PAGES, *FURTHER], default=[*PAGES, *FURTHER])
    parser.add_argument("--widths", nargs="+", type=int, choices=list(WIDTHS), default=list(WIDTHS))
    asked = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    findings = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        for finding in look(browser, asked.pages, asked.widths):
            findings.append(finding)
            wrong = len(list(finding.lines))
            print(f"{finding.page} {finding.width} {finding.theme}: {wrong} findings", file=sys.stderr, flush=True)
        browser.close()
    report = table_of(findings)
    (FOLDER / "report.md").write_text(report + "\n", encoding="utf-8")
    print(report)
    sys.exit(any(list(one.lines) for one in findings))


if __name__ == "__main__":
    main()

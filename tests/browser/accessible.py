"""Accessibility checks of a page: axe, cut-off and overlapping text, and controls that Tab reaches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.browser.server import ROOT

__all__ = ["EXEMPT", "MEASURES", "Exemption", "axe_findings", "faults", "measure", "not_reached"]

AXE = ROOT / ".venv" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
MEASURE = Path(__file__).with_name("measure.js")
GRAVE = ("serious", "critical")
ATTEMPTS, PAUSE_MS = 120, 500  # as long as the patience of a browser test
# Lists of sentences in what measure() returns, by the words that head them in a report.
MEASURES = {
    "page_scroll": "wider than the window",
    "beyond": "beyond the window",
    "cut": "cut off",
    "overlaps": "overlap",
    "chart_overlaps": "overlap in a chart",
    "chart_clipped": "cut off in a chart",
    "faint": "contrast below 4.5",
}


@dataclass(frozen=True)
class Exemption:
    """An axe finding to ignore, in a widget of a library: this rule on elements that match the selector."""

    rule: str
    selector: str
    reason: str


EXEMPT: tuple[Exemption, ...] = ()

RUN_AXE = """async ([grave, exempt]) => {
  const options = {
    runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] },
    resultTypes: ["violations"],
  };
  const { violations } = await axe.run(document, options);
  const found = [];
  for (const { id, impact, nodes } of violations) {
    if (!grave.includes(impact)) continue;
    for (const { target, html, any } of nodes) {
      const path = target.flat();
      let element = null, root = document;
      for (const step of path) { element = root.querySelector(step); root = element?.shadowRoot ?? root; }
      if (exempt.some(([rule, selector]) => rule === id && element?.matches(selector))) continue;
      found.push({ rule: id, impact, target: path.join(" >> "), html: html.slice(0, 160), why: any[0]?.message ?? "" });
    }
  }
  return found;
}"""

# All visible, enabled controls, numbered. Tab reaches one control of a radio group, a tab list or a select box;
# arrow keys reach the others.
CONTROLS = """() => {
  const selector = "a[href], button, input, select, textarea, summary, [role=slider], [role=tab], [role=combobox]";
  const found = [];
  const gather = (root) => {
    for (const one of root.querySelectorAll("*")) {
      if (one.shadowRoot) gather(one.shadowRoot);
      if (!one.matches(selector) || one.disabled || one.closest("[inert], [aria-hidden=true], .modebar")) continue;
      if (one.type === "file" || one.getAttribute("aria-disabled") === "true") continue;
      const box = one.getBoundingClientRect();
      if (!one.checkVisibility({ visibilityProperty: true }) || box.width < 1 || box.height < 1) continue;
      found.push(one);
    }
  };
  gather(document);
  window.__controls = found;
  return found.length;
}"""
NUMBER = """() => {
  let active = document.activeElement;
  while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
  return window.__controls.indexOf(active);
}"""
NAMES = """reached => {
  const sets = "[role=radiogroup], [role=tablist], [data-testid=stSelectbox], [data-testid=stMultiSelect]";
  const set = (one) => one.closest(sets);
  const entered = new Set(reached.map((place) => set(window.__controls[place])).filter(Boolean));
  return window.__controls
    .filter((one, place) => !reached.includes(place) && !(set(one) && entered.has(set(one))))
    .map((one) => `${one.tagName.toLowerCase()} ${
      JSON.stringify((one.ariaLabel || one.innerText || one.title || one.dataset.testid || "").slice(0, 40))}`);
}"""


def axe_findings(page: Page) -> list[dict[str, Any]]:
    """Return serious and critical violations of WCAG 2 A and AA that are not exempt."""
    if not page.evaluate("() => !!window.axe"):
        page.add_script_tag(path=AXE)
    found: list[dict[str, Any]] = page.evaluate(RUN_AXE, [GRAVE, [[one.rule, one.selector] for one in EXEMPT]])
    return found


def measure(page: Page) -> dict[str, Any]:
    """Return cut-off, overlapping and faint text by the names of MEASURES; see measure.js."""
    found: dict[str, Any] = page.evaluate(MEASURE.read_text(encoding="utf-8"))
    return found


def faults(page: Page, *measures: str) -> list[str]:
    """Return what `measure` finds by some names of MEASURES, once the page has had time to arrange its charts.

    A chart is arranged anew some moments after the window has changed, so a finding counts if it stays.
    """
    for _ in range(ATTEMPTS):
        measured = measure(page)
        found = [sentence for name in measures for sentence in measured[name]]
        if not found:
            break
        page.wait_for_timeout(PAUSE_MS)
    return found


def not_reached(page: Page) -> list[str]:
    """Press Tab from the top of the page through all stops; return the names of controls without focus."""
    page.evaluate("document.activeElement?.blur()")
    count: int = page.evaluate(CONTROLS)
    reached: list[int] = []
    elsewhere = 0
    for _ in range(3 * count + 40):
        page.keyboard.press("Tab")
        place: int = page.evaluate(NUMBER)
        if reached and place == reached[0]:
            break
        elsewhere = elsewhere + 1 if place < 0 else 0
        if elsewhere > 40:
            break
        if place >= 0:
            reached.append(place)
    names: list[str] = page.evaluate(NAMES, reached)
    return names

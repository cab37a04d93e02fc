"""The address holds names of options, by every way in which a control or a link writes it."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.compare_page import ComparePage
from tests.browser.full_pages import wait_until_still

Open = Callable[..., ComparePage]
HAS = """(wanted) => {
  const given = new URLSearchParams(location.search);
  return Object.entries(wanted).every(([name, text]) => given.get(name) === text);
}"""
# Back before the server has drawn the tab: in the browser, since a message to it would take as long as that.
CLICK_AND_BACK = """async (label) => {
  const before = location.href;
  [...document.querySelectorAll("[role=tab]")].find((tab) => tab.textContent === label).click();
  while (location.href === before) await new Promise((resolve) => setTimeout(resolve, 1));
  history.back();
}"""
OLD = {"norm": "layer norm (layer)", "tab": "Training", "projection": "PCA", "threshold": "5 %"}
NAMED = {"norm": "layer", "tab": "training", "projection": None, "threshold": "5"}
QUICK = {"seeds": "1", "epochs": "2"}


def test_an_old_link_becomes_names_and_controls_write_names(open_page: Open) -> None:
    page = open_page(**OLD, **QUICK)
    page.wait_for(HAS, {**NAMED, **QUICK})
    page.wait_for_figures()
    assert page.chosen("norm") == "layer norm (layer)" and page.slid("threshold") == "5 %"
    page.choose("norm", "no norm (none)")
    page.wait_for(HAS, {**NAMED, "norm": "none"})
    page.wait_for_figures()
    page.wait_until_idle()
    page.page.get_by_role("tab", name="Confusion and rows").click()
    page.wait_for(HAS, {"norm": "none", "tab": "rows"})
    page.wait_until_idle()
    page.page.go_back()
    page.wait_for(HAS, {"norm": "none", "tab": "training"})
    page.page.wait_for_selector("[role=tab][aria-selected=true]:has-text('Training')")
    page.page.go_back()
    page.wait_for(HAS, NAMED)
    page.wait_for("() => document.querySelector('.st-key-norm [role=combobox]').value === 'layer norm (layer)'")
    page.page.go_forward()
    page.wait_for(HAS, {**NAMED, "norm": "none"})
    page.wait_for("() => document.querySelector('.st-key-norm [role=combobox]').value === 'no norm (none)'")
    page.page.reload()
    page.wait_for_figures()
    assert page.chosen("norm") == "no norm (none)" and page.slid("threshold") == "5 %"
    page.page.wait_for_selector("[role=tab][aria-selected=true]:has-text('Training')")
    wait_until_still(page.page)
    page.wait_for(HAS, {**NAMED, "norm": "none", **QUICK})


def test_back_chooses_the_tab_that_a_click_has_just_left(open_page: Open) -> None:
    page = open_page(tab="training", **QUICK)
    page.wait_for_figures()
    for _ in range(2):
        page.wait_until_idle()
        page.page.evaluate(CLICK_AND_BACK, "Confusion and rows")
        page.wait_for(HAS, {"tab": "training"})
        page.wait_until_idle()
        page.page.wait_for_selector("[role=tab][aria-selected=true]:has-text('Training')")
    page.wait_until_idle()
    wait_until_still(page.page)
    page.wait_for(HAS, {"tab": "training", **QUICK})
    page.page.wait_for_selector("[role=tab][aria-selected=true]:has-text('Training')")


def test_the_microscope_writes_numbers_of_its_norms_and_features(open_page: Open) -> None:
    page = open_page("microscope", epochs="2", place="norm 1 of 2, 128 features", feature="2")
    page.page.wait_for_selector(".js-plotly-plot .main-svg")
    page.wait_for(HAS, {"place": "1", "feature": "2"})
    assert (page.chosen("place"), page.chosen("feature")) == ("norm 1 of 2, 128 features", "feature 2")
    page.choose("feature", "feature 3")
    page.wait_for(HAS, {"place": "1", "feature": "3"})
    page.page.reload()
    page.page.wait_for_selector(".js-plotly-plot .main-svg")
    assert page.chosen("feature") == "feature 3"
    page.choose("feature", "all (root mean square)")
    page.wait_for(HAS, {"place": "1", "feature": None})

"""Each chart is drawn once for each of its figures, in the size of its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.browser.compare_page import ComparePage

Open = Callable[..., ComparePage]
# Draw a chart outside of Streamlit as it does, twice from copies of one figure, and count the drawings.
TWICE = """
async () => {
  const place = document.createElement("div");
  place.className = "stPlotlyChart";
  place.style.cssText = "width: 300px; height: 200px";
  const chart = document.createElement("div");
  place.append(chart);
  document.body.append(place);
  const figure = (y) => ({ data: [{ y }], layout: { height: 200 }, config: {} });
  const counts = [];
  let drawn = 0;
  const ask = async (given) => {
    drawn = 0;
    await window.Plotly.react(chart, given);
    counts.push(drawn);
  };
  await window.Plotly.react(chart, figure([1, 2]));
  const width = chart._fullLayout.width;
  chart.on("plotly_afterplot", () => { drawn += 1; });
  const sized = (y) => ({ ...figure(y), layout: { height: 200, width: 300 } });
  await ask(sized([1, 2]));
  await ask({ data: chart.data, layout: chart.layout, config: {} });
  await ask(sized([2, 1]));
  await ask(sized([2, 1]));
  chart.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
  await ask(sized([2, 1]));
  await ask({ ...sized([2, 1]), config: { displaylogo: false } });
  place.remove();
  return { width, counts };
}
"""


def test_a_copy_of_the_figure_on_display_is_not_drawn(open_page: Open) -> None:
    page = open_page("compare")
    page.wait_for_figures()
    found: dict[str, Any] = page.page.evaluate(TWICE)
    assert found["width"] == 300, "the first drawing has the size of its place"
    copy, same, other, again, touched, configured = found["counts"]
    assert (copy, same, again) == (0, 0, 0), "a copy was drawn"
    assert other and touched and configured, "a change was not drawn"

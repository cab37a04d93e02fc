"""Tests of app.widgets.figure: name, footer and height of a chart."""

from __future__ import annotations

import json
import re
from pathlib import Path

import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from app.widgets.figure import HEIGHTS, FigureNote, figure_styles
from app.widgets.present import SCALE

ASSETS = Path(__file__).parents[3] / "assets"


@pytest.mark.parametrize(
    ("stem", "key", "name"),
    [
        ("digits_3_DeepSAD_seed_0", "scores", "digits_3_DeepSAD_seed_0_scores"),
        ("reproduced text mean of these", "figure fig5", "reproduced_text_mean_of_these_figure_fig5"),
        ("../../etc/passwd", "a b", "etc_passwd_a_b"),
        ("λₙ → 0", "k", "0_k"),
        ("x" * 300, "k", "x" * 120),
    ],
)
def test_a_file_name_says_what_it_is_and_is_one_everywhere(stem: str, key: str, name: str) -> None:
    assert FigureNote(stem, "").file_name(key) == name
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,120}", name)


def drawn(height: int, presenting: bool) -> AppTest:
    def script(height: int, presenting: bool) -> None:
        import plotly.graph_objects as go
        import streamlit as st

        from app.widgets.figure import FigureNote, draw_figure

        st.session_state.presenting = presenting
        figure = go.Figure(go.Scatter(x=[1], y=[1]), {"height": height})
        draw_figure(figure, "chart", "a chart", FigureNote("stem", "the settings"), pictures={"shape": [1, 1]})
        assert figure.layout.height == height, "the caller's figure is left alone"

    return AppTest.from_function(script, args=(height, presenting)).run()


@pytest.mark.parametrize(("height", "class_height"), [(200, 200), (272, 270), (216, 220), (90, 150), (900, 600)])
@pytest.mark.parametrize("presenting", [False, True])
def test_a_chart_has_a_note_and_one_of_the_styled_heights(height: int, class_height: int, presenting: bool) -> None:
    page = drawn(height, presenting)
    assert not page.exception
    (chart,) = page.get("plotly_chart")
    spec = json.loads(chart.proto.spec)
    assert "height" not in spec["layout"], "the browser sets it"
    assert spec["layout"]["meta"] == {
        "export": {"file": "stem_chart", "footer": "the settings"},
        "pictures": {"shape": [1, 1]},
    }
    assert json.loads(chart.proto.config)["toImageButtonOptions"]["filename"] == "stem_chart"
    assert class_height in HEIGHTS and f'"st-key-figure-{class_height}-"]{{--lines:{class_height}}}' in figure_styles()
    assert spec["layout"].get("font", {}).get("size") == (round(12 * SCALE) if presenting else None)


@pytest.mark.parametrize(
    ("layout", "modes"),
    [
        ({}, {"dragmode": "pan", "clickmode": "event+select"}),
        ({"dragmode": "lasso"}, {"dragmode": "lasso", "clickmode": "event"}),
    ],
)
def test_a_chart_with_a_selection_has_the_modes_that_streamlit_sets(
    layout: dict[str, str], modes: dict[str, str]
) -> None:
    """Else the page would draw it again as Streamlit sets them."""

    def script(layout: dict[str, str]) -> None:
        import plotly.graph_objects as go

        from app.widgets.figure import FigureNote, draw_figure

        figure = go.Figure(go.Scatter(x=[1], y=[1]), {"height": 200, **layout})
        draw_figure(figure, "chart", "a chart", FigureNote("stem", ""), on_select="rerun")

    page = AppTest.from_function(script, args=(layout,)).run()
    assert not page.exception
    spec = json.loads(page.get("plotly_chart")[0].proto.spec)
    assert {name: spec["layout"].get(name) for name in modes} == modes


def test_the_style_of_present_has_the_scale_of_its_figures() -> None:
    style = (ASSETS / "present.css").read_text(encoding="utf-8")
    assert f"--type: {SCALE:g};" in style and f"font-size: {16 * SCALE:g}px" in style
    assert go.Figure().layout.height is None

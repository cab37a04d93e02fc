"""Charts of a page: their height follows the window, Present enlarges them, exports have a name and a footer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from ..charts.enlarge import enlarge
from ..charts.stack import stack
from ..charts.style import MODEBAR
from .present import SCALE, is_presenting
from .window import is_narrow

__all__ = ["FigureNote", "draw_figure", "figure_styles"]

STEP = 10  # pixels; heights are multiples of it, each with a style
HEIGHTS = range(150, 601, STEP)


@dataclass(frozen=True)
class FigureNote:
    """The file name and the footer of an exported figure.

    Parameters
    ----------
    stem : str
        Beginning of the file name, such as "compare digits_3 DeepSAD".
    settings : str
        The settings in plain text, for the footer; the address of the page follows there.
    """

    stem: str
    settings: str

    def file_name(self, key: str) -> str:
        """Return the file name, without suffix, of the exported figure with the widget key `key`."""
        return re.sub(r"[^A-Za-z0-9_-]+", "_", f"{self.stem} {key}").strip("_")[:120]


def draw_figure(
    figure: go.Figure,
    key: str,
    alt: str,
    note: FigureNote,
    pictures: Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Draw a chart at the current position and return the result of `st.plotly_chart`, such as the selection.

    In a narrow window the panels are stacked; in Present, texts and marks are larger.

    Parameters
    ----------
    figure : go.Figure
        The chart, not changed. Its height in pixels holds for a window of 1280 × 720 and follows that of the window.
    key : str
        The widget key.
    alt : str
        The alternative text for screen readers.
    note : FigureNote
        File name and footer of the exported chart.
    pictures : mapping, optional
        Pictures of rows from `row_pictures`, shown while the pointer is over the mark of a row.
    **options
        Further arguments of `st.plotly_chart`.
    """
    if is_narrow():
        figure = stack(figure)
    height = min(max(round(figure.layout.height / STEP) * STEP, HEIGHTS[0]), HEIGHTS[-1])
    name = note.file_name(key)
    drawn = enlarge(figure, SCALE) if is_presenting() else go.Figure(figure)
    meta = {"export": {"file": name, "footer": note.settings}, **({"pictures": pictures} if pictures else {})}
    drawn.update_layout(height=None, meta=meta, **(_selection(figure) if "on_select" in options else {}))
    config = {**MODEBAR, "toImageButtonOptions": {**MODEBAR["toImageButtonOptions"], "filename": name}}
    if is_narrow():  # its buttons would cover the title
        config["displayModeBar"] = False
    if figure.layout.height > HEIGHTS[-1]:  # panels of a phone
        return st.plotly_chart(drawn, key=key, alt=alt, config=config, height=figure.layout.height, **options)
    with st.container(key=f"figure-{height}-{key}"):
        return st.plotly_chart(drawn, key=key, alt=alt, config=config, height="stretch", **options)


def _selection(figure: go.Figure) -> dict[str, str]:
    """Return the layout that Streamlit gives a chart with a selection; said here so that it does not draw it again."""
    drag = figure.layout.dragmode or "pan"
    return {"dragmode": drag, "clickmode": "event" if drag in ("lasso", "select") else "event+select"}


def figure_styles() -> str:
    """Return an HTML style element that gives each possible height of a chart to the rules in `assets/page.css`."""
    rules = (f'[class*="st-key-figure-{height}-"]{{--lines:{height}}}' for height in HEIGHTS)
    return f"<style>{''.join(rules)}</style>"

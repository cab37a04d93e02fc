"""A grid of results (a table of texts) on the page, and its exports."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import plotly.graph_objects as go
import streamlit as st

from anoonly_core.reproduction.grid import FORMATS, Grid, to_markdown
from anoonly_core.reproduction.tables import ALL, Table

__all__ = ["draw_exports", "draw_figure_export", "draw_grid", "page_markdown"]


def draw_grid(grid: Grid, stem: str, cells: Grid | None = None) -> None:
    """Draw a grid of results, with a download button for CSV, Markdown and LaTeX each.

    Parameters
    ----------
    grid : Grid
        The grid.
    stem : str
        The file name without suffix; unique on the page.
    cells : Grid, optional
        A longer grid that the CSV holds instead.
    """
    with st.container(key=f"grid-{stem}"):
        st.markdown(page_markdown(grid))
        _downloads(grid, stem, cells)


def draw_exports(name: str, table: Table, reference: str, figure: go.Figure | None) -> None:
    """Draw an expander with the exports of a table or figure, and the command that computes it.

    The exports are CSV, Markdown and LaTeX, and for a figure also HTML.

    Parameters
    ----------
    name : str
        The experiment, a key of `EXPERIMENTS`.
    table : Table
        The table on show.
    reference : str
        The published values beside it, a key of `REFERENCES`.
    figure : go.Figure or None
        The chart on show; None for a table.
    """
    with st.expander("Take away"):
        st.markdown(f"`python -m anoonly_core reproduce {name}`")
        scope = "" if table.scope in ("", ALL) else f"-{table.scope}"
        stem = f"{name}-{table.source}{scope}"
        _downloads(table.grid(reference), stem, table.cells_grid())
        if figure is not None:
            draw_figure_export(figure.update_layout(title=table.caption), stem)


def draw_figure_export(figure: go.Figure, stem: str) -> None:
    """Draw the download button of a figure as HTML; `stem` is the file name without suffix."""
    st.download_button(
        "Figure as HTML",
        lambda: figure.to_html(include_plotlyjs=True).encode(),
        f"{stem}.html",
        on_click="ignore",
    )
    st.caption("The camera above the figure saves it as PNG.")


def _downloads(grid: Grid, stem: str, cells: Grid | None = None) -> None:
    """Draw the download buttons of a grid as CSV, Markdown and LaTeX.

    Parameters
    ----------
    grid : Grid
        The grid.
    stem : str
        The file name without suffix.
    cells : Grid, optional
        A longer grid that the CSV holds instead, such as one with a line for each cell of the table.
    """
    names = {"csv": "CSV", "md": "Markdown", "tex": "LaTeX"}
    with st.container(horizontal=True):
        for suffix, text in FORMATS.items():
            exported = cells if suffix == "csv" and cells is not None else grid
            st.download_button(
                names[suffix],
                partial(_encoded, text, exported),
                f"{stem}.{suffix}",
                on_click="ignore",
                key=f"{stem} {suffix}",
            )


def _encoded(text: Callable[[Grid], str], grid: Grid) -> bytes:
    return text(grid).encode()


def page_markdown(grid: Grid) -> str:
    """Return a grid as a Markdown table for Streamlit, with "~" and "$" escaped."""
    return to_markdown(grid).replace("~", "\\~").replace("$", "\\$")

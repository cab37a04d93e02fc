"""A grid of the evidence on the page, and its exports."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from anoonly_core.reproduction.grid import FORMATS, Grid, to_markdown
from anoonly_core.reproduction.tables import ALL, LAYOUTS, Table

from ...text.labels import SETTING_LABELS
from .charts import table_figure

__all__ = ["draw_exports", "draw_grid", "page_markdown"]


def draw_grid(grid: Grid, stem: str) -> None:
    """Draw a grid, and a download button for each format.

    Parameters
    ----------
    grid : Grid
        The grid.
    stem : str
        The file name without suffix; unique on the page.
    """
    with st.container(key=f"grid-{stem}"):
        st.markdown(page_markdown(grid))
        _downloads(grid, stem)


def draw_exports(name: str, table: Table, reference: str) -> None:
    """Draw the exports of a table or figure: its files, the figure as HTML, and the command that makes both.

    The command is not highlighted: the browser takes half a second to load the highlighter.

    Parameters
    ----------
    name : str
        The experiment, of `EXPERIMENTS`.
    table : Table
        The table as it is shown.
    reference : str
        The published values beside it, of `REFERENCES`.
    """
    with st.expander("Take away"):
        st.markdown(f"`python -m anoonly_core reproduce {name}`")
        scope = "" if table.scope in ("", ALL) else f"-{table.scope}"
        stem = f"{name}-{table.source}{scope}"
        _downloads(table.grid(reference), stem, table.cells_grid())
        if name.startswith("fig"):
            figure = table_figure(table, SETTING_LABELS[LAYOUTS[name].columns]).update_layout(title=table.caption)
            st.download_button(
                "Figure as HTML",
                lambda: figure.to_html(include_plotlyjs=True).encode(),
                f"{stem}.html",
                on_click="ignore",
            )
            st.caption("The camera above the figure saves it as PNG.")


def _downloads(grid: Grid, stem: str, cells: Grid | None = None) -> None:
    """Draw the download buttons of a grid as CSV, Markdown and LaTeX; `stem` is the file name without suffix.

    If `cells` is given, the CSV holds this longer grid of all figures instead.
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
    """Return a grid as Markdown for Streamlit, which would read a tilde as a strike-through."""
    return to_markdown(grid).replace("~", "\\~").replace("$", "\\$")

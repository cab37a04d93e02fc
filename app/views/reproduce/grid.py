"""A grid of the evidence on the page, and what of it can be taken away."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from anoonly_core.reproduction.grid import FORMATS, Grid, to_markdown
from anoonly_core.reproduction.tables import ALL, LAYOUTS, Table
from app.text.labels import SETTING_LABELS
from app.views.reproduce.charts import table_figure

__all__ = ["draw_exports", "draw_grid", "page_markdown"]


def draw_grid(grid: Grid, stem: str) -> None:
    """A grid with a button for each format that it goes as."""
    with st.container(key=f"grid-{stem}"):
        st.markdown(page_markdown(grid))
        _downloads(grid, stem)


def draw_exports(name: str, table: Table, reference: str) -> None:
    """The table as files, the figure as HTML, the command that makes both again.

    Commands stand in plain letters here: what colors code takes the browser half a second to load.
    """
    with st.expander("Take away"):
        st.markdown(f"`python -m anoonly_core reproduce {name}`")
        at = "" if table.scope in ("", ALL) else f"-{table.scope}"
        stem = f"{name}-{table.reading}{at}"
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
    """A button a format; the CSV has all that is known of each cell, where there are cells."""
    names = {"csv": "CSV", "md": "Markdown", "tex": "LaTeX"}
    with st.container(horizontal=True):
        for suffix, text in FORMATS.items():
            own = cells if suffix == "csv" and cells is not None else grid
            st.download_button(
                names[suffix],
                partial(_encoded, text, own),
                f"{stem}.{suffix}",
                on_click="ignore",
                key=f"{stem} {suffix}",
            )


def _encoded(text: Callable[[Grid], str], grid: Grid) -> bytes:
    return text(grid).encode()


def page_markdown(grid: Grid) -> str:
    """The grid for the page, which would take a tilde for the beginning of a strike-through."""
    return to_markdown(grid).replace("~", "\\~").replace("$", "\\$")

"""A table of the evidence as the page draws it: cells to choose, colored by their difference to what was published."""

from __future__ import annotations

from functools import cache
from typing import Any

import pandas as pd
import streamlit as st

from anoonly_core.paths import ASSETS
from anoonly_core.reproduction.cells import REFERENCES, Cell, signed
from anoonly_core.reproduction.tables import Table

__all__ = ["LEGEND", "cell_sentence", "cells_data", "draw_cells", "file_table"]

CELLS = ASSETS / "cells"
# Ours above the published figure, and below it. Neither is a color of normal rows or anomalies; the difference stands
# in the cell too. Dark letters on light ground, in both themes.
ABOVE, BELOW = (27, 120, 55), (118, 42, 131)
STRONGEST, FULL_POINTS = 0.45, 12.0
LETTERS = "#1a1a1a"
LEGEND = "Green: ours is higher than what was published, purple: lower; the stronger, the further."
BETWEEN = "\t"  # a row's and a column's name, in what a chosen cell is called


@cache
def _asset(kind: str) -> str:
    return (CELLS / f"cells.{kind}").read_text(encoding="utf-8")


def draw_cells(table: Table, reference: str, key: str) -> tuple[str, str] | None:
    """Draw the table; the row and column of the cell that is chosen, or None."""
    # Declared each time: a server that starts later than this file is loaded would not know it.
    cells = st.components.v2.component("cells", html=_asset("html"), css=_asset("css"), js=_asset("js"))
    chosen = (st.session_state.get(key) or {}).get("cell")
    result = cells(
        key=key,
        data={**cells_data(table, reference), "chosen": chosen},
        default={"cell": None},
        on_cell_change=lambda: None,
    )
    row, _, column = (result.cell or "").partition(BETWEEN)
    return (row, column) if (row, column) in table.cells else None


def cells_data(table: Table, reference: str) -> dict[str, Any]:
    """What the browser draws: captions, and each cell's text, color and name."""
    return {
        "caption": table.caption,
        "columns": [table.heading(column) for column in table.columns],
        "rows": [
            {"name": row, "cells": [_drawn(table, row, column, reference) for column in table.columns]}
            for row in table.rows
        ],
    }


def _drawn(table: Table, row: str, column: str, reference: str) -> dict[str, str] | None:
    cell = table.cells.get((row, column))
    if cell is None:
        return None
    text, published = table.cell_text(row, column), cell.published(reference)
    found = {"id": f"{row}{BETWEEN}{column}", "text": text, "label": f"{row}, {column}: {text}"}
    if published is not None:
        points = cell.mean - published
        found |= {"difference": f"({signed(points)})", "ground": _ground(points), "letters": LETTERS}
        found["label"] += f", {signed(points)} to {REFERENCES[reference]}"
    return found


def _ground(points: float) -> str:
    share = STRONGEST * min(abs(points) / FULL_POINTS, 1.0)
    return f"rgb({', '.join(str(round(255 - share * (255 - part))) for part in (ABOVE if points > 0 else BELOW))})"


def cell_sentence(table: Table, row: str, column: str, here: int, shipped: Cell | None) -> str:
    """A cell in a sentence or two: ours, what was published, on what it stands; in Markdown.

    here: how many of its runs this machine has trained; shipped: the cell as it ships, where that is any.
    """
    cell = table.cells[row, column]
    said = [f"**{row}, {column}**: ours {cell.text()}"]
    for reference, words in REFERENCES.items():
        if (published := cell.published(reference)) is not None:
            said.append(f"{words} {published:.1f} ({signed(cell.mean - published)})")
    files = f"{len(cell.files)} of {cell.of} files" if cell.of > len(cell.files) else "all files"
    standing = f"It stands on {files} and {len(cell.values)} seeds, {len(cell.keys)} runs"
    if here:
        standing += f", {here} of which were trained on this machine"
        if shipped is not None:
            standing += f"; the figure that ships is {shipped.text()}"
    return f"{'; '.join(said)}. {standing}."


def file_table(table: Table, row: str, column: str, frame: pd.DataFrame) -> pd.DataFrame:
    """What a cell is made of: a row a data set with its mean, deviation and range over the seeds, in percent."""
    keys = set(table.cells[row, column].keys)
    own = frame[frame["key"].isin(keys)].groupby("dataset", sort=False)[table.metric]
    return pd.DataFrame({"mean": own.mean(), "deviation": own.std(ddof=1), "lowest": own.min(), "highest": own.max()})

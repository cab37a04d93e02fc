"""A table of results with selectable cells, colored by their difference from the published values."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from anoonly_core.reproduction.cells import REFERENCES, Cell, signed
from anoonly_core.reproduction.experiments import ANOONLY
from anoonly_core.reproduction.significance import Gain
from anoonly_core.reproduction.tables import Table

from ...controls.page_address import current_link
from ...widgets.component import component
from .controls import ADDRESS

__all__ = ["LEGEND", "cell_sentence", "cells_data", "draw_cells", "file_table", "gain_text"]

# Colors of values above and below the published ones. Neither is that of normal rows or anomalies, and the cell also
# holds the difference as text. Dark text on a light background, in both themes.
ABOVE, BELOW = (27, 120, 55), (118, 42, 131)
STRONGEST, FULL_POINTS = 0.45, 12.0
LETTERS = "#1a1a1a"
LEGEND = "Green: ours is above the published value. Purple: below it. A stronger color is a larger difference."
SEPARATOR = "~"  # of row and column in the name of a cell


def draw_cells(table: Table, reference: str, key: str, gains: Sequence[Gain] = ()) -> tuple[str, str] | None:
    """Draw a table whose cells can be selected by a click, and return the row and column of the selected cell.

    The selection is held in the address.

    Parameters
    ----------
    table : Table
        The measured values.
    reference : str
        The published values to compare with, a key of `REFERENCES`.
    key : str
        The key of the component in the session state.
    gains : sequence of Gain
        Gains of AnoOnly over its baselines, each shown in its cell beside the gain that the paper claims.

    Returns
    -------
    tuple of str, or None
        Row and column of the selected cell; None if no cell is selected.
    """
    chosen = ADDRESS.among("cell", [_text(*cell) for cell in table.cells])
    component("cells")(
        key=key,
        data={**cells_data(table, reference, gains), "chosen": chosen},
        default={"cell": None},
        on_cell_change=partial(_choose, key),
    )
    return next((cell for cell in table.cells if _text(*cell) == chosen), None)


def _choose(key: str) -> None:
    """Select the cell that was just clicked in the component with this key; the page then writes it into the address.

    Runs in the callback of the component.
    """
    clicked = (st.session_state.get(key) or {}).get("cell")
    if isinstance(clicked, dict) and isinstance(clicked.get("id"), str):
        current_link().values["cell"] = clicked["id"]


def _text(row: str, column: str) -> str:
    return f"{row}{SEPARATOR}{column}"


def cells_data(table: Table, reference: str, gains: Sequence[Gain] = ()) -> dict[str, Any]:
    """Return a table in the form that the browser's component draws.

    Parameters
    ----------
    table : Table
        The measured values.
    reference : str
        The published values to compare with, a key of `REFERENCES`.
    gains : sequence of Gain
        Gains of AnoOnly over its baselines, each for its cell.

    Returns
    -------
    dict
        "caption", "columns" (headings) and "rows"; each row has its "name" and its "cells". A cell is None without
        results, else a dictionary of its id, texts and color.
    """
    gain_of = {(f"{gain.head}{ANOONLY}", gain.scope): gain for gain in gains}
    return {
        "caption": table.caption,
        "columns": [table.heading(column) for column in table.columns],
        "rows": [
            {
                "name": row,
                "cells": [
                    _cell_data(table, row, column, reference, gain_of.get((row, column))) for column in table.columns
                ],
            }
            for row in table.rows
        ],
    }


def _cell_data(table: Table, row: str, column: str, reference: str, gain: Gain | None) -> dict[str, str] | None:
    """Return the texts and background color of one cell for the browser's component; None for a cell without results.

    Parameters
    ----------
    table : Table
        The measured values.
    row, column : str
        The cell.
    reference : str
        A key of REFERENCES; the difference from its published value, if there is one, sets the color.
    gain : Gain or None
        The gain of AnoOnly over its baseline, if the cell is one of AnoOnly.
    """
    cell = table.cells.get((row, column))
    if cell is None:
        return None
    text, published = table.cell_text(row, column), cell.published(reference)
    data = {"id": _text(row, column), "text": text, "label": f"{row}, {column}: {text}"}
    if published is not None:
        points = cell.mean - published
        data |= {"difference": f"({signed(points)})", "ground": _background(points), "letters": LETTERS}
        data["label"] += f", {signed(points)} to {REFERENCES[reference]}"
    if gain is not None:
        data["gain"] = gain_text(gain)
        # The name holds the visible text in one piece; the reference follows.
        visible = " ".join(filter(None, (text, data.get("difference"), data["gain"])))
        beside = "" if published is None else f"; the difference is to {REFERENCES[reference]}"
        data["label"] = f"{row}, {column}: {visible}{beside}"
    return data


def gain_text(gain: Gain) -> str:
    """Format a measured gain of AnoOnly, and the claimed one if any: "gain −0.3 ± 0.5, claimed +6.1", in points."""
    claimed = "" if gain.claimed is None else f", claimed {signed(gain.claimed)}"
    return f"gain {gain.text()}{claimed}"


def _background(points: float) -> str:
    share = STRONGEST * min(abs(points) / FULL_POINTS, 1.0)
    return f"rgb({', '.join(str(round(255 - share * (255 - part))) for part in (ABOVE if points > 0 else BELOW))})"


def cell_sentence(table: Table, row: str, column: str, here: int, shipped: Cell | None) -> str:
    """Return Markdown on one cell: the measured value, the published ones, and the runs behind it.

    Parameters
    ----------
    table : Table
        The measured values.
    row, column : str
        The cell.
    here : int
        Number of its runs that this machine has trained.
    shipped : Cell or None
        The cell from the shipped results alone, quoted if this machine has trained runs; None if there is none.
    """
    cell = table.cells[row, column]
    parts = [f"**{row}, {column}**: ours {cell.text()}"]
    for reference, words in REFERENCES.items():
        if (published := cell.published(reference)) is not None:
            parts.append(f"{words} {published:.1f} ({signed(cell.mean - published)})")
    files = f"{len(cell.files)} of {cell.total_files} files" if cell.total_files > len(cell.files) else "all files"
    basis = f"It is the mean over {files} and {len(cell.values)} seeds, {len(cell.keys)} runs"
    if here:
        basis += f", {here} of which were trained on this machine"
        if shipped is not None:
            basis += f"; the shipped value is {shipped.text()}"
    return f"{'; '.join(parts)}. {basis}."


def file_table(table: Table, row: str, column: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each data set of a cell: mean, deviation, lowest and highest value over the seeds.

    Parameters
    ----------
    table : Table
        The measured values, which name the metric.
    row, column : str
        The cell.
    frame : pandas.DataFrame
        The runs of the experiment, with the columns "key" and "dataset" and the metrics.
    """
    keys = set(table.cells[row, column].keys)
    by_dataset = frame[frame["key"].isin(keys)].groupby("dataset", sort=False)[table.metric]
    return pd.DataFrame(
        {
            "mean": by_dataset.mean(),
            "deviation": by_dataset.std(ddof=1),
            "lowest": by_dataset.min(),
            "highest": by_dataset.max(),
        }
    )

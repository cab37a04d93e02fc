"""Pictures and texts of rows on a page: as columns of a table, and as the card of one row."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from anoonly_core.data.dataset import Dataset

from ..charts.pictures import row_cell, row_columns

__all__ = ["ROW_COLUMNS", "draw_card", "with_row_columns"]

CARD = 144  # pixels
# Configuration of the columns that `with_row_columns` adds; their cells are never read as Markdown.
ROW_COLUMNS = {
    "picture": st.column_config.ImageColumn("picture", width="small"),
    "text": st.column_config.TextColumn("text", width="large"),
    "name": st.column_config.TextColumn("name", width="medium"),
}


def with_row_columns(table: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Return a table with what its rows show, behind the column "row" of their ids."""
    shown = table.copy()
    columns = row_columns(dataset, table["row"].tolist())
    for place, (name, cells) in enumerate(columns.items(), start=list(shown.columns).index("row") + 1):
        shown.insert(place, name, cells)
    return shown


def draw_card(dataset: Dataset, row_id: int) -> None:
    """Draw the picture of a row or all its words; nothing if the row shows neither."""
    if (cell := row_cell(dataset, row_id, CARD)) is not None:
        st.html(cell.card(CARD))

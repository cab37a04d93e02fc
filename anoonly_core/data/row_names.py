"""Names and texts of rows in exported tables, for features of images or texts."""

from __future__ import annotations

import pandas as pd

from anoonly_core.data.feature_files import Previews

__all__ = ["MAX_SNIPPET", "insert_names", "snippet"]

MAX_SNIPPET = 200  # characters of a text in a list or an exported table


def snippet(text: str, limit: int = MAX_SNIPPET) -> str:
    """Return a text in one line without characters that cannot be printed, cut to `limit` characters.

    Marks that reverse the direction of the text around them are among these characters.
    """
    line = "".join(character if character.isprintable() else " " for character in text[: 4 * limit])
    line = " ".join(line.split())
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[: limit - 2]} …"


def insert_names(table: pd.DataFrame, previews: Previews | None) -> pd.DataFrame:
    """Return a table with the name of each row, and the begin of its text, behind its column "row".

    Parameters
    ----------
    table
        Table with a column "row" of row ids.
    previews
        Names and previews of the rows; None returns the table as it is.
    """
    if previews is None:
        return table
    rows = [int(row) for row in table["row"]]
    held = [row for row in rows if row in previews]
    columns = {"name": previews.names(held)} | ({"text": previews.texts(held)} if previews.kind == "text" else {})
    named = table.copy()
    for place, (column, words) in enumerate(columns.items(), start=list(table.columns).index("row") + 1):
        by_row = dict(zip(held, map(snippet, words), strict=True))
        named.insert(place, column, [by_row.get(row, "") for row in rows])
    return named

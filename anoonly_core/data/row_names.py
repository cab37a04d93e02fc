"""Names and texts of rows in exported tables, for features of images or texts."""

from __future__ import annotations

import unicodedata

import pandas as pd

from anoonly_core.data.feature_files import Previews

__all__ = ["MAX_SNIPPET", "insert_names", "printable_text", "snippet"]

MAX_SNIPPET = 200  # characters of a text in a list or an exported table
JOINERS = "\u200c\u200d"  # shape words in Persian and pictographs


def printable_text(text: str) -> str:
    """Return a text with its lines but without other characters that cannot be printed.

    Marks that reverse the direction of the text around them are among these characters.
    """
    return "\n".join("".join(map(_printable, line)) for line in text.splitlines())


def _printable(character: str) -> str:
    if character.isprintable() or character in JOINERS:
        return character
    return "" if unicodedata.category(character) == "Cf" else " "


def snippet(text: str, limit: int = MAX_SNIPPET) -> str:
    """Return a text in one line as `printable_text` does, cut to `limit` characters."""
    line = " ".join(printable_text(text[: 4 * limit]).split())
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[: limit - 2]} …"


def insert_names(table: pd.DataFrame, previews: Previews | None) -> pd.DataFrame:
    """Return a table with the name of each row, and the beginning of its text, behind its column "row".

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

"""The column of a table that holds texts: the candidates, and the one that is plainly meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from anoonly_core.data.tables.columns import CATEGORY, TEXT, list_names, profile_column
from anoonly_core.data.tables.exclusions import find_row_numbers
from anoonly_core.data.tables.files import printable
from anoonly_core.data.tables.label_candidates import name_parts
from anoonly_core.errors import BadDataFile, did_you_mean
from anoonly_core.features.texts.cleaning import UNSPACED

__all__ = ["TextColumn", "choose_text_column", "find_text_columns"]

TEXT_NAMES = frozenset(
    (
        *(
            "text",
            "texts",
            "texte",
            "texto",
            "testo",
            "tekst",
            "текст",
            "文本",
            "message",
            "messages",
            "msg",
            "nachricht",
        ),
        *("mensaje", "messaggio", "body", "content", "contents", "inhalt", "sentence", "sentences", "satz", "review"),
        *("reviews", "comment", "comments", "kommentar", "commentaire", "comentario", "tweet", "post", "email", "mail"),
        *("document", "documents", "utterance", "prompt", "description", "beschreibung", "abstract", "log"),
    )
)
OPTION = "on the command line --text"  # of errors
SAMPLED = 10_000  # rows that tell what a column holds
SAMPLED_CHARACTERS = 200  # of each cell
MIN_WORDS = 3.0  # mean words of a cell of a column of texts without such a name
DOMINANT = 4.0  # a column is plainly the one of the texts if it is so many times as long as the next
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")


@dataclass(frozen=True)
class TextColumn:
    """Column that may hold texts.

    Attributes
    ----------
    name
        Name of the column.
    characters, words
        Mean length of its cells, of `SAMPLED_CHARACTERS` characters each at most.
    is_named
        True if its name speaks for texts, such as "message".
    is_likely
        True if its name or its words speak for texts.
    """

    name: str
    characters: float
    words: float
    is_named: bool

    @property
    def is_likely(self) -> bool:
        """True if the name or the words speak for texts."""
        return self.is_named or self.words >= MIN_WORDS


def find_text_columns(table: pd.DataFrame, label: str = "") -> tuple[TextColumn, ...]:
    """Return the columns of a table that may hold texts, the longest first.

    They hold words, more different ones than categories do, or have a name such as "message". The label and columns
    that number the rows are not among them. Only the first `SAMPLED` rows are examined.

    Parameters
    ----------
    table
        Table as `read_table` returns it.
    label
        Name of the label column; "" for none.
    """
    sample = table.head(SAMPLED)
    others = {label, *find_row_numbers(sample)}
    columns = [column for name in table if str(name) not in others if (column := _profile(sample[name])) is not None]
    return tuple(sorted(columns, key=lambda column: -column.characters))


def _profile(values: pd.Series[Any]) -> TextColumn | None:
    """Return the column if it may hold texts, else None."""
    is_text = values.dtype == object or isinstance(values.dtype, pd.StringDtype | pd.CategoricalDtype)
    if not is_text or not all(isinstance(cell, str) for cell in values.dropna()):
        return None
    cells = pd.Series([cell[:SAMPLED_CHARACTERS] for cell in values.dropna()], dtype=object)
    name = str(values.name)
    profile = profile_column(name, cells)
    is_named = bool({*name_parts(name)} & TEXT_NAMES)
    words = float(cells.map(lambda cell: len(_WORD.findall(cell))).mean())
    differs = profile.count > len(cells) / 2 and words >= MIN_WORDS  # a short table has few different texts
    if profile.kind != TEXT and not (profile.kind == CATEGORY and (is_named or differs)):
        return None
    return TextColumn(name, float(cells.str.len().mean()), words, is_named)


def choose_text_column(table: pd.DataFrame, title: str, column: str | None = None, label: str = "") -> str:
    """Return the name of the column of texts: the given one, or the one that is plainly meant.

    Plain is the only likely column, the only one of them with a name such as "message", or one that is `DOMINANT`
    times as long as each other.

    Parameters
    ----------
    table
        Table as `read_table` returns it.
    title
        Name of the table in messages.
    column
        Name of the column; None to find it.
    label
        Name of the label column; "" for none.

    Raises
    ------
    BadDataFile
        If the given column is absent or is the label, or if no column or several may be meant.
    """
    if column is not None:
        return _check_column(table, title, column, label)
    columns = find_text_columns(table, label)
    likely = [item for item in columns if item.is_likely]
    if (plain := _plain(likely)) is not None:
        return plain.name
    names = list_names([item.name for item in likely or columns])
    if likely:
        raise BadDataFile(f"{title} has several columns of texts: name one of {names} ({OPTION}).")
    listed = names or list_names([str(name) for name in table.columns])
    raise BadDataFile(f"{title} has no column that is plainly one of texts: name one of {listed} ({OPTION}).")


def _plain(columns: Sequence[TextColumn]) -> TextColumn | None:
    named = [column for column in columns if column.is_named]
    if len(columns) == 1 or len(named) == 1:
        return (named or columns)[0]
    if len(columns) > 1 and columns[0].characters >= DOMINANT * columns[1].characters:
        return columns[0]
    return None


def _check_column(table: pd.DataFrame, title: str, column: str, label: str) -> str:
    names = [str(name) for name in table.columns]
    if column not in names:
        listed = [printable(name[:60]) for name in names]
        hint = did_you_mean(printable(column[:60]), listed) or f": it has {list_names(names)}."
        raise BadDataFile(f"{title} has no column {printable(column[:60])}{hint}")
    if column == label:
        raise BadDataFile(
            f"{title}: {printable(column[:60])} cannot be the label and the texts, too: name another column."
        )
    return column

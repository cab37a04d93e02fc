"""Bounds on the profile of a table, which stays in the memory of the server and goes to browsers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from anoonly_core.data.tables.columns import ColumnProfile
from anoonly_core.data.tables.profile import TableProfile, suggest_schema

__all__ = ["SHOWN_COLUMNS", "bound_profile"]

SHOWN_COLUMNS = 100  # of the first rows
SHOWN_CHARACTERS = 100  # of a cell of the first rows
WORD_CHARACTERS = 200
MAX_WORDS_BYTES = 2**20  # of the words of all columns
MAX_VALUES_BYTES = 2**20  # of the values of all columns that may be labels
ENTRY_BYTES = 24  # of a value beside its text, such as its count
LISTED_WORDS, LISTED_CHARACTERS = 4, 40  # of a column in a table with many words


def bound_profile(profile: TableProfile) -> TableProfile:
    """Return a copy of a profile that is small enough for a page: at most a few MB.

    Of the first rows, 100 columns remain, and each text cell is cut to 100 characters. Of the columns that may be
    labels, those with a value over 200 characters are dropped. The others remain while their values fit in 1 MiB: first
    the suggested label column, then the columns with the smallest values. Words of columns are cut to 200 characters,
    or to 4 words of 40 characters per column if all words together exceed 1 MiB.
    """
    values = {
        name: counts for name, counts in profile.values.items() if max(map(len, counts), default=0) <= WORD_CHARACTERS
    }
    label = suggest_schema(replace(profile, columns=(), values=values)).label or ""
    return replace(
        profile,
        columns=_bound_words(profile.columns),
        values=_bound_values(values, label),
        head=_bound_head(profile.head),
    )


def _bound_words(columns: tuple[ColumnProfile, ...]) -> tuple[ColumnProfile, ...]:
    cut = tuple(replace(column, words=_cut(column.words, WORD_CHARACTERS)) for column in columns)
    if sum(_size(word) for column in cut for word in column.words) <= MAX_WORDS_BYTES:
        return cut
    return tuple(replace(column, words=_cut(column.words[:LISTED_WORDS], LISTED_CHARACTERS)) for column in columns)


def _bound_values(values: Mapping[str, Mapping[str, int]], label: str) -> dict[str, Mapping[str, int]]:
    sizes = {name: _size(name) + sum(map(_size, counts)) for name, counts in values.items()}
    kept, room = set(), MAX_VALUES_BYTES
    for name in sorted(sizes, key=lambda name: (name != label, sizes[name])):
        room -= sizes[name]
        if room < 0:
            break
        kept.add(name)
    return {name: counts for name, counts in values.items() if name in kept}


def _bound_head(head: pd.DataFrame) -> pd.DataFrame:
    shown = head.iloc[:, :SHOWN_COLUMNS].copy()
    for place in range(shown.shape[1]):
        column = shown.iloc[:, place]
        if not pd.api.types.is_numeric_dtype(column):
            cells = [_cut((str(cell),), SHOWN_CHARACTERS)[0] if pd.notna(cell) else None for cell in column]
            shown.isetitem(place, np.array(cells, dtype=object))
    return shown


def _cut(words: tuple[str, ...], characters: int) -> tuple[str, ...]:
    return tuple(word if len(word) <= characters else f"{word[: characters - 1]}…" for word in words)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass")) + ENTRY_BYTES

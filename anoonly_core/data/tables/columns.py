"""What the columns of a user's table are: numbers, words, or something that no detector can use as it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from anoonly_core.data.dataset import MAX_ABS
from anoonly_core.data.tables.readers import printable

__all__ = ["CATEGORY", "MAX_WORDS", "NUMBER", "ColumnProfile", "list_names", "profile_column", "to_numbers", "to_words"]

NUMBER, CATEGORY, TEXT, MIXED, DATE, EMPTY, INFINITE, OTHER = (
    *("number", "category", "text", "mixed", "date", "empty", "infinite", "other"),
)
MAX_WORDS = 50  # different words that a column may have and still be one of categories
MOSTLY = 0.5  # of a column's cells are numbers: then the others are mistakes
DATES = re.compile(r"(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4})([T ].*)?")
SHOWN = 5  # columns that a sentence names

# What is wrong with a column that cannot be used.
_FAULTS = MappingProxyType(
    {
        CATEGORY: "holds words where numbers are needed, such as {example} in row {row}",
        TEXT: "holds {words} different words, too many for categories (at most {most})",
        MIXED: "holds numbers, but in row {row} {example}",
        DATE: "holds dates",
        EMPTY: "holds no value at all",
        INFINITE: "holds an infinite value or one over {largest:g} in row {row}",
        OTHER: "holds neither numbers nor words, such as {example} in row {row}",
    }
)


@dataclass(frozen=True)
class ColumnProfile:
    """One column: its kind, how many cells are missing, its words if it has categories, an example of what is wrong.

    kind: NUMBER and CATEGORY can be used, all others cannot. row: where the example stands, from 0.
    """

    name: str
    kind: str
    missing: int
    words: tuple[str, ...] = ()
    count: int = 0
    example: str = ""
    row: int = 0

    @property
    def usable(self) -> bool:
        """Whether it can be a feature."""
        return self.kind in (NUMBER, CATEGORY)

    @property
    def holds_numbers(self) -> bool:
        """Whether its cells are meant as numbers, be they missing, infinite or mistaken here and there."""
        return self.kind in (NUMBER, MIXED, EMPTY, INFINITE)

    @property
    def fault(self) -> str:
        """Why it cannot be used, as the end of a sentence that begins with its name."""
        return _FAULTS[self.kind].format(
            words=self.count, most=MAX_WORDS, row=self.row, example=self.example, largest=MAX_ABS
        )


def profile_column(name: str, values: pd.Series[Any]) -> ColumnProfile:
    """Say what a column is."""
    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        return ColumnProfile(name, DATE, int(values.isna().sum()))
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values):
        return _numbers(name, to_numbers(values))
    words = to_words(values)
    there = words != ""
    missing = int((~there).sum())
    if not there.any():
        return ColumnProfile(name, EMPTY, missing)
    if (odd := _first(np.array([not isinstance(own, str | bool | int | float) for own in values]) & there)) is not None:
        return ColumnProfile(name, OTHER, missing, example=_cell(words[odd]), row=odd)
    parsed = pd.to_numeric(pd.Series(words), errors="coerce").to_numpy(dtype=np.float64)
    wrong = there & np.isnan(parsed)
    if not wrong.any():
        return _numbers(name, parsed)
    if wrong.sum() < MOSTLY * there.sum():
        first = int(np.flatnonzero(wrong)[0])
        return ColumnProfile(name, MIXED, missing, example=_cell(words[first]), row=first)
    if all(map(DATES.fullmatch, words[there])):
        return ColumnProfile(name, DATE, missing)
    distinct = np.unique(words[there])
    kind = CATEGORY if len(distinct) <= MAX_WORDS else TEXT
    first = int(np.flatnonzero(there)[0])
    seen = tuple(map(str, distinct[:MAX_WORDS]))
    return ColumnProfile(name, kind, missing, seen, len(distinct), _cell(words[first]), first)


def to_numbers(values: pd.Series[Any]) -> np.ndarray:
    """A column of numbers as float64 [rows], NaN where there is none; NaN too where a cell is no number."""
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.to_numeric(pd.Series(to_words(values)), errors="coerce").to_numpy(dtype=np.float64)


def to_words(values: pd.Series[Any]) -> np.ndarray:
    """Each cell as a word without blanks around it, str [rows], "" where it is missing; 1.0 is the word 1."""
    absent = values.isna().to_numpy(dtype=bool)
    if pd.api.types.is_float_dtype(values):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        whole = np.isfinite(numbers) & (numbers == np.trunc(numbers)) & (abs(numbers) < 2**53)
        cells = [str(int(own)) if flat else repr(float(own)) for own, flat in zip(numbers, whole, strict=True)]
    else:
        cells = [str(own).strip() for own in values]
    return np.where(absent, "", np.array(cells, dtype=object)).astype(object)


def list_names(names: list[str]) -> str:
    """Columns as a sentence names them: the first few, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(printable(name[:60]) for name in names[:SHOWN]) + more


def _numbers(name: str, values: np.ndarray) -> ColumnProfile:
    missing = int(np.isnan(values).sum())
    if missing == len(values):
        return ColumnProfile(name, EMPTY, missing)
    if (huge := _first(abs(values) > MAX_ABS)) is not None:
        return ColumnProfile(name, INFINITE, missing, row=huge)
    return ColumnProfile(name, NUMBER, missing)


def _first(where: np.ndarray) -> int | None:
    found = np.flatnonzero(where)
    return int(found[0]) if len(found) else None


def _cell(word: str) -> str:
    return repr(word if len(word) <= 40 else f"{word[:37]}...")

"""Types of table columns: numbers, categories, or content that cannot become features."""

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
MAX_WORDS = 50  # different words in a column of categories
MAX_WRONG = 0.5  # share of cells that are no numbers, below which a column counts as one of numbers
DATES = re.compile(r"(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4})([T ].*)?")
LISTED = 5  # names in a message

# Reasons why a column cannot be used, by type.
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
    """Type and content of one column.

    Attributes
    ----------
    name
        Name of the column.
    kind
        Type of the column; only NUMBER and CATEGORY can become features.
    missing
        Number of missing cells.
    words
        Different words in sorted order, at most `MAX_WORDS`; empty for numbers.
    count
        Number of different words.
    example, row
        A cell that explains why the column cannot be used, and its row, from 0.
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
        """True if the column can become features."""
        return self.kind in (NUMBER, CATEGORY)

    @property
    def holds_numbers(self) -> bool:
        """True if the column is meant as numbers, even if some are missing, infinite or wrong."""
        return self.kind in (NUMBER, MIXED, EMPTY, INFINITE)

    @property
    def fault(self) -> str:
        """Reason why the column cannot be used, to follow its name in a sentence; only for unusable kinds."""
        return _FAULTS[self.kind].format(
            words=self.count, most=MAX_WORDS, row=self.row, example=self.example, largest=MAX_ABS
        )


def profile_column(name: str, values: pd.Series[Any]) -> ColumnProfile:
    """Determine the type of a column.

    Parameters
    ----------
    name
        Name of the column.
    values
        Cells as `read_table` returns them.
    """
    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        return ColumnProfile(name, DATE, int(values.isna().sum()))
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values):
        return _numbers(name, to_numbers(values))
    words = to_words(values)
    present = words != ""
    missing = int((~present).sum())
    if not present.any():
        return ColumnProfile(name, EMPTY, missing)
    is_object = np.array([not isinstance(cell, str | bool | int | float) for cell in values])
    if (odd := _first(is_object & present)) is not None:
        return ColumnProfile(name, OTHER, missing, example=_cell(words[odd]), row=odd)
    parsed = pd.to_numeric(pd.Series(words), errors="coerce").to_numpy(dtype=np.float64)
    wrong = present & np.isnan(parsed)
    if not wrong.any():
        return _numbers(name, parsed)
    if wrong.sum() < MAX_WRONG * present.sum():
        first = int(np.flatnonzero(wrong)[0])
        return ColumnProfile(name, MIXED, missing, example=_cell(words[first]), row=first)
    if all(map(DATES.fullmatch, words[present])):
        return ColumnProfile(name, DATE, missing)
    distinct = np.unique(words[present])
    kind = CATEGORY if len(distinct) <= MAX_WORDS else TEXT
    first = int(np.flatnonzero(present)[0])
    listed = tuple(map(str, distinct[:MAX_WORDS]))
    return ColumnProfile(name, kind, missing, listed, len(distinct), _cell(words[first]), first)


def to_numbers(values: pd.Series[Any]) -> np.ndarray:
    """Convert a column to float64 [rows]; missing cells and cells that are no numbers become NaN."""
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.to_numeric(pd.Series(to_words(values)), errors="coerce").to_numpy(dtype=np.float64)


def to_words(values: pd.Series[Any]) -> np.ndarray:
    """Convert a column to stripped strings, object [rows]; missing cells become "", and 1.0 becomes "1"."""
    missing = values.isna().to_numpy(dtype=bool)
    if pd.api.types.is_float_dtype(values):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        whole = np.isfinite(numbers) & (numbers == np.trunc(numbers)) & (abs(numbers) < 2**53)
        cells = [str(int(n)) if is_whole else repr(float(n)) for n, is_whole in zip(numbers, whole, strict=True)]
    else:
        cells = [str(cell).strip() for cell in values]
    return np.where(missing, "", np.array(cells, dtype=object)).astype(object)


def list_names(names: list[str]) -> str:
    """Join names for a message: the first five, and the number of others."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(printable(name[:60]) for name in names[:LISTED]) + more


def _numbers(name: str, values: np.ndarray) -> ColumnProfile:
    missing = int(np.isnan(values).sum())
    if missing == len(values):
        return ColumnProfile(name, EMPTY, missing)
    if (huge := _first(abs(values) > MAX_ABS)) is not None:
        return ColumnProfile(name, INFINITE, missing, row=huge)
    return ColumnProfile(name, NUMBER, missing)


def _first(mask: np.ndarray) -> int | None:
    rows = np.flatnonzero(mask)
    return int(rows[0]) if len(rows) else None


def _cell(word: str) -> str:
    return repr(word if len(word) <= 40 else f"{word[:37]}...")

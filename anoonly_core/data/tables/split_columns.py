"""Columns that a split follows: the time of a row, and the entity that it belongs to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from anoonly_core.data.dataset import NO_KEY
from anoonly_core.data.tables.columns import is_missing_word, to_labels, to_numbers, to_words
from anoonly_core.data.tables.dates import parse_dates
from anoonly_core.data.tables.files import printable
from anoonly_core.errors import BadDataFile

__all__ = ["to_groups", "to_times"]


def to_times(values: pd.Series[Any], name: str, title: str) -> np.ndarray:
    """Convert a column of times to the order of the rows: equal times share a number, later ones have a larger one.

    Times are numbers, or dates with or without a time of day. Times without a zone are in UTC. Of a date such as
    3/4/2021, another row must show if the day stands in front; with points, as in 3.4.2021, it does.

    Parameters
    ----------
    values
        Cells as `read_table` returns them.
    name
        Name of the column.
    title
        Name of the table in messages.

    Returns
    -------
    int64 [rows]
        0, 1, … in the order of time; `NO_KEY` for a blank cell.

    Raises
    ------
    BadDataFile
        If a cell is neither a number nor a date in a table of such, if the order of day and month is open, or if all
        cells are blank.
    """
    column = f"{title}: the time column {printable(name[:60])}"
    instants, present = _instants(values, column)
    if not present.any():
        raise BadDataFile(f"{column} holds no value at all: choose another column.")
    order = np.full(len(values), NO_KEY, dtype=np.int64)
    order[present] = np.unique(instants[present], return_inverse=True)[1]
    return order


def _instants(values: pd.Series[Any], column: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the times of the cells as numbers, [rows], and the mask of the cells that are not blank, bool [rows]."""
    if pd.api.types.is_datetime64_any_dtype(values):
        values = pd.to_datetime(values, utc=True).dt.tz_localize(None)
    if values.dtype.kind in "mM":
        return values.to_numpy().astype(np.int64), values.notna().to_numpy()
    numbers, words = to_numbers(values), to_words(values)
    present = (words != "") & ~is_missing_word(words)
    if np.isfinite(numbers[present]).all():
        return numbers, present
    dates = parse_dates(values, column)[present]
    instants = np.zeros(len(values), dtype=np.int64)
    instants[present] = dates.dt.as_unit("us").to_numpy().astype(np.int64)
    return instants, present


def to_groups(values: pd.Series[Any]) -> np.ndarray:
    """Convert a column that names entities to numbers from 0, int64 [rows]: equal cells share one.

    A blank cell is `NO_KEY`: its row belongs to no other.
    """
    words = pd.Series(to_labels(values), dtype=object)
    codes = pd.factorize(words.where(words != ""))[0]
    return np.asarray(np.where(codes < 0, NO_KEY, codes), dtype=np.int64)

"""Columns of cells that have a type each, as spreadsheets and JSON hold them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import pandas as pd

__all__ = ["cell_text", "to_column"]


def to_column(cells: Sequence[Any]) -> pd.Series[Any]:
    """Build a column from cells; None is missing.

    Numbers, truth values, strings and dates get the type of pandas for them, a mixture the type object. In a mixture,
    dates, times and durations become strings.
    """
    present = [cell for cell in cells if cell is not None]
    if present and all(isinstance(cell, datetime.date) for cell in present):  # datetimes are dates, too
        dates = pd.to_datetime(pd.Series(cells, dtype=object), errors="coerce", utc=_have_zones(present))
        if int(dates.notna().sum()) == len(present):
            return dates
    if present and all(isinstance(cell, str) for cell in present):
        return pd.Series(cells, dtype="str")
    return pd.Series([str(cell) if isinstance(cell, _TIMES) else cell for cell in cells])


def cell_text(cell: Any) -> str:
    """Return a cell as text for a name or a message: "" for None, and whole numbers without a decimal point."""
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


_TIMES = (datetime.date, datetime.time, datetime.timedelta)


def _have_zones(cells: Sequence[Any]) -> bool:
    return any(getattr(cell, "tzinfo", None) is not None for cell in cells)

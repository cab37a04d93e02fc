"""Dates and times: parsed cell by cell, and turned into numbers that a network can use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from anoonly_core.data.tables.files import printable
from anoonly_core.data.tables.number_styles import is_missing
from anoonly_core.errors import BadDataFile

__all__ = ["DateSteps", "fit_dates", "is_date", "parse_dates"]

# 2024-05-01, 1.5.2024, 1/5/24, each possibly followed by a time.
_DATE = re.compile(r"(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4})([T ].*)?")
# May 1, 2024 or 1 May 2024 or 2024/05/01, each possibly followed by a time.
_WRITTEN_DATE = re.compile(
    r"([A-Za-z]{3,9}\.? \d{1,2},? \d{4}|\d{1,2}[. -]+[A-Za-z]{3,9}\.?[ -]\d{4}|\d{4}/\d{1,2}/\d{1,2})([T ,].*)?"
)
# A date with the day or the month in front: 3/4/2021, 03.04.21, 3-4-2021.
_SHORT_DATE = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(?:\d{4}|\d{2})(?:\D.*)?")
MAX_WORD = 40  # characters of a cell that an error quotes

Part = Literal["days", "hour", "weekday", "month"]


class DateSteps(BaseModel):
    """Steps from the dates of a column to numbers; the JSON is part of detector files.

    Attributes
    ----------
    origin
        Day from which days are counted, as YYYY-MM-DD.
    parts
        Numbers that a date becomes: days since the origin, with a fraction for the time of day; hour, 0 to 24;
        weekday, 0 for Monday; month, 1 to 12. Parts that are equal in all rows are left out.
    day_first
        True if 3/4/2021 is in April, False if in March; None if no date is written so.
    fill
        Values of the parts that replace a missing date, medians of training rows; None if it is not replaced.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    origin: str
    parts: tuple[Part, ...]
    day_first: bool | None = None
    fill: tuple[float, ...] | None = None

    def apply(self, values: pd.Series[Any], name: str, title: str) -> np.ndarray:
        """Compute the parts of each cell, float64 [rows, parts]; NaN for a missing cell.

        Raise BadDataFile if a cell is no date; `name` and `title` name the column and the table in the message.
        """
        dates = parse_dates(values, _column(name, title), self.day_first)
        return _numbers(dates, pd.Timestamp(self.origin), self.parts)


def is_date(word: str, written: bool = False) -> bool:
    """Return True if a word looks like a date in digits; with `written`, also if the month is a word."""
    return _DATE.fullmatch(word) is not None or (written and _WRITTEN_DATE.fullmatch(word) is not None)


def fit_dates(values: pd.Series[Any], name: str, title: str, fills: bool) -> DateSteps:
    """Fit the steps from dates to numbers on the cells of a column.

    Parameters
    ----------
    values
        Cells as `read_table` returns them.
    name, title
        Names of the column and the table in messages.
    fills
        True to replace missing dates by the medians of the parts.

    Raises
    ------
    BadDataFile
        If a cell is no date, no cell holds one, or the order of day and month is open.
    """
    column = _column(name, title)
    day_first = _day_first(_words(values), column)
    dates = parse_dates(values, column, day_first)
    if not dates.notna().any():
        raise BadDataFile(f"{column} holds no date: leave it out.")
    origin = dates.min().normalize()
    parts: tuple[Part, ...] = ("days", "hour", "weekday", "month")
    numbers = _numbers(dates, origin, parts)
    varying = tuple(
        part for place, part in enumerate(parts) if np.nanmin(numbers[:, place]) < np.nanmax(numbers[:, place])
    )
    used = varying or ("days",)
    medians = np.nanmedian(_numbers(dates, origin, used), axis=0)
    fill = tuple(map(float, medians)) if fills else None
    return DateSteps(origin=origin.strftime("%Y-%m-%d"), parts=used, day_first=day_first, fill=fill)


def parse_dates(values: pd.Series[Any], column: str, day_first: bool | None = None) -> pd.Series[Any]:
    """Parse the cells of a column as dates, with or without a time of day; times without a zone are in UTC.

    Parameters
    ----------
    values
        Cells as `read_table` returns them; blank ones are missing.
    column
        Begin of an error sentence, which names the column.
    day_first
        True if 3/4/2021 is in April; None to find out.

    Returns
    -------
    pandas.Series
        datetime64 [rows] without a zone; NaT if missing.

    Raises
    ------
    BadDataFile
        If a cell is no date, or the order of day and month is open.
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        return pd.to_datetime(values, utc=True).dt.tz_localize(None)
    words = _words(values)
    texts = pd.Series(words[words != ""], dtype=object)
    dates = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
    if dates.isna().any():
        first = _day_first(words, column) if day_first is None else day_first
        dates = pd.to_datetime(texts, format="mixed", dayfirst=bool(first), utc=True, errors="coerce")
    if dates.isna().any():
        wrong = int(np.flatnonzero(dates.isna())[0])
        row, cell = int(np.flatnonzero(words != "")[wrong]), printable(texts[wrong][:MAX_WORD])
        raise BadDataFile(f"{column} holds neither a date nor a number in row {row}: {cell}.")
    parsed = pd.Series(pd.NaT, index=range(len(words)), dtype="datetime64[us]")
    parsed[words != ""] = dates.dt.tz_localize(None).dt.as_unit("us").to_numpy()
    return parsed


def _words(values: pd.Series[Any]) -> np.ndarray:
    """Return the stripped cells as strings, object [rows]; "" for a missing cell or a word that means one."""
    words = ["" if cell is None or cell != cell else str(cell).strip() for cell in values.astype(object)]
    return np.array(["" if is_missing(word) else word for word in words], dtype=object)


def _column(name: str, title: str) -> str:
    return f"{title}: the column of dates {printable(name[:60])}"


def _day_first(texts: Iterable[str], column: str) -> bool | None:
    """Return True if the day stands in front of the month in dates such as 13/4/2021; None if there are no such dates.

    Raise BadDataFile if it is open.
    """
    found = [parts for text in texts if (parts := _SHORT_DATE.fullmatch(text))]
    if not found:
        return None
    is_day, is_month = any(int(parts[1]) > 12 for parts in found), any(int(parts[3]) > 12 for parts in found)
    if is_day == is_month and {parts[2] for parts in found} != {"."}:
        why = "in some rows and the month in others" if is_day else "or the month"
        raise BadDataFile(
            f"{column} holds dates such as {printable(found[0][0][:MAX_WORD])}, with the day in front {why}: write "
            "dates as YYYY-MM-DD."
        )
    return is_day or not is_month


def _numbers(dates: pd.Series[Any], origin: pd.Timestamp, parts: Iterable[Part]) -> np.ndarray:
    hours = dates.dt.hour + dates.dt.minute / 60 + dates.dt.second / 3600
    columns = {
        "days": (dates - origin).dt.total_seconds() / 86_400,
        "hour": hours,
        "weekday": dates.dt.day_of_week,
        "month": dates.dt.month,
    }
    return np.stack([columns[part].to_numpy(dtype=np.float64, na_value=np.nan) for part in parts], axis=1)

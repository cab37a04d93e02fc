"""Tests of anoonly_core.data.tables.split_columns: times and entities of the rows of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from anoonly_core.data.dataset import NO_KEY
from anoonly_core.data.tables.split_columns import to_groups, to_times
from anoonly_core.errors import BadDataFile

INSTANTS = pd.date_range("2023-11-02 05:00", periods=60, freq="31h")


def times(values: Any) -> list[int]:
    return to_times(pd.Series(values), "when", "rows.csv").tolist()


@pytest.mark.parametrize(
    "form",
    [
        *("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%SZ", "%Y/%m/%d %H:%M", "%Y%m%dT%H%M%S"),
        *(
            "%d.%m.%Y %H:%M",
            "%d/%m/%Y %H:%M",
            "%m/%d/%Y %H:%M:%S",
            "%m-%d-%y %H:%M",
            "%d %b %Y %H:%M",
            "%B %d, %Y %H:%M",
        ),
    ],
)
def test_dates_in_any_form_keep_their_order(form: str) -> None:
    order = np.random.default_rng(0).permutation(60).tolist()
    assert times([INSTANTS[place].strftime(form) for place in order]) == order


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.5, 1, np.nan, 3.5], [1, 0, NO_KEY, 1]),
        (["20", "9", "n/a", "100"], [1, 0, NO_KEY, 2]),
        (pd.to_datetime(["2024-02-01", None, "2024-01-01"]), [1, NO_KEY, 0]),
        (pd.to_datetime(["2024-02-01", "2024-01-01"]).tz_localize("Europe/Paris"), [1, 0]),
        (pd.to_timedelta(["2h", "1h", None]), [1, 0, NO_KEY]),
        (["2024-01-01T12:00+02:00", "2024-01-01T11:00Z"], [0, 1]),
        (["2024-01-02", "", "2024-01-01"], [1, NO_KEY, 0]),
        (["1.2.2024", "1.1.2024"], [1, 0]),
    ],
)
def test_times_are_ordered(values: Any, expected: list[int]) -> None:
    assert times(values) == expected


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["2024-01-01", "soon"], "the time column when holds neither a date nor a number in row 1: soon"),
        (["1/2/2024", "3/4/2024"], "dates such as 1/2/2024, with the day in front or the month: write"),
        (["13/2/2024", "3/14/2024"], "with the day in front in some rows and the month in others"),
        (["", "n/a"], "holds no value at all"),
        (["5", "inf"], "neither a date nor a number in row"),
    ],
)
def test_a_column_that_is_no_time_is_explained(values: list[str], words: str) -> None:
    with pytest.raises(BadDataFile, match=words):
        times(values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["b", "a", "b", ""], [0, 1, 0, NO_KEY]),
        ([7.0, np.nan, 7.0, 8.5], [0, NO_KEY, 0, 1]),
        ([True, False, True], [0, 1, 0]),
    ],
)
def test_equal_cells_are_one_group(values: list[Any], expected: list[int]) -> None:
    assert to_groups(pd.Series(values)).tolist() == expected

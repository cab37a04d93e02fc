"""Dates as features: days, hour, weekday and month of each cell, the same in any file; many words are hashed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.data.tables.parsing import parse_table
from anoonly_core.data.tables.preprocessing import BUCKETS, Preprocessing
from anoonly_core.data.tables.profile import profile_table, suggest_schema
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import make_schema
from anoonly_core.errors import BadDataFile

ROWS = 120
WHEN = pd.Series(pd.date_range("2024-01-01 00:30", periods=ROWS, freq="31h"))
DAYS = (WHEN - pd.Timestamp("2024-01-01")).dt.total_seconds() / 86_400
HOURS = WHEN.dt.hour + WHEN.dt.minute / 60
FORMS = {
    "iso": "%Y-%m-%d %H:%M:%S",
    "iso with T": "%Y-%m-%dT%H:%M:%S",
    "German": "%d.%m.%Y %H:%M",
    "British": "%d/%m/%Y %H:%M:%S",
    "American": "%m/%d/%Y %H:%M",
    "words": "%b %d %Y %H:%M",
    "words, day first": "%d %B %Y %H:%M",
    "slashes": "%Y/%m/%d %H:%M",
}


def saved(table: pd.DataFrame, **schema: object) -> Preprocessing:
    steps = parse_table(table, make_schema({"dates": "parts", "missing": "impute", **schema}), "t").preprocessing
    return Preprocessing.model_validate_json(steps.model_dump_json())


def expected(rows: slice = slice(None)) -> np.ndarray:
    return np.stack([DAYS, HOURS, WHEN.dt.day_of_week, WHEN.dt.month], axis=1)[rows]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_dates_of_each_form_become_days_hour_weekday_and_month(tmp_path: Path, form: str) -> None:
    table = pd.DataFrame({"when": WHEN.dt.strftime(form), "label": np.arange(ROWS) % 2})
    table.to_csv(tmp_path / "t.csv", index=False)
    steps = saved(read_table(tmp_path / "t.csv"))
    assert steps.features == ("when (days)", "when (hour)", "when (weekday)", "when (month)")
    np.testing.assert_allclose(steps.apply(read_table(tmp_path / "t.csv"), "t")[0], expected())
    table.iloc[3:4].to_csv(tmp_path / "new.csv", index=False)  # alone, 4/1/2024 might be in January
    np.testing.assert_allclose(steps.apply(read_table(tmp_path / "new.csv"), "new")[0], expected(slice(3, 4)))


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Vienna"])
def test_typed_dates_become_the_same_numbers(zone: str | None) -> None:
    when = WHEN if zone is None else WHEN.dt.tz_localize("UTC").dt.tz_convert(zone)
    steps = saved(pd.DataFrame({"when": when, "label": np.arange(ROWS) % 2}))
    np.testing.assert_allclose(steps.apply(pd.DataFrame({"when": when}), "t")[0], expected())


def test_parts_that_do_not_vary_are_left_out() -> None:
    when = pd.Series(pd.date_range("2024-03-01", periods=20, freq="7D").strftime("%Y-%m-%d"))
    assert saved(pd.DataFrame({"when": when, "label": [0, 1] * 10})).features == ("when (days)", "when (month)")


@pytest.mark.parametrize("blank", ["", "?", None])
def test_a_missing_date_is_the_median_and_nan_before_training(blank: str | None) -> None:
    table = pd.DataFrame({"when": WHEN.dt.strftime(FORMS["iso"]), "label": np.arange(ROWS) % 2})
    table.loc[5, "when"] = blank
    steps = saved(table)
    assert np.isnan(steps.apply(table, "t", fills=False)[0][5]).all()
    median = np.median(np.delete(expected(), 5, axis=0), axis=0)
    np.testing.assert_allclose(steps.apply(table, "t")[0][5], median, rtol=1e-5)
    other = steps.with_fill(np.array([1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_allclose(other.apply(table, "t")[0][5], [1, 2, 3, 4])
    assert len(saved(table, missing="drop").apply(table, "t")[0]) == ROWS - 1


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["3/4/2021", "5/6/2021"] * 5, "with the day in front or the month: write dates as YYYY-MM-DD"),
        (["13/4/2021", "4/13/2021"] * 5, "with the day in front in some rows and the month in others"),
    ],
)
def test_dates_of_two_meanings_are_refused(cells: list[str], words: str) -> None:
    with pytest.raises(BadDataFile, match=words):
        saved(pd.DataFrame({"when": cells, "label": [0, 1] * 5}))


def test_a_cell_that_is_no_date_is_named() -> None:
    steps = saved(pd.DataFrame({"when": WHEN, "label": np.arange(ROWS) % 2}))
    with pytest.raises(BadDataFile, match="neither a date nor a number in row 1: soon"):
        steps.apply(pd.DataFrame({"when": ["2024-01-01", "soon"]}), "new")


def test_dates_are_left_out_unless_they_are_chosen() -> None:
    table = pd.DataFrame({"a": range(ROWS), "when": WHEN, "label": np.arange(ROWS) % 2})
    assert "when" in suggest_schema(profile_table(table)).without
    with pytest.raises(BadDataFile, match="column when holds dates: leave it out with without=, or say dates=parts"):
        parse_table(table, make_schema({}), "t")


def test_many_words_are_hashed_alike_in_any_file() -> None:
    shops = pd.Series([f"M{number % 70:04d}" for number in range(200)])
    table = pd.DataFrame({"shop": shops, "label": [0, 1] * 100})
    with pytest.raises(BadDataFile, match="or say many=hash to hash its words to 16 features"):
        parse_table(table, make_schema({}), "t")
    steps = saved(table, many="hash")
    whole = steps.apply(table, "t")[0]
    assert whole.shape == (200, BUCKETS) and (whole.sum(axis=1) == 1).all() and (whole.sum(axis=0) > 0).sum() > 12
    np.testing.assert_array_equal(steps.apply(table.iloc[[7, 77]], "t")[0], whole[[7, 77]])
    unknown = steps.apply(pd.DataFrame({"shop": ["never seen", "", "M0001"]}), "t")[0]
    assert unknown.sum(axis=1).tolist() == [1, 0, 1] and (unknown[2] == whole[1]).all()

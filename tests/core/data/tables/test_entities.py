"""Columns that name entities are no features, and columns that are missing exactly in one class are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.data.tables.exclusions import find_entities
from anoonly_core.data.tables.parsing import parse_table
from anoonly_core.data.tables.profile import profile_table, suggest_schema
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import make_schema
from anoonly_core.data.tables.uri import feature_revision

ROWS = 300
RANDOM = np.random.default_rng(0)
Y = (np.arange(ROWS) % 10 == 0).astype(int)
TABLE = pd.DataFrame({"amount": RANDOM.normal(size=ROWS), "label": Y})
IDS = RANDOM.integers(10_000, 10_100, ROWS)  # about a hundred customers, with three rows each


@pytest.mark.parametrize("name", ["customer_id", "CustomerID", "id_customer", "CardNumber", "Kundennr", "id"])
@pytest.mark.parametrize("file", ["t.csv", "t.parquet"])
def test_names_of_entities_are_left_out_and_offered_as_groups(tmp_path: Path, name: str, file: str) -> None:
    table = TABLE.assign(**{name: IDS})
    table.to_csv(tmp_path / file, index=False) if file.endswith("csv") else table.to_parquet(tmp_path / file)
    read = read_table(tmp_path / file)
    assert name in suggest_schema(profile_table(read)).without
    parsed = parse_table(read, make_schema({}), "t")
    assert parsed.preprocessing.features == ("amount",)
    assert f"{name} names entities and is left out" in " ".join(parsed.notes)
    assert f"group={name} keeps each on one side" in " ".join(parsed.notes)
    assert feature_revision(parsed.X, parsed.revision).endswith(":3")
    kept = parse_table(read, make_schema({"keep": (name,)}), "t")
    assert {*kept.preprocessing.features} == {"amount", name}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("customer_id", np.arange(ROWS) % 8),
        ("humid", IDS),
        ("number", IDS),
        ("customers", IDS),
        ("grid_id", RANDOM.normal(size=ROWS)),
        ("paid", IDS),
        ("customer_id", pd.date_range("2024-01-01", periods=ROWS)),
    ],
)
def test_other_columns_are_no_names_of_entities(name: str, values: np.ndarray) -> None:
    assert find_entities(TABLE.assign(**{name: values})) == ()


def test_names_of_entities_alone_stay_features() -> None:
    table = pd.DataFrame({"customer_id": IDS, "label": Y})
    assert parse_table(table, make_schema({}), "t").preprocessing.features == ("customer_id",)


@pytest.mark.parametrize(("blank_in", "rows"), [(1, "anomalies"), (0, "normal rows")])
@pytest.mark.parametrize("blank", [None, "", "n/a"])
def test_a_column_that_is_missing_for_one_class_is_named(blank: str | None, blank_in: int, rows: str) -> None:
    cells = [blank if y == blank_in else str(number) for number, y in zip(RANDOM.normal(size=ROWS), Y, strict=True)]
    notes = " ".join(parse_table(TABLE.assign(closed=cells), make_schema({"missing": "impute"}), "t").notes)
    assert f"closed is missing exactly in {rows}: is that known when you must decide" in notes
    assert "closed alone" not in notes


def test_a_column_that_is_missing_in_some_rows_is_not_named() -> None:
    cells = np.where(np.arange(ROWS) % 7 == 0, np.nan, RANDOM.normal(size=ROWS))
    assert parse_table(TABLE.assign(closed=cells), make_schema({"missing": "impute"}), "t").notes == ()

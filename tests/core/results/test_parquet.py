"""Tables as Parquet files: the index and columns of several types."""

from __future__ import annotations

import io

import pandas as pd

from anoonly_core.results.parquet import to_parquet


def read(table: pd.DataFrame) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(to_parquet(table)))


def test_a_named_index_becomes_a_column_and_a_plain_one_is_left_out() -> None:
    table = pd.DataFrame({"a": [1.0, 2.0]})
    assert list(read(table)) == ["a"]
    assert read(table.set_axis(pd.Index(["x", "y"], name="key"))).to_dict("list") == {"key": ["x", "y"], "a": [1, 2]}


def test_a_column_of_text_and_numbers_becomes_text() -> None:
    table = pd.DataFrame({"contamination": ["natural", 0.1], "seed": [0, 1]})
    again = read(table)
    assert again["contamination"].tolist() == ["natural", "0.1"] and again["seed"].tolist() == [0, 1]


def test_missing_values_stay_missing() -> None:
    table = pd.DataFrame({"lambda_n": pd.array([0.5, None], dtype="Float64"), "norm": pd.array(["a", None], "str")})
    assert read(table).isna().to_numpy().tolist() == [[False, False], [True, True]]

"""Tests of cells: numbers, words, missing values, and the type of a column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anoonly_core.data.tables.columns import (
    CATEGORY,
    DATE,
    EMPTY,
    INFINITE,
    MIXED,
    NUMBER,
    WRITTEN,
    profile_column,
    to_labels,
    to_numbers,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1", " 2 ", "+3", "-4", "5."], [1, 2, 3, -4, 5]),
        ([".5", "1e3", "1E-3", "007", "-0"], [0.5, 1000, 0.001, 7, 0]),
        (["True", "false", "TRUE", "FALSE", ""], [1, 0, 1, 0, NAN]),
        (["inf", "-Inf", "Infinity", "1e400", "?"], [np.inf, -np.inf, np.inf, np.inf, NAN]),
        (["1,5", "12%", "$3", "0x10", "1_000"], [NAN] * 5),
        ([True, None, False], [1, NAN, 0]),
        ([1.5, None, 2.0], [1.5, NAN, 2]),
    ],
)
def test_cells_become_numbers(cells: list[object], numbers: list[float]) -> None:
    np.testing.assert_array_equal(to_numbers(pd.Series(cells)), numbers)


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_a_number_is_the_nearest_to_its_text(numbers: list[float]) -> None:
    np.testing.assert_array_equal(to_numbers(pd.Series([repr(number) for number in numbers], dtype="str")), numbers)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "NA", "2", "nan", "null", "None", "n/a"], NUMBER),
        (["1", "-", ".", "--", "unknown"], NUMBER),
        (["True", "", "false"], NUMBER),
        (["True", "2"], CATEGORY),
        (["None", "attack"], CATEGORY),
        (["NA", "DE", "FR"], CATEGORY),
        (["NA"] * 9 + ["late", "lost"], CATEGORY),
        (["", "?", ""], EMPTY),
        (["NA", "NA"], EMPTY),
        (["200", "404", "ERR"], MIXED),
        (["1", "1e39"], INFINITE),
        (["2024-01-02", "2024-01-03"], DATE),
        (["01.02.2024", "03.02.2024"], DATE),
    ],
)
def test_the_type_of_a_column(cells: list[str], kind: str) -> None:
    assert profile_column("c", pd.Series(cells)).kind == kind


@pytest.mark.parametrize(
    "cell",
    ["1,234", "1,234.5", "12%", "3.5 %", "$3.50", "3,50 €", "EUR 4", "\u22125", "(1,234)", "1'234", "1 234", "1,5"],
)
def test_numbers_that_are_written_otherwise_are_named(cell: str) -> None:
    profile = profile_column("c", pd.Series(["7", cell, "8"]))
    assert profile.kind == WRITTEN and not profile.usable
    assert f"look like numbers, such as {cell!r} in row 1" in profile.fault


@pytest.mark.parametrize("cell", ["10.0.0.1", "a5", "5a", "1-2", "1,2,3", "v1.2"])
def test_other_words_with_digits_are_words(cell: str) -> None:
    assert profile_column("c", pd.Series([cell, "word"])).kind == CATEGORY


def test_words_that_count_as_missing_are_known() -> None:
    profile = profile_column("c", pd.Series(["1", "NA", "-", "", "2", "NA"]))
    assert (profile.missing, profile.missing_words) == (4, ("-", "NA"))


def test_mixed_columns_of_few_values_can_be_words() -> None:
    assert profile_column("c", pd.Series(["1", "2", "x", "4"])).can_be_words
    many = pd.Series([str(number) for number in range(60)] + ["x"])
    assert not profile_column("c", many).can_be_words


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["1.0", "0.0", ""], ["1", "0", ""]),
        (["1", "0", "NA", "?"], ["1", "0", "", ""]),
        (["TRUE", "false", ""], ["True", "False", ""]),
        (["None", "attack", ""], ["None", "attack", ""]),
        (["null", "NA", "x"], ["null", "NA", "x"]),
        (["001", "2"], ["001", "2"]),
        ([1.0, None, 0.0], ["1", "", "0"]),
    ],
)
def test_labels(cells: list[object], labels: list[str]) -> None:
    assert to_labels(pd.Series(cells)).tolist() == labels

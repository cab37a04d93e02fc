"""Tests of suggestions: which values mean anomaly."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anoonly_core.data.tables.profile import profile_table, suggest_anomalies, suggest_schema
from anoonly_core.data.tables.readers import MAX_COLUMN_NAME, read_table
from anoonly_core.errors import BadDataFile


@pytest.mark.parametrize(
    ("values", "anomalies"),
    [
        ({"-1": 8, "1": 92}, ("-1",)),
        ({"-1": 92, "1": 8}, ()),
        ({"1": 92, "2": 8}, ("2",)),
        ({"1": 8, "2": 92}, ("1",)),
        ({"yes": 92, "no": 8}, ("no",)),
        ({"yes": 8, "no": 92}, ("yes",)),
        ({"True": 92, "False": 8}, ("False",)),
        ({"0": 92, "1": 8}, ("1",)),
        ({"0": 8, "1": 92}, ("0",)),
        ({"0": 50, "1": 50}, ("1",)),
        ({"a": 50, "b": 50}, ()),
        ({"attack": 92, "normal": 8}, ("attack",)),
        ({"normal": 8, "weird": 92}, ("weird",)),
        ({"normal": 50, "dos": 30, "probe": 20}, ("dos", "probe")),
        ({"Adelie": 152, "Chinstrap": 68, "Gentoo": 124}, ("Chinstrap",)),
        ({"1": 5, "": 95}, ("1",)),
        ({"benign": 5}, ()),
    ],
)
def test_the_values_that_mean_anomaly(values: dict[str, int], anomalies: tuple[str, ...]) -> None:
    assert suggest_anomalies(values) == anomalies


@given(
    st.lists(
        st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1), min_size=2, max_size=2, unique=True
    ),
    *(st.integers(1, 1000), st.integers(1, 1000)),
)
def test_two_values_in_any_shares_are_read_right_or_asked(values: list[str], one: int, other: int) -> None:
    """The rarer value means anomaly; a tie is asked, or decided by a word that says so."""
    suggested = suggest_anomalies(dict(zip(values, (one, other), strict=True)))
    if one != other:
        assert suggested == (values[0] if one < other else values[1],)
    else:
        assert suggested in ((), (values[0],), (values[1],))


@pytest.mark.parametrize("length", [240, 1000, MAX_COLUMN_NAME, MAX_COLUMN_NAME + 1])
def test_long_names_and_labels_are_read_or_not_offered(length: int) -> None:
    long = "q" * length
    table = pd.DataFrame({"a": range(0, 80, 2), "label": [long if row % 8 == 0 else "fine" for row in range(40)]})
    schema = suggest_schema(profile_table(table))
    assert schema.anomaly == ((long,) if length <= MAX_COLUMN_NAME else ())


def test_a_longer_name_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"a,{'q' * (MAX_COLUMN_NAME + 1)}\nx,1\n")
    with pytest.raises(BadDataFile, match="2001 characters, and at most 2000 are read"):
        read_table(path)

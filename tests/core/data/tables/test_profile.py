"""Tests of suggestions: which values mean anomaly."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anoonly_core.data.tables.columns import is_missing_word, to_numbers
from anoonly_core.data.tables.files import MAX_COLUMN_NAME
from anoonly_core.data.tables.parsing import parse_table
from anoonly_core.data.tables.profile import (
    ANOMALY_WORDS,
    NORMAL_WORDS,
    profile_table,
    suggest_anomalies,
    suggest_schema,
)
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import make_schema
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


def says_nothing(text: str) -> bool:
    """Tell whether no word of the product says what a value means, however many rows have it."""
    return text.lower() not in ANOMALY_WORDS | NORMAL_WORDS


@given(
    st.lists(
        st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1).filter(says_nothing),
        min_size=2,
        max_size=2,
        unique=True,
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


# Pairs of values that other tools write, and words that say which of them means anomaly.
PAIRS = [
    *[("-1", "1"), ("0", "1"), ("1", "2"), ("1.0", "2.0"), ("0.5", "7"), ("yes", "no"), ("True", "False"), ("Y", "N")],
    *[("NA", "b"), ("none", "some"), ("a, b", 'say "c"'), ("größe", "ü"), ("x y", "x  y"), ("attack", "normal")],
    *[("fraud", "fair"), ("weird", "benign"), ("007", "7"), ("1e3", "2")],
]
DECIDED = {"attack": True, "fraud": True, "normal": False, "benign": False}
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=8).filter(
    lambda text: (
        text.strip() == text and text != "?" and says_nothing(text) and not is_missing_word(np.array([text])).any()
    )
)


def differ(pair: tuple[str, str]) -> bool:
    """Tell whether two texts are two values; 1 and 1.0 are one."""
    first, second = to_numbers(pd.Series(pair, dtype="str"))
    return first != second and pair[0].lower() != pair[1].lower()


@st.composite
def labels(draw: st.DrawFn) -> tuple[list[str], str]:
    """Draw a label column of two values in any shares and order, and the value that means anomaly, "" if open."""
    first, second = draw(st.sampled_from(PAIRS) | st.tuples(TEXTS, TEXTS).filter(differ))
    one, other = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    cells = draw(st.permutations([first] * one + [second] * other))
    said = [value for value in (first, second) if DECIDED.get(value)]
    said += [second if value == first else first for value in (first, second) if DECIDED.get(value) is False]
    if said:
        return cells, said[0]
    return cells, "" if one == other else first if one < other else second


@given(labels(), st.sampled_from(["t.csv", "t.csv.gz", "t.parquet"]), st.sampled_from(["label", "class", "y"]))
@settings(deadline=None, max_examples=150)
def test_a_label_of_any_two_values_in_any_shares_is_read_right_or_asked(
    drawn: tuple[list[str], str], file: str, name: str
) -> None:
    """From the file to the rows that count as anomalies, on the page and on the command line."""
    cells, anomaly = drawn
    table = pd.DataFrame({"a": np.random.default_rng(0).normal(size=len(cells)), name: pd.Series(cells, dtype="str")})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file
        table.to_parquet(path) if file.endswith("parquet") else table.to_csv(path, index=False)
        read = read_table(path)
        schema = suggest_schema(profile_table(read))
        if schema.label and schema.anomaly:
            found = parse_table(read, schema, "t")
            expected = np.array([cell == anomaly for cell in cells])
            assert anomaly or len(schema.anomaly) == 1, "a tie is open, or decided by a word"
            if anomaly:
                assert (found.y == 1).tolist() == expected.tolist()
            assert (found.y >= 0).all() and len({*found.labels}) == len({*cells})
        try:
            plain = parse_table(read, make_schema({}), "t")
        except BadDataFile as error:
            assert str(error).endswith(".")
            return
        if plain.label_column:  # without a word it takes 0 and 1, or False and True, and nothing else
            assert {*cells} <= {"0", "1"} or {cell.lower() for cell in cells} <= {"true", "false"}
            assert (plain.y == 1).tolist() == [cell in ("1", "True") for cell in cells]


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


@pytest.mark.parametrize(
    ("columns", "times", "groups"),
    [
        ({"day": [f"2024-0{1 + row % 9}-1{row % 7}" for row in range(120)]}, ("day",), ()),
        ({"Time": [row * 1.5 for row in range(120)]}, ("Time",), ()),
        ({"event_timestamp": [1_700_000_000 + row * 37 for row in range(120)]}, ("event_timestamp",), ()),
        ({"customer_id": [1000 + 7 * (row % 60) for row in range(120)]}, (), ("customer_id",)),
        ({"customer_id": [1000 + 7 * (row * 11 % 120) for row in range(120)]}, (), ()),  # each has one row
        ({"lifetimes": [row % 17 for row in range(120)], "identity": [row % 9 for row in range(120)]}, (), ()),
    ],
)
def test_columns_that_a_split_may_follow_are_found(
    columns: dict[str, list[Any]], times: tuple[str, ...], groups: tuple[str, ...]
) -> None:
    profile = profile_table(pd.DataFrame({**columns, "a": [row * 7 % 31 for row in range(120)]}))
    assert (profile.times, profile.groups) == (times, groups)


@pytest.mark.parametrize("stop", [0, 1, 3, 4, 5])
def test_a_profile_reports_each_step_and_ends_where_the_report_says(stop: int) -> None:
    table, steps = pd.DataFrame({name: range(60) for name in "abc"}), list[tuple[int, int]]()
    profile_table(table, lambda done, total: steps.append((done, total)))
    assert steps == [(done, 6) for done in range(6)]
    steps.clear()

    def cancel(done: int, total: int) -> None:
        steps.append((done, total))
        if done == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        profile_table(table, cancel)
    assert len(steps) == stop + 1

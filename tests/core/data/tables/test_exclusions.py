"""Tests of columns that are no features: row numbers, copies of the label, and columns that give it away."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anoonly_core.data.catalogue import resolve
from anoonly_core.data.tables.exclusions import find_row_numbers
from anoonly_core.data.tables.parsing import ParsedTable, parse_table
from anoonly_core.data.tables.profile import profile_table, suggest_schema
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import REVISION, TableSchema, find_label_column, make_schema
from anoonly_core.data.tables.uri import read_uri

ROWS = 60
Y = (np.arange(ROWS) % 12 == 0).astype(int)
RANDOM = np.random.default_rng(0)
TABLE = pd.DataFrame({"a": RANDOM.normal(size=ROWS).round(3), "b": RANDOM.integers(0, 9, ROWS), "label": Y})


def parse(table: pd.DataFrame, **settings: Any) -> ParsedTable:
    return parse_table(table, make_schema(settings), "t")


# Row numbers


@pytest.mark.parametrize("name", ["id", "ID", "row", "Unnamed: 0", "index", "row_number", "anything", "", "Nr"])
@pytest.mark.parametrize("first", [0, 1, 1000])
def test_row_numbers_are_no_features_and_that_is_said(tmp_path: Path, name: str, first: int) -> None:
    table = TABLE.copy()
    table.insert(0, name, np.arange(first, first + ROWS))
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    for path in (tmp_path / "t.csv", tmp_path / "t.parquet"):
        parsed = read_uri(str(path))
        assert parsed.preprocessing.features == ("a", "b")
        assert "the rows and is left out" in parsed.notes[0]
    assert "number the rows" in " ".join(parse(table.assign(twin=np.arange(ROWS))).notes)


@pytest.mark.parametrize("name", ["id", "row", "nr"])
def test_names_of_rows_in_any_order_number_them(name: str) -> None:
    table = TABLE.assign(**{name: np.random.default_rng(1).permutation(ROWS)})
    assert find_row_numbers(table) == (name,)
    assert find_row_numbers(table.assign(**{name: 3})) == ()


@pytest.mark.parametrize(
    "index", [pd.Index(range(5, 5 + ROWS)), pd.Index([f"r{row}" for row in range(ROWS)], name="k")]
)
def test_a_parquet_index_is_no_feature(tmp_path: Path, index: pd.Index) -> None:
    TABLE.set_index(index[::-1]).to_parquet(tmp_path / "t.parquet")
    assert read_uri(str(tmp_path / "t.parquet")).preprocessing.features == ("a", "b")


@pytest.mark.parametrize(
    "column", [np.arange(ROWS) * 2, np.arange(ROWS)[::-1], np.arange(ROWS) / 2, np.sort(RANDOM.integers(0, 99, ROWS))]
)
def test_other_sequences_are_features(column: np.ndarray) -> None:
    assert parse(TABLE.assign(c=column)).preprocessing.features == ("a", "b", "c")


def test_row_numbers_can_be_kept(tmp_path: Path) -> None:
    TABLE.assign(year=np.arange(ROWS)).to_csv(tmp_path / "t.csv", index=False)
    assert read_uri(f"{tmp_path / 't.csv'}?keep=year").preprocessing.features == ("a", "b", "year")
    table = read_table(tmp_path / "t.csv")
    suggested = suggest_schema(profile_table(table))
    assert suggested.without == ("year",)
    assert parse_table(table, suggested, "t").preprocessing.features == ("a", "b")


def test_row_numbers_stay_if_nothing_else_is_left() -> None:
    parsed = parse(pd.DataFrame({"a": np.arange(ROWS), "label": Y}))
    assert parsed.preprocessing.features == ("a",) and "no other column is left" in parsed.notes[0]


# Copies of the label


@given(
    *(st.lists(st.booleans(), min_size=12, max_size=80), st.sampled_from(["x", "target", "Label 2"])),
    st.sampled_from(
        [
            (0, 1),
            (1, 0),
            ("no", "yes"),
            ("True", "False"),
            (2, 1),
            (-1, 1),
            (0.5, 7.25),
            ("", "x"),
            ("NA", "b"),
            (5, ""),
        ]
    ),
)
@settings(deadline=None, max_examples=60)
def test_no_column_that_equals_the_label_goes_unnoticed(flags: list[bool], name: str, values: tuple[Any, Any]) -> None:
    flags = [True, False, *flags]
    table = pd.DataFrame({"a": np.random.default_rng(0).normal(size=len(flags)), "label": np.array(flags, dtype=int)})
    table[name] = pd.Series([str(values[flag]) for flag in flags], dtype="str")
    table.attrs = {"is_text": True}
    parsed = parse(table, categories="one_hot", missing="impute")
    assert parsed.preprocessing.features == ("a",)
    assert f"{name} equals the label column label and is left out" in " ".join(parsed.notes)


CODES = [
    ("0", "1"),
    ("no", "yes"),
    ("True", "False"),
    ("2", "1"),
    ("-1", "1"),
    ("0.5", "7.25"),
    ("A, b", "ü"),
    ("", "x"),
]


@given(
    st.lists(st.sampled_from([0, 0, 0, 1, 2]), min_size=12, max_size=60),
    *(st.sampled_from(CODES[:-1]), st.sampled_from(CODES), st.sampled_from(["x", "target", "Label 2", "y"])),
    *(st.sampled_from(["t.csv", "t.csv.gz", "t.parquet"]), st.booleans(), st.booleans()),
)
@settings(deadline=None, max_examples=120)
def test_no_feature_that_equals_the_label_goes_unnoticed_in_any_file(
    kinds: list[int],
    label: tuple[str, str],
    copy: tuple[str, str],
    name: str,
    file: str,
    is_first: bool,
    has_classes: bool,
) -> None:
    """The copy has other names for the values; the label may have two classes of anomalies, the copy one."""
    kinds = [0, 1, 2, *kinds]
    words = (*label, f"{label[1]} too" if has_classes else label[1])
    columns = {
        name: [copy[kind > 0] for kind in kinds],
        "a": np.random.default_rng(0).normal(size=len(kinds)),
        "label": [words[kind] for kind in kinds],
    }
    table = pd.DataFrame(columns if is_first else dict(reversed(columns.items())))
    anomalies = tuple(sorted({*words[1:]}))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file
        table.to_parquet(path) if file.endswith("parquet") else table.to_csv(path, index=False)
        schema = make_schema({"label": "label", "anomaly": anomalies, "categories": "one_hot", "missing": "impute"})
        parsed = parse_table(read_table(path), schema, "t")
    assert (parsed.y == 1).tolist() == [kind > 0 for kind in kinds]
    assert parsed.preprocessing.features == ("a",)
    assert f"{name} equals the label column label and is left out" in " ".join(parsed.notes)


@given(st.lists(st.booleans(), min_size=12, max_size=60), st.integers(0, 2**32 - 1), st.booleans())
@settings(deadline=None, max_examples=80)
def test_no_number_that_sorts_the_rows_by_their_label_goes_unnoticed(
    flags: list[bool], seed: int, is_above: bool
) -> None:
    flags = [*[True] * 3, *[False] * 3, *flags]
    drawn = np.random.default_rng(seed)
    numbers = np.where(np.array(flags) == is_above, drawn.uniform(5, 9, len(flags)), drawn.uniform(-3, 4, len(flags)))
    table = pd.DataFrame({"a": drawn.normal(size=len(flags)), "level": numbers, "label": np.array(flags, dtype=int)})
    parsed = parse(table)
    assert "level alone tells anomalies from normal rows without a mistake" in " ".join(parsed.notes)


@pytest.mark.parametrize("names", [("label", "target"), ("Label", "label "), ("label", "attack_id"), ("y", "label")])
def test_a_second_label_is_no_feature(tmp_path: Path, names: tuple[str, str]) -> None:
    table = TABLE.drop(columns="label").assign(**dict.fromkeys(names, Y))
    table.to_csv(tmp_path / "t.csv", index=False)
    parsed = resolve(str(tmp_path / "t.csv")).notes
    assert any("equals the label column" in note for note in parsed)
    assert resolve(str(tmp_path / "t.csv")).load().columns == 2
    kept = names[1] if names[0] in ("y", "label", "Label") else names[0]
    other = read_uri(f"{tmp_path / 't.csv'}?keep={kept.strip()}") if kept == kept.strip() else None
    assert other is None or kept in other.preprocessing.features


def test_a_copy_of_the_classes_is_no_feature() -> None:
    kinds = np.array(["a", "b", "c"])[np.arange(ROWS) % 3]
    table = TABLE.assign(label=kinds, code=np.arange(ROWS) % 3 + 7)
    assert parse(table, anomaly=("c",)).preprocessing.features == ("a", "b")


def test_a_copy_of_a_label_with_blanks_is_found() -> None:
    labels = np.where(np.arange(ROWS) % 5 == 1, "", Y.astype(str))
    assert parse(TABLE.assign(label=labels, copy=Y)).preprocessing.features == ("a", "b")
    known = np.where(Y == 1, "1", "")
    assert parse(TABLE.assign(label=known, copy=Y)).preprocessing.features == ("a", "b")


# Columns that give the label away


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (Y * 10 + RANDOM.random(ROWS), "without a mistake"),
        (-Y * 10 + RANDOM.random(ROWS), "without a mistake"),
        (np.where(Y == 1, 3, np.arange(ROWS) % 7 + 4), "without a mistake"),
        (np.where(Y == 1, 2, np.arange(ROWS) % 2 * 4), "without a mistake"),
        (np.where(Y == 1, "dos", np.array(["udp", "tcp"])[np.arange(ROWS) % 2]), "without a mistake"),
    ],
)
def test_a_column_that_sorts_the_rows_by_their_label_is_named(column: np.ndarray, words: str) -> None:
    parsed = parse(TABLE.assign(x=column), categories="one_hot")
    assert any("x alone tells anomalies from normal rows" in note and words in note for note in parsed.notes)
    assert "x" in {name.partition(" = ")[0] for name in parsed.preprocessing.features}


def test_a_column_that_nearly_gives_the_label_away_is_named_in_a_large_table() -> None:
    many = np.arange(30_000)
    y = (many % 10 == 0).astype(int)
    wrong = np.isin(many, (7, 19, 100))
    table = pd.DataFrame({"a": RANDOM.normal(size=30_000), "x": np.where(wrong, 1 - y, y), "label": y})
    assert "x alone tells anomalies from normal rows nearly without a mistake" in " ".join(parse(table).notes)


@pytest.mark.parametrize("seed", range(5))
def test_ordinary_tables_give_no_notes(seed: int) -> None:
    random = np.random.default_rng(seed)
    table = pd.DataFrame(random.normal(size=(200, 20)) + 2 * (np.arange(200) % 10 == 0)[:, None])
    table.columns = pd.Index([f"x{number}" for number in range(20)])
    table["kind"] = random.choice(list("abc"), 200)
    table["label"] = (np.arange(200) % 10 == 0).astype(int)
    assert parse(table, categories="one_hot").notes == ()


def test_most_rows_as_anomalies_are_said() -> None:
    assert "92% of the labeled rows are anomalies" in " ".join(parse(TABLE.assign(label=1 - Y)).notes)
    assert parse(TABLE.assign(label=1 - Y), anomaly=("0",)).notes == ()


# The label column


@pytest.mark.parametrize(
    ("table", "label"),
    [
        (pd.DataFrame(RANDOM.normal(size=(ROWS, 3)), columns=list("xyz")).assign(label=Y), "label"),
        (pd.DataFrame(RANDOM.normal(size=(ROWS, 3)), columns=list("xyz")), ""),
        (TABLE.rename(columns={"label": "y"}).assign(label=RANDOM.integers(0, 5, ROWS)), "y"),
        (TABLE.assign(y=RANDOM.integers(0, 5, ROWS)), "label"),
        (TABLE.assign(label="a", y=RANDOM.integers(0, 5, ROWS)), "label"),
        (TABLE.rename(columns={"label": "target"}).assign(y=RANDOM.normal(size=ROWS)), "target"),
        (TABLE.rename(columns={"label": "y"}), "y"),
    ],
)
def test_the_label_is_found_beside_a_coordinate_y(tmp_path: Path, table: pd.DataFrame, label: str) -> None:
    table.to_csv(tmp_path / "t.csv", index=False)
    text = read_table(tmp_path / "t.csv")
    assert find_label_column(table, TableSchema()) == find_label_column(text, TableSchema()) == label
    assert suggest_schema(profile_table(text)).label == label


# Constants

CONSTANTS = {
    "integer": 7,
    "float with blanks": [0.5, np.nan] * (ROWS // 2),
    "truth value": False,
    "word": "gold",
    "date": "2024-05-01",
    "time stamp": pd.Timestamp("2024-05-01"),
    "written number": "1,250 €",
    "blank words of a number": ["3", "n/a"] * (ROWS // 2),
}


@pytest.mark.parametrize("cells", CONSTANTS.values(), ids=CONSTANTS)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_that_is_the_same_in_all_rows_is_left_out_and_said(tmp_path: Path, cells: Any, suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    table = TABLE.assign(c=cells)
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path, index=False)
    parsed = read_uri(str(path))
    assert parsed.preprocessing.features == ("a", "b") and parsed.revision == REVISION
    assert f"{path}: c is the same in all rows and is left out; on the command line keep=NAME makes it a feature." in (
        parsed.notes
    )
    assert resolve(str(path)).identity.endswith(f":{REVISION}")


@pytest.mark.parametrize(
    "cells",
    [
        [1] * (ROWS - 1) + [2],
        ["gold"] * (ROWS - 1) + ["silver"],
        ["gold", None] * (ROWS // 2),  # a blank is no word: the feature tells them apart
        [0.0] * (ROWS - 1) + [1e-300],
        [True] * (ROWS - 1) + [False],
    ],
)
def test_a_column_with_another_value_in_any_row_is_a_feature(cells: list[Any]) -> None:
    parsed = parse(TABLE.assign(c=cells), categories="one_hot", missing="impute")
    assert {feature[0] for feature in parsed.preprocessing.features} == {"a", "b", "c"}
    assert not any("the same in all rows" in note for note in parsed.notes)


def test_constants_can_be_kept_and_are_kept_if_no_other_column_is_left() -> None:
    kept = parse(TABLE.assign(c=7), keep=("c",))
    assert kept.preprocessing.features == ("a", "b", "c") and kept.revision == 2
    alone = parse(pd.DataFrame({"c": 7, "label": Y}))
    assert alone.preprocessing.features == ("c",) and alone.revision == 1


def test_a_table_without_constants_keeps_its_identity(tmp_path: Path) -> None:
    TABLE.to_csv(tmp_path / "t.csv", index=False)
    TABLE.assign(customer_id=np.arange(ROWS) * 7 % 59).to_csv(tmp_path / "u.csv", index=False)
    assert resolve(str(tmp_path / "t.csv")).identity.count(":") == 2  # no revision
    assert resolve(str(tmp_path / "u.csv")).identity.endswith(":3")

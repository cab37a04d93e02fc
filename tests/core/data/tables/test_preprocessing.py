"""Tests of stored types: a row has the same features in any file, order and format."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anoonly_core.data.tables.parsing import ParsedTable
from anoonly_core.data.tables.preprocessing import Preprocessing
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.uri import read_uri

ROWS = 72
COLUMNS = {
    "truth": ["True", "False", "", "TRUE"],
    "code": ["00501", "10001", "K1A", "501"],
    "status": ["200", "404", "ERR", "200.0"],
    "digits": ["007", "7", "7.0", "12"],
    "country": ["DE", "None", "null", "FR"],
    "amount": ["1.5", "NA", "-", "1e3"],
    "grade": ["1", "2", "x", ""],
    "flag": ["yes", "no", "?", "True"],
}
TEXT = pd.DataFrame({name: [cells[(row * 7 + row // 5) % 4] for row in range(ROWS)] for name, cells in COLUMNS.items()})
LABEL = (np.arange(ROWS) % 9 == 0).astype(int)
NAMES = [*COLUMNS]


def save(folder: Path, table: pd.DataFrame, name: str) -> Path:
    path = folder / name
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep=";" if "semicolon" in name else ",", compression="infer")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> ParsedTable:
    folder = tmp_path_factory.mktemp("trained")
    path = save(folder, TEXT.assign(label=LABEL), "t.csv")
    return read_uri(f"{path}?categories=one_hot&missing=impute")


@given(
    st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=30),
    st.permutations(NAMES),
    st.sampled_from(["t.csv", "semicolon.csv", "t.csv.gz", "t.parquet"]),
)
@settings(deadline=None, max_examples=60)
def test_a_row_has_the_same_features_in_any_file(
    trained: ParsedTable, rows: list[int], names: list[str], name: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = read_table(save(Path(folder), TEXT.iloc[rows].reset_index(drop=True)[names], name))
    X, kept = trained.preprocessing.apply(table, "other")
    assert kept.all()
    assert X.astype(np.float32).tobytes() == trained.filled()[rows].tobytes()


@pytest.mark.parametrize("column", NAMES)
@pytest.mark.parametrize("cell", range(4))
def test_a_single_row_has_its_features(trained: ParsedTable, column: str, cell: int, tmp_path: Path) -> None:
    row = TEXT.index[TEXT[column] == COLUMNS[column][cell]][0]
    table = read_table(save(tmp_path, TEXT.iloc[[row]], "t.csv"))
    X, _ = trained.preprocessing.apply(table, "other")
    assert X.astype(np.float32).tobytes() == trained.filled()[[row]].tobytes()


@pytest.mark.parametrize(
    ("typed", "cells"),
    [
        (pd.Series([True, False, True]), ["True", "False", "True"]),
        (pd.Series([True, None, False], dtype=object), ["True", "", "False"]),
        (pd.Series([1, 2, 3]), ["1", "2", "3"]),
        (pd.Series([1.5, np.nan, 0.1]), ["1.5", "", "0.1"]),
        (pd.Series([1, None, 3], dtype="Int64"), ["1", "", "3"]),
        (pd.Series(["00501", "x", "K1A"]), ["00501", "x", "K1A"]),
    ],
)
def test_typed_columns_equal_their_text(typed: pd.Series, cells: list[str], tmp_path: Path) -> None:
    """A Parquet file and a .csv file of the same rows give the same features."""
    repeated = pd.concat([typed] * 12, ignore_index=True)
    label = [int(row % 6 == 0) for row in range(36)]
    save(tmp_path, pd.DataFrame({"c": repeated, "label": label}), "t.parquet")
    save(tmp_path, pd.DataFrame({"c": cells * 12, "label": label}), "t.csv")
    first, second = (
        read_uri(f"{tmp_path / name}?categories=one_hot&missing=impute") for name in ("t.parquet", "t.csv")
    )
    assert first.preprocessing == second.preprocessing
    assert first.X.tobytes() == second.X.tobytes()


def test_words_that_mean_missing_are_words_in_columns_of_words(trained: ParsedTable) -> None:
    assert {"country = None", "country = null", "status = ERR", "code = 00501"} <= set(trained.preprocessing.features)
    assert any("count as missing in the columns of numbers amount" in note for note in trained.notes)


def test_a_mark_of_missing_values_holds_in_all_columns(tmp_path: Path) -> None:
    """R writes NA in columns of numbers and of words."""
    table = pd.DataFrame(
        {"a": ["1", "NA", "2"] * 12, "sex": ["male", "female", "NA"] * 12, "label": ["0", "0", "1"] * 12}
    )
    parsed = read_uri(f"{save(tmp_path, table, 't.csv')}?categories=one_hot&missing=impute")
    assert parsed.preprocessing.features == ("a", "sex = female", "sex = male")
    X, _ = parsed.preprocessing.apply(pd.DataFrame({"a": ["1"], "sex": ["NA"]}), "other")
    assert X.tolist() == [[1, 0, 0]]


# Preprocessing of earlier versions: columns are typed by all of their cells


@pytest.mark.parametrize(
    ("cells", "words", "features"),
    [
        (["1", "2", ""], ("1", "2"), [[1, 0], [0, 1], [0, 0]]),
        (["007", "7", "8"], ("7", "8"), [[1, 0], [1, 0], [0, 1]]),
        (["True", "False", "TRUE"], ("False", "True"), [[0, 1], [1, 0], [0, 1]]),
        (["a", "NA", "b"], ("a", "b"), [[1, 0], [0, 0], [0, 1]]),
        (["a", "1.0", "b"], ("1.0", "a"), [[0, 1], [1, 0], [0, 0]]),
    ],
)
def test_columns_of_earlier_detectors_are_typed_as_before(
    cells: list[str], words: tuple[str, ...], features: list[list[int]], tmp_path: Path
) -> None:
    stored = Preprocessing.model_validate({"columns": [{"name": "c", "words": words, "fill": None}], "drops": False})
    assert stored.reading == 1
    table = read_table(save(tmp_path, pd.DataFrame({"c": cells, "d": 1}), "t.csv"))
    assert stored.apply(table, "other")[0].tolist() == features

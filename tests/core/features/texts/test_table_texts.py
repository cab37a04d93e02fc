"""Texts of tables as raw rows."""

from __future__ import annotations

import csv
import json
import pickle
from pathlib import Path

import pandas as pd
import pytest

from anoonly_core.data.tables.readers import read_table
from anoonly_core.errors import BadDataFile, UnknownDataset
from anoonly_core.features.source import RawRow
from anoonly_core.features.texts.table_texts import MAX_LISTED, MAX_TEXT, TextSource, read_texts

PLAIN = {"unicode": "NFC"}
TEXTS = [
    "The pump runs well and cool",
    "Zu\u0308rich reports no fault today",
    "שלום, המשאבה פועלת היטב",
    "泵在运行中,一切正常,没有问题",
    "nul \x00 and bell \x07 survive here",
    "🔥🔥 smoke is seen 👩‍🚒",
    "?",
]
LABELS = ["ok", "ok", "ok", "ok", "broken", "broken", ""]


def contents(source: TextSource) -> list[str]:
    rows = source.read(range(len(source.names)), PLAIN)
    assert all(isinstance(row, RawRow) for row in rows)
    return [str(row.content) for row in rows if isinstance(row, RawRow)]


def write(folder: Path, suffix: str, columns: dict[str, list[object]]) -> Path:
    path, table = folder / f"t{suffix}", pd.DataFrame(columns)
    if suffix in (".csv", ".csv.gz", ".tsv"):
        table.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    elif suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(record) for record in table.to_dict("records")))
    elif suffix == ".parquet":
        table.to_parquet(path)
    elif suffix == ".feather":
        table.to_feather(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".jsonl", ".parquet", ".feather"])
def test_every_format_gives_the_same_texts(tmp_path: Path, suffix: str) -> None:
    source = read_texts(write(tmp_path, suffix, {"text": [*TEXTS], "label": [*LABELS]}))
    assert contents(source) == [text.replace("u\u0308", "ü") for text in TEXTS]
    assert source.labels == tuple(LABELS)
    assert source.names == ("0", "1", "2", "3", "4", "5", "6")
    assert (source.kind, source.column, source.label, source.left_out) == ("text", "text", "label", ())


def test_empty_and_missing_texts_are_counted_and_listed(tmp_path: Path) -> None:
    texts = [TEXTS[0], "", None, "   \n ", TEXTS[1], "x" * (MAX_TEXT + 1)]
    source = read_texts(write(tmp_path, ".parquet", {"text": texts, "value": [0.5] * 6}))
    assert source.names == ("0", "4")
    assert [(row.name, row.reason) for row in source.left_out] == [
        ("1", "is empty"),
        ("2", "is missing"),
        ("3", "is empty"),
        ("5", "has 1.0 MB, and at most 1 MB of a text are read"),
    ]
    assert "t.parquet: 3 empty or missing and 1 longer than 1 MB of 6 texts are left out." in source.notes


def test_the_list_of_rows_left_out_is_bounded_and_the_count_is_not(tmp_path: Path) -> None:
    source = read_texts(write(tmp_path, ".parquet", {"text": [*TEXTS, *[""] * 3000], "value": [0.5] * 3007}))
    assert len(source.left_out) == MAX_LISTED
    assert "t.parquet: 3,000 empty or missing of 3,007 texts are left out." in source.notes


def test_a_table_without_a_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataFile, match="every cell of text is empty, missing or too long"):
        read_texts(write(tmp_path, ".parquet", {"text": ["", None, " "], "value": [0.5] * 3}), "text")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".feather"])
def test_a_cell_of_a_megabyte_is_read(tmp_path: Path, suffix: str) -> None:
    long = "wörd and more " * 69_000
    source = read_texts(write(tmp_path, suffix, {"text": [TEXTS[0], long, TEXTS[1]], "value": [1, 2, 3]}))
    (row,) = source.read([1], PLAIN)
    assert isinstance(row, RawRow)
    assert str(row.content).strip() == long.strip()
    assert row.preview.decode() == "wörd and more " * 14 + "wörd…"


def test_lone_surrogates_of_json_survive(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "a \\ud800 b c d"}\n{"text": "pair \\ud83d\\ude00 of two"}\n{"text": "\\udc00"}\n')
    assert contents(read_texts(path)) == ["a \ufffd b c d", "pair 😀 of two", "\ufffd"]


def test_the_column_the_label_and_the_names_can_be_given(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {"a": [*TEXTS], "b": [*TEXTS[::-1]], "id": [*"tuvwxyz"], "group": [*LABELS]}
    path = write(tmp_path, ".csv", columns)
    with pytest.raises(BadDataFile, match="several columns of texts"):
        read_texts(path)
    source = read_texts(path, column="b", label="group", names="id")
    assert source.names == tuple("tuvwxyz")
    assert source.labels == tuple(LABELS)
    assert contents(source)[0] == "?"
    assert read_texts(path, column="b").labels is None


@pytest.mark.parametrize(
    ("choices", "match"),
    [
        ({"column": "none"}, "has no column none"),
        ({"label": "none"}, "has no column none for the label"),
        ({"names": "none"}, "has no column none that could name the rows"),
        ({"names": "label"}, "two rows have the name ok in label"),
        ({"label": "text", "column": "text"}, "text cannot be the label and the texts, too"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused(tmp_path: Path, choices: dict[str, str], match: str) -> None:
    path = write(tmp_path, ".csv", {"text": [*TEXTS], "label": [*LABELS]})
    with pytest.raises(BadDataFile, match=match):
        read_texts(path, **choices)


def test_a_label_that_only_looks_like_one_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, ".csv", {"text": [*TEXTS], "is_fraud": ["yes", *["no"] * 6]})
    source = read_texts(path)
    assert source.labels is not None
    assert any("is_fraud is taken as the label" in note for note in source.notes)
    assert read_texts(path, label="").labels is None


def test_copies_are_counted(tmp_path: Path) -> None:
    source = read_texts(write(tmp_path, ".csv", {"text": [*TEXTS, TEXTS[0], TEXTS[0]]}))
    assert any("2 texts are copies of an earlier one" in note for note in source.notes)


def test_the_identity_follows_the_content_and_the_choices(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {"text": [*TEXTS], "label": [*LABELS]}
    first = read_texts(write(tmp_path, ".csv", columns)).identity
    assert read_texts(tmp_path / "t.csv").identity == first
    assert read_texts(tmp_path / "t.csv", label="").identity != first
    columns["text"][0] = "Another text stands here now"
    assert read_texts(write(tmp_path, ".csv", columns)).identity != first


def test_a_source_pickles_for_worker_processes(tmp_path: Path) -> None:
    source = read_texts(write(tmp_path, ".csv", {"text": [*TEXTS]}))
    again = pickle.loads(pickle.dumps(source))
    assert contents(again) == contents(source)
    assert again.identity == source.identity


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnknownDataset, match="There is no file"):
        read_texts(tmp_path / "none.csv")


def test_reading_texts_leaves_the_limits_of_other_tables(tmp_path: Path) -> None:
    path = write(tmp_path, ".csv", {"text": [TEXTS[0], "long " * 50_000], "value": [1, 2]})
    limit = csv.field_size_limit()
    assert len(read_texts(path).names) == 2
    assert csv.field_size_limit() == limit
    feather = write(tmp_path, ".feather", {"text": [TEXTS[0], "long " * 50_000], "value": [1, 2]})
    with pytest.raises(BadDataFile, match="holds a cell of 250,000 bytes, and at most 32,768 are read"):
        read_table(feather)

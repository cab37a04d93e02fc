"""The column of a table that holds texts."""

from __future__ import annotations

import pandas as pd
import pytest

from anoonly_core.errors import BadDataFile
from anoonly_core.features.texts.text_columns import choose_text_column, find_text_columns

ROWS = 120
SENTENCES = [f"The pump number {row} stopped after {row * 7} hours of work" for row in range(ROWS)]
CHINESE = [f"第{row}号泵在运行{row * 7}小时后停止" for row in range(ROWS)]
CODES = [f"K{row:05d}X" for row in range(ROWS)]
COLUMNS = {
    "value": [row * 0.5 for row in range(ROWS)],
    "kind": ["a", "b", "c"] * (ROWS // 3),
    "state": ["ok", "broken"] * (ROWS // 2),
    "id": [f"{row:x}-{row * 31:x}" for row in range(ROWS)],
    "day": [f"2024-01-{1 + row % 28:02d}" for row in range(ROWS)],
}


def table(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame({**COLUMNS, **columns})


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ({"note": SENTENCES}, "note"),
        ({"note": CHINESE}, "note"),
        ({"serial": CODES, "note": SENTENCES}, "note"),
        ({"title": [text[:20] for text in SENTENCES], "message": SENTENCES}, "message"),
        ({"title": [text[:20] for text in SENTENCES], "long": [text * 5 for text in SENTENCES]}, "long"),
        ({"Text": ["yes", "no", "fine"] * (ROWS // 3)}, "Text"),
        ({"note": [*SENTENCES[:-1], None]}, "note"),
    ],
)
def test_a_plain_column_is_found(columns: dict[str, list[object]], chosen: str) -> None:
    assert choose_text_column(table(**columns), "t.csv") == chosen


def test_a_short_table_of_sentences_is_enough() -> None:
    assert choose_text_column(table(note=SENTENCES).head(8), "t.csv") == "note"


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        (
            {"first": SENTENCES, "second": SENTENCES},
            r"t\.csv has several columns of texts: .* first, second",
        ),
        ({"text": SENTENCES, "comment": SENTENCES}, r"several columns of texts: .* text, comment"),
        ({"serial": CODES}, r"no column that is plainly one of texts: name one of serial \("),
        ({}, r"no column that is plainly one of texts: .* value, kind, state, id, day \(on the command"),
    ],
)
def test_otherwise_the_candidates_are_named(columns: dict[str, list[object]], match: str) -> None:
    with pytest.raises(BadDataFile, match=match):
        choose_text_column(table(**columns), "t.csv")


def test_the_label_and_row_names_are_no_candidates() -> None:
    columns = table(note=SENTENCES, label=[f"class {row % 60} of all" for row in range(ROWS)])
    assert [column.name for column in find_text_columns(columns, "label")] == ["note"]


def test_a_given_column_is_taken_or_refused() -> None:
    assert choose_text_column(table(note=SENTENCES), "t.csv", "kind") == "kind"
    with pytest.raises(BadDataFile, match=r"t\.csv has no column notes: did you mean note\?"):
        choose_text_column(table(note=SENTENCES), "t.csv", "notes")
    with pytest.raises(BadDataFile, match="state cannot be the label and the texts, too"):
        choose_text_column(table(note=SENTENCES), "t.csv", "state", "state")

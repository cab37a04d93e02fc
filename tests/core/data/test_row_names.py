"""Names and texts of rows in exported tables: hostile ones stay one short printable line."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.data.catalogue import load_cached, resolve
from anoonly_core.data.row_names import insert_names, snippet
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import make_schema
from tests.previews import previews_of, write_digits, write_texts

ROWS = 60


def write(path: Path, first: str = "text") -> Path:
    return write_texts(path, [f"{first} {row}" for row in range(ROWS)])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain words", "plain words"),
        ("two\nlines\tand a tab\r\n", "two lines and a tab"),
        ("\u202eevil\u2066 marks\u200f", "evil marks"),
        ("<b>&amp; $x$ :material/home: **bold**", "<b>&amp; $x$ :material/home: **bold**"),
        ("\x00\x1b[31mred", "[31mred"),
        ("soft\u00adhyphen, می\u200cخواهم", "softhyphen, می\u200cخواهم"),
        ("中文 и кириллица", "中文 и кириллица"),
        ("", ""),
        ("a" * 10_000, "a" * 198 + " …"),
        (" " * 9_000 + "late", " …"),
    ],
)
def test_a_snippet_is_one_short_printable_line(text: str, line: str) -> None:
    assert snippet(text) == line
    assert len(snippet(text)) <= 200


def test_names_and_texts_stand_behind_the_row(tmp_path: Path) -> None:
    table = pd.DataFrame({"label": ["a", "b", "c"], "row": [4, 1, ROWS], "score": 0.5})
    named = insert_names(table, previews_of(write(tmp_path / "a.npz"), "text"))
    assert [*named.columns] == ["label", "row", "name", "text", "score"]
    assert named["name"].tolist() == ["row 4", "row 1", ""], "a row of a test file has no name here"
    assert named["text"].tolist() == ["text 4", "text 1", ""]
    assert [*insert_names(table, previews_of(write_digits(tmp_path / "b.npz", ROWS), "image")).columns] == [
        "label",
        "row",
        "name",
        "score",
    ]
    assert insert_names(table, None) is table


def test_a_feature_file_is_a_data_set_with_previews(tmp_path: Path) -> None:
    entry = resolve(f"{write(tmp_path / 'mails.npz')}?label=y&anomaly=spam&share=0.1")
    dataset = entry.load()
    assert dataset.previews is not None
    assert entry.notes[0] == "A note."
    assert entry.provenance.note == "features of the texts in mails.csv by words"
    assert dataset.row_ids.tolist() != list(range(dataset.rows)), "anomalies are drawn"
    assert [dataset.previews.text(int(row)) for row in dataset.row_ids[:9]] == [
        f"text {row}" for row in dataset.row_ids[:9]
    ]


def test_previews_change_no_fingerprint(tmp_path: Path) -> None:
    """Equal rows give equal runs, but each data set shows its own texts."""
    first, second = (
        load_cached(f"{write(tmp_path / f'{name}.npz', first=name)}?label=y&anomaly=spam") for name in "ab"
    )
    plain = tmp_path / "plain.npz"
    with np.load(tmp_path / "a.npz") as archive:
        np.savez(plain, X=archive["X"], y=archive["y"])
    without = load_cached(f"{plain}?label=y&anomaly=spam")
    assert first.fingerprint == second.fingerprint == without.fingerprint
    assert first.previews is not None and second.previews is not None and without.previews is None
    assert (first.previews.text(3), second.previews.text(3)) == ("a 3", "b 3")


def test_uploads_of_equal_rows_show_their_own_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their identity is that of the rows alone, and one visitor must not see the texts of another."""
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    tables = []
    for name in "ab":
        content = io.BytesIO(write(tmp_path / f"{name}.npz", first=name).read_bytes())
        upload = uploads.add(f"{name}.npz", content, name, "here")
        tables.append(uploads.apply_schema(upload, make_schema({"label": "y", "anomaly": ("spam",)}))[0])
    first, second = (load_cached(table.name) for table in tables)
    assert tables[0].identity == tables[1].identity
    assert tables[0].notes[0] == "A note."
    assert first.provenance.note == "features of the texts in mails.csv by words"
    assert first.previews is not None and second.previews is not None
    assert (first.previews.text(3), second.previews.text(3)) == ("a 3", "b 3")

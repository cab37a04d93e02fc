"""Every format of a table file gives the same table, each within the limits, and each refusal is one sentence."""

from __future__ import annotations

import bz2
import datetime
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anoonly_core.data.tables import files
from anoonly_core.data.tables.columns import to_numbers, to_words
from anoonly_core.data.tables.files import FILE_SUFFIXES, ReadOptions
from anoonly_core.data.tables.readers import read_table
from anoonly_core.errors import BadDataFile
from tests.core.data.tables.unfolding import ods, spreadsheet_bombs


def excel(frame: pd.DataFrame, sheets: tuple[str, ...] = ("Sheet1",), above: int = 0) -> bytes:
    """Write a table to the last sheet of a workbook, below empty rows."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    pages = [book.create_sheet(name) for name in sheets]
    for _ in range(above):
        pages[-1].append([])
    pages[-1].append([None if name.startswith("Unnamed") else name for name in frame.columns])
    for row in frame.itertuples(index=False):
        pages[-1].append([None if cell is None or cell != cell else cell for cell in row])
    body = io.BytesIO()
    book.save(body)
    return body.getvalue()


def arrow(frame: pd.DataFrame, **options: Any) -> bytes:
    body = io.BytesIO()
    pyarrow.feather.write_feather(frame, body, **options)
    return body.getvalue()


def parquet(frame: pd.DataFrame) -> bytes:
    body = io.BytesIO()
    frame.to_parquet(body)
    return body.getvalue()


def zstd(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


def zipped(content: bytes, name: str, others: tuple[str, ...] = ()) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
        for other in others:
            archive.writestr(other, b"x")
    return body.getvalue()


def text(separator: str, encoding: str = "utf-8", above: str = "") -> Callable[[pd.DataFrame], bytes]:
    return lambda frame: (above + frame.to_csv(index=False, sep=separator, na_rep="NA")).encode(encoding)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {name: None if cell is None or cell != cell else cell for name, cell in row.items()}
        for row in frame.to_dict("records")
    ]


COMMA = text(",")
WRITERS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    "t.csv": COMMA,
    "semicolons.csv": text(";"),
    "bars.txt": text("|"),
    "t.tsv": text("\t"),
    "t.tab": text("\t"),
    "named.csv": text(";", above="sep=;\n"),
    "titled.csv": text(",", above="# exported on Monday\n\n# by hand\n"),
    "utf16.csv": text(";", "utf-16"),
    "marked.csv": text(",", "utf-8-sig"),
    "t.csv.gz": lambda frame: gzip.compress(COMMA(frame)),
    "t.csv.bz2": lambda frame: bz2.compress(COMMA(frame)),
    "t.tsv.xz": lambda frame: lzma.compress(text("\t")(frame)),
    "t.csv.zst": lambda frame: zstd(COMMA(frame)),
    "t.csv.zip": lambda frame: zipped(COMMA(frame), "inner.csv", ("__MACOSX/._inner.csv",)),
    "t.zip": lambda frame: zipped(text("\t")(frame), "folder/inner.tsv"),
    "t.json": lambda frame: json.dumps(records(frame)).encode(),
    "columns.json": lambda frame: json.dumps(
        {name: [row[name] for row in records(frame)] for name in frame.columns}
    ).encode(),
    "split.json": lambda frame: json.dumps(
        {
            "columns": list(frame.columns),
            "index": list(range(len(frame))),
            "data": [[*row.values()] for row in records(frame)],
        }
    ).encode(),
    "envelope.json": lambda frame: json.dumps({"page": 1, "rows": records(frame)}).encode(),
    "t.jsonl": lambda frame: "\n".join(map(json.dumps, records(frame))).encode(),
    "t.ndjson.gz": lambda frame: gzip.compress("\n".join(map(json.dumps, records(frame))).encode()),
    "t.xlsx": excel,
    "lower.xlsx": lambda frame: excel(frame, ("Empty", "Data"), above=3),
    "t.ods": lambda frame: ods([list(frame.columns), *([*row.values()] for row in records(frame))]),
    "t.parquet": parquet,
    "t.feather": arrow,
    "zstd.feather": lambda frame: arrow(frame, compression="zstd"),
    "plain.feather": lambda frame: arrow(frame, compression="uncompressed"),
}

numbers = st.one_of(
    st.integers(-(10**6), 10**6).map(float),
    st.floats(-1e9, 1e9, allow_nan=False).map(lambda value: float(f"{value:.6g}")),
    st.just(np.nan),
)
words = st.sampled_from(["red", "blue", "größe", "a,b;c", 'say "x"', "two words", "-", "東京"])


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Draw a table of two columns of numbers, one of words and a label; the first row has no blank."""
    rows = draw(st.integers(3, 12))
    columns = {
        "a": [1.5, *draw(st.lists(numbers, min_size=rows - 1, max_size=rows - 1))],
        "größe b": [2.0, *draw(st.lists(numbers, min_size=rows - 1, max_size=rows - 1))],
        "word": draw(st.lists(words, min_size=rows, max_size=rows)),
        "label": [number % 2 for number in range(rows)],
    }
    return pd.DataFrame(columns)


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=tables())
def test_a_table_is_the_same_in_each_format(tmp_path: Path, name: str, frame: pd.DataFrame) -> None:
    path = tmp_path / name
    path.write_bytes(WRITERS[name](frame))
    table = read_table(path)
    assert list(table.columns) == list(frame.columns) and len(table) == len(frame)
    for column in ("a", "größe b", "label"):
        np.testing.assert_array_equal(to_numbers(table[column]), frame[column].to_numpy(dtype=float))
    assert to_words(table["word"]).tolist() == frame["word"].tolist()


def test_all_suffixes_are_tried() -> None:
    tried = {files.file_suffix(name) for name in WRITERS} | {".npz"}
    kinds = {part for suffix in FILE_SUFFIXES for part in suffix.split(".")}
    assert kinds - {part for suffix in tried for part in suffix.split(".")} == {"dat"}


SMALL = pd.DataFrame({"a": [1.0, 2.0], "label": [0, 1]})


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "two.zip",
            zipped(b"a,b\n1,2\n", "x.csv", ("y.csv",)),
            "holds 2 files, such as x.csv",
        ),
        ("inner.zip", zipped(b"MZ", "x.exe"), "holds x.exe, and a .zip archive must hold a table"),
        ("none.zip", zipped(b"", "folder/"), "it holds 0 files"),
        ("t.json", b'[{"a": 1},\n {"a": 2},\n {"a": }]', "line 3 has a mistake at character 8, where '}]' stands"),
        ("cut.json", b'[{"a": 1},\n {"a": 2', "line 2 has a mistake"),
        ("t.jsonl", b'{"a": 1}\n{"a": oops}\n', "line 2 has a mistake at character 7, where 'oops}' stands"),
        ("list.jsonl", b'{"a": 1}\n[1, 2]\n', "line 2 is no record such as {'a': 1}: it begins with '[1, 2]'"),
        ("scalar.json", b"3", "is no table: its JSON must be a list of records"),
        (
            "nested.json",
            b'[{"a": 1}, {"a": {"b": [2]}}]',
            "record 1 has '{\"b\": [2]}' in a",
        ),
        ("uneven.json", b'{"a": [1, 2], "b": [1]}', "column b has 1 values, and the first column 2"),
        ("t.xlsx", b"PK", "cannot be read as a .xlsx table"),
        ("empty.xlsx", excel(SMALL.iloc[:0, :0]), "has no rows: none of its sheets (Sheet1) holds a table"),
        ("head.xlsx", excel(SMALL.iloc[:0]), "has no rows"),
        ("t.ods", excel(SMALL), "cannot be read as a .ods table"),
        ("t.feather", b"FEA1", "no Feather file of version 2"),
        ("cut.csv.xz", lzma.compress(b"a,b\n1,2\n")[:-9], "cannot be read as a .csv table"),
        ("cut.csv.zst", zstd(b"a,b\n" + b"1,2\n" * 99)[:-9], "cannot be read as a .csv table"),
    ],
)
def test_what_is_no_table_is_refused_with_what_stands_there(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadDataFile) as caught:
        read_table(path, name)
    assert words in str(caught.value) and str(caught.value).endswith(".") and str(caught.value).startswith(name)


def test_the_sheet_is_chosen_by_name(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    book = openpyxl.Workbook()
    for name, rows in (("Notes", [["a"]]), ("First", [["a", "label"], [1, 0]]), ("Second", [["b"], [2], [3]])):
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    first, second = read_table(path), read_table(path, options=ReadOptions(sheet="Second"))
    assert list(first.columns) == ["a", "label"] and "First is read" in first.attrs["notes"][0]
    assert to_numbers(second["b"]).tolist() == [2, 3] and second.attrs["notes"] == ()
    assert second.attrs["sheets"] == ("Sheet", "Notes", "First", "Second")
    with pytest.raises(BadDataFile, match="has no sheet Third: it has Sheet, Notes, First, Second"):
        read_table(path, options=ReadOptions(sheet="Third"))


def test_cells_of_a_spreadsheet_keep_their_types(tmp_path: Path) -> None:
    when = datetime.datetime(2024, 5, 1, 7, 30)
    frame = pd.DataFrame(
        {
            "when": pd.Series([when, when], dtype=object),
            "mixed": ["n/a", 2.5],
            "truth": [True, False],
            "Unnamed: 3": [None, None],
            "label": [0, 1],
        }
    )
    path = tmp_path / "t.xlsx"
    path.write_bytes(excel(frame))
    table = read_table(path)
    assert list(table.columns) == ["when", "mixed", "truth", "label"]
    assert table["when"].tolist() == [pd.Timestamp(when)] * 2 and pd.api.types.is_bool_dtype(table["truth"])
    assert table["mixed"].tolist() == ["n/a", 2.5]


@pytest.mark.parametrize(("name", "content", "words"), list(spreadsheet_bombs()), ids=lambda value: str(value)[:30])
def test_spreadsheets_that_unfold_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, words: str
) -> None:
    monkeypatch.setattr(files, "MAX_UNPACKED", 2**21)
    monkeypatch.setattr("python_calamine.CalamineWorkbook", None)  # reading is a failure of another kind
    path = tmp_path / name
    path.write_bytes(content)
    assert len(content) < 2**20
    with pytest.raises(BadDataFile, match=words):
        read_table(path)


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress, zstd, lambda body: zipped(body, "t.csv")])
def test_text_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(files, "MAX_UNPACKED", 2**20)
    packed = pack(b"a,y\n" + b"1,0\n" * 2**19)
    suffix = {b"BZ": ".csv.bz2", b"\xfd7": ".csv.xz", b"PK": ".zip"}.get(packed[:2], ".csv.zst")
    path = tmp_path / f"bomb{suffix}"
    path.write_bytes(packed)
    with pytest.raises(BadDataFile, match="unpacked it has more than"):
        read_table(path)


@pytest.mark.parametrize("kind", ["numbers", "dictionary", "nested"])
def test_a_feather_file_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(files, "MAX_UNPACKED", 2**22)
    columns = {
        "numbers": {"a": np.zeros(2**20)},
        "dictionary": {"a": pa.DictionaryArray.from_arrays(pa.array(np.zeros(2**18, np.int8)), ["x" * 1000])},
        "nested": {"a": [[1, 2], [3]]},
    }
    body = io.BytesIO()
    pyarrow.feather.write_feather(pa.table(columns[kind]), body, compression="zstd")
    path = tmp_path / "bomb.feather"
    path.write_bytes(body.getvalue())
    with pytest.raises(BadDataFile, match="is nested" if kind == "nested" else "unpacked it has more than"):
        read_table(path)

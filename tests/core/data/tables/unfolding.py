"""A generator of small files that unfold: in each format, by each way that a format offers."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.feather as feather  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

__all__ = ["ods", "spreadsheet_bombs", "unfolding_files"]

MB = 1 << 20


def unfolding_files() -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of files that take far more memory than their bytes, or seem to."""
    for name, content in _texts():
        yield f"{name}.csv.gz", gzip.compress(content, 1)
    yield "members.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 1000) + gzip.compress(b"1,2\n" * (MB // 2), 1) * 150
    yield "zeros.csv.gz", gzip.compress(b"a,b\n") + gzip.compress(b"\0" * (8 * MB), 1) * 20
    for name, table in _tables():
        yield f"{name}.parquet", _parquet(table)
    for name, content in _jsons():
        yield f"{name}.gz", gzip.compress(content, 1)
    yield from ((name, content) for name, content, _ in spreadsheet_bombs())
    for name, table in _tables():
        if name.startswith(("dictionary", "nulls", "numbers")):
            yield f"{name}.feather", _feather(table)
    yield "plain.parquet", _parquet({"a": ["x" * 20_000] * 1_000}, use_dictionary=False, compression="zstd")
    for name, members in _archives():
        yield f"{name}.npz", _zip(members)


def _texts() -> Iterator[tuple[str, bytes]]:
    word = b"x" * 20_000
    yield "word", b"a,y\n" + (word + b",1\n") * 200
    yield "label", b"a,label\n" + b"".join(b"%d,%b\n" % (row, word) for row in range(200))
    yield "labels", b"a,label\n" + b"".join(b"1,%b%d\n" % (word, row) for row in range(300))
    yield "categories", b"a,b\n" + b"".join(b"%b%d,1\n" % (word[:9_000], row % 50) for row in range(1_000))
    yield "cell", b"a,b\n1," + b"x" * (8 * MB) + b"\n"
    yield "cell_above_limit", b"a,b\n1," + b"x" * 33_000 + b"\n"
    yield "line", b"x" * (8 * MB)
    yield "numbers_in_a_line", b"1," * (MB)
    yield "quote", b'a,b\n1,"' + b"x,\n" * (2 * MB)
    yield "quote_in_names", b'a,"' + b"b\n" * (MB)
    many = b",".join(b"c%d" % number for number in range(12_000))
    yield "quoted_name", b'"a\nb",' + many + b"\n" + b"1," * 12_000 + b"1\n"
    yield "blank_first", b"\n" + many + b"\n" + b"1," * 11_999 + b"1\n"
    yield "blank_lines", b"a,b\n" + b"\n" * (8 * MB)
    yield "carriage_returns", b"a,b\r" + b"1,2\r" * (MB)
    yield "wide_carriage_returns", b"a," * 300 + b"a\r" + (b"1," * 300 + b"1\r") * 50
    names = ",".join(f"c{number}" for number in range(300)).encode()
    yield "wide", names + b"\n" + (b",".join([b"v" * 100] * 300) + b"\n") * 5
    yield "wide_blank", names + b"\n" + (b"," * 299 + b"\n") * 100
    yield "wide_words", names + b"\n" + b"\n".join(b",".join([b"%d" % row * 9] * 300) for row in range(20))
    yield "long_names", b",".join(b"n" * 2_000 + b"%d" % number for number in range(500)) + b"\n" + b"1," * 499 + b"1\n"
    yield "separators", b"a,b\n" + b"," * 1_000 + b"\n"
    yield "ragged", b"a,b\n1,2\n" + b"1," * 1_000 + b"\n"
    yield "distinct", b"a,b\n" + b"".join(b"w%d,1\n" % row for row in range(60_000))


def _tables() -> Iterator[tuple[str, dict[str, Any]]]:
    zeros = pa.array(np.zeros(1_000_000, dtype=np.int8))
    one_row = pa.array([0, len(zeros)], pa.int64())
    yield "list", {"a": pa.LargeListArray.from_arrays(one_row, zeros)}
    inner = pa.LargeListArray.from_arrays(one_row, zeros)
    yield "list_of_lists", {"a": pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), inner)}
    yield "struct", {"a": pa.StructArray.from_arrays([inner], ["b"])}
    yield "fixed_list", {"a": pa.FixedSizeListArray.from_arrays(zeros, len(zeros))}
    keys = pa.array([str(number) for number in range(100_000)])
    yield "map", {"a": pa.MapArray.from_arrays(pa.array([0, 100_000], pa.int32()), keys, zeros[:100_000])}
    yield "dictionary", {"a": _repeated("x" * 20_000, 500_000)}
    yield "dictionary_of_bytes", {"a": _repeated(b"x" * 20_000, 500_000)}
    yield "dictionary_largest_cells", {"a": _repeated("x" * 32_000, 50_000)}
    yield "dictionary_above_limit", {"a": _repeated("x" * 40_000, 1_000)}
    yield "dictionary_one_cell", {"a": _repeated("x" * (8 * MB), 1)}
    yield "dictionary_many_rows", {"a": _repeated("x" * 1_000, 2_000_000)}
    yield "dictionaries", {f"c{number}": _repeated("x" * 10_000, 20_000) for number in range(100)}
    yield "dictionaries_of_few", {f"c{number}": _repeated("x" * 3_000, 50) for number in range(300)}
    yield "fixed_width", {"a": pa.array([b"x" * 100_000] * 200, pa.binary(100_000))}
    yield "nulls", {f"c{number}": pa.nulls(1_000) for number in range(300)}
    yield "long_name", {"n" * (2 * MB): [1.0, 2.0]}
    yield "numbers", {f"c{number}": np.zeros(20_000) for number in range(20)}


def _archives() -> Iterator[tuple[str, dict[str, bytes]]]:
    yield "absent_rows", {"X.npy": _npy("(1000000000, 1)")}
    yield "absent_columns", {"X.npy": _npy("(1, 1000000000)")}
    yield "within_cells", {"X.npy": _npy("(5000, 10000)")}
    yield "negative", {"X.npy": _npy("(-1, 10)")}
    yield "huge", {"X.npy": _npy(f"({10**30}, 2)")}
    yield "wide_type", {"X.npy": _npy("(1000000, 1)", "<U1000000")}
    yield "wide_labels", {"X.npy": _array(np.zeros((1000, 2))), "y.npy": _npy("(1000,)", "<U10000000")}
    yield "long_labels", {"X.npy": _array(np.zeros((200, 2))), "y.npy": _array(np.array(["x" * 20_000] * 200))}
    yield "records", {"X.npy": _npy("(10, 10)", "|V1000000")}
    yield "subarrays", {"X.npy": _npy("(10, 10)", "('<f8', (100000, 1000))", quoted=False)}
    yield "long_header", {"X.npy": b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little") + b" " * MB}
    yield "nested_header", {"X.npy": b"\x93NUMPY\x01\x00" + (60_000).to_bytes(2, "little") + b"(" * 60_000}
    yield "zeros", {"X.npy": _array(np.zeros((26_000_000, 2), dtype=np.int8))}
    yield "allowed_zeros", {"X.npy": _array(np.zeros((100_000, 20)))}


def _jsons() -> Iterator[tuple[str, bytes]]:
    yield "deep.json", b"[" * MB
    yield "keys.jsonl", b"".join(b'{"k%d": 1}\n' % row for row in range(100_000))
    yield "keys.json", b"[" + b",".join(b'{"k%d": 1}' % row for row in range(100_000)) + b"]"
    yield "word.json", b'[{"a": "' + b"x" * (8 * MB) + b'"}]'
    yield "numbers.json", b"[" + b"[1]," * (MB // 4) + b"[1]]"


def _repeated(word: str | bytes, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int32)), pa.array([word]))


def _parquet(columns: dict[str, Any], **options: Any) -> bytes:
    body = io.BytesIO()
    table = pa.table(columns)
    metadata = {"pandas": json.dumps({"index_columns": [], "columns": []})}
    pq.write_table(table.replace_schema_metadata(metadata), body, **{"compression": "zstd", **options})
    return body.getvalue()


def _feather(columns: dict[str, Any]) -> bytes:
    body = io.BytesIO()
    feather.write_feather(pa.table(columns), body, compression="zstd")
    return body.getvalue()


def _npy(shape: str, kind: str = "<f8", quoted: bool = True) -> bytes:
    """An array that is all header."""
    descr = repr(kind) if quoted else kind
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


def _array(array: np.ndarray) -> bytes:
    body = io.BytesIO()
    np.save(body, array)
    return body.getvalue()


def _zip(members: dict[str, bytes], zeros: dict[str, int] | None = None) -> bytes:
    """Return an archive of members by name, and of members that hold a number of zero bytes."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        for name, size in (zeros or {}).items():
            with archive.open(name, "w", force_zip64=True) as member:
                for _ in range(size // MB):
                    member.write(bytes(MB))
                member.write(bytes(size % MB))
    return body.getvalue()


CONTENT = (
    '<?xml version="1.0"?><office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>'
    '<table:table table:name="Sheet1">{rows}</table:table></office:spreadsheet></office:body>'
    "</office:document-content>"
)


def ods(rows: list[list[Any]]) -> bytes:
    """Return a spreadsheet of OpenDocument that holds the rows, with the empty rows behind them as LibreOffice does."""
    lines = "".join(f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in rows)
    end = (
        '<table:table-row table:number-rows-repeated="1048000"><table:table-cell '
        'table:number-columns-repeated="16384"/></table:table-row>'
    )
    return _ods(lines + end)


def spreadsheet_bombs() -> Iterator[tuple[str, bytes, str]]:
    """Yield names and contents of small spreadsheets that unfold, and what their refusal says."""
    cell = '<c r="{}" t="n"><v>1</v></c>'
    far = f'<row r="1">{cell.format("A1")}</row><row r="1048576">{cell.format("XFD1048576")}</row>'
    yield "far.xlsx", _xlsx(far), "1048576 rows × 16384 columns"
    yield (
        "gaps.xlsx",
        _xlsx(f'<row r="1">{cell.format("A1")}</row><row r="1000000"><c><v>1</v></c><c r="J1"/></row>'),
        "rows",
    )
    word = f"<si><t>{'x' * 100_000}</t></si>"
    many = "".join(f'<row r="{row}"><c r="A{row}" t="s"><v>0</v></c></row>' for row in range(1, 20_000))
    yield "words.xlsx", _xlsx(many, word), "unpacked it has more than"
    yield "zeros.xlsx", _zip({"xl/worksheets/sheet1.xml": b"<a/>"}, {"xl/media/a.png": 2**22}), "unpacked it has"
    full = _ods_cell("x").replace("<table:table-cell", '<table:table-cell table:number-columns-repeated="10000"')
    yield (
        "repeated.ods",
        _ods(f'<table:table-row table:number-rows-repeated="100000">{full}</table:table-row>'),
        "100000 rows × 10000",
    )
    long = _ods_cell("x" * 100_000)
    yield (
        "long.ods",
        _ods(f'<table:table-row table:number-rows-repeated="20000">{long}</table:table-row>'),
        "unpacked it has",
    )
    late = f'<table:table-row>{_ods_cell(1)}</table:table-row><table:table-row table:number-rows-repeated="900000"/>'
    wide = '<table:table-cell table:number-columns-repeated="9000"/>'
    yield "late.ods", _ods(f"{late}<table:table-row>{wide}{_ods_cell(1)}</table:table-row>"), "rows × 9001 columns"


def _ods_cell(value: Any) -> str:
    if value is None:
        return "<table:table-cell/>"
    if isinstance(value, str):
        return f'<table:table-cell office:value-type="string"><text:p>{escape(value)}</text:p></table:table-cell>'
    number = f'office:value-type="float" office:value="{value!r}"'
    return f"<table:table-cell {number}><text:p>{value}</text:p></table:table-cell>"


def _ods(rows: str) -> bytes:
    manifest = (
        '<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        '<manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.'
        'spreadsheet"/></manifest:manifest>'
    )
    kind = b"application/vnd.oasis.opendocument.spreadsheet"
    content = CONTENT.format(rows=rows).encode()
    return _zip({"mimetype": kind, "META-INF/manifest.xml": manifest.encode(), "content.xml": content})


def _xlsx(rows: str, texts: str = "") -> bytes:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return _zip(
        {
            "xl/sharedStrings.xml": f'<sst xmlns="{main}">{texts}</sst>'.encode(),
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>'.encode(),
        }
    )

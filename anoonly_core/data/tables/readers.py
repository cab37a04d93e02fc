"""Readers of .csv, .csv.gz, .parquet and .npz files: within size limits, and without running code."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO, BinaryIO, TextIO, cast

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from anoonly_core.data.tables.csv_format import SEPARATORS, CsvLayout, find_encoding, find_layout
from anoonly_core.errors import BadDataFile, UnknownDataset

__all__ = [
    "FILE_SUFFIXES",
    "MAX_BYTES",
    "MAX_CELLS",
    "MAX_COLUMNS",
    "MAX_COLUMN_NAME",
    "check_file",
    "check_size",
    "file_fingerprint",
    "file_suffix",
    "printable",
    "read_table",
]

FILE_SUFFIXES = (".csv", ".csv.gz", ".parquet", ".npz")
MAX_BYTES = 200 * 2**20
MAX_UNPACKED = 2**30  # bytes after decompression
MAX_COLUMNS = 10_000
MAX_CELLS = 50_000_000  # rows × columns, 200 MB of float32
CHUNK = 1 << 20  # bytes
MAX_NAME = 200  # characters of a name or path in a message
MAX_COLUMN_NAME = 2000  # characters; survey tools make whole questions the names of columns
# A number with a decimal comma; points before it separate thousands.
DECIMAL_COMMA = r"^\s*([+-]?(?:\d{1,3}(?:\.\d{3})+|\d*)),(\d+(?:[eE][+-]?\d+)?)\s*$"


def printable(name: str | Path) -> str:
    """Return a name or path for a message: cut to about 200 characters, with unprintable ones escaped."""
    text = str(name)
    if len(text) > MAX_NAME:
        text = f"{text[: MAX_NAME // 2]}...{text[-MAX_NAME // 2 :]}"
    return text if text.isprintable() else repr(text)


def file_suffix(name: str | Path) -> str:
    """Return the suffix of `FILE_SUFFIXES` in which a name or path ends, in any case; "" if there is none."""
    return next((suffix for suffix in FILE_SUFFIXES if str(name).lower().endswith(suffix)), "")


def check_file(path: Path) -> None:
    """Raise UnknownDataset unless the path is an existing file with one of `FILE_SUFFIXES`."""
    if not os.path.isfile(path):
        raise UnknownDataset(f"There is no file {printable(path)}.")
    if not file_suffix(path):
        raise UnknownDataset(f"{printable(path)} is neither a data set nor a {', '.join(FILE_SUFFIXES)} file.")


def check_size(title: str, size: int) -> None:
    """Raise BadDataFile if `size`, the bytes of a file, exceeds `MAX_BYTES`; `title` names the file in the message."""
    if size > MAX_BYTES:
        raise BadDataFile(f"{title} is too large: {size / 2**20:.0f} MB, and at most {MAX_BYTES >> 20} MB are read.")


def file_fingerprint(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a table file.

    Raise UnknownDataset if there is no such table file, BadDataFile if it is too large or unreadable.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadDataFile(f"{printable(path)} cannot be read: {error.strerror}.") from error


def read_table(path: Path, title: str | None = None) -> pd.DataFrame:
    """Read all columns of a table file.

    The cells of a .csv file stay text, see `find_layout`; its `attrs` hold ``is_text``, True, and
    ``notes``, sentences on the layout. An .npz file holds X [rows, columns], which gives
    the columns x0, x1, …, and optionally y [rows] with labels.

    Parameters
    ----------
    path
        File with one of `FILE_SUFFIXES`.
    title
        Name of the file in messages; by default its path.

    Returns
    -------
    pandas.DataFrame
        Columns with unique string names, rows indexed from 0, at least one row.

    Raises
    ------
    UnknownDataset
        If the file is missing or has another suffix.
    BadDataFile
        If the file cannot be read or exceeds a size limit.
    """
    check_file(path)
    title, suffix = title or printable(path), file_suffix(path)
    try:
        check_size(title, path.stat().st_size)
        table = _READERS[suffix](path, title)
    except BadDataFile:
        raise
    except Exception as error:  # damaged files make the readers raise any exception
        kind = "an .npz file of plain arrays" if suffix == ".npz" else f"a {suffix} table"
        raise BadDataFile(f"{title} cannot be read as {kind}.") from error
    table.columns = pd.Index([str(name) for name in table.columns], dtype="str")
    if not table.columns.is_unique:
        twin = table.columns[table.columns.duplicated()][0]
        raise BadDataFile(f"{title} has two columns called {printable(twin[:60])}.")
    if (longest := max(map(len, table.columns), default=0)) > MAX_COLUMN_NAME:
        raise BadDataFile(
            f"{title} has a column name of {longest} characters, and at most {MAX_COLUMN_NAME} are read: shorten it."
        )
    if not len(table):
        raise BadDataFile(f"{title} has no rows.")
    return table


def _check_shape(title: str, rows: int, columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise BadDataFile(f"{title} has {columns} columns, and at most {MAX_COLUMNS} are read.")
    if rows * columns > MAX_CELLS:
        raise BadDataFile(
            f"{title} is too large: {rows} rows × {columns} columns, and at most {MAX_CELLS / 1e6:.0f} million values "
            "are read."
        )


def _check_unpacked(title: str, size: int) -> None:
    if size > MAX_UNPACKED:
        raise BadDataFile(f"{title} is too large: unpacked it has more than the {MAX_UNPACKED >> 20} MB that are read.")


def _read_text(path: Path, title: str) -> pd.DataFrame:
    with _open_bytes(path) as file:
        encoding = find_encoding(file.read(CHUNK), title)
    head, is_whole = _read_head(path, encoding, title)
    layout = find_layout(head, is_whole, title)
    _check_shape(title, 1, layout.columns)
    _check_shape(title, _count_lines(path, encoding, title), layout.columns)
    with _open_text(path, encoding, layout.skipped) as text:
        _check_first_row(text, layout, title)
    with _open_text(path, encoding, layout.skipped) as text:
        table = _parse_text(text, layout, title)
    notes = list(layout.notes)
    if layout.separator == ";" and (converted := _convert_decimal_commas(table)):
        notes.append(f"{title} has a decimal comma in {converted}: 1,5 is read as 1.5.")
    first = head.partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)  # the choice of earlier versions
    is_new_layout = bool(notes) or separator != layout.separator or not encoding.startswith("utf-8")
    table.attrs = {"is_text": True, "notes": tuple(notes), "is_new_layout": is_new_layout}
    return table


def _open_bytes(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb") if file_suffix(path) == ".csv.gz" else path.open("rb"))


@contextmanager
def _open_text(path: Path, encoding: str, skipped: int) -> Iterator[TextIO]:
    """Context that opens a text file, possibly gzipped, after its first `skipped` lines; line ends are unchanged."""
    with _open_bytes(path) as file, io.TextIOWrapper(file, encoding, newline="") as text:
        for _ in range(skipped):
            text.readline()
        yield text


def _read_head(path: Path, encoding: str, title: str) -> tuple[str, bool]:
    """Return the first `CHUNK` bytes of a text file, decoded, and True if that is the whole file.

    Raise BadDataFile if they hold no line end and more follows.
    """
    with _open_bytes(path) as file:
        begin = file.read(CHUNK)
        is_whole = not file.read(1)
    head = codecs.getincrementaldecoder(encoding)(errors="replace").decode(begin, is_whole)
    if not is_whole and not {"\n", "\r"} & {*head}:
        raise BadDataFile(f"{title} has a first line of more than {CHUNK >> 20} MB, where columns have their names.")
    return head, is_whole


def _count_lines(path: Path, encoding: str, title: str) -> int:
    """Count the line ends of a text file, decoding all of it.

    Raise BadDataFile if it unpacks to more than `MAX_UNPACKED` bytes or is not in this encoding.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    size, lines, chunk = 0, 0, b""
    try:
        with _open_bytes(path) as file:
            while chunk := file.read(CHUNK):
                size += len(chunk)
                _check_unpacked(title, size)
                lines += _line_ends(decoder.decode(chunk))
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line = lines + _line_ends(error.object[: error.start].decode(encoding, "replace")) + 1
        raise BadDataFile(
            f"{title} does not have the encoding {encoding.removesuffix('-sig').upper()}: save it as UTF-8; the first "
            f"other character is in line {line}."
        ) from error
    return lines


def _line_ends(text: str) -> int:
    return max(text.count("\n"), text.count("\r"))


def _check_first_row(text: TextIO, layout: CsvLayout, title: str) -> None:
    """Raise BadDataFile if the row after the header has more cells than the header; do nothing without a header.

    The parser of pandas would take all further cells for an index, whose building takes minutes if they are millions.
    It refuses other rows of that kind at once.
    """
    if not layout.has_header:
        return
    records = csv.reader(text, delimiter=layout.separator, skipinitialspace=True)
    try:
        rows = (cells for cells in records if len(cells) > 1 or any(cell.strip() for cell in cells))
        next(rows, None)
        cells = len(next(rows, ()))
    except csv.Error as error:
        raise BadDataFile(
            f"{title} cannot be read as a .csv table: line {records.line_num + layout.skipped} has a cell of more than "
            f"{csv.field_size_limit():,} characters."
        ) from error
    if cells > layout.columns:
        raise BadDataFile(
            f"{title} cannot be read as a .csv table: line {records.line_num + layout.skipped} has {cells} cells, and "
            f"its first line has {layout.columns} names of columns."
        )


def _parse_text(text: TextIO, layout: CsvLayout, title: str) -> pd.DataFrame:
    """Read all cells of a text table as strings; without a header, the columns are called 1, 2, ….

    `text` is open at the first line of the table.
    """
    try:
        table = pd.read_csv(
            text,
            sep=layout.separator,
            header=0 if layout.has_header else None,
            dtype=str,
            na_filter=False,
            skipinitialspace=True,
            low_memory=False,
        )
    except pd.errors.ParserError as error:
        raise BadDataFile(f"{title} cannot be read as a .csv table{_reason(str(error), layout)}.") from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes cells beyond the named columns as an index
        raise BadDataFile(f"{title} has rows with more cells than its first line has names of columns.")
    if not layout.has_header:
        table.columns = pd.Index([str(number) for number in range(1, table.shape[1] + 1)])
    return table


def _reason(message: str, layout: CsvLayout) -> str:
    """Turn an error message of the pandas parser into a cause with line numbers, to end a sentence; "" if unknown."""
    if parts := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message):
        line = int(parts[2]) + layout.skipped
        return f": line {line} has {parts[3]} cells, and the lines before it have {parts[1]}"
    if parts := re.search(r"EOF inside string starting at row (\d+)", message):
        return f": a quotation mark that opens near line {int(parts[1]) + layout.skipped + 1} is never closed"
    return ""


def _convert_decimal_commas(table: pd.DataFrame) -> str:
    """Replace decimal commas by points in all numbers of a text table, in place; drop grouping points.

    Return the name of the first column that changed, "" if none did.
    """
    first = ""
    for place, name in enumerate(table.columns):
        cells = pa.array(table.iloc[:, place], from_pandas=True)
        if pc.any(pc.match_substring_regex(cells, DECIMAL_COMMA)).as_py():
            grouped = pc.match_substring_regex(cells, r"\.\d{3}[.,]")
            plain = pc.if_else(
                pc.and_(grouped, pc.match_substring_regex(cells, DECIMAL_COMMA)),
                pc.replace_substring(cells, ".", ""),
                cells,
            )
            points = pc.replace_substring_regex(plain, DECIMAL_COMMA, r"\1.\2")
            table.isetitem(place, pd.array(points.to_pylist(), dtype="str"))
            first = first or printable(str(name)[:60])
    return first


def _read_parquet(path: Path, title: str) -> pd.DataFrame:
    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        _check_shape(title, metadata.num_rows, metadata.num_columns)
        _check_unpacked(title, sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)))
        table: pd.DataFrame = _plain_types(file.read()).to_pandas()
    if isinstance(table.index, pd.RangeIndex):
        return table
    names = [name for name in table.index.names if name in table.columns]  # an index that is a column, too
    table = table.reset_index(level=names, drop=True) if names else table
    if isinstance(table.index, pd.RangeIndex):
        return table
    columns = len(table.columns)
    table = table.reset_index()
    table.attrs = {"index": tuple(map(str, table.columns[: len(table.columns) - columns]))}
    return table


def _plain_types(table: pa.Table) -> pa.Table:
    """Cast the columns that pandas would keep as Python objects to strings: decimals, dates, and bytes of UTF-8."""
    for place, field in enumerate(table.schema):
        kind, column = field.type, table.column(place)
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
            column = column.cast(kind) if not pa.types.is_string(kind) else column
        if pa.types.is_decimal(kind) or pa.types.is_date(kind):
            column = column.cast(pa.string())
        elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            with suppress(pa.ArrowInvalid):  # bytes that are no UTF-8 stay bytes
                column = column.cast(pa.large_string())
        if column is not table.column(place):
            table = table.set_column(place, field.name, column)
    return table


def _read_arrays(path: Path, title: str) -> pd.DataFrame:
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        wanted = {info.filename: info for info in archive.infolist() if info.filename in ("X.npy", "y.npy")}
        _check_unpacked(title, sum(info.file_size for info in wanted.values()))
        if "X.npy" not in wanted:
            raise BadDataFile(f"{title} must hold an array X (rows × columns), and y where its rows have labels.")
        for info in wanted.values():
            with archive.open(info) as member:
                shape, dtype = _read_header(member)
                _check_shape(title, shape[0] if shape else 1, int(np.prod(shape[1:], dtype=float)))
                if dtype.hasobject:
                    raise BadDataFile(f"{title} holds Python objects, which could run code and are not opened.")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        X, y = arrays["X"], arrays["y"].ravel() if "y.npy" in wanted else None
    if X.ndim != 2 or X.shape[1] < 1 or X.dtype.kind not in "biuf":
        raise BadDataFile(f"{title}: the features must be a table of numbers, rows and columns.")
    X = X.astype(X.dtype.newbyteorder("="))
    table = pd.DataFrame(X, columns=[f"x{column}" for column in range(X.shape[1])])
    if y is not None:
        if y.shape != (len(X),) or y.dtype.kind not in "biufUS":
            raise BadDataFile(f"{title}: y must hold one label, a number or a word, for each of the {len(X)} rows.")
        y = y.astype(y.dtype.newbyteorder("="))
        table["y"] = np.char.decode(y, "utf-8", "replace") if y.dtype.kind == "S" else y
    return table


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read_header: Callable[..., tuple[tuple[int, ...], bool, np.dtype]] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, _, dtype = read_header(file)
    return shape, dtype


_READERS = MappingProxyType(
    {".csv": _read_text, ".csv.gz": _read_text, ".parquet": _read_parquet, ".npz": _read_arrays}
)

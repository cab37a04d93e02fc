"""Readers of .csv, .csv.gz, .parquet and .npz files: within size limits, and without running code."""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import IO, BinaryIO, cast

import numpy as np
import pandas as pd
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from anoonly_core.errors import BadDataFile, UnknownDataset

__all__ = [
    "FILE_SUFFIXES",
    "MAX_BYTES",
    "MAX_CELLS",
    "MAX_COLUMNS",
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
SEPARATORS = ",;\t|"
BLANKS = ["?"]  # missing values of the UCI repository, which pandas does not know


def printable(name: str | Path) -> str:
    """Shorten a name or path to about 200 characters and escape unprintable ones, for messages."""
    text = str(name)
    if len(text) > MAX_NAME:
        text = f"{text[: MAX_NAME // 2]}...{text[-MAX_NAME // 2 :]}"
    return text if text.isprintable() else repr(text)


def file_suffix(name: str | Path) -> str:
    """Return the suffix of `FILE_SUFFIXES` that a name or path has in any case, or ""."""
    return next((suffix for suffix in FILE_SUFFIXES if str(name).lower().endswith(suffix)), "")


def check_file(path: Path) -> None:
    """Raise UnknownDataset unless the path is an existing file with one of `FILE_SUFFIXES`."""
    if not os.path.isfile(path):
        raise UnknownDataset(f"There is no file {printable(path)}.")
    if not file_suffix(path):
        raise UnknownDataset(f"{printable(path)} is neither a data set nor a {', '.join(FILE_SUFFIXES)} file.")


def check_size(title: str, size: int) -> None:
    """Raise BadDataFile if a file has more than `MAX_BYTES` bytes; `title` names it in the message."""
    if size > MAX_BYTES:
        raise BadDataFile(f"{title} is too large: {size / 2**20:.0f} MB, and at most {MAX_BYTES >> 20} MB are read.")


def file_fingerprint(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a table file; raise UnknownDataset or BadDataFile."""
    check_file(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadDataFile(f"{printable(path)} cannot be read: {error.strerror}.") from error


def read_table(path: Path, title: str | None = None) -> pd.DataFrame:
    """Read all columns of a table file.

    CSV columns are separated by the character of `SEPARATORS` that is most frequent in the first
    line; blank cells and "?" are missing values. An .npz file holds X [rows, columns], which gives
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
    opener = gzip.open if file_suffix(path) == ".csv.gz" else open
    with cast(BinaryIO, opener(path, "rb")) as file:  # check the size first, without keeping the content
        first, size, lines = file.readline(CHUNK), 0, 0
        separator = max(SEPARATORS, key=lambda character: first.count(character.encode()))
        columns = len(next(csv.reader([first.decode("utf-8-sig", errors="replace")], delimiter=separator), []))
        if not first.endswith(b"\n") and len(first) == CHUNK:
            raise BadDataFile(
                f"{title} has a first line of more than {CHUNK >> 20} MB, where columns have their names."
            )
        _check_shape(title, 1, columns)
        while chunk := file.read(CHUNK):
            size, lines = size + len(chunk), lines + chunk.count(b"\n")
            _check_unpacked(title, size)
        _check_shape(title, lines, columns)
    with cast(BinaryIO, opener(path, "rb")) as file:
        # low_memory guesses the type of a column per chunk, and warns if the guesses differ.
        table = pd.read_csv(
            file, sep=separator, low_memory=False, na_values=BLANKS, skipinitialspace=True, encoding="utf-8-sig"
        )
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes cells beyond the named columns as an index
        raise BadDataFile(f"{title} has rows with more cells than its first line has names of columns.")
    return table


def _read_parquet(path: Path, title: str) -> pd.DataFrame:
    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        _check_shape(title, metadata.num_rows, metadata.num_columns)
        _check_unpacked(title, sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)))
        table: pd.DataFrame = file.read().to_pandas()
    return table if isinstance(table.index, pd.RangeIndex) else table.reset_index()


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
    table = pd.DataFrame(X, columns=[f"x{column}" for column in range(X.shape[1])])
    if y is not None:
        if y.shape != (len(X),) or y.dtype.kind not in "biufUS":
            raise BadDataFile(f"{title}: y must hold one label, a number or a word, for each of the {len(X)} rows.")
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

"""A file of the user's as a table: .csv, .csv.gz, .parquet or .npz, read within limits and never executed."""

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
MAX_UNPACKED = 2**30  # bytes, however small the file is
MAX_COLUMNS = 10_000
MAX_CELLS = 50_000_000  # rows × columns, 200 MB of float32
CHUNK = 1 << 20
SAID = 200  # characters of a name or path in a sentence
SEPARATORS = ",;\t|"
BLANKS = ["?"]  # beside what pandas takes for a missing value: the UCI repository's mark


def printable(name: str | Path) -> str:
    """A name or path as a sentence can hold it: quoted and escaped if it has line breaks or the like, and cut."""
    text = str(name)
    if len(text) > SAID:
        text = f"{text[: SAID // 2]}...{text[-SAID // 2 :]}"
    return text if text.isprintable() else repr(text)


def file_suffix(name: str | Path) -> str:
    """Which of FILE_SUFFIXES a name or path ends in, whatever its case; "" if in none."""
    return next((suffix for suffix in FILE_SUFFIXES if str(name).lower().endswith(suffix)), "")


def check_file(path: Path) -> None:
    """Raise UnknownDataset unless a file with one of FILE_SUFFIXES lies at this path."""
    if not os.path.isfile(path):
        raise UnknownDataset(f"There is no file {printable(path)}.")
    if not file_suffix(path):
        raise UnknownDataset(f"{printable(path)} is neither a data set nor a {', '.join(FILE_SUFFIXES)} file.")


def check_size(shown: str, size: int) -> None:
    """Raise BadDataFile for a file of more bytes than are read."""
    if size > MAX_BYTES:
        raise BadDataFile(f"{shown} is too large: {size / 2**20:.0f} MB, and at most {MAX_BYTES >> 20} MB are read.")


def file_fingerprint(path: Path) -> str:
    """SHA-256 of a file's bytes; raises UnknownDataset or BadDataFile where they cannot be had."""
    check_file(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadDataFile(f"{printable(path)} cannot be read: {error.strerror}.") from error


def read_table(path: Path, shown: str | None = None) -> pd.DataFrame:
    """All columns of a file as they are, its rows counted from 0; shown: its name in sentences.

    An .npz file holds X (rows × columns), whose columns are called x0, x1, …, and y where rows have labels. The
    columns of a text are separated by the character of SEPARATORS that its first line has most of; a blank and "?"
    are missing values. Raises UnknownDataset, or BadDataFile where it cannot be read or is beyond the limits.
    """
    check_file(path)
    shown, suffix = shown or printable(path), file_suffix(path)
    try:
        check_size(shown, path.stat().st_size)
        table = _READERS[suffix](path, shown)
    except BadDataFile:
        raise
    except Exception as error:  # the readers of damaged files raise whatever they stumble over
        kind = "an .npz file of plain arrays" if suffix == ".npz" else f"a {suffix} table"
        raise BadDataFile(f"{shown} cannot be read as {kind}.") from error
    table.columns = pd.Index([str(name) for name in table.columns], dtype="str")
    if not table.columns.is_unique:
        twin = table.columns[table.columns.duplicated()][0]
        raise BadDataFile(f"{shown} has two columns called {printable(twin[:60])}.")
    if not len(table):
        raise BadDataFile(f"{shown} has no rows.")
    return table


def _check_shape(shown: str, rows: int, columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise BadDataFile(f"{shown} has {columns} columns, and at most {MAX_COLUMNS} are read.")
    if rows * columns > MAX_CELLS:
        raise BadDataFile(
            f"{shown} is too large: {rows} rows × {columns} columns, and at most {MAX_CELLS / 1e6:.0f} million values "
            "are read."
        )


def _check_unpacked(shown: str, size: int) -> None:
    if size > MAX_UNPACKED:
        raise BadDataFile(f"{shown} is too large: unpacked it has more than the {MAX_UNPACKED >> 20} MB that are read.")


def _read_text(path: Path, shown: str) -> pd.DataFrame:
    opener = gzip.open if file_suffix(path) == ".csv.gz" else open
    with cast(BinaryIO, opener(path, "rb")) as file:  # once through, so that nothing is held that is too large
        first, size, lines = file.readline(CHUNK), 0, 0
        separator = max(SEPARATORS, key=lambda own: first.count(own.encode()))
        columns = len(next(csv.reader([first.decode("utf-8-sig", errors="replace")], delimiter=separator), []))
        if not first.endswith(b"\n") and len(first) == CHUNK:
            raise BadDataFile(
                f"{shown} has a first line of more than {CHUNK >> 20} MB, where columns have their names."
            )
        _check_shape(shown, 1, columns)
        while chunk := file.read(CHUNK):
            size, lines = size + len(chunk), lines + chunk.count(b"\n")
            _check_unpacked(shown, size)
        _check_shape(shown, lines, columns)
    with cast(BinaryIO, opener(path, "rb")) as file:
        # low_memory guesses a column's type piece by piece, and warns where the guesses differ.
        table = pd.read_csv(
            file, sep=separator, low_memory=False, na_values=BLANKS, skipinitialspace=True, encoding="utf-8-sig"
        )
    if not isinstance(table.index, pd.RangeIndex):  # which pandas makes of the cells that have no name
        raise BadDataFile(f"{shown} has rows with more cells than its first line has names of columns.")
    return table


def _read_parquet(path: Path, shown: str) -> pd.DataFrame:
    with pq.ParquetFile(path) as file:
        known = file.metadata
        _check_shape(shown, known.num_rows, known.num_columns)
        _check_unpacked(shown, sum(known.row_group(place).total_byte_size for place in range(known.num_row_groups)))
        table: pd.DataFrame = file.read().to_pandas()
    return table if isinstance(table.index, pd.RangeIndex) else table.reset_index()


def _read_arrays(path: Path, shown: str) -> pd.DataFrame:
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        wanted = {info.filename: info for info in archive.infolist() if info.filename in ("X.npy", "y.npy")}
        _check_unpacked(shown, sum(info.file_size for info in wanted.values()))
        if "X.npy" not in wanted:
            raise BadDataFile(f"{shown} must hold an array X (rows × columns), and y where its rows have labels.")
        for info in wanted.values():
            with archive.open(info) as head:
                shape, dtype = _header(head)
                _check_shape(shown, shape[0] if shape else 1, int(np.prod(shape[1:], dtype=float)))
                if dtype.hasobject:
                    raise BadDataFile(f"{shown} holds Python objects, which could run code and are not opened.")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        X, y = arrays["X"], arrays["y"].ravel() if "y.npy" in wanted else None
    if X.ndim != 2 or X.shape[1] < 1 or X.dtype.kind not in "biuf":
        raise BadDataFile(f"{shown}: the features must be a table of numbers, rows and columns.")
    table = pd.DataFrame(X, columns=[f"x{place}" for place in range(X.shape[1])])
    if y is not None:
        if y.shape != (len(X),) or y.dtype.kind not in "biufUS":
            raise BadDataFile(f"{shown}: y must hold one label, a number or a word, for each of the {len(X)} rows.")
        table["y"] = np.char.decode(y, "utf-8", "replace") if y.dtype.kind == "S" else y
    return table


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read: Callable[..., tuple[tuple[int, ...], bool, np.dtype]] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, _, dtype = read(file)
    return shape, dtype


_READERS = MappingProxyType(
    {".csv": _read_text, ".csv.gz": _read_text, ".parquet": _read_parquet, ".npz": _read_arrays}
)

"""Table files before they are read: suffixes, size limits, compression, and names in messages."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Literal, cast

import pyarrow as pa  # type: ignore[import-untyped]

from anoonly_core.data.tables.zip_members import list_members
from anoonly_core.errors import BadDataFile, UnknownDataset

__all__ = [
    "CHUNK",
    "FILE_SUFFIXES",
    "FORMATS",
    "JSON_SUFFIXES",
    "MAX_BYTES",
    "MAX_CELLS",
    "MAX_COLUMNS",
    "MAX_COLUMN_NAME",
    "MAX_UNPACKED",
    "TEXT_SUFFIXES",
    "ReadOptions",
    "check_file",
    "check_shape",
    "check_size",
    "check_unpacked",
    "content_suffix",
    "file_fingerprint",
    "file_suffix",
    "open_content",
    "printable",
]

TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".dat")
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
COMPRESSIONS = ("", ".gz", ".bz2", ".xz", ".zst")
_PACKED = tuple(f"{kind}{packed}" for kind in (*TEXT_SUFFIXES, *JSON_SUFFIXES) for packed in COMPRESSIONS)
FILE_SUFFIXES = (*_PACKED, ".zip", ".xlsx", ".ods", ".parquet", ".feather", ".npz")
FORMATS = (
    "CSV, TSV, text, JSON or JSON lines (each also as .gz, .bz2, .xz, .zst or .zip), Excel (.xlsx), OpenDocument "
    "(.ods), Parquet, Feather or NPZ"
)
MAX_BYTES = 200 * 2**20
MAX_UNPACKED = 2**30  # bytes after decompression
MAX_COLUMNS = 10_000
MAX_CELLS = 50_000_000  # rows × columns, 200 MB of float32
CHUNK = 1 << 20  # bytes
MAX_NAME = 200  # characters of a name or path in a message
MAX_COLUMN_NAME = 2000  # characters; survey tools make whole questions the names of columns
LISTED = 5  # names in a message


@dataclass(frozen=True)
class ReadOptions:
    """Choices on how a file is read that its content may leave open; None means that the reader decides.

    Attributes
    ----------
    encoding
        Encoding of a text file, such as ``cp1252``.
    sheet
        Name of the sheet of a spreadsheet.
    header
        "yes" if the first line of the table holds the names of the columns, "no" if it is a row.
    long_cells
        True to read cells of any length, for a column of texts; the limit on all cells together stays.
    """

    encoding: str | None = None
    sheet: str | None = None
    header: Literal["yes", "no"] | None = None
    long_cells: bool = False


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
        raise UnknownDataset(f"{printable(path)} is neither a data set nor a table file: {FORMATS}.")


def check_size(title: str, size: int, suffix: str = "") -> None:
    """Raise BadDataFile if `size`, the bytes of a file, exceeds `MAX_BYTES`; `title` names the file in the message.

    A file with the suffix .npz may have `MAX_UNPACKED`: previews of 50 000 pictures take no memory while it is read.
    """
    most = MAX_UNPACKED if suffix == ".npz" else MAX_BYTES
    if size > most:
        raise BadDataFile(f"{title} is too large: {size / 2**20:.0f} MB, and at most {most >> 20} MB are read.")


def check_shape(title: str, rows: int, columns: int) -> None:
    """Raise BadDataFile if a table exceeds `MAX_COLUMNS` or `MAX_CELLS`; `title` names the file in the message."""
    if columns > MAX_COLUMNS:
        raise BadDataFile(f"{title} has {columns} columns, and at most {MAX_COLUMNS} are read.")
    if rows * columns > MAX_CELLS:
        raise BadDataFile(
            f"{title} is too large: {rows} rows × {columns} columns, and at most {MAX_CELLS / 1e6:.0f} million values "
            "are read."
        )


def check_unpacked(title: str, size: int) -> None:
    """Raise BadDataFile if `size`, the bytes after decompression, exceeds `MAX_UNPACKED`; `title` names the file."""
    if size > MAX_UNPACKED:
        raise BadDataFile(f"{title} is too large: unpacked it has more than the {MAX_UNPACKED >> 20} MB that are read.")


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


def content_suffix(path: Path, title: str) -> str:
    """Return the suffix of a table file without that of its compression, such as ".csv"; for a ZIP of its member.

    Raise BadDataFile if a ZIP archive does not hold exactly one table; `title` names the file in the message.
    """
    suffix = file_suffix(path)
    if suffix == ".zip":
        suffix = file_suffix(_zip_member(path, title).filename)
    for packed in COMPRESSIONS[1:]:
        suffix = suffix.removesuffix(packed)
    return suffix


def open_content(path: Path, title: str) -> BinaryIO:
    """Open a file of text for reading its bytes, decompressed as its suffix says; they are not yet bounded.

    Raise BadDataFile if a ZIP archive does not hold exactly one table; `title` names the file in the message.
    """
    suffix = file_suffix(path)
    if suffix == ".zip":
        info = _zip_member(path, title)
        with zipfile.ZipFile(path) as archive:
            return cast(BinaryIO, archive.open(info))
    opener = next((opener for end, opener in _OPENERS.items() if suffix.endswith(end)), open)
    return cast(BinaryIO, opener(path, "rb"))


def _open_zstd(path: Path, _: str) -> BinaryIO:
    return cast(BinaryIO, pa.input_stream(str(path), compression="zstd"))


_OPENERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": _open_zstd}
)


def _zip_member(path: Path, title: str) -> zipfile.ZipInfo:
    """Return the only file of a ZIP archive; raise BadDataFile unless it is a table of text that can be opened."""
    files = [
        info for info in list_members(path, title) if not info.is_dir() and not info.filename.startswith("__MACOSX/")
    ]
    if len(files) != 1:
        names = ", ".join(printable(info.filename[:60]) for info in files[:LISTED])
        raise BadDataFile(
            f"{title} must hold one table, and it holds {len(files)} files{names and f', such as {names}'}."
        )
    (info,) = files
    if file_suffix(info.filename) not in (*TEXT_SUFFIXES, *JSON_SUFFIXES):
        raise BadDataFile(
            f"{title} holds {printable(info.filename[:60])}, and a .zip archive must hold a table as CSV, text or JSON."
        )
    if info.flag_bits & 1:
        raise BadDataFile(f"{title} is encrypted: save it without a password.")
    check_unpacked(title, info.file_size)
    return info

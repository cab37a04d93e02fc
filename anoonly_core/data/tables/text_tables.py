"""Reader of text tables: CSV and its kin, in any encoding and compression, within size limits."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from anoonly_core.data.tables.columns import to_numbers
from anoonly_core.data.tables.csv_format import (
    MAX_BLANK,
    SEPARATORS,
    SPACES,
    CsvLayout,
    find_layout,
    read_records,
    with_long_cells,
)
from anoonly_core.data.tables.encoding import ENCODINGS, SAMPLE, find_encoding, guess_legacy_encoding
from anoonly_core.data.tables.files import (
    CHUNK,
    ReadOptions,
    check_shape,
    check_unpacked,
    content_suffix,
    open_content,
    printable,
)
from anoonly_core.data.tables.number_styles import settle_sure_numbers
from anoonly_core.errors import BadDataFile
from anoonly_core.progress import Report

__all__ = ["open_text", "read_text", "settle_encoding"]

SHOWN = 40  # characters of a line in a message
# A number with a decimal comma; points before it separate thousands.
DECIMAL_COMMA = r"^\s*([+-]?(?:\d{1,3}(?:\.\d{3})+|\d*)),(\d+(?:[eE][+-]?\d+)?)\s*$"


def read_text(path: Path, title: str, options: ReadOptions, report: Report) -> pd.DataFrame:
    """Read all cells of a text table as strings, reporting the bytes; its `attrs` are those of `read_table`."""
    with with_long_cells() if options.long_cells else nullcontext():
        return _read_text(path, title, options, report)


def _read_text(path: Path, title: str, options: ReadOptions, report: Report) -> pd.DataFrame:
    encoding, notes = settle_encoding(path, title, options)
    head, is_whole = _read_head(path, encoding, title)
    layout = find_layout(head, is_whole, title, options.header)
    check_shape(title, 1, layout.columns)
    lines, size = _count_lines(path, encoding, title)
    check_shape(title, lines, layout.columns)
    with open_text(path, encoding, title, layout.skipped) as text:
        _check_first_row(text, layout, title)
    try:
        with open_text(path, encoding, title, layout.skipped) as text:
            table = _parse_text(_ReportedText(text, size, report), layout)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        with open_text(path, encoding, title, layout.skipped) as text:
            reason = _reason(str(error), text, layout)
        kind = content_suffix(path, title)
        raise BadDataFile(f"{title} cannot be read as a {kind} table{reason}.") from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes cells beyond the named columns as an index
        raise BadDataFile(f"{title} has rows with more cells than its first line has names of columns.")
    if not len(table):
        raise BadDataFile(_no_rows(title, layout, [str(name) for name in table.columns]))
    notes = [*notes, *layout.notes]
    first = head.partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)  # the choice of earlier versions
    is_new_layout = bool(notes) or separator != layout.separator or not encoding.startswith("utf-8")
    short = _short_row_notes(table, path, encoding, title, layout)
    table.attrs = {
        "is_text": True,
        "notes": (*notes, *short),
        "is_new_layout": is_new_layout or options != ReadOptions(),
        "read": ReadOptions(encoding.removesuffix("-sig"), None, "yes" if layout.has_header else "no"),
    }
    _settle_numbers(table, title, layout.separator)
    return table


def _settle_numbers(table: pd.DataFrame, title: str, separator: str) -> None:
    """Convert written numbers of a text table, in place, and the decimal commas of other columns beside semicolons.

    `attrs` get ``is_new_layout``, True if the table has decimal commas, and ``is_regrouped``, True if earlier versions
    read other numbers: they took 1.234 for a fraction even where other cells of its column have a decimal comma.
    """
    if not table.columns.is_unique:
        return  # the caller says it
    raw, before = table.copy(deep=False), _convert_decimal_commas(table) if separator == ";" else {}
    settle_sure_numbers(table, title, separator)
    settled, is_open = table.attrs["decimals"], table.attrs["open_decimals"]
    for name, cells in before.items():
        if name not in settled and name not in is_open:
            table[name] = cells
    is_regrouped = separator == ";" and any(_differ(before.get(name, raw[name]), table[name]) for name in settled)
    is_new_layout = table.attrs["is_new_layout"] or bool(before)
    table.attrs = {**table.attrs, "is_new_layout": is_new_layout, "is_regrouped": is_regrouped}


def _differ(before: pd.Series[Any], numbers: pd.Series[Any]) -> bool:
    """Return True if a cell that is a plain number in `before` is another one in `numbers`."""
    plain = to_numbers(before)
    return bool((~np.isnan(plain) & (plain != numbers.to_numpy())).any())


def settle_encoding(path: Path, title: str, options: ReadOptions) -> tuple[str, list[str]]:
    """Determine the encoding of a text file; return it with sentences on a choice that the user did not make.

    Raises
    ------
    BadDataFile
        If the file is no text, or unpacks to more than `MAX_UNPACKED` bytes.
    """
    if options.encoding:
        return options.encoding, []
    with open_content(path, title) as file:
        encoding = find_encoding(file.read(CHUNK))
    if encoding != "utf-8" or (sample := _beyond_utf8(path, title)) is None:
        return encoding, []
    encoding = guess_legacy_encoding(sample, title)
    return encoding, [
        f"{title} is not UTF-8, so it is read as {ENCODINGS[encoding]}; if letters look wrong, choose another encoding "
        "(on the command line encoding=NAME)."
    ]


def _beyond_utf8(path: Path, title: str) -> bytes | None:
    """Return bytes of a text file around its first ones that are not UTF-8; None if all are.

    Raise BadDataFile if the file unpacks to more than `MAX_UNPACKED` bytes.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = 0
    with open_content(path, title) as file:
        while chunk := file.read(CHUNK):
            size += len(chunk)
            check_unpacked(title, size)
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                begin = max(chunk.rfind(b"\n", 0, error.start) + 1, 0)
                return chunk[begin:] + (file.read(SAMPLE) if len(chunk) - begin < SAMPLE else b"")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return bytes(error.object)
    return None


@contextmanager
def open_text(path: Path, encoding: str, title: str, skipped: int = 0) -> Iterator[TextIO]:
    """Context that opens a text file, possibly compressed, after its first `skipped` lines; line ends are unchanged."""
    with open_content(path, title) as file, io.TextIOWrapper(file, encoding, newline="") as text:
        for _ in range(skipped):
            text.readline()
        yield text


def _read_head(path: Path, encoding: str, title: str) -> tuple[str, bool]:
    """Return the first `CHUNK` bytes of a text file, decoded, and True if that is the whole file.

    Raise BadDataFile if they hold no line end and more follows.
    """
    with open_content(path, title) as file:
        begin = file.read(CHUNK)
        is_whole = not file.read(1)
    head = codecs.getincrementaldecoder(encoding)(errors="replace").decode(begin, is_whole)
    if not is_whole and not {"\n", "\r"} & {*head}:
        raise BadDataFile(f"{title} has a first line of more than {CHUNK >> 20} MB, where columns have their names.")
    return head, is_whole


def _count_lines(path: Path, encoding: str, title: str) -> tuple[int, int]:
    """Return the number of line ends of a text file, decoding all of it, and its number of bytes.

    Raise BadDataFile if it unpacks to more than `MAX_UNPACKED` bytes or is not in this encoding.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    size, lines, chunk = 0, 0, b""
    try:
        with open_content(path, title) as file:
            while chunk := file.read(CHUNK):
                size += len(chunk)
                check_unpacked(title, size)
                lines += _line_ends(decoder.decode(chunk))
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line = lines + _line_ends(error.object[: error.start].decode(encoding, "replace")) + 1
        raise BadDataFile(
            f"{title} does not have the encoding {encoding.removesuffix('-sig').upper()}: choose another one; the "
            f"first other character is in line {line}."
        ) from error
    return lines, size


def _line_ends(text: str) -> int:
    return max(text.count("\n"), text.count("\r"))


def _check_first_row(text: TextIO, layout: CsvLayout, title: str) -> None:
    """Raise BadDataFile if the row after the header has more cells than the header; do nothing without a header.

    The parser of pandas would take all further cells for an index, whose building takes minutes if they are millions.
    It refuses other rows of that kind at once. More than `MAX_BLANK` blank lines before that row are refused, too.
    """
    if not layout.has_header:
        return
    last, rows, blank = 0, 0, 0
    try:
        for line, cells in read_records(text, layout.separator):
            last = line
            if len(cells) > 1 or "".join(cells).strip():
                rows += 1
            else:
                blank += 1
            if rows == 2 or blank > MAX_BLANK:
                break
    except csv.Error as error:
        raise BadDataFile(
            f"{title} cannot be read as a .csv table: line {last + 1 + layout.skipped} has a cell of more than "
            f"{csv.field_size_limit():,} characters."
        ) from error
    if blank > MAX_BLANK:
        raise BadDataFile(f"{title} has more than {MAX_BLANK:,} blank lines before its first row: remove them.")
    if rows == 2 and len(cells) > layout.columns:
        raise BadDataFile(
            f"{title} cannot be read as a .csv table: line {line + layout.skipped} has {len(cells)} cells, and its "
            f"first line has {layout.columns} names of columns."
        )


class _ReportedText:
    """Text for the parser of pandas, which reports the characters that were read, of at most `size`."""

    def __init__(self, text: TextIO, size: int, report: Report) -> None:
        self._text, self._size, self._report, self._done = text, size, report, 0

    def read(self, characters: int = -1) -> str:
        """Return the next characters, after a report."""
        self._report(min(self._done, self._size), self._size)
        chunk = self._text.read(characters)
        self._done += len(chunk)
        return chunk

    def __iter__(self) -> Iterator[str]:
        """Iterate over the lines."""
        return iter(self._text)


def _parse_text(text: _ReportedText, layout: CsvLayout) -> pd.DataFrame:
    """Read all cells of a text table as strings; without a header, the columns are called 1, 2, …."""
    table: pd.DataFrame = pd.read_csv(
        text,  # type: ignore[call-overload]
        sep=r"\s+" if layout.separator == SPACES else layout.separator,
        header=0 if layout.has_header else None,
        dtype=str,
        na_filter=False,
        skipinitialspace=True,
        low_memory=False,
    )
    if not layout.has_header:
        table.columns = pd.Index([str(number) for number in range(1, table.shape[1] + 1)])
    return table


def _short_row_notes(table: pd.DataFrame, path: Path, encoding: str, title: str, layout: CsvLayout) -> Iterator[str]:
    """Yield one sentence if rows of a text file have fewer cells than there are columns, whose cells are then blank.

    The file is read again only if a cell of its last column is blank, as in each such row.
    """
    if not (table.iloc[:, -1] == "").any():
        return
    lines, short = 0, list[int]()
    with open_text(path, encoding, title, layout.skipped) as text:
        for line, cells in read_records(text, layout.separator):
            if 0 < len(cells) < table.shape[1] and any(cell.strip() for cell in cells):
                short.append(lines + 1)
            lines = line
    if short:
        rows = "1 row has" if len(short) == 1 else f"{len(short):,} rows have"
        yield (
            f"{title}: {rows} fewer than {table.shape[1]} cells, and those that lack count as missing; the first is in "
            f"line {short[0] + layout.skipped}."
        )


def _no_rows(title: str, layout: CsvLayout, names: list[str]) -> str:
    line, listed = layout.skipped + 1, printable(", ".join(names)[:60])
    return f"{title} has no rows: line {line} holds the names of columns, {listed}, and nothing follows."


def _reason(message: str, text: TextIO, layout: CsvLayout) -> str:
    """Turn an error message of the pandas parser into a cause with its line, to end a sentence; "" if unknown.

    `text` is the table from the first line that was parsed.
    """
    is_wide, is_open = "Expected " in message, "EOF inside string" in message
    line, last, first_cell = layout.skipped + 1, layout.skipped, ""
    with suppress(csv.Error):
        for number, cells in read_records(text, layout.separator):
            line, last = last + 1, number + layout.skipped
            if is_wide and len(cells) > layout.columns:
                begins = layout.separator.join(cells[:SHOWN])[:SHOWN]
                return (
                    f": line {line} has {len(cells)} cells, and the lines before it have {layout.columns}: it begins "
                    f"with {begins!r}"
                )
            first_cell = next((cell for cell in cells if "\n" in cell or "\r" in cell), cells[-1] if cells else "")
    if is_open:
        begins = re.split(r"[\r\n]", first_cell)[0][:SHOWN]
        return f": a quotation mark that opens near line {line}, before {begins!r}, is never closed"
    return ""


def _convert_decimal_commas(table: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """Return the columns with decimal commas by name, with points in their place and without grouping points."""
    converted = {}
    for name in table.columns:
        cells = pa.array(table[name], from_pandas=True)
        if pc.any(pc.match_substring_regex(cells, DECIMAL_COMMA)).as_py():
            grouped = pc.match_substring_regex(cells, r"\.\d{3}[.,]")
            plain = pc.if_else(
                pc.and_(grouped, pc.match_substring_regex(cells, DECIMAL_COMMA)),
                pc.replace_substring(cells, ".", ""),
                cells,
            )
            points = pc.replace_substring_regex(plain, DECIMAL_COMMA, r"\1.\2")
            converted[str(name)] = pd.Series(points.to_pylist(), table.index, dtype="str")
    return converted

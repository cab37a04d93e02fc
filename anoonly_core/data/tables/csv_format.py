"""Layout of a table: separator, lines above the table, and names of the columns."""

from __future__ import annotations

import csv
import io
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Literal

from anoonly_core.data.tables.files import MAX_UNPACKED
from anoonly_core.errors import BadDataFile

__all__ = [
    "MAX_BLANK",
    "SEPARATORS",
    "SPACES",
    "CsvLayout",
    "find_layout",
    "find_table",
    "read_records",
    "with_long_cells",
]

SEPARATORS = ",;\t|"
SPACES = " "  # one or more of them between two cells
MIN_EVEN, MIN_NUMBERS = 0.9, 0.5  # shares of rows of equal width, and of numbers in them, where spaces are between
SAMPLE_RECORDS = 100  # records that determine the layout
MAX_BLANK = 10_000  # blank lines among these records
MAX_PREAMBLE = 20  # lines above the table
MIN_NUMBERED = 3  # columns named 0, 1, 2, … or 1, 2, 3, …
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
_UNSPLIT = (0.0, 0.0, 0)  # score of a separator that splits nothing
_SEPARATOR_LINE = re.compile(r'"?sep=(.|\\t)"?\s*', re.IGNORECASE)


@dataclass(frozen=True)
class CsvLayout:
    """Layout of a text table.

    Attributes
    ----------
    separator
        Character between cells.
    skipped
        Number of lines above the table.
    columns
        Number of columns.
    has_header
        True if the first line of the table holds the names of the columns.
    notes
        Sentences on what was found, for the user.
    """

    separator: str
    skipped: int
    columns: int
    has_header: bool
    notes: tuple[str, ...]


def find_layout(head: str, is_whole: bool, title: str, header: Literal["yes", "no"] | None = None) -> CsvLayout:
    """Determine the layout of a text table from its first lines.

    The separator is the one that splits most of the first records into equally many cells, with
    quotes respected. A line ``sep=;`` sets the separator. This line, comments and a title above the
    table are skipped.

    Parameters
    ----------
    head
        Begin of the file, decoded.
    is_whole
        True if `head` is the whole file; else its last record may be cut and is ignored.
    title
        Name of the file in messages.
    header
        "yes" if the first line of the table holds names, "no" if it is a row; None to find out.

    Raises
    ------
    BadDataFile
        If there is no line with cells.
    """
    named = _SEPARATOR_LINE.fullmatch(re.split(r"\r\n|\r|\n", head, maxsplit=1)[0])
    separator = named[1].replace("\\t", "\t") if named else _find_separator(head, is_whole)
    records = _records(head, separator, is_whole)
    blank = head[: len(head) - len(head.lstrip())]
    if not records and max(blank.count("\n"), blank.count("\r")) > MAX_BLANK:
        raise BadDataFile(f"{title} begins with more than {MAX_BLANK:,} blank lines: remove them.")
    notes = (f"Line 1 of {title} names the separator and is skipped.",) if named else ()
    table = find_table(records[1:] if named else records, title, header)
    skipped = table.skipped or int(named is not None)
    return replace(table, separator=separator, skipped=skipped, notes=(*notes, *table.notes))


def find_table(records: Sequence[tuple[int, list[str]]], title: str, header: Literal["yes", "no"] | None) -> CsvLayout:
    """Find the table among the first records of a file: where it begins, and whether its first record holds names.

    Parameters
    ----------
    records
        Number of the last line of each record, from 1, and its cells.
    title
        Name of the file in messages.
    header
        "yes" if the first record of the table holds names, "no" if it is a row; None to find out.

    Returns
    -------
    CsvLayout
        Layout with the separator "", whose `skipped` is 0 if the table begins with the first record.

    Raises
    ------
    BadDataFile
        If no record has a cell.
    """
    if not records:
        raise BadDataFile(f"{title} is empty: no line has a cell.")
    notes, begin = [], _find_begin(records, _common_width([cells for _, cells in records]))
    if begin:
        shown = " ".join(cell.strip() for cell in records[0][1] if cell.strip())[:60]
        notes.append(
            f"The table in {title} begins in line {records[begin - 1][0] + 1}: the lines above it are skipped, such as "
            f"{shown!r}."
        )
    rows = [cells for _, cells in records[begin:]]
    has_header = header == "yes" if header else not _lacks_names(rows)
    columns = len(rows[0])
    if not has_header and header is None:
        notes.append(
            f"The first line of {title} holds numbers instead of names, so it is a row and the columns are called "
            f"1 to {columns}; on the command line header=yes takes it as names."
        )
    counts = Counter(map(str.strip, rows[0])) if has_header else {}
    if twins := [name for name, count in counts.items() if count > 1 and name]:
        notes.append(f"{title} has several columns called {twins[0][:60]!r}: the later ones get a number.")
    return CsvLayout("", records[begin - 1][0] if begin else 0, columns, has_header, tuple(notes))


def read_records(lines: Iterable[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Split the lines of a text table into records of cells, with quotes respected; a blank line has no cells.

    Yields
    ------
    tuple
        Number of the last line of the record, from 1, and its cells.

    Raises
    ------
    csv.Error
        If a cell is longer than the limit of the module csv.
    """
    stripped = (f"{line.strip()}\n" for line in lines) if separator == SPACES else lines
    reader = csv.reader(stripped, delimiter=separator, skipinitialspace=True)
    for cells in reader:
        yield reader.line_num, cells


@contextmanager
def with_long_cells() -> Iterator[None]:
    """Context in which `read_records` reads cells of any length; one thread at a time, since the limit is global."""
    with _limit_lock:
        limit = csv.field_size_limit(MAX_UNPACKED)
        try:
            yield
        finally:
            csv.field_size_limit(limit)


_limit_lock = threading.Lock()


def _records(head: str, separator: str, is_whole: bool) -> list[tuple[int, list[str]]]:
    """Split the beginning of a text table into records of cells; return up to `SAMPLE_RECORDS` + 1 of them.

    Each record comes with the number of its last line, from 1. Up to `MAX_BLANK` blank lines are skipped, and records
    after more of them are left out. The last record is dropped if it may be cut, which needs `is_whole` False.
    """
    records: list[tuple[int, list[str]]] = []
    blank, complete = 0, False
    with suppress(csv.Error):  # such as a cell over the limit of the module: the records before it are enough
        for line, cells in read_records(io.StringIO(head, newline=""), separator):
            if any(cell.strip() for cell in cells) or len(cells) > 1:
                records.append((line, cells))
            else:
                blank += 1
            if complete := len(records) > SAMPLE_RECORDS or blank > MAX_BLANK:
                break
    return records if complete or is_whole or len(records) < 2 else records[:-1]


def _find_separator(head: str, is_whole: bool) -> str:
    """Return the separator of `SEPARATORS` that splits the most first records into equally many cells.

    Ties are decided by the share of numbers, then the number of cells. If none splits any, `SPACES` are the separator
    of a table that consists mostly of numbers; otherwise the first of `SEPARATORS`.
    """
    scores = {separator: _score(_records(head, separator, is_whole)) for separator in SEPARATORS}
    best = max(scores, key=scores.__getitem__)
    if scores[best] == _UNSPLIT:
        rows = [record for record in _records(head, SPACES, is_whole) if not record[1][0].startswith("#")]
        even, numbers, _ = _score(rows)
        return SPACES if even >= MIN_EVEN and numbers >= MIN_NUMBERS else best
    return best


def _score(records: Sequence[tuple[int, list[str]]]) -> tuple[float, float, int]:
    """Return the share of records of equal width, the share of numbers among their cells, and the width."""
    rows = [cells for _, cells in records]
    width = _common_width(rows)
    if width < 2:
        return _UNSPLIT
    even = [cells for cells in rows if len(cells) == width]
    cells = [cell.strip() for row in even[1:] for cell in row]
    numbers = sum(_NUMBER.fullmatch(cell) is not None for cell in cells) / max(len(cells), 1)
    return len(even) / len(rows), numbers, width


def _common_width(rows: Sequence[Sequence[str]]) -> int:
    """Return the most frequent number of cells in a row; of equally frequent ones that of the earliest row."""
    return Counter(map(len, rows)).most_common(1)[0][0] if rows else 0


def _find_begin(records: Sequence[tuple[int, list[str]]], width: int) -> int:
    """Return the index in `records` of the first record of the table, after comments and a title.

    `width` is the usual number of cells. At most `MAX_PREAMBLE` records are skipped.
    """
    begin = 0
    while begin < min(len(records) - 1, MAX_PREAMBLE) and _is_above(records[begin][1], width):
        begin += 1
    is_comment = all(cells[0].lstrip().startswith("#") for _, cells in records[:begin])
    # A title stands above names: a single cell above numbers may be the name of the first column.
    return begin if is_comment or not any(map(_NUMBER.fullmatch, records[begin][1])) else 0


def _is_above(cells: Sequence[str], width: int) -> bool:
    """Return True if a record is a comment or a title above the table.

    Such a record begins with #, has one cell where the table has `width` > 1, or has text in its first cell alone.
    """
    if width < 2:
        return cells[0].lstrip().startswith("#") and len(cells) == 1
    if len(cells) != width:
        return len(cells) == 1 or cells[0].lstrip().startswith("#")
    return bool(cells[0].strip()) and not any(cell.strip() for cell in cells[1:])


def _lacks_names(rows: Sequence[Sequence[str]]) -> bool:
    """Return True if the first row is data, so that the table has no names of columns.

    Each of its cells is then a number, blank, or a word that occurs again in its column, and at least one is a
    number. Numbers counted from 0 or 1 are names, as pandas writes them.
    """
    first = [cell.strip() for cell in rows[0]]
    cells = [cell for cell in first if cell]
    numbers = [cell for cell in cells if _NUMBER.fullmatch(cell)]
    if not numbers or (len(rows) < 2 and len(numbers) < len(cells)):
        return False
    is_named = len(cells) >= MIN_NUMBERED or (not first[0] and len(cells) == len(first) - 1)  # pandas' index is unnamed
    if (
        len(numbers) == len(cells)
        and is_named
        and any(cells == [str(number) for number in range(start, start + len(cells))] for start in (0, 1))
    ):
        return False  # pandas names columns so
    return all(
        not cell
        or _NUMBER.fullmatch(cell) is not None
        or any(len(row) > place and row[place].strip() == cell for row in rows[1:])
        for place, cell in enumerate(first)
    )

"""Reader of spreadsheets, .xlsx and .ods: one sheet, after its archive was measured without unfolding it."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol
from xml.parsers import expat

import pandas as pd
import python_calamine

from anoonly_core.data.tables.cell_types import cell_text, to_column
from anoonly_core.data.tables.csv_format import SAMPLE_RECORDS, find_table
from anoonly_core.data.tables.files import CHUNK, ReadOptions, check_shape, check_unpacked, file_suffix, printable
from anoonly_core.errors import BadDataFile

__all__ = ["read_spreadsheet"]

MAX_SHEET_CELLS = 5_000_000  # rows × columns of the area in use; each cell takes about 64 bytes of memory
LISTED = 5  # names in a message


def read_spreadsheet(path: Path, title: str, options: ReadOptions) -> pd.DataFrame:
    """Read the chosen sheet of a spreadsheet, by default the first one that holds a table.

    Blank rows, and blank columns without a name, are left out. `attrs` hold ``notes`` as in `read_table`.

    Raises
    ------
    BadDataFile
        If the file is encrypted or too large, or the sheet is absent or empty.
    """
    _measure(path, title)
    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
    except python_calamine.PasswordError as error:
        raise BadDataFile(f"{title} is encrypted: save it without a password.") from error
    name, notes = _choose_sheet(book, title, options)
    sheet = book.get_sheet_by_name(name)
    rows = [[None if cell == "" else cell for cell in row] for row in sheet.to_python(skip_empty_area=True)]
    first = (sheet.start or (0, 0))[0] + 1
    lines = [(first + place, row) for place, row in enumerate(rows) if any(cell is not None for cell in row)]
    records = [(line, [cell_text(cell) for cell in row]) for line, row in lines[: SAMPLE_RECORDS + 1]]
    layout = find_table(records, f"{title}, sheet {printable(name[:60])},", options.header)
    lines = [(line, row) for line, row in lines if line > layout.skipped]
    names = _names(lines.pop(0)[1]) if layout.has_header else [str(place + 1) for place in range(layout.columns)]
    check_shape(title, len(lines), len(names))
    columns = {name: [row[place] for _, row in lines] for place, name in enumerate(names)}
    used = {name: cells for name, cells in columns.items() if not _is_blank(name, cells)}
    table = pd.DataFrame({name: to_column(cells) for name, cells in used.items()})
    table.attrs = {
        "notes": (*notes, *layout.notes),
        "read": ReadOptions(None, name, "yes" if layout.has_header else "no"),
        "sheets": tuple(book.sheet_names),
    }
    return table


def _choose_sheet(book: python_calamine.CalamineWorkbook, title: str, options: ReadOptions) -> tuple[str, list[str]]:
    """Return the name of the sheet to read, with sentences on a choice that the user did not make."""
    names = book.sheet_names
    listed = ", ".join(printable(name[:60]) for name in names[:LISTED]) + (" and more" if len(names) > LISTED else "")
    if options.sheet is not None:
        if options.sheet not in names:
            raise BadDataFile(f"{title} has no sheet {printable(options.sheet[:60])}: it has {listed}.")
        return options.sheet, []
    filled = [name for name in names if book.get_sheet_by_name(name).height > 1]
    if not filled:
        raise BadDataFile(f"{title} has no rows: none of its sheets ({listed}) holds a table.")
    if len(names) == 1:
        return filled[0], []
    return filled[0], [
        f"{title} has {len(names)} sheets: {listed}; {printable(filled[0][:60])} is read, and on the command line "
        "sheet=NAME reads another."
    ]


def _names(header: list[Any]) -> list[str]:
    """Return unique names of columns, as pandas makes them: a blank one is Unnamed, a later twin gets a number."""
    names: list[str] = []
    taken: set[str] = set()
    for place, cell in enumerate(header):
        name = stem = cell_text(cell).strip() or f"Unnamed: {place}"
        number = 0
        while name in taken:
            number += 1
            name = f"{stem}.{number}"
        taken.add(name)
        names.append(name)
    return names


def _is_blank(name: str, cells: list[Any]) -> bool:
    return name.startswith("Unnamed: ") and all(cell is None for cell in cells)


def _measure(path: Path, title: str) -> None:
    """Refuse a spreadsheet that would unfold to more than the limits, before it is read.

    Its archive declares the size of its members. Its cells stand at positions that may be far apart, may repeat, or
    may refer to one long text many times: the XML is parsed as a stream to count them.

    Raises
    ------
    BadDataFile
        If the members exceed `MAX_UNPACKED` bytes, an area in use exceeds `MAX_SHEET_CELLS`, or the texts of all cells
        exceed `MAX_UNPACKED` bytes.
    """
    with zipfile.ZipFile(path) as archive:
        check_unpacked(title, sum(info.file_size for info in archive.infolist()))
        texts: list[int] = []
        uses: Counter[int] = Counter()
        for info in archive.infolist():
            if info.filename.lower().endswith(".xml"):
                meter: _Meter = _OdsMeter() if file_suffix(path) == ".ods" else _XlsxMeter()
                _parse(archive, info, meter)
                meter.check(title)
                if isinstance(meter, _XlsxMeter):
                    texts += meter.texts
                    uses.update(meter.uses)
    check_unpacked(title, sum(count * texts[index] for index, count in uses.items() if 0 <= index < len(texts)))


class _Meter(Protocol):
    """Handler of XML elements that counts the cells of sheets."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Count an element at its begin."""

    def end(self, name: str) -> None:
        """Count an element at its end."""

    def text(self, text: str) -> None:
        """Count a piece of the text of an element."""

    def check(self, title: str) -> None:
        """Raise BadDataFile if a sheet exceeds a limit."""


def _parse(archive: zipfile.ZipFile, info: zipfile.ZipInfo, meter: _Meter) -> None:
    parser = expat.ParserCreate(namespace_separator=" ")
    handlers: tuple[Callable[..., None], ...] = (meter.start, meter.end, meter.text)
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = handlers
    with archive.open(info) as member:
        while chunk := member.read(CHUNK):
            parser.Parse(chunk)
        parser.Parse(b"", True)


class _Area:
    """Rectangle of a sheet that holds all of its cells."""

    def __init__(self) -> None:
        self.rows = self.columns = (0, 0)
        self._is_empty = True

    def add(self, row: int, column: int) -> None:
        """Extend the area to a cell, by its row and column."""
        if self._is_empty:
            self.rows, self.columns, self._is_empty = (row, row), (column, column), False
        self.rows = min(self.rows[0], row), max(self.rows[1], row)
        self.columns = min(self.columns[0], column), max(self.columns[1], column)

    def check(self, title: str) -> None:
        """Raise BadDataFile if the area has more than `MAX_SHEET_CELLS` cells."""
        rows, columns = (last - first + 1 for first, last in (self.rows, self.columns))
        if rows * columns > MAX_SHEET_CELLS:
            raise BadDataFile(
                f"{title} is too large: a sheet uses {rows} rows × {columns} columns, and at most "
                f"{MAX_SHEET_CELLS / 1e6:.0f} million cells of a sheet are read; save it as CSV or Parquet."
            )


class _XlsxMeter:
    """Counter of the cells of one member of an .xlsx file: a sheet, or the texts that all sheets share."""

    def __init__(self) -> None:
        self.texts: list[int] = []  # bytes of each shared text
        self.uses: Counter[int] = Counter()  # cells by the index of their shared text
        self._area = _Area()
        self._row = self._column = 0
        self._refers = self._is_value = False
        self._value = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Count a row, a cell or a shared text."""
        tag = name.rpartition(" ")[2]
        if tag == "row":
            self._row, self._column = int(attributes.get("r", self._row + 1)), 0
        elif tag == "c":
            self._place(attributes.get("r", ""))
            self._refers = attributes.get("t") == "s"
        elif tag == "si":
            self.texts.append(0)
        elif tag == "v":
            self._is_value, self._value = True, ""

    def _place(self, reference: str) -> None:
        """Extend the area to the next cell, or to the one of a reference such as "B12"."""
        if parts := re.fullmatch(r"([A-Z]{1,3})(\d{1,7})", reference):
            self._column = 0
            for letter in parts[1]:
                self._column = 26 * self._column + ord(letter) - ord("A") + 1
            self._row = int(parts[2])
        else:
            self._column += 1
        self._area.add(self._row, self._column)

    def end(self, name: str) -> None:
        """Count the use of a shared text."""
        if name.rpartition(" ")[2] == "v":
            self._is_value = False
            if self._refers and self._value.strip().isdecimal():
                self.uses[int(self._value)] += 1

    def text(self, text: str) -> None:
        """Add to the length of a shared text, or to the index of one."""
        if self._is_value and self._refers and len(self._value) < 20:
            self._value += text
        elif self.texts:
            self.texts[-1] += len(text.encode())

    def check(self, title: str) -> None:
        """Raise BadDataFile if the sheet is too large."""
        self._area.check(title)


class _OdsMeter:
    """Counter of the cells of one member of an .ods file, where rows and cells repeat."""

    def __init__(self) -> None:
        self._areas: list[_Area] = []
        self._size = 0
        self._row = self._column = 0
        self._row_repeats = self._repeats = 1
        self._bytes = self._row_bytes = 0
        self._has_value = False
        self._filled: list[int] = []  # first and last columns in use of the row

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Begin to count a table, a row or a cell."""
        tag, own = name.rpartition(" ")[2], {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        if tag == "table":
            self._areas.append(_Area())
            self._row = 0
        elif tag == "table-row":
            self._row_repeats = max(int(own.get("number-rows-repeated", 1)), 1)
            self._column, self._row_bytes, self._filled = 0, 0, []
        elif tag in ("table-cell", "covered-table-cell"):
            self._repeats = max(int(own.get("number-columns-repeated", 1)), 1)
            self._bytes, self._has_value = 0, "value-type" in own

    def end(self, name: str) -> None:
        """Count a cell or a row as often as it repeats."""
        tag = name.rpartition(" ")[2]
        if tag in ("table-cell", "covered-table-cell"):
            if self._has_value or self._bytes:
                self._filled += [self._column, self._column + self._repeats - 1]
                self._row_bytes += self._bytes * self._repeats
            self._column += self._repeats
        elif tag == "table-row":
            if self._filled and self._areas:
                self._areas[-1].add(self._row, self._filled[0])
                self._areas[-1].add(self._row + self._row_repeats - 1, self._filled[-1])
            self._row += self._row_repeats
            self._size += self._row_bytes * self._row_repeats

    def text(self, text: str) -> None:
        """Add to the length of the text of a cell."""
        self._bytes += len(text.encode())

    def check(self, title: str) -> None:
        """Raise BadDataFile if a sheet or the texts of all cells are too large."""
        for area in self._areas:
            area.check(title)
        check_unpacked(title, self._size)

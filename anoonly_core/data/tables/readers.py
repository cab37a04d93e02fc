"""Reader of table files in all formats: within size limits, and without running code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from anoonly_core.data.tables.arrays import read_arrays
from anoonly_core.data.tables.arrow_tables import read_feather, read_parquet
from anoonly_core.data.tables.files import (
    JSON_SUFFIXES,
    MAX_COLUMN_NAME,
    TEXT_SUFFIXES,
    ReadOptions,
    check_file,
    check_size,
    content_suffix,
    file_suffix,
    printable,
)
from anoonly_core.data.tables.json_tables import read_json
from anoonly_core.data.tables.number_styles import settle_sure_numbers
from anoonly_core.data.tables.spreadsheets import read_spreadsheet
from anoonly_core.data.tables.text_tables import read_text
from anoonly_core.errors import BadDataFile
from anoonly_core.progress import Cancelled, Report, report_nothing

__all__ = ["read_table"]

_READERS: MappingProxyType[str, Callable[[Path, str, ReadOptions], pd.DataFrame]] = MappingProxyType(
    {
        **dict.fromkeys(JSON_SUFFIXES, read_json),
        **dict.fromkeys((".xlsx", ".ods"), read_spreadsheet),
        ".parquet": read_parquet,
        ".feather": read_feather,
        ".npz": read_arrays,
    }
)


def read_table(
    path: Path, title: str | None = None, options: ReadOptions | None = None, report: Report = report_nothing
) -> pd.DataFrame:
    """Read all columns of a table file.

    The cells of a text file stay text, see `find_layout`, but columns of numbers that are not written plainly become
    float64, see `settle_sure_numbers`. An .npz file holds X [rows, columns], which gives the columns
    x0, x1, …, and optionally y [rows] with labels.

    Parameters
    ----------
    path
        File with one of `FILE_SUFFIXES`.
    title
        Name of the file in messages; by default its path.
    options
        Choices that the reader makes otherwise, such as the sheet of a spreadsheet.
    report
        Called while a text file is parsed; `Cancelled` from it ends the reading.

    Returns
    -------
    pandas.DataFrame
        Columns with unique string names, rows indexed from 0, at least one row. Its `attrs` may hold ``notes``,
        sentences on how the file was read; ``read``, the `ReadOptions` that were settled; ``sheets``, names of the
        sheets of a spreadsheet; those of `settle_sure_numbers`; ``is_text``, True for a text table; ``index``, names
        of columns that were an index.

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
        check_size(title, path.stat().st_size, suffix)
        suffix = content_suffix(path, title)
        options = options or ReadOptions()
        is_text = suffix in TEXT_SUFFIXES
        table = read_text(path, title, options, report) if is_text else _READERS[suffix](path, title, options)
    except (BadDataFile, Cancelled):
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
    if not table.attrs.get("is_text"):
        settle_sure_numbers(table, title)
    return table

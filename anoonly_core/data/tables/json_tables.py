"""Reader of JSON and JSON lines: a list of records, columns by name, or pandas' "split" form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from anoonly_core.data.tables.cell_types import to_column
from anoonly_core.data.tables.files import (
    CHUNK,
    ReadOptions,
    check_shape,
    check_unpacked,
    content_suffix,
    open_content,
    printable,
)
from anoonly_core.data.tables.text_tables import open_text, settle_encoding
from anoonly_core.errors import BadDataFile

__all__ = ["read_json"]

SHOWN = 40  # characters of the content in a message
SURROGATE = re.compile("[\ud800-\udfff]")  # a pair of them is one character once JSON is parsed
FORMS = 'a list of records such as [{"a": 1, "label": 0}], or columns such as {"a": [1], "label": [0]}'


def read_json(path: Path, title: str, options: ReadOptions) -> pd.DataFrame:
    """Read records of JSON, or one record a line; a value that is absent in a record is missing.

    Raises
    ------
    BadDataFile
        If the text is no JSON, which names the line, or no table, or a value is a list or an object.
    """
    encoding, notes = settle_encoding(path, title, options)
    _check_bytes(path, title)
    with open_text(path, "utf-8-sig" if encoding == "utf-8" else encoding, title) as text:
        if content_suffix(path, title) == ".json":
            records = _parse_records(text.read(), title)
        else:
            records = list(_parse_lines(text, title))
    table = _to_table(records, title) if isinstance(records, list) else _from_columns(records, title)
    table.attrs = {"notes": tuple(notes), "read": ReadOptions(encoding.removesuffix("-sig"))}
    return table


def _check_bytes(path: Path, title: str) -> None:
    size = 0
    with open_content(path, title) as file:
        while chunk := file.read(CHUNK):
            check_unpacked(title, size := size + len(chunk))


def _parse_lines(lines: Iterator[str], title: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            record = _parse(line, title, number)
            if not isinstance(record, dict):
                begins = line.strip()[:SHOWN]
                raise BadDataFile(f"{title}: line {number} is no record such as {{'a': 1}}: it begins with {begins!r}.")
            yield record


def _parse_records(text: str, title: str) -> list[Mapping[str, Any]] | Mapping[str, Sequence[Any]]:
    """Return the records of a JSON text, or its columns by name."""
    value = _parse(text, title, 1)
    if isinstance(value, dict) and {*value} >= {"columns", "data"} and isinstance(value["data"], list):
        names = [str(name) for name in value["columns"]]
        value = [dict(zip(names, row, strict=True)) for row in value["data"]]
    elif isinstance(value, dict) and (records := _enveloped(value)):
        value = records
    if isinstance(value, list) and value and all(isinstance(record, dict) for record in value):
        return value
    if isinstance(value, list) and value and all(isinstance(row, list) for row in value):
        return [{f"{place}": cell for place, cell in enumerate(row, 1)} for row in value]
    if isinstance(value, dict) and value and all(isinstance(column, list | dict) for column in value.values()):
        return value
    raise BadDataFile(f"{title} is no table: its JSON must be {FORMS}.")


def _enveloped(value: Mapping[str, Any]) -> list[Any]:
    """Return the records that stand under the only list of an object, such as {"page": 1, "rows": […]}; else []."""
    lists = [item for item in value.values() if isinstance(item, list)]
    return lists[0] if len(lists) == 1 and all(isinstance(record, dict) for record in lists[0]) else []


def _parse(text: str, title: str, first: int) -> Any:
    """Parse JSON; raise BadDataFile with the line, counted from `first`, if it is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = text.split("\n")[error.lineno - 1] if text else ""
        stands = line[max(error.colno - 1, 0) :][:SHOWN] or line[-SHOWN:]
        raise BadDataFile(
            f"{title} is no JSON: line {first + error.lineno - 1} has a mistake at character {error.colno}, where "
            f"{stands!r} stands."
            if stands
            else f"{title} is no JSON: it ends in line {first + error.lineno - 1} before the table does."
        ) from error


def _from_columns(columns: Mapping[str, Any], title: str) -> pd.DataFrame:
    """Build a table from columns by name: lists of equal length, or dicts with the same keys for the rows."""
    first = next(iter(columns.values()))
    keys = list(first) if isinstance(first, dict) else range(len(first))
    check_shape(title, len(keys), len(columns))
    for name, column in columns.items():
        if len(column) != len(keys) or (isinstance(column, dict) and not isinstance(first, dict)):
            raise BadDataFile(
                f"{title}: column {printable(name[:60])} has {len(column)} values, and the first column {len(keys)}."
            )
    return _typed({name: [column[key] for key in keys] for name, column in columns.items()}, title)


def _to_table(records: list[Mapping[str, Any]], title: str) -> pd.DataFrame:
    names: dict[str, None] = {}
    for record in records:
        names.update(dict.fromkeys(record))
        check_shape(title, len(records), len(names))
    return _typed({name: [record.get(name) for record in records] for name in names}, title)


def _typed(columns: Mapping[str, list[Any]], title: str) -> pd.DataFrame:
    for name, cells in columns.items():
        row = next((row for row, cell in enumerate(cells) if isinstance(cell, list | dict)), None)
        if row is not None:
            raise BadDataFile(
                f"{title}: record {row} has {json.dumps(cells[row])[:SHOWN]!r} in {printable(str(name)[:60])}, and a "
                "cell must hold one value: save the table without it."
            )
    return pd.DataFrame({_encodable(name): to_column([*map(_encodable, cells)]) for name, cells in columns.items()})


def _encodable(cell: Any) -> Any:
    """Return a cell or name with U+FFFD for lone surrogates, which JSON can escape but no table can hold."""
    return SURROGATE.sub("\ufffd", cell) if isinstance(cell, str) and not cell.isascii() else cell

"""Readers of Parquet and Feather files: each checks the size of its content before it is decoded."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from anoonly_core.data.tables.files import ReadOptions, check_shape, check_unpacked
from anoonly_core.data.tables.limits import check_arrow
from anoonly_core.errors import BadDataFile

__all__ = ["read_feather", "read_parquet"]

_MAGIC = b"ARROW1\0\0"


def read_parquet(path: Path, title: str, _: ReadOptions) -> pd.DataFrame:
    """Read a Parquet file; an index of pandas that is not 0, 1, … becomes columns, named in `attrs` as ``index``."""
    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        check_shape(title, metadata.num_rows, metadata.num_columns)
        check_unpacked(title, sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)))
        table = file.read()
    return _to_pandas(table)


def _to_pandas(columns: pa.Table) -> pd.DataFrame:
    table: pd.DataFrame = _plain_types(columns).to_pandas()
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


def read_feather(path: Path, title: str, options: ReadOptions) -> pd.DataFrame:
    """Read a Feather file, which is the file format of Arrow; an index of pandas becomes columns, as in Parquet."""
    check_unpacked(title, _decoded_size(path))
    with pa.OSFile(str(path)) as file:
        table = pa.ipc.open_file(file).read_all()
    check_shape(title, table.num_rows, table.num_columns)
    check_arrow(table, title, options.long_cells)
    return _to_pandas(table)


def _decoded_size(path: Path) -> int:
    """Return the bytes that the buffers of an Arrow file take once they are decompressed, as their headers declare.

    Source: the format of Arrow IPC files, where each compressed buffer begins with its decompressed length.
    """
    size = 0
    with pa.OSFile(str(path)) as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise BadDataFile(f"{path.name} is no Feather file of version 2: save it with a newer program.")
        for message in pa.ipc.MessageReader.open_stream(file):
            if message.type in ("record batch", "dictionary"):
                size += _buffer_bytes(message.metadata.to_pybytes(), memoryview(message.body), message.type)
    return size


def _buffer_bytes(metadata: bytes, body: memoryview, kind: str) -> int:
    """Return the bytes of all buffers of one message once they are decompressed.

    Parameters
    ----------
    metadata
        Message of Arrow IPC, a flatbuffer.
    body
        Its buffers, possibly compressed.
    kind
        "record batch" or "dictionary".
    """
    (root,) = struct.unpack_from("<I", metadata)
    batch = _follow(metadata, root, 2)
    if kind == "dictionary":
        batch = _follow(metadata, batch, 1)
    buffers, is_compressed = _follow(metadata, batch, 2), _field(metadata, batch, 3) != 0
    (count,) = struct.unpack_from("<I", metadata, buffers)
    size = 0
    for place in range(count):
        offset, length = struct.unpack_from("<qq", metadata, buffers + 4 + 16 * place)
        if is_compressed and length >= 8:
            (decoded,) = struct.unpack_from("<q", body, offset)
            length = decoded if decoded >= 0 else length - 8
        size += length
    return size


def _field(buffer: bytes, table: int, number: int) -> int:
    """Return the position of a field in a table of a flatbuffer; 0 if the field is absent."""
    (back,) = struct.unpack_from("<i", buffer, table)
    (length,) = struct.unpack_from("<H", buffer, table - back)
    if 4 + 2 * number >= length:
        return 0
    (offset,) = struct.unpack_from("<H", buffer, table - back + 4 + 2 * number)
    return table + offset if offset else 0


def _follow(buffer: bytes, table: int, number: int) -> int:
    """Return the position of the table or vector to which a field of a flatbuffer refers."""
    field = _field(buffer, table, number)
    (offset,) = struct.unpack_from("<I", buffer, field)
    return field + int(offset)

"""Bounds on what a small file may unfold to: memory of the reader, decoded bytes, cells, and names."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from anoonly_core.data.tables.files import MAX_CELLS, MAX_COLUMNS, MAX_UNPACKED, check_unpacked, file_suffix, printable
from anoonly_core.errors import BadDataFile
from anoonly_core.machine import limit_address_space, memory

__all__ = [
    "LONG_CELL",
    "MAX_CELL",
    "MAX_NAMES",
    "check_arrow",
    "check_parquet",
    "check_table",
    "limit_memory",
    "memory_for_table",
    "too_much_memory",
    "within_memory",
]

LONG_CELL = "holds a cell of"  # in the error on a cell that is too long
MAX_CELL = 32 * 2**10  # bytes of one cell
MAX_NAMES = 2**20  # bytes of all column names together
MAX_READER = 4 * 2**30  # bytes beyond those of an idle reader
MIN_READER = 2**29
BATCH_ROWS = 65_536
_NO_MEMORY = ("out of memory", "bad_alloc", "can't start new thread")  # in errors of pandas, Arrow and threading


def memory_for_table() -> int:
    """Return the bytes of memory that reading one table may take: a quarter of the machine's memory, 512 MB to 4 GB."""
    return max(MIN_READER, min(MAX_READER, memory() // 4))


def limit_memory() -> None:
    """Limit the address space of this process for good: its present size plus `memory_for_table` bytes.

    Arrow uses one thread and the memory pool of the system from then on, since idle threads and pools take
    address space too. On Windows only Arrow is limited.
    """
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    pa.set_memory_pool(pa.system_memory_pool())
    limit_address_space(memory_for_table())


@contextmanager
def within_memory(title: str) -> Iterator[None]:
    """Context that raises BadDataFile if its block runs out of memory; other errors pass.

    `title` names the table in the message. Errors of pandas and Arrow that stand for a lack of memory are recognized.
    """
    try:
        yield
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        raise BadDataFile(too_much_memory(title)) from None  # the traceback would keep the table alive


def too_much_memory(title: str) -> str:
    """Return the error sentence for the table `title` if reading it ran out of memory."""
    return f"{title} needs more memory than a table may take: upload a smaller one, or part of it."


def _is_out_of_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if isinstance(error, pd.errors.ParserError | RuntimeError) and any(word in str(error) for word in _NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def check_parquet(path: Path, title: str, long_cells: bool = False) -> None:
    """Check the size of the decoded content of a Parquet file before it is read as a whole.

    Words are decoded once per batch by way of their dictionaries, so that the check takes little memory. Files with
    another suffix and damaged files pass: the reader reports them.

    Parameters
    ----------
    path
        File to check.
    title
        Name of the file in messages.
    long_cells
        True to allow cells of any length.

    Raises
    ------
    BadDataFile
        If a column is nested, a cell exceeds `MAX_CELL` bytes, or all cells together exceed `MAX_UNPACKED` bytes.
    """
    if file_suffix(path) != ".parquet":
        return
    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError):
        return  # the reader says it
    if len(schema) > MAX_COLUMNS:
        return  # likewise
    unpacked, words = _check_schema(schema, rows, title)
    if words:
        _check_words(path, title, words, unpacked, MAX_UNPACKED if long_cells else MAX_CELL)


def check_arrow(table: pa.Table, title: str, long_cells: bool = False) -> None:
    """Check the size of the decoded content of an Arrow table, whose words may be dictionaries that cells refer to.

    With `long_cells` the limit of one cell does not hold.

    Raises
    ------
    BadDataFile
        If a column is nested, a cell exceeds `MAX_CELL` bytes, or all cells together exceed `MAX_UNPACKED` bytes.
    """
    unpacked, words = _check_schema(table.schema, table.num_rows, title)
    for batch in table.select(words).to_batches() if words else ():
        unpacked += _word_bytes(batch, title, MAX_UNPACKED if long_cells else MAX_CELL)
        check_unpacked(title, unpacked)


def _check_schema(schema: pa.Schema, rows: int, title: str) -> tuple[int, list[str]]:
    """Return the bytes of the columns of fixed width and the names of the columns of words.

    Raise BadDataFile if a column is nested, a cell exceeds `MAX_CELL` bytes or those bytes exceed `MAX_UNPACKED`.
    """
    unpacked, words = 0, []
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_nested(kind):
            raise BadDataFile(
                f"{title}: column {printable(field.name[:60])} is nested, and a cell must hold one value: save the "
                "table without it."
            )
        if _is_words(kind):
            words.append(field.name)
        else:
            width = max(kind.bit_width // 8, 1) if kind.id != pa.null().id else 0
            _check_cell(title, field.name, width)
            unpacked += width * rows
    check_unpacked(title, unpacked)
    return unpacked, words


def _check_words(path: Path, title: str, names: list[str], unpacked: int, longest: int) -> None:
    try:
        with pq.ParquetFile(path, read_dictionary=names) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
                unpacked += _word_bytes(batch, title, longest)
                check_unpacked(title, unpacked)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError):
        return  # the reader says it


def _word_bytes(batch: pa.RecordBatch, title: str, longest: int) -> int:
    """Return the bytes of all cells of a batch of columns of words; raise BadDataFile if one exceeds `longest`."""
    size = 0
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_dictionary(column.type):
            lengths = pc.binary_length(column.dictionary)
            _check_cell(title, name, pc.max(lengths).as_py() or 0, longest)
            lengths = pc.take(lengths, column.indices)
        else:
            lengths = pc.binary_length(column)
            _check_cell(title, name, pc.max(lengths).as_py() or 0, longest)
        size += pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0
    return size


def _is_words(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(kind) for test in tests)


def _check_cell(title: str, name: str, size: int, longest: int = MAX_CELL) -> None:
    if size > longest:
        raise BadDataFile(
            f"{title}: column {printable(name[:60])} {LONG_CELL} {size:,} bytes, and at most {longest:,} are "
            "read: shorten it, or save the table without this column."
        )


def check_table(table: pd.DataFrame, title: str) -> None:
    """Check the size of a table as its reader returned it; `title` names it in messages.

    Raises
    ------
    BadDataFile
        If it has more than `MAX_COLUMNS` columns or `MAX_CELLS` cells, names of more than `MAX_NAMES` bytes in all,
        or a cell of more than `MAX_CELL` bytes.
    """
    if table.shape[1] > MAX_COLUMNS or table.size > MAX_CELLS:
        raise BadDataFile(
            f"{title} is too large: {len(table)} rows × {table.shape[1]} columns, and at most {MAX_COLUMNS} columns "
            f"and {MAX_CELLS / 1e6:.0f} million values are read."
        )
    if sum(len(str(name).encode()) for name in table.columns) > MAX_NAMES:
        raise BadDataFile(f"{title} has column names of more than {MAX_NAMES >> 20} MB in all: shorten them.")
    for place, name in enumerate(table.columns):
        _check_cell(title, str(name), _longest_cell(table.iloc[:, place]))


def _longest_cell(values: pd.Series) -> int:
    """Return the bytes of the longest cell in a column of text or objects; 0 for a column of numbers."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = pd.Series(values.cat.categories)
    if values.dtype != object and not pd.api.types.is_string_dtype(values):
        return 0
    if values.dtype == object:
        return max((len(cell) for cell in values if isinstance(cell, str | bytes)), default=0)
    lengths = pc.binary_length(pa.array(values, from_pandas=True))
    return int(pc.max(lengths).as_py() or 0)

"""Uploaded tables: each in a folder of the cache, under a generated name.

An upload belongs to the browser that uploaded it and is deleted after that browser leaves, unless it
is permanent. The original file name is only displayed; it never becomes a path. Folder names are random.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import shutil
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from anoonly_core.data.dataset import Dataset, Provenance
from anoonly_core.data.feature_files import Previews, read_previews
from anoonly_core.data.tables.files import FORMATS, ReadOptions, check_size, file_suffix, printable
from anoonly_core.data.tables.limits import check_parquet, check_table
from anoonly_core.data.tables.parsing import ParsedTable, parse_table
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.data.tables.upload_disk import folder_bytes, removed, uploads_folder, write_file
from anoonly_core.data.tables.upload_metadata import NAME, Upload, encode_metadata, read_metadata, write_metadata
from anoonly_core.data.tables.upload_rows import identity_of, load_arrays, to_arrays, to_parsed
from anoonly_core.errors import BadDataFile, CacheUnavailable, UnknownDataset
from anoonly_core.files import locked
from anoonly_core.lru import LRU
from anoonly_core.progress import Report, report_nothing, report_part

__all__ = [
    "add",
    "apply_schema",
    "check_room",
    "find",
    "get",
    "list_uploads",
    "load",
    "load_dataset",
    "load_labels",
    "previews",
    "provenance",
    "read_source",
    "remove",
    "save_labels",
    "set_permanent",
    "source_path",
]

TABLE, SOURCE = "table.npz", "source"
HAND_LABELS = "labels.csv"
MARKS = "marks.json"  # of earlier versions: row number to True for an anomaly
MAX_NAME = 80  # characters of a displayed file name
MAX_TABLES = 10  # per owner
MAX_OWNER_BYTES = 2**30  # on the disk, for each owner
MAX_ALL_BYTES = 8 * 2**30  # on the disk, for all owners
MAX_PERMANENT_BYTES = 4 * 2**30  # on the disk, so that permanent tables leave room for others
MAX_METADATA = 2**22  # bytes of the description, which pages read
RETRY = "try again"
READING = 0.4  # share of the time to read a text file and take its rows
CACHED_BYTES = 2**27  # larger tables are not kept in memory
CHUNK = 1 << 20  # bytes


def add(file_name: str, content: BinaryIO, owner: str, server: str) -> Upload:
    """Store an uploaded file in a new folder of the cache and return its metadata; no schema is applied yet.

    Parameters
    ----------
    file_name
        File name from the browser.
    content
        Readable binary file.
    owner
        Token of the browser.
    server
        Token of this server.

    Raises
    ------
    BadDataFile
        If the suffix is unknown, the file exceeds `MAX_BYTES`, the owner has `MAX_TABLES` tables or
        `MAX_OWNER_BYTES`, all owners have `MAX_ALL_BYTES`, or the file cannot be written.
    """
    suffix, title = file_suffix(file_name), printable(file_name[-MAX_NAME:])
    if not suffix:
        raise BadDataFile(f"{title} is no table file: {FORMATS}.")
    check_room(title, owner)
    stem = re.sub(r"[^a-z0-9]+", "-", Path(file_name).name[: -len(suffix)].lower()).strip("-")[:24].strip("-")
    table = Upload(f"own_{stem or 'table'}_{secrets.token_hex(4)}", title, suffix, owner, server)
    try:
        table.folder.mkdir(parents=True, mode=0o700)
        with (table.folder / f"{SOURCE}{suffix}").open("wb") as file:
            while chunk := content.read(CHUNK):
                check_size(title, file.tell() + len(chunk))
                file.write(chunk)
        with _locked(title):  # two uploads at a time may not both be the tenth
            check_room(title, owner, folder_bytes(table.folder))
            write_metadata(table)
    except BaseException as error:
        shutil.rmtree(table.folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise BadDataFile(f"{title} could not be saved in the cache folder ({error.strerror}).") from error
        raise
    return table


def check_room(title: str, owner: str, size: int = 0) -> None:
    """Raise BadDataFile if the limits allow this owner no further upload of `size` bytes.

    The limits are `MAX_TABLES` and `MAX_OWNER_BYTES` per owner, and `MAX_ALL_BYTES` in all. `title` names the
    file in the message.
    """
    if sum(table.owner == owner for table in list_uploads()) >= MAX_TABLES:
        raise BadDataFile(f"You already have {MAX_TABLES} tables here: remove one before you upload {title}.")
    if _disk_bytes(owner) + size > MAX_OWNER_BYTES:
        raise BadDataFile(
            f"Your tables here take more than {MAX_OWNER_BYTES >> 20} MB: remove one before you upload {title}."
        )
    if _disk_bytes() > MAX_ALL_BYTES:
        raise BadDataFile(f"The tables of this server take all room that they may: try to upload {title} later.")


def find(name: str) -> Upload | None:
    """Return the metadata of the upload with this name; None if there is none or it is damaged."""
    if (parts := NAME.fullmatch(name)) is None:
        return None
    table = read_metadata(uploads_folder() / parts[2])
    return table if table is not None and table.name == name else None


def get(name: str) -> Upload:
    """Return the metadata of the upload with this name; raise UnknownDataset if there is none."""
    if (table := find(name)) is None:
        raise removed(name)
    return table


def list_uploads(owner: str | None = None) -> list[Upload]:
    """Return the metadata of all uploads, sorted by name; with `owner`, only of those that this owner may see.

    An owner sees tables that the owner uploaded, and permanent ones.
    """
    try:
        uploads = [read_metadata(path) for path in uploads_folder().iterdir()]
    except OSError:
        return []
    visible = [
        table for table in uploads if table is not None and (owner is None or table.permanent or table.owner == owner)
    ]
    return sorted(visible, key=lambda table: table.name)


def read_source(table: Upload, options: ReadOptions | None = None, report: Report = report_nothing) -> pd.DataFrame:
    """Read all columns of the uploaded file, as `read_table` does.

    The table read last stays in memory unless it takes more than `CACHED_BYTES`.

    Parameters
    ----------
    table
        Metadata of the upload.
    options
        Choices on how the file is read; by default those of the schema that was applied.
    report
        As in `read_table`.

    Raises
    ------
    UnknownDataset
        If the upload was removed.
    BadDataFile
        If the file cannot be read or exceeds a limit of the module `limits`.
    """
    options = options or table.get_schema().read_options
    key = f"{table.name} {options}"
    source = _sources.get(key)
    if source is None:
        _sources.clear()  # before the next table takes memory
        path = source_path(table)
        check_parquet(path, table.file_name)
        source = read_table(path, table.file_name, options, report)
        check_table(source, table.file_name)
        if source.memory_usage(deep=True).sum() <= CACHED_BYTES:
            _sources.put(key, source)
    return source


_sources: LRU[pd.DataFrame] = LRU(1)


def source_path(table: Upload) -> Path:
    """Return the path of the uploaded file; raise UnknownDataset if the upload was removed."""
    path = table.folder / f"{SOURCE}{table.suffix}"
    if not path.is_file():
        raise removed(table.file_name)
    return path


def apply_schema(table: Upload, schema: TableSchema, report: Report = report_nothing) -> tuple[Upload, ParsedTable]:
    """Parse an upload under a schema and store the result on disk, replacing an earlier one.

    Parameters
    ----------
    table
        Metadata as `find` or `add` returned it.
    schema
        Use of the columns.
    report
        Called while the file is read and before steps of its columns; `Cancelled` from it ends the
        reading.

    Returns
    -------
    upload
        Metadata with the new identity, schema and counts.
    parsed
        Features and labels.

    Raises
    ------
    BadDataFile
        If the file cannot be read or the schema does not fit; the stored result is unchanged.
    UnknownDataset
        If the upload was removed, or another schema was applied since `table` was found.
    CacheUnavailable
        If the result cannot be written.
    """
    test = None if schema.test is None else read_source(_test_upload(table, schema.test))
    source = read_source(table, schema.read_options, report_part(report, 0.0, READING))
    parsed = parse_table(source, schema, table.file_name, test, report_part(report, READING, 1.0))
    arrays = to_arrays(parsed, table.file_name)
    identity = identity_of(arrays)
    changes = _describe(table, parsed, schema, arrays)
    if len(encode_metadata(replace(table, **changes))) > MAX_METADATA:
        raise BadDataFile(
            f"{table.file_name} has names and words of more than {MAX_METADATA >> 20} MB in all: shorten them, or "
            "leave columns out."
        )
    body = io.BytesIO()
    np.savez(body, allow_pickle=False, **arrays)
    with _locked(table.file_name):
        current = get(table.name)  # read again: it may have become permanent meanwhile
        if _version(current) not in (_version(table), (identity, changes["schema"])):
            raise _stale(table)
        if _disk_bytes() + body.tell() > MAX_ALL_BYTES:
            raise BadDataFile(f"The tables of this server take all room that they may: remove one, then {RETRY}.")
        # Each version of the rows has a file of its own, and the description names it: both change in one step.
        rows = _rows_file(current, identity)
        write_file(rows, body.getvalue())
        updated = replace(current, **changes)
        write_metadata(updated)
        for other in table.folder.glob("table*.npz"):
            if other != rows:
                with suppress(OSError):  # open in another process, on Windows
                    other.unlink()
    return updated, parsed


def _describe(
    table: Upload, parsed: ParsedTable, schema: TableSchema, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Return the fields of an upload that change when a schema is applied, by name.

    Parameters
    ----------
    table
        Metadata before.
    parsed
        Its rows under the schema.
    schema
        Use of the columns.
    arrays
        The rows as `to_arrays` returns them.
    """
    classes = tuple(str(name) for name in arrays["names"] if name)
    y = parsed.y[parsed.drawn]
    counts = {"anomalies": int((y == 1).sum()), "normals": int((y == 0).sum()), "unlabelled": int((y < 0).sum())}
    counts["anomalies_in_file"] = int((parsed.y == 1).sum())
    counts["copies"] = len(parsed.X) - 1 - int(parsed.unlabeled_dataset(table.name).identical.max())
    return {
        "identity": identity_of(arrays),
        "schema": schema.model_dump(mode="json", exclude_defaults=True),
        "preprocessing": parsed.preprocessing.model_dump(mode="json"),
        "label_column": parsed.label_column,
        "counts": {"rows": len(y), "features": parsed.X.shape[1], "rows_in_file": parsed.rows_in_file, **counts},
        "missing_counts": {column.name: column.missing for column in parsed.profiles if column.missing},
        "label_values": classes if len(classes) > 2 else (),
        "notes": parsed.notes,
    }


def _test_upload(table: Upload, name: str) -> Upload:
    """Return the upload whose rows are the test of a table; raise BadDataFile if its owner may not see it."""
    test = get(name)
    if (not test.permanent and test.owner != table.owner) or test.name == table.name:
        raise BadDataFile(f"{table.file_name} cannot be tested on {test.file_name}: choose another table of yours.")
    return test


def _rows_file(table: Upload, identity: str) -> Path:
    """Return the path of the .npz file that holds the parsed rows with this identity."""
    return table.folder / f"table-{identity.removeprefix('own:')[:16]}.npz"


def _locked(title: str) -> ExitStack:
    """Take the lock of all uploads; return a context manager that releases it on exit.

    Raise UnknownDataset, which says that `title` was removed, if there is no folder of uploads; CacheUnavailable
    if the lock cannot be taken.
    """
    stack = ExitStack()
    try:
        stack.enter_context(locked(uploads_folder()))
    except FileNotFoundError as error:
        raise removed(title) from error
    except OSError as error:
        raise CacheUnavailable(f"{uploads_folder()} cannot be read ({error.strerror}): give access there.") from error
    return stack


def _version(table: Upload) -> tuple[str, Any]:
    return table.identity, table.schema


def _stale(table: Upload) -> UnknownDataset:
    return UnknownDataset(f"{table.file_name} was read differently meanwhile: reload the page, then {RETRY}.")


def load(table: Upload) -> ParsedTable:
    """Load the stored features and labels of an upload; those loaded last stay in memory.

    Raises
    ------
    UnknownDataset
        If the upload was removed or damaged, another schema was applied since `table` was found, or none was.
    """
    if (cached := _parsed.get(table.identity)) is not None:
        return cached
    path = _rows_file(table, table.identity)
    if not path.is_file():
        path = table.folder / TABLE  # of an older version of this product
    try:
        arrays = load_arrays(path)
    except Exception as error:
        current = find(table.name)
        if current is not None and current.identity != table.identity:
            raise _stale(table) from error
        raise removed(table.file_name) from error
    if identity_of(arrays) != table.identity:
        raise _stale(table)
    assert table.counts is not None
    parsed = to_parsed(arrays, table.label_column, table.counts["rows_in_file"], table.get_preprocessing())
    _parsed.put(table.identity, parsed)
    return parsed


_parsed: LRU[ParsedTable] = LRU(1)


def load_dataset(table: Upload) -> Dataset:
    """Load the stored rows of an upload as a data set, with the previews of a feature file.

    Raises
    ------
    BadDataFile
        If there is no label column, no labeled anomaly or no labeled normal row.
    UnknownDataset
        If the upload was removed or damaged, another schema was applied since `table` was found, or none was.
    """
    return replace(load(table).dataset(table.name, provenance(table)), previews=previews(table))


def previews(table: Upload) -> Previews | None:
    """Return the names and previews of the rows of an upload that is a feature file; None for any other upload."""
    return read_previews(table.folder / f"{SOURCE}{table.suffix}")


def provenance(table: Upload) -> Provenance:
    """Return the provenance of an upload: its file, with the license "yours", and what made a feature file."""
    shown = previews(table)
    return Provenance(f"the file {table.file_name}", "yours", "" if shown is None else shown.about.origin)


def load_labels(table: Upload) -> str:
    """Load the history of labels set by hand, as CSV; "" if there is none or it cannot be read.

    Marks that an earlier version stored are turned into such a history.
    """
    with suppress(OSError, ValueError):
        return (table.folder / HAND_LABELS).read_text(encoding="utf-8")
    with suppress(OSError, ValueError, AttributeError):
        stored = json.loads((table.folder / MARKS).read_text(encoding="utf-8"))
        lines = [f"{int(row)},{'anomaly' if anomalous else 'normal'}" for row, anomalous in stored.items()]
        return "\n".join(["row,label", *lines, ""])
    return ""


def save_labels(table: Upload, history: str) -> None:
    """Store the history of labels set by hand, as CSV, replacing the earlier one.

    Raises
    ------
    UnknownDataset
        If the upload was removed.
    CacheUnavailable
        If the file cannot be written.
    """
    write_file(table.folder / HAND_LABELS, history.encode())


def set_permanent(table: Upload, permanent: bool = True) -> Upload:
    """Make an upload permanent and visible to every user of this server, or undo that; return its new metadata.

    Raises
    ------
    UnknownDataset
        If the upload was removed, or another schema was applied since `table` was found.
    BadDataFile
        If the permanent tables would take more than `MAX_PERMANENT_BYTES`.
    CacheUnavailable
        If its metadata cannot be written.
    """
    with _locked(table.file_name):
        current = get(table.name)
        if _version(current) != _version(table):
            raise _stale(table)
        kept = sum(folder_bytes(other.folder) for other in list_uploads() if other.permanent or other == current)
        if permanent and kept > MAX_PERMANENT_BYTES:
            raise BadDataFile(f"The tables kept on this server take all room that they may: remove one, then {RETRY}.")
        updated = replace(current, permanent=permanent)
        write_metadata(updated)
    return updated


def remove(table: Upload) -> None:
    """Delete the folder of an upload; errors are ignored, and `find` then still returns the upload."""
    shutil.rmtree(table.folder, ignore_errors=True)


def _disk_bytes(owner: str | None = None) -> int:
    """Return the bytes on disk of the uploads of an owner, or of all uploads for None."""
    if owner is not None:
        return sum(folder_bytes(table.folder) for table in list_uploads() if table.owner == owner)
    return folder_bytes(uploads_folder())

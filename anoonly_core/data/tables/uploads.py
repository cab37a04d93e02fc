"""Tables that were brought to the page: each in a folder of the cache of its own, under a name that we make.

A table belongs to an owner, a browser, and goes with it unless it is kept on purpose. The name that a user gave
the file is shown and never becomes a path; a folder's name is random.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from anoonly_core.data.dataset import Dataset, Provenance
from anoonly_core.data.tables.preprocessing import Preprocessing
from anoonly_core.data.tables.readers import FILE_SUFFIXES, check_size, file_suffix, printable, read_table
from anoonly_core.data.tables.schema import ParsedTable, TableSchema, make_schema, parse_table
from anoonly_core.errors import BadDataFile, CacheUnavailable, UnknownDataset
from anoonly_core.files import write_atomic
from anoonly_core.paths import cache_folder

__all__ = [
    "Upload",
    "add",
    "apply_schema",
    "find",
    "folder",
    "get",
    "is_upload_name",
    "list_uploads",
    "load",
    "load_dataset",
    "load_marks",
    "provenance",
    "read_source",
    "remove",
    "save_marks",
    "set_permanent",
]

NAME = re.compile(r"own_([a-z0-9-]{1,24})_([0-9a-f]{8})")
ABOUT, TABLE, SOURCE = "about.json", "table.npz", "source"
MARKS = "marks.json"
# Keys of about.json that differ from the names of the fields.
_STORED_KEYS = {
    "file_name": "shown",
    "permanent": "kept",
    "schema": "reading",
    "preprocessing": "preparation",
    "label_column": "label",
    "missing_counts": "filled",
    "label_values": "labels",
}
_FIELD_NAMES = {key: name for name, key in _STORED_KEYS.items()}
SHOWN_LENGTH = 80
MAX_TABLES = 10  # of one owner, so that nobody fills the disk
REMEMBERED_CELLS = 5_000_000
PIECE = 1 << 20


@dataclass(frozen=True)
class Upload:
    """What is known of a table without opening it.

    name: what a run's config calls it. shown: the file's name as the user gave it, on one line. owner: whose it
    is. server: which server brought it, as the server calls itself. kept: whether it stays when its owner goes.
    identity: changes whenever its rows would; "" until it has been read as something. counts: rows, features,
    rows_in_file, anomalies, anomalies_in_file (before they were drawn), normals, unlabeled, copies. filled: how
    many cells of a column were missing, by its name, where a column lacks any. labels: the values of its label
    column where it has three or more.
    """

    name: str
    file_name: str
    suffix: str
    owner: str
    server: str
    permanent: bool = False
    identity: str = ""
    schema: Mapping[str, Any] | None = None
    preprocessing: Mapping[str, Any] | None = None
    label_column: str = ""
    counts: Mapping[str, int] | None = None
    missing_counts: Mapping[str, int] | None = None
    label_values: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return folder() / self.name.rpartition("_")[2]

    @property
    def can_be_tested(self) -> bool:
        """Whether a run can train and be tested on it."""
        return self.counts is not None and self.counts["anomalies"] > 0 and self.counts["normals"] > 0

    def get_schema(self) -> TableSchema:
        """How it is meant."""
        return make_schema(self.schema or {})

    def get_preprocessing(self) -> Preprocessing:
        """How its columns become features."""
        return Preprocessing.model_validate(self.preprocessing)


def folder() -> Path:
    """Where such tables lie, each in a folder; it need not exist yet."""
    return cache_folder() / "tables"


def is_upload_name(name: str) -> bool:
    """Whether a table that was brought to the page could have this name."""
    return NAME.fullmatch(name) is not None


def add(shown: str, source: BinaryIO, owner: str, server: str) -> Upload:
    """Put a file into a folder of its own; raises BadDataFile where it is of no known kind, too large, one too many."""
    suffix, seen = file_suffix(shown), printable(shown[-SHOWN_LENGTH:])
    if not suffix:
        raise BadDataFile(f"{seen} is no {', '.join(FILE_SUFFIXES)} file.")
    if sum(table.owner == owner for table in list_uploads()) >= MAX_TABLES:
        raise BadDataFile(f"{MAX_TABLES} tables of yours are here already: remove one before you bring {seen}.")
    stem = re.sub(r"[^a-z0-9]+", "-", Path(shown).name[: -len(suffix)].lower()).strip("-")[:24].strip("-")
    table = Upload(f"own_{stem or 'table'}_{secrets.token_hex(4)}", seen, suffix, owner, server)
    try:
        table.folder.mkdir(parents=True, mode=0o700)
        with (table.folder / f"{SOURCE}{suffix}").open("wb") as file:
            while piece := source.read(PIECE):
                check_size(seen, file.tell() + len(piece))
                file.write(piece)
        _note(table)
    except BaseException as error:
        shutil.rmtree(table.folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise BadDataFile(f"{seen} cannot be kept in the cache folder ({error.strerror}).") from error
        raise
    return table


def find(name: str) -> Upload | None:
    """The table of this name; None if there is none."""
    if (parts := NAME.fullmatch(name)) is None:
        return None
    table = _noted(folder() / parts[2])
    return table if table is not None and table.name == name else None


def get(name: str) -> Upload:
    """The same; raises UnknownDataset where there is none."""
    if (table := find(name)) is None:
        raise _gone(name)
    return table


def list_uploads(owner: str | None = None) -> list[Upload]:
    """All tables, or those that this owner sees: its own and the kept ones; in order of their names."""
    try:
        found = [_noted(path) for path in folder().iterdir()]
    except OSError:
        return []
    seen = [
        table for table in found if table is not None and (owner is None or table.permanent or table.owner == owner)
    ]
    return sorted(seen, key=lambda table: table.name)


def read_source(table: Upload) -> pd.DataFrame:
    """Its file as it came, remembered while it is the last one and not large; raises BadDataFile."""
    if table.name not in _recent:
        _recent.clear()
        path = table.folder / f"{SOURCE}{table.suffix}"
        if not path.is_file():
            raise _gone(table.file_name)
        source = read_table(path, table.file_name)
        if source.size > REMEMBERED_CELLS:
            return source
        _recent[table.name] = source
    return _recent[table.name]


_recent: dict[str, pd.DataFrame] = {}


def apply_schema(table: Upload, schema: TableSchema) -> tuple[Upload, ParsedTable]:
    """Read a table as it is meant and keep it so, not as before; raises BadDataFile or CacheUnavailable."""
    read = parse_table(read_source(table), schema, table.file_name)
    names, codes = np.unique(read.labels.astype(str), return_inverse=True)
    arrays = {"X": read.X, "y": read.y, "places": read.file_rows, "drawn": read.drawn, "codes": codes, "names": names}
    digest = hashlib.sha256()
    for array in arrays.values():
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    body = io.BytesIO()
    np.savez(body, allow_pickle=False, **arrays)
    _replace(table.folder / TABLE, body.getvalue())
    classes = tuple(str(name) for name in names if name)
    y = read.y[read.drawn]
    counts = {"anomalies": int((y == 1).sum()), "normals": int((y == 0).sum()), "unlabelled": int((y < 0).sum())}
    counts["anomalies_in_file"] = int((read.y == 1).sum())
    counts["copies"] = len(read.X) - 1 - int(read.unlabeled_dataset(table.name).identical.max())
    settled = replace(
        get(table.name),  # as it is now: it may have been kept while a worker read it
        identity=f"own:{digest.hexdigest()}",
        schema=schema.model_dump(mode="json", exclude_defaults=True),
        preprocessing=read.preprocessing.model_dump(mode="json"),
        label_column=read.label_column,
        counts={"rows": len(y), "features": read.X.shape[1], "rows_in_file": read.rows_in_file, **counts},
        missing_counts={column.name: column.missing for column in read.profiles if column.missing},
        label_values=classes if len(classes) > 2 else (),
    )
    _note(settled)
    return settled, read


def load(table: Upload) -> ParsedTable:
    """The table as it was settled, remembered while it is the last one; raises UnknownDataset where it is gone."""
    if table.identity in _loaded:
        return _loaded[table.identity]
    try:
        with np.load(table.folder / TABLE, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
    except Exception as error:
        raise _gone(table.file_name) from error
    labels = arrays["names"].astype(object)[arrays["codes"]]
    assert table.counts is not None
    read = ParsedTable(
        *(arrays["X"], arrays["y"], arrays["places"], arrays["drawn"], labels, table.label_column),
        *(table.counts["rows_in_file"], table.get_preprocessing(), ()),
    )
    _loaded.clear()
    _loaded[table.identity] = read
    return read


_loaded: dict[str, ParsedTable] = {}


def load_dataset(table: Upload) -> Dataset:
    """The same as a data set; raises BadDataFile where it has no rows to test on."""
    return load(table).dataset(table.name, provenance(table))


def provenance(table: Upload) -> Provenance:
    """Where its rows come from."""
    return Provenance(f"the file {table.file_name}", "yours")


def load_marks(table: Upload) -> dict[int, bool]:
    """What was marked by hand: rows by their place in the file, True for an anomaly, False for one that is none."""
    with suppress(OSError, ValueError, AttributeError):
        kept = json.loads((table.folder / MARKS).read_text(encoding="utf-8"))
        return {int(row): bool(anomalous) for row, anomalous in kept.items()}
    return {}


def save_marks(table: Upload, marked: Mapping[int, bool]) -> None:
    """Keep the marks with the table, in place of those that were there; raises CacheUnavailable."""
    _replace(table.folder / MARKS, json.dumps({str(row): bool(own) for row, own in marked.items()}).encode())


def set_permanent(table: Upload, permanent: bool = True) -> Upload:
    """Let a table stay when its owner goes, for all who use this server, or no longer so; raises CacheUnavailable."""
    changed = replace(table, permanent=permanent)
    _note(changed)
    return changed


def remove(table: Upload) -> None:
    """Delete a table and all that lies with it, as far as the disk lets it: `find` tells."""
    shutil.rmtree(table.folder, ignore_errors=True)


def _gone(shown: str) -> UnknownDataset:
    return UnknownDataset(f"The table {shown} is not here any more: bring its file again.")


def _note(table: Upload) -> None:
    stored = {_STORED_KEYS.get(name, name): value for name, value in asdict(table).items()}
    _replace(table.folder / ABOUT, json.dumps(stored).encode())


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; raises UnknownDataset where its table was removed, or CacheUnavailable."""
    try:
        write_atomic(path, content)
    except FileNotFoundError as error:
        raise _gone(path.parent.name) from error
    except OSError as error:
        why = f"What is said of this table cannot be kept in {path.parent} ({error.strerror})"
        raise CacheUnavailable(f"{why}: make room or give access there.") from error


def _noted(path: Path) -> Upload | None:
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        stored = json.loads((path / ABOUT).read_text(encoding="utf-8"))
        values = {_FIELD_NAMES.get(key, key): value for key, value in stored.items()}
        table = Upload(**{**values, "label_values": tuple(values["label_values"])})
        return table if NAME.fullmatch(table.name) and table.folder.name == path.name else None
    return None

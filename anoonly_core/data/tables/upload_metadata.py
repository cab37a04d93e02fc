"""Metadata of uploaded tables: what each upload is, and its file about.json."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anoonly_core.data.tables.preprocessing import Preprocessing
from anoonly_core.data.tables.schema import TableSchema, make_schema
from anoonly_core.data.tables.upload_disk import uploads_folder, write_file
from anoonly_core.files import file_state
from anoonly_core.lru import LRU

__all__ = ["NAME", "Upload", "encode_metadata", "is_upload_name", "read_metadata", "write_metadata"]

NAME = re.compile(r"own_([a-z0-9-]{1,24})_([0-9a-f]{8})")
METADATA = "about.json"
CACHED_DESCRIPTIONS = 2**24  # bytes
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


@dataclass(frozen=True)
class Upload:
    """Metadata of an uploaded table, as stored in about.json.

    Attributes
    ----------
    name
        Data set name, ``own_STEM_XXXXXXXX``.
    file_name
        Original file name, shortened and printable.
    suffix
        Suffix of the file, one of `FILE_SUFFIXES`.
    owner
        Token of the browser that uploaded the table.
    server
        Token of the server that received the table.
    permanent
        True if every user sees the table and it stays after the owner leaves.
    identity
        Text that changes whenever the rows change; "" before a schema was applied.
    schema, preprocessing
        JSON fields of the `TableSchema` and the `Preprocessing`; see `get_schema`.
    label_column
        Name of the label column, or "".
    counts
        Numbers of rows, features, rows_in_file, anomalies, anomalies_in_file (before they were
        drawn), normals, unlabelled and copies; None before a schema was applied.
    missing_counts
        Number of missing cells by column name; columns without any are omitted.
    label_values
        Values of the label column if there are three or more, else ().
    notes
        Sentences on choices that reading made without being asked, and on columns to check.
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
    notes: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Folder that holds the files of the upload; it need not exist."""
        return uploads_folder() / self.name.rpartition("_")[2]

    @property
    def can_be_tested(self) -> bool:
        """True if a schema was applied and the rows have both labeled anomalies and labeled normal rows."""
        return self.counts is not None and self.counts["anomalies"] > 0 and self.counts["normals"] > 0

    def get_schema(self) -> TableSchema:
        """Return the schema that was applied, the default one if none was."""
        return make_schema(self.schema or {})

    def get_preprocessing(self) -> Preprocessing:
        """Return the stored steps from the columns to the features; a schema must have been applied."""
        return Preprocessing.model_validate(self.preprocessing)


def is_upload_name(name: str) -> bool:
    """Return True if the name has the form ``own_STEM_XXXXXXXX``; the upload need not exist."""
    return NAME.fullmatch(name) is not None


def read_metadata(path: Path) -> Upload | None:
    """Return the metadata in the folder of an upload; None if it has none or a damaged one.

    What was read last stays in memory as long as its file does not change.
    """
    with suppress(OSError):
        state = file_state(path / METADATA)
        if (known := _descriptions.get(state)) is not None:  # each page lists all tables
            return known.table
        table = _parse_metadata(path)
        if table is not None:
            _descriptions.put(state, _Description(table, len(encode_metadata(table))))
        return table
    return None


@dataclass(frozen=True)
class _Description:
    """Metadata of an upload with the bytes of its JSON."""

    table: Upload
    size: int  # bytes of its JSON


_descriptions = LRU[_Description](CACHED_DESCRIPTIONS, weight=lambda description: max(description.size, 1024))


def _parse_metadata(path: Path) -> Upload | None:
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        stored = json.loads((path / METADATA).read_text(encoding="utf-8"))
        values = {_FIELD_NAMES.get(key, key): value for key, value in stored.items()}
        table = Upload(
            **{**values, "label_values": tuple(values["label_values"]), "notes": tuple(values.get("notes", ()))}
        )
        return table if NAME.fullmatch(table.name) and table.folder.name == path.name else None
    return None


def write_metadata(table: Upload) -> None:
    """Write the metadata of an upload into its folder, replacing the earlier ones; raise as `write_file` does."""
    write_file(table.folder / METADATA, encode_metadata(table))


def encode_metadata(table: Upload) -> bytes:
    """Return the metadata of an upload as the JSON of its file."""
    stored = {_STORED_KEYS.get(name, name): value for name, value in asdict(table).items()}
    if not table.notes:  # as in files of earlier versions
        del stored["notes"]
    return json.dumps(stored).encode()

"""Table files and their schema in one line: `file.csv?label=class&anomaly=4,5&missing=drop`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np

from anoonly_core.data.dataset import Dataset, Provenance
from anoonly_core.data.feature_files import read_previews
from anoonly_core.data.tables.files import file_fingerprint, file_suffix, printable
from anoonly_core.data.tables.parsing import ParsedTable, parse_table
from anoonly_core.data.tables.profile import profile_table, suggest_schema
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import LATER_FIELDS, TableSchema, make_schema
from anoonly_core.errors import AnoOnlyError, OpenChoices
from anoonly_core.lru import LRU

__all__ = [
    "feature_revision",
    "file_identity",
    "file_provenance",
    "format_uri",
    "is_file_uri",
    "load_file",
    "parse_file",
    "parse_uri",
    "read_uri",
]

CACHED_CELLS = 5_000_000
MAX_EXAMPLE = 300  # characters of an example in an error
_LISTS = ("anomaly", "normal", "without", "keep")
_PLAIN = " ()[]{}'/:+*$@!~"  # characters that need no escape in a value


def parse_uri(uri: str) -> tuple[Path, TableSchema]:
    """Split a file URI into the path of the file and the schema; the file need not exist.

    Parameters
    ----------
    uri
        Path, optionally followed by ``?key=value&…`` with the fields of `TableSchema`.
        Values are percent-encoded where they contain ``%``, ``&``, ``,`` or ``=``.
        An existing file with a question mark in its name is taken as a path.

    Raises
    ------
    InvalidConfig
        If a key or a value is not one of `TableSchema`.
    """
    if "?" not in uri or os.path.isfile(uri):
        return Path(uri), TableSchema()
    path, _, query = uri.rpartition("?")
    values: dict[str, object] = {}
    for part in filter(None, query.split("&")):
        name, _, text = part.partition("=")
        if name in _LISTS:
            values[name] = tuple(unquote(item).strip() for item in text.split(",") if item)
        else:
            values[name] = unquote(text)
    return Path(path), make_schema(values)


def format_uri(path: str, schema: TableSchema) -> str:
    """Return the URI of a path and schema; default values are omitted. The inverse of `parse_uri`."""
    query = []
    for name, value in schema.model_dump(exclude_defaults=True).items():
        texts = value if isinstance(value, tuple) else [str(value)]
        query.append(f"{name}={','.join(quote(str(text), safe=_PLAIN) for text in texts)}")
    return f"{path}?{'&'.join(query)}" if query else path


def is_file_uri(name: str) -> bool:
    """Return True if the name ends in a table suffix (before any ``?``) or is an existing file."""
    return bool(file_suffix(name.rpartition("?")[0] if "?" in name else name)) or os.path.isfile(name)


def file_identity(path: Path, schema: TableSchema) -> str:
    """Return the identity of a table file under a schema, part of run keys.

    The text changes with the bytes of the file, the schema, and revisions of the reader that change its features.
    A table that this version reads as earlier ones did keeps its identity.

    Raises
    ------
    UnknownDataset, BadDataFile
        If the file is missing or cannot be read.
    """
    identity = f"file:{file_suffix(path)}:{file_fingerprint(path)}"
    if schema != TableSchema():
        later = {name for name in LATER_FIELDS if not getattr(schema, name)}
        later.add("test")  # its content counts, not its path
        identity = f"{identity}:{schema.model_dump_json(exclude=later)}"
    if schema.test is not None:
        identity = f"{identity}:{file_fingerprint(Path(schema.test))}"
    try:
        parsed = parse_file(path, schema)
    except AnoOnlyError:
        return identity
    return f"{identity}{feature_revision(parsed.X, parsed.revision)}"


def feature_revision(X: np.ndarray, revision: int) -> str:
    """Return the suffix of an identity for features that earlier versions computed differently; "" if the same.

    Parameters
    ----------
    X
        Features [rows, columns]. Earlier versions used float32 and replaced a missing number by the median
        of all rows, so float64 and NaN each add a part.
    revision
        First revision of the reader that gives these features.
    """
    exact = ":float64" if X.dtype == np.float64 else ""
    fill = ":train-medians" if np.isnan(X).any() else ""
    return f"{exact}{fill}{'' if revision == 1 else f':{revision}'}"


def file_provenance(path: Path) -> Provenance:
    """Return the provenance of a table file: its path, with the license "yours", and what made a feature file."""
    previews = read_previews(path)
    return Provenance(f"the file {printable(path)}", "yours", "" if previews is None else previews.about.origin)


def parse_file(path: Path, schema: TableSchema) -> ParsedTable:
    """Read a table file and apply a schema; the table parsed last stays in memory if it has at most 5 million features.

    Raises
    ------
    UnknownDataset, BadDataFile
        If the file is missing or unreadable, or the schema does not fit.
    OpenChoices
        If the schema leaves choices open; the error names all of them and an example that makes them.
    """
    test = None if schema.test is None else Path(schema.test)
    fingerprints = [file_fingerprint(file) for file in (path, test) if file is not None]
    key = "\0".join([str(path), *fingerprints, schema.model_dump_json()])
    if (cached := _parsed.get(key)) is not None:
        return cached
    table = read_table(path, None, schema.read_options)
    test_table = None if test is None else read_table(test, None, schema.read_options)
    try:
        parsed = parse_table(table, schema, printable(path), test_table)
    except OpenChoices as error:
        example = format_uri(path.name, suggest_schema(profile_table(table), schema))
        raise OpenChoices(error.title, error.choices, example if len(example) <= MAX_EXAMPLE else "") from None
    if parsed.X.size <= CACHED_CELLS:
        _parsed.put(key, parsed)
    return parsed


_parsed: LRU[ParsedTable] = LRU(1)


def load_file(path: Path, schema: TableSchema) -> Dataset:
    """Read a table file as a data set with the labels of a schema, and the previews of a feature file.

    Raises
    ------
    UnknownDataset, BadDataFile
        If the file is missing or unreadable, or lacks labeled anomalies or normal rows.
    """
    dataset = parse_file(path, schema).dataset(printable(path.name), file_provenance(path))
    return replace(dataset, previews=read_previews(path))


def read_uri(uri: str) -> ParsedTable:
    """Read the table file that a URI names and apply its schema.

    Raise UnknownDataset, InvalidConfig or BadDataFile if the file, the URI or the content does not fit.
    """
    return parse_file(*parse_uri(uri))

"""A file of the user's with how it is meant, in one line: `file.csv?label=class&anomaly=4,5&missing=drop`."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote

from anoonly_core.data.dataset import Dataset, Provenance
from anoonly_core.data.tables.readers import file_fingerprint, file_suffix, printable, read_table
from anoonly_core.data.tables.schema import ParsedTable, TableSchema, make_schema, parse_table

__all__ = ["format_uri", "is_file_uri", "load_uri", "parse_uri", "read_uri", "uri_identity"]

_LISTS = ("anomaly", "normal", "without")
_PLAIN = " ()[]{}'/:+*$@!~"  # characters that need no escape in a value; those of the address itself do


def parse_uri(address: str) -> tuple[Path, TableSchema]:
    """The file and how it is meant; a file whose own name has a question mark is found too.

    Values are percent-encoded where they hold one of `%`, `&`, `,` or `=`. Raises InvalidConfig.
    """
    if "?" not in address or os.path.isfile(address):
        return Path(address), TableSchema()
    path, _, said = address.rpartition("?")
    values: dict[str, object] = {}
    for part in filter(None, said.split("&")):
        name, _, text = part.partition("=")
        if name in _LISTS:
            values[name] = tuple(unquote(own).strip() for own in text.split(",") if own)
        else:
            values[name] = unquote(text)
    return Path(path), make_schema(values)


def format_uri(path: str, reading: TableSchema) -> str:
    """The address that means this file and reading; what has not been said is left out."""
    said = []
    for name, value in reading.model_dump(exclude_defaults=True).items():
        texts = value if isinstance(value, tuple) else [str(value)]
        said.append(f"{name}={','.join(quote(str(text), safe=_PLAIN) for text in texts)}")
    return f"{path}?{'&'.join(said)}" if said else path


def is_file_uri(name: str) -> bool:
    """Whether a name is meant as a file, by its ending or because one is there."""
    return bool(file_suffix(name.rpartition("?")[0] if "?" in name else name)) or os.path.isfile(name)


def uri_identity(address: str) -> str:
    """What a key knows a file by: its bytes and how they are read; raises as read_address does."""
    path, reading = parse_uri(address)
    known = f"file:{file_suffix(path)}:{file_fingerprint(path)}"
    return known if reading == TableSchema() else f"{known}:{reading.model_dump_json()}"


def read_uri(address: str) -> ParsedTable:
    """The file's table as it is meant; raises UnknownDataset, InvalidConfig or BadDataFile with one sentence."""
    path, reading = parse_uri(address)
    return parse_table(read_table(path), reading, printable(path))


def load_uri(address: str) -> Dataset:
    """The same as a data set, which needs rows that are known to be anomalies and rows known to be normal."""
    path, _ = parse_uri(address)
    return read_uri(address).dataset(printable(path.name), Provenance(f"the file {printable(path)}", "yours"))

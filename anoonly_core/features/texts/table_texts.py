"""Texts of a table as raw rows: which are left out, their names, labels and previews."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]

from anoonly_core.data.feature_files import LeftOut
from anoonly_core.data.tables.columns import to_labels, to_words
from anoonly_core.data.tables.files import ReadOptions, file_fingerprint, printable
from anoonly_core.data.tables.label_candidates import find_labels
from anoonly_core.data.tables.limits import check_parquet
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import NO_LABEL, TableSchema, find_label_column
from anoonly_core.errors import BadDataFile
from anoonly_core.features.source import RawRow, RawSource
from anoonly_core.features.texts.cleaning import normalize_text, preview_text
from anoonly_core.features.texts.text_columns import choose_text_column

__all__ = ["MAX_LISTED", "MAX_TEXT", "TextSource", "read_texts", "texts_of"]

MAX_TEXT = 2**20  # bytes of one text in UTF-8
MAX_LISTED = 1000  # rows left out that are listed one by one


@dataclass(frozen=True, eq=False)
class TextSource(RawSource):
    """Texts of one column of a table.

    Attributes
    ----------
    texts
        The texts as they stand in the table, without those left out: an Arrow array of large strings.
    column, label
        Names of the columns of the texts and of the labels; "" for no labels.
    digest
        Hexadecimal SHA-256 of the file, the columns and the options.
    """

    texts: Any = field(default=None, repr=False)
    column: str = ""
    label: str = ""
    digest: str = ""

    @property
    def identity(self) -> str:
        return f"texts:{self.digest}"

    def read(self, rows: Sequence[int], preprocessing: Mapping[str, object]) -> list[RawRow | LeftOut]:
        texts = [self.texts[row].as_py() for row in rows]
        if preprocessing.get("unicode") == "NFC":
            texts = [normalize_text(text) for text in texts]
        return [RawRow(text, preview_text(text).encode()) for text in texts]


def read_texts(
    path: Path,
    column: str | None = None,
    label: str | None = None,
    names: str | None = None,
    options: ReadOptions | None = None,
    title: str | None = None,
) -> TextSource:
    """Read the texts of a table file.

    Parameters
    ----------
    path
        Table in any format of `read_table`.
    column
        Name of the column of texts; None for the one that is plainly meant, see `choose_text_column`.
    label
        Name of the label column; "" for none; None for one with a usual name, see `find_labels`.
    names
        Name of a column whose cells name the rows; None for the numbers of the rows, from 0.
    options
        Choices on how the file is read.
    title
        Name of the file in messages; by default its path.

    Raises
    ------
    UnknownDataset
        If the file is missing or is no table.
    BadDataFile
        If the file cannot be read, a column is absent or has to be named, or no text is left.
    """
    options, shown = options or ReadOptions(), title or printable(path)
    digest = _digest(path, column, label, names, options)
    check_parquet(path, shown, long_cells=True)
    options = ReadOptions(options.encoding, options.sheet, options.header, long_cells=True)
    table = read_table(path, shown, options)
    return texts_of(table, title or path.name, digest, column, label, names)


def _digest(path: Path, *choices: object) -> str:
    text = "\0".join([file_fingerprint(path), *map(repr, choices)])
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def texts_of(
    table: pd.DataFrame,
    title: str,
    digest: str,
    column: str | None = None,
    label: str | None = None,
    names: str | None = None,
) -> TextSource:
    """Return the texts of a table that `read_table` read; parameters and errors as in `read_texts`.

    `digest` changes whenever the table or the choices change.
    """
    label_column, label_notes = _choose_label(table, title, label)
    column = choose_text_column(table, title, column, label_column)
    cells = _cells(table[column])
    row_names = _names(table, title, names)
    reasons = {row: reason for row, cell in enumerate(cells) if (reason := _reason(cell))}
    kept = [row for row in range(len(cells)) if row not in reasons]
    if not kept:
        shown = printable(column[:60])
        raise BadDataFile(f"{title}: every cell of {shown} is empty, missing or too long: name another column.")
    texts = pa.array([cells[row] for row in kept], type=pa.large_string())
    labels = to_labels(table[label_column]) if label_column else None
    words = None if labels is None else tuple(str(labels[row]) for row in kept)
    left_out = tuple(LeftOut(name=row_names[row], reason=reason) for row, reason in [*reasons.items()][:MAX_LISTED])
    return TextSource(
        kind="text",
        title=title,
        names=tuple(row_names[row] for row in kept),
        labels=None if words is None or not any(words) else words,
        left_out=left_out,
        notes=(*table.attrs.get("notes", ()), *label_notes, *_notes(title, column, texts, reasons)),
        texts=texts,
        column=column,
        label=label_column,
        digest=digest,
    )


def _choose_label(table: pd.DataFrame, title: str, label: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the name of the label column, "" for none, and a sentence if it was chosen by its name alone."""
    if label:
        if label not in table.columns:
            raise BadDataFile(f"{title} has no column {printable(label[:60])} for the label: name another, or none.")
        return label, ()
    if label is not None:
        return NO_LABEL, ()
    if found := find_label_column(table, TableSchema()):
        return found, ()
    candidates = find_labels(table)
    if not candidates:
        return NO_LABEL, ()
    name = candidates[0].name
    return name, (f"{title}: {printable(name[:60])} is taken as the label; on the command line --label names another.",)


def _cells(values: pd.Series[Any]) -> list[str | None]:
    """Return the cells of a column as texts, None if missing; numbers are written as in a label."""
    missing = values.isna().to_numpy(dtype=bool)
    cells = map(str, to_words(values)) if pd.api.types.is_numeric_dtype(values) else map(_text, values)
    return [None if is_missing else cell for cell, is_missing in zip(cells, missing, strict=True)]


def _text(cell: object) -> str:
    """Return a cell as text; bytes that are no UTF-8 and lone surrogates become U+FFFD."""
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    text = str(cell)
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _reason(text: str | None) -> str:
    """Return a clause that says why a cell is left out; "" if it is kept."""
    if text is None:
        return "is missing"
    if not text.strip():
        return "is empty"
    size = len(text.encode()) if len(text) > MAX_TEXT // 4 else 0
    return f"has {size / 2**20:.1f} MB, and at most {MAX_TEXT >> 20} MB of a text are read" if size > MAX_TEXT else ""


def _names(table: pd.DataFrame, title: str, names: str | None) -> list[str]:
    """Return the name of each row: the cell of the column `names`, or the number of the row if that is blank."""
    if names is None:
        return [str(row) for row in range(len(table))]
    if names not in table.columns:
        raise BadDataFile(f"{title} has no column {printable(names[:60])} that could name the rows: name another.")
    words = [word or str(row) for row, word in enumerate(to_words(table[names]).tolist())]
    if len({*words}) < len(words):
        twin = str(next(word for word, count in Counter(words).items() if count > 1))
        raise BadDataFile(
            f"{title}: two rows have the name {printable(twin[:60])} in {printable(names[:60])}: name a column whose "
            "cells all differ."
        )
    return words


def _notes(title: str, column: str, texts: Any, reasons: Mapping[int, str]) -> tuple[str, ...]:
    """Return sentences on the column, on texts that occur several times, and on those left out."""
    notes = [f"{title}: the texts are those of the column {printable(column[:60])}."]
    if repeated := len(texts) - len(texts.unique()):
        notes.append(f"{title}: {repeated:,} texts are copies of an earlier one, which a split may put on both sides.")
    if reasons:
        empty = sum(reason.startswith("is ") for reason in reasons.values())
        counts = [(empty, "empty or missing"), (len(reasons) - empty, f"longer than {MAX_TEXT >> 20} MB")]
        parts = " and ".join(f"{count:,} {words}" for count, words in counts if count)
        notes.append(f"{title}: {parts} of {len(texts) + len(reasons):,} texts are left out.")
    return tuple(notes)

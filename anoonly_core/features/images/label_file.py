"""Labels from a text table with a column of file names and a column of labels."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import pandas as pd

from anoonly_core.data.tables.csv_format import find_layout, read_records
from anoonly_core.data.tables.files import TEXT_SUFFIXES, ReadOptions, check_file, file_suffix, printable
from anoonly_core.data.tables.label_candidates import find_labels
from anoonly_core.data.tables.text_tables import open_text, settle_encoding
from anoonly_core.errors import BadDataFile
from anoonly_core.features.images.listing import counted

__all__ = ["MAX_LABEL", "MAX_LABEL_FILE", "read_labels"]

MAX_LABEL = 100  # characters; the words of all rows take the room of the longest
MAX_LABEL_FILE = 32 * 2**20  # bytes
MAX_ROWS = 500_000
MAX_COLUMNS = 100
HEAD = 2**16  # characters that show the layout
PROBED = 1000  # rows that show which column holds the names
_AMBIGUOUS = -1
_SENTENCES = MappingProxyType(
    {
        "unknown": "that do not name exactly one image",
        "repeated": "that label an image again in another way, so that the first label counts",
    }
)


def read_labels(path: Path, title: str, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read the labels of images from a text table.

    One column names the files, by their path or, if no two images share it, by the last part of the path, with or
    without the suffix. The other column, or the one that is named like a label, holds the labels.

    Parameters
    ----------
    path
        Text table such as CSV, in any encoding and with any separator that tables may have.
    title
        Name of the table in messages.
    names
        Paths of the images, parts separated by "/".

    Returns
    -------
    labels
        Label of each image, "" without one.
    notes
        Sentences on rows without an image and images without a label.

    Raises
    ------
    UnknownDataset
        If there is no such file.
    BadDataFile
        If the table cannot be read, names no image, or leaves open which column holds the labels.
    """
    check_file(path)
    if file_suffix(path) not in TEXT_SUFFIXES:
        raise BadDataFile(f"{title} is no text table: save the labels as CSV.")
    try:
        if path.stat().st_size > MAX_LABEL_FILE:
            raise BadDataFile(f"{title} has more than the {MAX_LABEL_FILE >> 20} MB of labels that are read.")
        rows, notes = _read_rows(path, title)
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise BadDataFile(f"{title} cannot be read as a text table: save the labels as CSV.") from error
    index = _index(names)
    file_column = _file_column(rows, index, title, names)
    has_header = _find(rows[0], file_column, index) is None
    label_column = _label_column(rows, file_column, has_header, title)
    labels, counts = _match(rows[has_header:], (file_column, label_column), index, len(names))
    if (longest := max(map(len, labels))) > MAX_LABEL:
        raise BadDataFile(f"{title} has a label of {longest} characters, and at most {MAX_LABEL} are read: shorten it.")
    told = [f"Rows of {title} {_SENTENCES[kind]}: {count:,}." for kind, count in counts.items() if count]
    if missing := sum(not label for label in labels):
        told.append(f"Images without a label in {title}: {missing:,} of {len(labels):,}.")
    return tuple(labels), (*notes, *told)


def _read_rows(path: Path, title: str) -> tuple[list[list[str]], list[str]]:
    """Return the cells of all rows of a text table, stripped, and sentences on its encoding.

    The first row may be names of columns. All rows have as many cells as it.
    """
    encoding, notes = settle_encoding(path, title, ReadOptions())
    with open_text(path, encoding, title) as text:
        layout = find_layout(text.read(HEAD), not text.read(1), title, "yes")
    if not 2 <= layout.columns <= MAX_COLUMNS:
        raise BadDataFile(
            f"{title} has {counted(layout.columns, 'column')}: labels need a column of file names and one of labels."
        )
    rows = []
    with open_text(path, encoding, title, layout.skipped) as text:
        for _, cells in read_records(text, layout.separator):
            stripped = [cell.strip() for cell in cells[: layout.columns]]
            if any(stripped):
                rows.append(stripped + [""] * (layout.columns - len(stripped)))
            if len(rows) > MAX_ROWS:
                raise BadDataFile(f"{title} has more than {MAX_ROWS:,} rows: take those of the images.")
    return rows, notes


def _index(names: Sequence[str]) -> Mapping[str, int]:
    """Return the image that each way to name it stands for; `_AMBIGUOUS` where several images share the name.

    A path wins over the last part of a path, which wins over a name without its suffix.
    """
    index: dict[str, int] = {}
    ways: tuple[Callable[[PurePosixPath], str], ...] = (
        str,
        lambda path: path.name,
        lambda path: str(path.with_suffix("")),
        lambda path: path.stem,
    )
    paths = [PurePosixPath(name) for name in names]
    for way in ways:
        level: dict[str, int] = {}
        for row, path in enumerate(paths):
            key = way(path)
            level[key] = _AMBIGUOUS if level.get(key, row) != row else row
        index = {**level, **index}
    return index


def _find(row: Sequence[str], column: int, index: Mapping[str, int]) -> int | None:
    """Return the image that a row names; None if it names none, or several."""
    name = row[column].replace("\\", "/").removeprefix("./")
    found = index.get(name)
    if found is None and "/" in name:  # the table may stand above or beside the folder that was chosen
        found = index.get(name.rsplit("/", 1)[1])
    return None if found == _AMBIGUOUS else found


def _file_column(rows: Sequence[Sequence[str]], index: Mapping[str, int], title: str, names: Sequence[str]) -> int:
    """Return the column whose cells name the most images among the first rows."""
    probed = rows[:PROBED]
    counts = [sum(_find(row, column, index) is not None for row in probed) for column in range(len(rows[0]))]
    if not max(counts):
        raise BadDataFile(
            f"{title} names none of the images: one column must hold their paths, such as {printable(names[0])}."
        )
    return counts.index(max(counts))


def _label_column(rows: Sequence[Sequence[str]], file_column: int, has_header: bool, title: str) -> int:
    """Return the column of the labels: the only other one, or the one that is named like a label."""
    others = [column for column in range(len(rows[0])) if column != file_column]
    if len(others) == 1:
        return others[0]
    if has_header:
        header, probed = rows[0], rows[1 : PROBED + 1]
        table = pd.DataFrame({str(column): [row[column] for row in probed] for column in others}, dtype="str")
        twins = Counter(header[column] for column in others)
        table.columns = pd.Index([header[int(c)] if twins[header[int(c)]] == 1 else f"?{c}" for c in table.columns])
        if candidates := find_labels(table):
            return header.index(candidates[0].name)
    raise BadDataFile(f"{title} leaves open which column holds the labels: call it label, or keep two columns.")


def _match(
    rows: Sequence[Sequence[str]], columns: tuple[int, int], index: Mapping[str, int], images: int
) -> tuple[list[str], dict[str, int]]:
    """Return the label of each image, "" without one, and numbers of rows that cannot be used, by kind."""
    labels = [""] * images
    counts = dict.fromkeys(_SENTENCES, 0)
    for row in rows:
        image, label = _find(row, columns[0], index), row[columns[1]]
        if image is None:
            counts["unknown"] += 1
        elif labels[image] and labels[image] != label:
            counts["repeated"] += 1
        else:
            labels[image] = label
    return labels, counts

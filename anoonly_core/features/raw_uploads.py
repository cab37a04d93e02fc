"""Uploads that hold raw rows: images in a .zip archive, or a table with a column of texts."""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from anoonly_core.data.feature_files import LeftOut
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.files import MAX_BYTES, MAX_CELLS, MAX_COLUMNS, content_suffix
from anoonly_core.data.tables.label_candidates import find_labels
from anoonly_core.data.tables.limits import check_parquet
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.upload_metadata import Upload
from anoonly_core.errors import BadDataFile
from anoonly_core.features.images.archive import list_archive
from anoonly_core.features.images.source import find_images
from anoonly_core.features.source import RawSource
from anoonly_core.features.texts.table_texts import read_texts
from anoonly_core.features.texts.text_columns import find_text_columns

__all__ = [
    "LISTED_ROWS",
    "MAX_RAW_ROWS",
    "RawChoice",
    "RawSurvey",
    "add_features",
    "check_dimension",
    "feature_path",
    "feature_title",
    "raw_rows",
    "survey_upload",
]

MAX_RAW_ROWS = 20_000  # of one upload; the command line takes more
PREVIEW_BYTES = 3000  # of one row in a feature file beside its features, at most
LISTED_LABELS = 12
LISTED_ROWS = 200  # rows left out that a page lists
MAX_STEM = 60  # characters of a file name


@dataclass(frozen=True)
class RawChoice:
    """Choices on the raw rows of an upload, and the encoder.

    Attributes
    ----------
    encoder
        Name in the registry of encoders.
    column
        Column of texts; "" for images.
    label
        Column of the labels of texts; "" for none, and for images, which find theirs.
    """

    encoder: str
    column: str = ""
    label: str = ""


@dataclass(frozen=True)
class RawSurvey:
    """Content of an upload of images or texts, cut to a size for pages.

    Attributes
    ----------
    kind
        "image" or "text" for raw rows, "table" for an ordinary table.
    rows
        Number of images, or of rows of the table; 0 for an ordinary table.
    labels
        Number of images of the most frequent labels, by label; "" counts those without one.
    other_labels
        Number of further labels.
    left_out, left_out_rows
        First files that are refused, and the number of all.
    notes
        Sentences on choices that were made while listing.
    columns, label_columns
        Columns that may hold texts, and those that may hold their label, the likeliest first.
    """

    kind: Literal["image", "text", "table"]
    rows: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)
    other_labels: int = 0
    left_out: tuple[LeftOut, ...] = ()
    left_out_rows: int = 0
    notes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    label_columns: tuple[str, ...] = ()


def survey_upload(table: Upload) -> RawSurvey:
    """Return what an upload holds; its content decides, not its suffix.

    Raises
    ------
    UnknownDataset
        If the upload was removed.
    BadDataFile
        If it cannot be read, or is an archive with neither images nor one table.
    """
    path, title = uploads.source_path(table), table.file_name
    if table.suffix == ".zip" and (no_table := _why_no_table(path, title)) is not None:
        listing = list_archive(path, title)
        if not listing.images and not listing.left_out:
            raise no_table
        return _survey_images(find_images(path, title=title))
    check_parquet(path, title, long_cells=True)
    frame = read_table(path, title, replace(table.get_schema().read_options, long_cells=True))
    columns = [column for column in find_text_columns(frame) if column.is_likely]
    if not columns:
        return RawSurvey("table")
    named = sorted(columns, key=lambda column: not column.is_named)
    names = tuple(column.name for column in named)
    return RawSurvey("text", len(frame), columns=names, label_columns=_label_columns(frame, names))


def _label_columns(frame: pd.DataFrame, texts: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that may hold the label of texts: those that look like one, then any with few values."""
    likely = [column.name for column in find_labels(frame)]
    few = [str(name) for name in frame if 2 <= frame[name].nunique() <= LISTED_LABELS]
    return tuple(name for name in dict.fromkeys((*likely, *few)) if name not in texts)


def _why_no_table(path: Path, title: str) -> BadDataFile | None:
    """Return the error that a .zip archive does not hold one table; None if it does."""
    try:
        content_suffix(path, title)
    except BadDataFile as error:
        return error
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return BadDataFile(f"{title} cannot be read as a .zip archive.")
    return None


def _survey_images(source: RawSource) -> RawSurvey:
    labels = Counter(source.labels or ())
    return RawSurvey(
        "image",
        len(source.names),
        dict(labels.most_common(LISTED_LABELS)),
        max(0, len(labels) - LISTED_LABELS),
        source.left_out[:LISTED_ROWS],
        len(source.left_out),
        source.notes,
    )


def raw_rows(table: Upload, choice: RawChoice) -> RawSource:
    """Return the raw rows of an upload.

    Raises
    ------
    UnknownDataset
        If the upload was removed.
    BadDataFile
        If its rows cannot be listed, or are more than `MAX_RAW_ROWS`.
    """
    path, title = uploads.source_path(table), table.file_name
    source: RawSource = (
        read_texts(path, choice.column, choice.label, options=table.get_schema().read_options, title=title)
        if choice.column
        else find_images(path, title=title)
    )
    if len(source.names) > MAX_RAW_ROWS:
        raise BadDataFile(
            f"{title} holds {len(source.names):,} {source.kind}s, and at most {MAX_RAW_ROWS:,} become features on a "
            "page: upload a part of it, or use the command line."
        )
    return source


def check_dimension(rows: int, dimension: int | None) -> str:
    """Return a clause on why features of this dimension, None if unknown, cannot be an upload; "" if they can."""
    if dimension is None:
        return ""
    if dimension > MAX_COLUMNS or rows * dimension > MAX_CELLS or rows * (4 * dimension + PREVIEW_BYTES) > MAX_BYTES:
        return f"{dimension:,} features of {rows:,} rows are more than an upload may hold"
    return ""


def add_features(table: Upload, choice: RawChoice, owner: str, server: str) -> Upload:
    """Store the finished features of an upload as another upload, and remove their file beside the raw rows.

    Parameters and errors as in `uploads.add`.
    """
    made = feature_path(table, choice)
    with made.open("rb") as file:
        added = uploads.add(feature_title(table, choice), file, owner, server)
    made.unlink(missing_ok=True)
    return added


def feature_path(table: Upload, choice: RawChoice) -> Path:
    """Return the file in the folder of an upload that its features are written to; it may not exist yet."""
    digest = hashlib.sha256(repr(choice).encode()).hexdigest()[:16]
    return table.folder / f"features-{digest}.npz"


def feature_title(table: Upload, choice: RawChoice) -> str:
    """Return the file name of the features of an upload, such as "parts resnet18.npz"."""
    stem = table.file_name[: -len(table.suffix)][:MAX_STEM]
    of_column = f" {choice.column[:MAX_STEM]}" if choice.column else ""
    return f"{stem}{of_column} {choice.encoder}.npz"

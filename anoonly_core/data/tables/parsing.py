"""Parsing of a table under a schema: its labels and split keys beside the features, and the rows that are kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from anoonly_core.data.dataset import NO_SPLIT_KEYS, Dataset, Provenance, SplitKeys, make_dataset
from anoonly_core.data.split import medians
from anoonly_core.data.tables.columns import ColumnProfile, list_names, to_labels, to_words_as_before
from anoonly_core.data.tables.features import build_features, check_names
from anoonly_core.data.tables.files import printable
from anoonly_core.data.tables.label_candidates import MAX_CLASSES, LabelCandidate, find_labels, shown_counts
from anoonly_core.data.tables.notes import label_notes, sample_notes
from anoonly_core.data.tables.number_styles import settle_open_numbers
from anoonly_core.data.tables.preprocessing import Preprocessing
from anoonly_core.data.tables.schema import (
    LABEL_COLUMNS,
    NO_LABEL,
    PLAIN,
    REVISION,
    UNLABELED,
    TableSchema,
    find_label_column,
)
from anoonly_core.errors import BadDataFile, OpenChoices
from anoonly_core.progress import Report, report_nothing
from anoonly_core.rng import numpy_generator

__all__ = ["ParsedTable", "parse_table"]


@dataclass(frozen=True, eq=False)
class ParsedTable:
    """Features and labels of a table under a schema; its rows are those of the file that were not dropped.

    Attributes
    ----------
    X
        Features [rows, features]; float32, or float64 if `needs_float64`. NaN for a missing number, which each
        run replaces by the median of its training rows.
    y
        Labels, int8 [rows]: 1 for an anomaly, 0 for a normal row, `UNLABELED` without a label.
    file_rows
        Index of each row in the file, from 0, int64 [rows].
    drawn
        Mask of the rows that are kept when anomalies are drawn to the share of the schema and the others to its number
        of rows, bool [rows].
    labels
        Cells of the label column as strings, object [rows]; "" if blank.
    label_column
        Name of the label column, or `NO_LABEL`.
    rows_in_file
        Number of rows before rows with missing values were dropped.
    preprocessing
        Steps from the columns to the features; the medians that replace missing numbers are those of all rows.
    profiles
        Profiles of the feature columns; empty for a stored upload.
    notes
        Sentences on choices that were made without being asked for, and on columns to check.
    revision
        First revision of the reader that gives these features and labels, 1 to `REVISION`.
    label_candidates
        Columns that may hold the label, the likeliest first; () if there is a label column.
    split_keys
        Times, groups and test rows, as far as the schema names them.
    """

    X: np.ndarray
    y: np.ndarray
    file_rows: np.ndarray
    drawn: np.ndarray
    labels: np.ndarray
    label_column: str
    rows_in_file: int
    preprocessing: Preprocessing
    profiles: tuple[ColumnProfile, ...]
    notes: tuple[str, ...] = ()
    revision: int = REVISION
    label_candidates: tuple[LabelCandidate, ...] = ()
    split_keys: SplitKeys = NO_SPLIT_KEYS

    @property
    def can_be_tested(self) -> bool:
        """True if the table has both labeled anomalies and labeled normal rows."""
        return bool((self.y == 1).any() and (self.y == 0).any())

    def filled(self) -> np.ndarray:
        """Return X with missing numbers replaced by the medians of all rows, for training on all rows."""
        return np.where(np.isnan(self.X), medians(self.X, np.arange(len(self.X))), self.X)

    def unlabeled_dataset(self, name: str) -> Dataset:
        """Return all rows, also those not drawn, as a data set without labels, for training on labels set by hand."""
        unlabeled = np.ones(len(self.X), dtype=bool)
        y = np.zeros(len(self.X), dtype=np.int8)
        return Dataset(name, self.X, y, self.file_rows, Provenance(f"the file {name}", "yours"), unlabeled=unlabeled)

    def dataset(self, name: str, provenance: Provenance) -> Dataset:
        """Return the rows of `drawn` as a data set with their labels.

        Parameters
        ----------
        name
            Name of the data set.
        provenance
            Source and license.

        Raises
        ------
        BadDataFile
            If the table has no label column, no labeled anomaly, or neither a normal row nor one without a label.
        """
        if not self.label_column:
            hints = [f"{printable(item.name[:60])} ({shown_counts(item)})" for item in self.label_candidates[:3]]
            may_be = f"; it may be {' or '.join(hints)}" if hints else ""
            raise BadDataFile(
                f"{name} needs a label column with one of the names {', '.join(LABEL_COLUMNS)}, or say which it is "
                f"with label=…{may_be}."
            )
        y = self.y[self.drawn]
        blank = y == UNLABELED
        return make_dataset(
            name,
            self.X[self.drawn],
            np.where(blank, 0, y),
            provenance,
            self.file_rows[self.drawn],
            unlabeled=blank if blank.any() else None,
            may_be_missing=True,
            types=self.labels[self.drawn].astype(str),
            split_keys=self.split_keys.at(self.drawn),
            needs_normal=not blank.any(),
        )


def parse_table(
    table: pd.DataFrame,
    schema: TableSchema,
    title: str,
    test: pd.DataFrame | None = None,
    report: Report = report_nothing,
) -> ParsedTable:
    """Compute the features and labels of a table under a schema, followed by those of its test file.

    Parameters
    ----------
    table
        Table as `read_table` returns it.
    schema
        Use of its columns.
    title
        Name of the table in messages.
    test
        Table of the test file that the schema names, or None. Types of columns, words and label values are those of
        `table`; no anomaly of the test file is dropped for the share. Its rows are numbered after those of `table`.
    report
        Called before two steps for each column of `table`.

    Raises
    ------
    BadDataFile
        If the schema does not fit the table, or leaves a choice open that the table needs, or if the test file lacks
        columns or has a label value that the table does not have.
    """
    table = settle_open_numbers(table, title, schema.decimal)
    label = find_label_column(table, schema)
    check_names(table, schema, label, title)
    labels = to_labels(table[label]) if label else np.full(len(table), "", dtype=object)
    try:
        y = _encode_labels(labels, schema, label, title) if label else np.full(len(table), UNLABELED, dtype=np.int8)
        features = build_features(table, schema, label, title, y, report)
    except OpenChoices as error:
        raise OpenChoices(title, _all_choices(error, table, schema, label, title)) from None
    revision = features.revision
    if revision == 1 and not _is_labeled_as_before(table, label, labels, schema.label is None):
        revision = 2
    labels, y = labels[features.kept], y[features.kept]
    drawn = _draw_sample(y, _draw_anomalies(y, schema.share, title), schema.rows, title)
    file_rows = np.flatnonzero(features.kept).astype(np.int64)
    is_default = not schema.anomaly and not schema.normal
    notes = (*features.notes, *label_notes(title, label, y, is_default), *sample_notes(title, y, drawn, schema.rows))
    parts = (features.X, y, file_rows, drawn, labels, label, len(table), features.preprocessing, features.profiles)
    candidates = () if label else find_labels(table)
    keys = schema.split_keys(table, title).at(features.kept)
    parsed = ParsedTable(*parts, notes, revision, candidates, keys)
    return parsed if test is None else _with_test_rows(parsed, test, table, schema, title)


def _all_choices(
    error: OpenChoices, table: pd.DataFrame, schema: TableSchema, label: str, title: str
) -> tuple[str, ...]:
    """Return all choices that a table leaves open: on its label, and then on its features.

    Parameters
    ----------
    error
        The first error, on the label or, if that is settled or not known, on the features.
    table, schema, label, title
        As in `build_features`.
    """
    if not label and schema.label is None:
        candidates = [f"{printable(item.name[:60])} ({shown_counts(item)})" for item in find_labels(table)[:3]]
        may_be = f", which may be {' or '.join(candidates)}" if candidates else ""
        return (f"no column is known as the label{may_be}; say label=NAME, or label= for none", *error.choices)
    if not label or schema.anomaly or schema.normal:
        return error.choices
    try:
        build_features(table, schema, label, title)
    except OpenChoices as further:
        return tuple(dict.fromkeys((*error.choices, *further.choices)))
    return error.choices


def _with_test_rows(
    parsed: ParsedTable, test: pd.DataFrame, table: pd.DataFrame, schema: TableSchema, title: str
) -> ParsedTable:
    """Return a parsed table with the rows of its test file after its own; see `parse_table`."""
    shown, label = f"the test file of {title}", parsed.label_column
    columns = [name for name in (label, schema.time, schema.group) if name]
    if absent := [name for name in columns if name not in test.columns]:
        raise BadDataFile(f"{title}: the test file has no column {list_names(absent)}.")
    values, kept = parsed.preprocessing.apply(test, shown, fills=False)
    labels = to_labels(test[label])[kept] if label else np.full(int(kept.sum()), "", dtype=object)
    y = _encode_test_labels(labels, parsed, schema, title)
    both = pd.concat([table, test], ignore_index=True)  # one order of times, one number for each group
    used = np.r_[parsed.file_rows, len(table) + np.flatnonzero(kept)]
    tests = np.arange(len(used)) >= len(parsed.X)
    return replace(
        parsed,
        X=np.concatenate([parsed.X, values.astype(parsed.X.dtype)]),
        y=np.concatenate([parsed.y, y]),
        file_rows=used.astype(np.int64),
        drawn=np.concatenate([parsed.drawn, np.ones(len(y), dtype=bool)]),
        labels=np.concatenate([parsed.labels, labels]),
        rows_in_file=len(both),
        split_keys=replace(schema.split_keys(both, title).at(used), tests=tests),
    )


def _encode_test_labels(labels: np.ndarray, parsed: ParsedTable, schema: TableSchema, title: str) -> np.ndarray:
    """Encode the label cells of a test file as those of its table are, int8 [rows]; "" cells are `UNLABELED`.

    A value that the table does not have is anomalous if the schema says which values mean normal, and normal if it says
    which mean anomaly. Raise BadDataFile if it says neither.
    """
    codes = {"": UNLABELED, **dict(zip(parsed.labels.tolist(), parsed.y.tolist(), strict=True))}
    unknown = sorted({*labels.tolist()} - {*codes})
    if unknown and not (schema.anomaly or schema.normal):
        raise BadDataFile(
            f"{title}: the label column of the test file holds {list_names(unknown)}, which the table does not: say "
            "which values mean anomaly with anomaly=… or normal with normal=…."
        )
    other = 1 if schema.normal else 0
    return np.array([codes.get(label, other) for label in labels.tolist()], dtype=np.int8)


def _is_labeled_as_before(table: pd.DataFrame, label: str, labels: np.ndarray, is_found: bool) -> bool:
    """Return True if earlier versions read the same labels from the same column.

    Parameters
    ----------
    table
        Table as `read_table` returns it.
    label
        Name of the label column, or `NO_LABEL`.
    labels
        Cells of that column as `to_labels` converts them, object [rows].
    is_found
        True if the column was found by its name rather than set by the schema.
    """
    by_name = {str(column).strip().lower(): str(column) for column in reversed(table.columns)}
    if is_found and label != next((by_name[name] for name in LABEL_COLUMNS if name in by_name), NO_LABEL):
        return False
    return not label or to_words_as_before(table, label).tolist() == labels.tolist()


def _encode_labels(labels: np.ndarray, schema: TableSchema, label: str, title: str) -> np.ndarray:
    """Encode the cells of the label column as 1 (anomaly), 0 (normal) or `UNLABELED` ("" cells), int8 [rows].

    Raise BadDataFile if the schema names a value that does not occur, or if it names none and the values do
    not tell which means anomaly.
    """
    values = sorted(set(labels) - {""})
    column = f"{title}: the label column {printable(label[:60])}"
    if len(values) > MAX_CLASSES:
        raise BadDataFile(f"{column} has {len(values)} different values, and a label has at most {MAX_CLASSES}.")
    chosen = set(schema.anomaly or schema.normal)
    if not chosen:
        if len(values) < 2 and not any(set(values) <= plain for plain in PLAIN):
            raise BadDataFile(
                f"{column} holds only {list_names(values)}, so it cannot tell anomalies from normal rows."
            )
        if not any(set(values) <= plain for plain in PLAIN):
            choice = (
                f"the label column {printable(label[:60])} holds {list_names(values)}, and its labels must be 0 and 1, "
                "or say which mean anomaly with anomaly=… or normal=…"
            )
            raise OpenChoices(title, (choice,))
        chosen = {"1", "True"}
    elif unknown := sorted(chosen - set(values)):
        raise BadDataFile(f"{column} does not contain {list_names(unknown)}: it contains {list_names(values)}.")
    is_chosen = np.isin(labels, sorted(chosen))
    anomalous = ~is_chosen if schema.normal else is_chosen
    return np.where(labels == "", UNLABELED, anomalous).astype(np.int8)


def _draw_anomalies(y: np.ndarray, share: float | None, title: str) -> np.ndarray:
    """Draw anomalies until they are `share` of the labeled rows; return a mask of the rows to keep, bool [rows].

    Normal and unlabeled rows are all kept; None for `share` keeps all anomalies, too. Draws are fixed and nested:
    a smaller share keeps a subset of the anomalies. Raise BadDataFile if there are too few anomalies.
    """
    drawn = np.ones(len(y), dtype=bool)
    if share is None:
        return drawn
    anomalies, normals = np.flatnonzero(y == 1), int((y == 0).sum())
    wanted = max(1, round(normals * share / (1 - share)))
    if wanted > len(anomalies):
        most = len(anomalies) / max(normals + len(anomalies), 1)
        raise BadDataFile(f"{title} has anomalies for a share of {most:.3g} at most, not of {share:g}.")
    drawn[numpy_generator(0, "own table").permutation(anomalies)[wanted:]] = False
    return drawn


def _draw_sample(y: np.ndarray, drawn: np.ndarray, rows: int | None, title: str) -> np.ndarray:
    """Draw normal and unlabeled rows, in their proportion, until `rows` are left with all anomalies.

    Draws are fixed and nested: a smaller sample is a part of a larger one.

    Parameters
    ----------
    y
        Labels, int8 [rows]: 1 for an anomaly, 0 for a normal row, `UNLABELED` without a label.
    drawn
        Mask of the rows to draw from, bool [rows].
    rows
        Number of rows of the sample; None keeps all.
    title
        Name of the table in messages.

    Returns
    -------
    bool [rows]
        Mask of the rows to keep.

    Raises
    ------
    BadDataFile
        If the anomalies leave no room for a normal and an unlabeled row.
    """
    if rows is None or drawn.sum() <= rows:
        return drawn
    others = [np.flatnonzero(drawn & (y == kind)) for kind in (0, UNLABELED)]
    anomalies, normals, unlabeled = int((drawn & (y == 1)).sum()), *map(len, others)
    room = rows - anomalies
    if room < (normals > 0) + (unlabeled > 0):
        raise BadDataFile(
            f"{title} has {anomalies:,} labeled anomalies, which a sample keeps: set rows= to more than "
            f"{anomalies + 1}."
        )
    taken = min(max(round(room * normals / (normals + unlabeled)), normals > 0), room - (unlabeled > 0))
    kept: np.ndarray = drawn & (y == 1)
    for places, count in zip(others, (taken, room - taken), strict=True):
        kept[numpy_generator(0, "own sample").permutation(places)[:count]] = True
    return kept

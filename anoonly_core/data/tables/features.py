"""Features of a table under a schema, with the columns that are left out and notes about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anoonly_core.data.dataset import as_features
from anoonly_core.data.split import medians
from anoonly_core.data.tables.columns import ColumnProfile, is_typed_as_before, list_names, profile_columns, to_labels
from anoonly_core.data.tables.exclusions import (
    find_constants,
    find_entities,
    find_giveaways,
    find_label_copies,
    find_missing_giveaways,
    find_row_numbers,
)
from anoonly_core.data.tables.files import printable
from anoonly_core.data.tables.label_candidates import find_other_labels
from anoonly_core.data.tables.notes import (
    cell_notes,
    constant_notes,
    exclusion_notes,
    giveaway_notes,
    missing_notes,
    other_label_notes,
)
from anoonly_core.data.tables.number_styles import settle_open_numbers
from anoonly_core.data.tables.preprocessing import Preprocessing, fit_preprocessing
from anoonly_core.data.tables.schema import REVISION, TableSchema
from anoonly_core.errors import BadDataFile, did_you_mean
from anoonly_core.progress import Report, report_each, report_nothing, report_part

__all__ = ["FeatureTable", "build_features", "check_names"]


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of a table under a schema, without its labels.

    Attributes
    ----------
    X
        Features [kept rows, features]; float32, or float64 if `needs_float64`. NaN for a missing number.
    kept
        Mask of the rows that were not dropped, bool [rows].
    preprocessing
        Steps from the columns to the features; the medians that replace missing numbers are those of all rows.
    profiles
        Profiles of the feature columns.
    notes
        Sentences on choices that were made without being asked for, and on columns to check.
    revision
        First revision of the reader that gives these features and labels, 1 to `REVISION`.
    """

    X: np.ndarray
    kept: np.ndarray
    preprocessing: Preprocessing
    profiles: tuple[ColumnProfile, ...]
    notes: tuple[str, ...]
    revision: int


def build_features(
    table: pd.DataFrame,
    schema: TableSchema,
    label: str,
    title: str,
    y: np.ndarray | None = None,
    report: Report = report_nothing,
) -> FeatureTable:
    """Compute the features of a table from all columns but the label and those that the schema leaves out.

    Row numbers, names of entities, copies of the label, other columns that may be labels and columns that are the same
    in all rows are left out, too, unless the schema keeps them or no other column is left.

    Parameters
    ----------
    table
        Table as `read_table` returns it.
    schema
        Use of its columns; its label fields are ignored.
    label
        Name of the label column, or `NO_LABEL`.
    title
        Name of the table in messages.
    y
        Labels, int8 [rows]: 1 for an anomaly, 0 for a normal row, `UNLABELED` without a label;
        None if the label is one of several classes.
    report
        Called before two steps for each column.

    Raises
    ------
    BadDataFile
        If the schema does not fit the table, or leaves a choice open that the table needs.
    """
    table = settle_open_numbers(table, title, schema.decimal)
    check_names(table, schema, label, title)
    columns = _choose_columns(table, schema, label, y, report_part(report, 0.0, 0.5))
    preprocessing = fit_preprocessing(table, [*columns.profiles], schema.feature_choices, title)
    values, kept = preprocessing.apply(table, title, fills=False)
    X = as_features(values)
    if np.isnan(X).any():
        preprocessing = preprocessing.with_fill(medians(X, np.arange(len(X))))
    names = [column.name for column in preprocessing.columns]
    used = [column for column in columns.profiles if column.name in names]
    giveaways = find_giveaways(table, names, y, report_part(report, 0.5, 1.0)) if y is not None else {}
    missing = find_missing_giveaways(table, names, y) if y is not None else {}
    notes = (
        *table.attrs.get("notes", ()),
        *columns.notes(title, label),
        *giveaway_notes(
            title, {name: share for name, share in giveaways.items() if name not in {*columns.copies, *missing}}
        ),
        *missing_notes(title, missing),
        *cell_notes(title, used),
    )
    return FeatureTable(X, kept, preprocessing, columns.profiles, notes, _revision(table, schema, columns, used))


@dataclass(frozen=True)
class _Columns:
    """Columns of a table by their use, each group in the order of the table.

    Attributes
    ----------
    profiles
        Those that become features.
    numbering, entities, copies, twins
        Those that number the rows, name entities, equal the label, or may be another label, also if none is left out.
    left_out
        Names from these groups that are left out.
    constants
        Those that are left out since they never vary.
    """

    profiles: tuple[ColumnProfile, ...]
    numbering: tuple[str, ...]
    entities: tuple[str, ...]
    copies: tuple[str, ...]
    twins: tuple[str, ...]
    left_out: frozenset[str]
    constants: tuple[str, ...]

    def notes(self, title: str, label: str) -> tuple[str, ...]:
        """Return sentences on the columns that are left out, for a table with this title and label column."""
        exclusions = {
            "rows": [name for name in self.numbering if name not in self.copies],
            "entities": [name for name in self.entities if name in self.left_out and name not in self.copies],
            "label": [*self.copies],
        }
        return (
            *exclusion_notes(title, label, exclusions, bool(self.left_out)),
            *constant_notes(title, self.constants),
            *other_label_notes(
                title, [name for name in self.twins if name in self.left_out and name not in self.copies]
            ),
        )


def _choose_columns(
    table: pd.DataFrame, schema: TableSchema, label: str, y: np.ndarray | None, report: Report
) -> _Columns:
    """Choose the columns that become features; the parameters are those of `build_features`."""
    split_by = [name for name in (schema.time, schema.group) if name not in schema.keep]
    no_features = {label, *schema.without, *split_by}
    used = [str(name) for name in table.columns if name not in no_features]
    others = [name for name in used if name not in schema.keep]
    numbering = [name for name in find_row_numbers(table) if name in others]
    entities = [name for name in find_entities(table) if name in others]
    copies = [*find_label_copies(table, others, to_labels(table[label]), y)] if label else []
    twins = [name for name in find_other_labels(table, label) if name in others] if label else []
    left_out = {*numbering, *copies, *twins, *entities}
    if left_out >= {*used}:
        left_out = {*numbering, *copies}
    if left_out >= {*used}:
        left_out = set()
    profiles = profile_columns(table, report_each([name for name in used if name not in left_out], report))
    constants = find_constants(table, [column for column in profiles if column.name not in schema.keep])
    if len(constants) == len(profiles):
        constants = ()
    return _Columns(
        tuple(column for column in profiles if column.name not in constants),
        tuple(numbering),
        tuple(entities),
        tuple(copies),
        tuple(twins),
        frozenset(left_out),
        constants,
    )


def _revision(table: pd.DataFrame, schema: TableSchema, columns: _Columns, used: Sequence[ColumnProfile]) -> int:
    """Return the first revision of the reader that gives the same features; `used` are the columns with features."""
    if columns.constants:
        return REVISION
    if table.attrs.get("is_regrouped") or columns.left_out > {*columns.numbering, *columns.copies}:
        return 3
    as_before = not columns.left_out and not schema.keep and not table.attrs.get("is_new_layout")
    return 1 if as_before and all(is_typed_as_before(column, table) for column in used) else 2


def check_names(table: pd.DataFrame, schema: TableSchema, label: str, title: str) -> None:
    """Raise BadDataFile if the label, or another column that the schema names, is not in the table."""
    named = (*filter(None, [label, schema.time, schema.group]), *schema.without, *schema.keep)
    if absent := [name for name in named if name not in table.columns]:
        names = [str(name) for name in table.columns]
        hint = did_you_mean(printable(absent[0][:60]), [printable(name[:60]) for name in names])
        raise BadDataFile(f"{title} has no column {list_names(absent)}{hint or f': it has {list_names(names)}.'}")

"""Schema of a table: the label column, the values that mean anomaly, and the use of the other columns.

A schema is part of a file URI, such as `file.csv?label=class&anomaly=4,5&missing=drop`, or chosen on a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from anoonly_core.data.dataset import NO_SPLIT_KEYS, Dataset, Provenance, SplitKeys, as_features, make_dataset
from anoonly_core.data.split import medians
from anoonly_core.data.tables.columns import (
    MAX_WORDS,
    ColumnProfile,
    is_typed_as_before,
    list_names,
    profile_columns,
    to_labels,
    to_words_as_before,
)
from anoonly_core.data.tables.encoding import ENCODINGS
from anoonly_core.data.tables.exclusions import (
    find_entities,
    find_giveaways,
    find_label_copies,
    find_missing_giveaways,
    find_row_numbers,
)
from anoonly_core.data.tables.files import MAX_COLUMN_NAME, ReadOptions, printable
from anoonly_core.data.tables.label_candidates import (
    MAX_CLASSES,
    LabelCandidate,
    find_labels,
    find_other_labels,
    shown_counts,
)
from anoonly_core.data.tables.notes import (
    cell_notes,
    exclusion_notes,
    giveaway_notes,
    label_notes,
    missing_notes,
    other_label_notes,
)
from anoonly_core.data.tables.number_styles import Decimal, settle_open_numbers
from anoonly_core.data.tables.preprocessing import FeatureChoices, Preprocessing, fit_preprocessing
from anoonly_core.data.tables.split_columns import to_groups, to_times
from anoonly_core.errors import BadDataFile, InvalidConfig
from anoonly_core.rng import numpy_generator

__all__ = [
    "LABEL_COLUMNS",
    "LATER_FIELDS",
    "REVISION",
    "SCHEMA_RULES",
    "UNLABELED",
    "FeatureTable",
    "ParsedTable",
    "TableSchema",
    "build_features",
    "choose_label",
    "find_label_column",
    "has_plain_labels",
    "make_schema",
    "parse_table",
]

LABEL_COLUMNS = ("y", "label", "anomaly", "target")
COORDINATE = "y"  # a name that coordinates have, too
NO_LABEL = ""
UNLABELED = -1
# Revision of the reader. Raise it when a table gives other features or labels; identities of such tables contain it.
REVISION = 3
# Label values that need no schema: the second means anomaly.
PLAIN = ({"0", "1"}, {"False", "True"})

SCHEMA_RULES = {
    "label": f"the name of a column, or empty for none (by default one of {', '.join(LABEL_COLUMNS)})",
    "anomaly": "the values of the label column that mean anomaly, with commas between",
    "normal": "the values of the label column that mean normal (all others mean anomaly)",
    "share": "a number above 0 and below 1, the share to which anomalies are drawn",
    "without": "the columns that are not features, with commas between",
    "keep": "the columns that are features although they look like row numbers or a label, with commas between",
    "categories": "one_hot or leave_out",
    "missing": "impute or drop",
    "time": "the name of a column with the time of each row, for a split by time",
    "group": "the name of a column with the entity of each row, such as a customer, for a split by group",
    "test": "the path of a further file with the same columns, whose rows are the test",
    "dates": "parts, which computes days, hour, weekday and month",
    "many": "hash, for columns with more words than can be a feature each",
    "decimal": "point or comma, the decimal sign of numbers that may be read either way, such as 1.234",
    "encoding": f"the encoding of a text file, one of {', '.join(ENCODINGS)}",
    "sheet": "the name of a sheet of a spreadsheet",
    "header": "yes if the first line of the table holds the names of the columns, no if it is a row",
}
# Fields that came later: at their default they are no part of an identity.
LATER_FIELDS = ("keep", "time", "group", "test", "dates", "many", "decimal", "encoding", "sheet", "header")
MAX_PATH = 4096  # characters

Name = Annotated[str, StringConstraints(max_length=MAX_COLUMN_NAME)]  # of a column, or a label value


class TableSchema(BaseModel):
    """Use of the columns of a table; None and () stand for choices not made.

    A row with a blank label is unlabeled. The JSON of a schema is part of run keys.

    Attributes
    ----------
    label
        Name of the label column; `NO_LABEL` for a table without labels; None for a column with a
        name of `LABEL_COLUMNS`, see `find_label_column`.
    anomaly
        Label values that mean anomaly; all others mean normal.
    normal
        Label values that mean normal; all others mean anomaly. Excludes `anomaly`.
    share
        Share of the labeled rows to which anomalies are drawn (paper § 4.1); None keeps all.
    without
        Names of columns that are not features.
    keep
        Names of columns that are features although they number the rows or equal the label.
    categories
        Use of columns of words: one-hot encode them or leave them out.
    missing
        Use of missing values: replace numbers by the median of the training rows, or drop the rows.
    time, group
        Columns with the time and the entity of each row, which a split may follow. They are no features unless
        they are in `keep`.
    test
        Path of the test file; for an upload the name of another upload.
    dates
        "parts" to compute days, hour, weekday and month from columns of dates; None if they are to be left out.
    many
        "hash" to hash the words of columns with too many for a feature each; None if they are to be left out.
    decimal
        Decimal sign of columns that can be read with either one; None for the likely one.
    encoding, sheet, header
        Choices on how the file is read, see `ReadOptions`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    label: Name | None = None
    anomaly: tuple[Name, ...] = ()
    normal: tuple[Name, ...] = ()
    share: float | None = Field(default=None, gt=0, lt=1)
    without: tuple[Name, ...] = ()
    keep: tuple[Name, ...] = ()
    categories: Literal["one_hot", "leave_out"] | None = None
    missing: Literal["impute", "drop"] | None = None
    time: Annotated[Name, StringConstraints(min_length=1)] | None = None
    group: Annotated[Name, StringConstraints(min_length=1)] | None = None
    test: Annotated[str, StringConstraints(min_length=1, max_length=MAX_PATH)] | None = None
    dates: Literal["parts"] | None = None
    many: Literal["hash"] | None = None
    decimal: Decimal | None = None
    encoding: str | None = None
    sheet: Name | None = None
    header: Literal["yes", "no"] | None = None

    @property
    def protocols(self) -> tuple[str, ...]:
        """Protocols that split a table as this schema says, the most specific first; () if it names no way."""
        ways = {"test_file": self.test, "by_time": self.time, "by_group": self.group}
        return tuple(protocol for protocol, given in ways.items() if given is not None)

    def split_keys(self, table: pd.DataFrame, title: str) -> SplitKeys:
        """Return the times and groups of the rows of a table; raise BadDataFile if a cell is no time."""
        return SplitKeys(
            times=None if self.time is None else to_times(table[self.time], self.time, title),
            groups=None if self.group is None else to_groups(table[self.group]),
        )

    @property
    def feature_choices(self) -> FeatureChoices:
        """Use of the columns that are no plain numbers."""
        return FeatureChoices(
            one_hot=None if self.categories is None else self.categories == "one_hot",
            impute=None if self.missing is None else self.missing == "impute",
            dates=self.dates == "parts",
            hashes=self.many == "hash",
        )

    @property
    def read_options(self) -> ReadOptions:
        """Choices on how the file is read, before its columns are used."""
        return ReadOptions(self.encoding, self.sheet, self.header)

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, encoding: str | None) -> str | None:
        if encoding is not None and encoding not in ENCODINGS:
            raise ValueError("unknown encoding")
        return encoding

    @model_validator(mode="after")
    def _check_encode_labels(self) -> TableSchema:
        if self.anomaly and self.normal:
            raise ValueError("both sides")
        return self


def make_schema(values: Mapping[str, object]) -> TableSchema:
    """Make a schema from the values of its fields by name.

    Raises
    ------
    InvalidConfig
        If a name is not a field of `TableSchema`, a value does not fit, or both anomaly and normal are set.
    """
    try:
        return TableSchema.model_validate(values)
    except ValidationError as error:
        detail = error.errors()[0]
        name = str(detail["loc"][0]) if detail["loc"] else ""
        if not name:
            raise InvalidConfig("Say which values mean anomaly or which mean normal, not both.") from error
        if name not in SCHEMA_RULES:
            known = ", ".join(SCHEMA_RULES)
            raise InvalidConfig(f"A table has no setting {name[:60]!r}; its settings are {known}.") from error
        raise InvalidConfig(f"{name} must be {SCHEMA_RULES[name]}, not {str(values[name])[:60]!r}.") from error


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
        Mask of the rows that are kept when anomalies are drawn to the share of the schema, bool [rows].
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


def find_label_column(table: pd.DataFrame, schema: TableSchema) -> str:
    """Return the name of the label column: that of the schema, else the one that `choose_label` chooses.

    Return `NO_LABEL` if the table has no labels. The schema's column need not exist.
    """
    if schema.label is not None:
        return schema.label
    names = [str(name) for name in table.columns if str(name).strip().lower() in LABEL_COLUMNS]
    return choose_label({name: _label_values(table[name]) for name in names})


def choose_label(values: Mapping[str, set[str]]) -> str:
    """Choose the label column among columns with a name of `LABEL_COLUMNS`; return its name or `NO_LABEL`.

    Columns are tried in the order of `LABEL_COLUMNS`. The first whose values need no schema, such as 0 and 1,
    is chosen, else the first column, with y last. A column y with more than `MAX_WORDS` values is not chosen, since it
    holds coordinates.

    Parameters
    ----------
    values
        Different values of each column, without blank ones, by name.
    """
    by_name = {name.strip().lower(): name for name in reversed(list(values))}
    names = [by_name[name] for name in LABEL_COLUMNS if name in by_name]
    if plain := [name for name in names if has_plain_labels(values[name])]:
        return plain[0]
    coordinates = [name for name in names if name.strip().lower() == COORDINATE]
    others = [name for name in names if name not in coordinates]
    return next(
        (name for name in (*others, *coordinates) if name in others or len(values[name]) <= MAX_WORDS), NO_LABEL
    )


def has_plain_labels(values: set[str]) -> bool:
    """Return True if all values, at least one, belong to one pair of labels that need no schema, such as 0 and 1."""
    return bool(values) and any(values <= words for words in PLAIN)


def _label_values(values: pd.Series) -> set[str]:
    """Return the different values of a column without blank ones, at most three times `MAX_WORDS` of them."""
    try:
        return {*to_labels(pd.Series(values.unique()[: 3 * MAX_WORDS]))} - {""}
    except TypeError:  # cells such as lists cannot be compared
        return set()


def parse_table(table: pd.DataFrame, schema: TableSchema, title: str, test: pd.DataFrame | None = None) -> ParsedTable:
    """Compute the features and labels of a table under a schema, with those of its test file behind.

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

    Raises
    ------
    BadDataFile
        If the schema does not fit the table, or leaves a choice open that the table needs, or if the test file lacks
        columns or has a label value that the table does not have.
    """
    table = settle_open_numbers(table, title, schema.decimal)
    label = find_label_column(table, schema)
    _check_names(table, schema, label, title)
    labels = to_labels(table[label]) if label else np.full(len(table), "", dtype=object)
    y = _encode_labels(labels, schema, label, title) if label else np.full(len(table), UNLABELED, dtype=np.int8)
    features = build_features(table, schema, label, title, y)
    revision = features.revision
    if revision == 1 and not _is_labeled_as_before(table, label, labels, schema.label is None):
        revision = 2
    labels, y = labels[features.kept], y[features.kept]
    drawn = _draw_anomalies(y, schema.share, title)
    file_rows = np.flatnonzero(features.kept).astype(np.int64)
    notes = (*features.notes, *label_notes(title, label, y, not schema.anomaly and not schema.normal))
    parts = (features.X, y, file_rows, drawn, labels, label, len(table), features.preprocessing, features.profiles)
    candidates = () if label else find_labels(table)
    keys = schema.split_keys(table, title).at(features.kept)
    parsed = ParsedTable(*parts, notes, revision, candidates, keys)
    return parsed if test is None else _with_test_rows(parsed, test, table, schema, title)


def _with_test_rows(
    parsed: ParsedTable, test: pd.DataFrame, table: pd.DataFrame, schema: TableSchema, title: str
) -> ParsedTable:
    """Return a parsed table with the rows of its test file behind its own; see `parse_table`."""
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


def build_features(
    table: pd.DataFrame, schema: TableSchema, label: str, title: str, y: np.ndarray | None = None
) -> FeatureTable:
    """Compute the features of a table from all columns but the label and those that the schema leaves out.

    Row numbers, names of entities, copies of the label and other columns that may be labels are left out, too, unless
    the schema keeps them or no other column is left.

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

    Raises
    ------
    BadDataFile
        If the schema does not fit the table, or leaves a choice open that the table needs.
    """
    table = settle_open_numbers(table, title, schema.decimal)
    _check_names(table, schema, label, title)
    split_by = [name for name in (schema.time, schema.group) if name not in schema.keep]
    no_features = {label, *schema.without, *split_by}
    used = [str(name) for name in table.columns if name not in no_features]
    numbering = [name for name in find_row_numbers(table) if name in used and name not in schema.keep]
    entities = [name for name in find_entities(table) if name in used and name not in schema.keep]
    others = [name for name in used if name not in schema.keep]
    copies = [*find_label_copies(table, others, to_labels(table[label]), y)] if label else []
    twins = [name for name in find_other_labels(table, label) if name in others] if label else []
    left_out = {*numbering, *copies, *twins, *entities}
    if left_out >= {*used}:
        left_out = {*numbering, *copies}
    if left_out >= {*used}:
        left_out = set()
    profiles = profile_columns(table, [name for name in used if name not in left_out])
    preprocessing = fit_preprocessing(table, profiles, schema.feature_choices, title)
    values, kept = preprocessing.apply(table, title, fills=False)
    X = as_features(values)
    if np.isnan(X).any():
        preprocessing = preprocessing.with_fill(medians(X, np.arange(len(X))))
    names = [column.name for column in preprocessing.columns]
    giveaways = find_giveaways(table, names, y) if y is not None else {}
    missing = find_missing_giveaways(table, names, y) if y is not None else {}
    exclusions = {
        "rows": [name for name in numbering if name not in copies],
        "entities": [name for name in entities if name in left_out and name not in copies],
        "label": copies,
    }
    notes = (
        *table.attrs.get("notes", ()),
        *exclusion_notes(title, label, exclusions, bool(left_out)),
        *other_label_notes(title, [name for name in twins if name in left_out and name not in copies]),
        *giveaway_notes(title, {name: share for name, share in giveaways.items() if name not in {*copies, *missing}}),
        *missing_notes(title, missing),
        *cell_notes(title, [column for column in profiles if column.name in names]),
    )
    as_before = not left_out and not schema.keep and not table.attrs.get("is_new_layout")
    as_before = as_before and all(is_typed_as_before(column, table) for column in profiles if column.name in names)
    is_changed = table.attrs.get("is_regrouped") or left_out > {*numbering, *copies}
    revision = REVISION if is_changed else 1 if as_before else 2
    return FeatureTable(X, kept, preprocessing, tuple(profiles), notes, revision)


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


def _check_names(table: pd.DataFrame, schema: TableSchema, label: str, title: str) -> None:
    """Raise BadDataFile if the label, or another column that the schema names, is not in the table."""
    named = (*filter(None, [label, schema.time, schema.group]), *schema.without, *schema.keep)
    if absent := [name for name in named if name not in table.columns]:
        raise BadDataFile(
            f"{title} has no column {list_names(absent)}: it has {list_names([str(name) for name in table.columns])}."
        )


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
            raise BadDataFile(
                f"{column} holds {list_names(values)}, and its labels must be 0 and 1, or say which mean anomaly with "
                "anomaly=… or normal=…."
            )
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

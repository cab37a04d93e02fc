"""How a user's table is meant: which column labels its rows, which values mean anomaly, what becomes of the rest.

A reading is said in an address, such as `file.csv?label=class&anomaly=4,5&missing=drop`, or on the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from anoonly_core.data.dataset import Dataset, Provenance, make_dataset
from anoonly_core.data.tables.columns import ColumnProfile, list_names, profile_column, to_words
from anoonly_core.data.tables.preprocessing import Preprocessing, fit_preprocessing
from anoonly_core.data.tables.readers import printable
from anoonly_core.errors import BadDataFile, InvalidConfig
from anoonly_core.rng import numpy_generator

__all__ = [
    "LABEL_COLUMNS",
    "SCHEMA_RULES",
    "UNLABELED",
    "ParsedTable",
    "TableSchema",
    "build_features",
    "find_label_column",
    "make_schema",
    "parse_table",
]

LABEL_COLUMNS = ("y", "label", "anomaly", "target")
MAX_CLASSES = 1000
NO_LABEL = ""
UNLABELED = -1
# Values that say by themselves which rows are anomalies.
PLAIN = ({"0", "1"}, {"False", "True"})

SCHEMA_RULES = {
    "label": f"the name of a column, or nothing for none; unless given {', '.join(LABEL_COLUMNS)}, the first there is",
    "anomaly": "the values of the label column that mean anomaly, with commas between",
    "normal": "the values of the label column that mean normal, all others anomaly",
    "share": "a number above 0 and below 1, the share that anomalies are drawn to",
    "without": "columns that are no features, with commas between",
    "categories": "one_hot or leave_out",
    "missing": "impute or drop",
}

Name = Annotated[str, StringConstraints(max_length=200)]


class TableSchema(BaseModel):
    """How a table is meant; None and () are what has not been said.

    label: the label column; NO_LABEL for a table without one. anomaly, normal: values of it, of which one is
    given; a row whose label is blank is unlabeled. share: anomalies are drawn until they are this share of the
    labeled rows, as the paper builds its sets. without: columns that are no features. categories, missing: see
    READING_RULES.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    label: Name | None = None
    anomaly: tuple[Name, ...] = ()
    normal: tuple[Name, ...] = ()
    share: float | None = Field(default=None, gt=0, lt=1)
    without: tuple[Name, ...] = ()
    categories: Literal["one_hot", "leave_out"] | None = None
    missing: Literal["impute", "drop"] | None = None

    @model_validator(mode="after")
    def _one_side(self) -> TableSchema:
        if self.anomaly and self.normal:
            raise ValueError("both sides")
        return self


def make_schema(values: Mapping[str, object]) -> TableSchema:
    """A reading from what is said by name; raises InvalidConfig with one sentence."""
    try:
        return TableSchema.model_validate(values)
    except ValidationError as error:
        detail = error.errors()[0]
        name = str(detail["loc"][0]) if detail["loc"] else ""
        if not name:
            raise InvalidConfig("Say which values mean anomaly or which mean normal, not both.") from error
        if name not in SCHEMA_RULES:
            known = ", ".join(SCHEMA_RULES)
            raise InvalidConfig(f"A table is not read by {name[:60]!r}, only by {known}.") from error
        raise InvalidConfig(f"{name} must be {SCHEMA_RULES[name]}, not {str(values[name])[:60]!r}.") from error


@dataclass(frozen=True, eq=False)
class ParsedTable:
    """A table as it is meant.

    X: float32 [rows, features]. y: int8 [rows], 1 anomaly, 0 normal, UNLABELED where the label is blank or there
    is none. file_rows: int64 [rows], each row's place in its file, from 0. drawn: bool [rows], the rows that stay where
    anomalies are drawn to a share. labels: str [rows], what the label column says, "" where it is blank.
    rows_in_file: before any were dropped. profiles: its columns but for the label.
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

    @property
    def can_be_tested(self) -> bool:
        """Whether it has rows that are known to be anomalies and rows that are known to be normal."""
        return bool((self.y == 1).any() and (self.y == 0).any())

    def unlabeled_dataset(self, name: str) -> Dataset:
        """All its rows as a data set in which nobody knows a label; no run can be tested on it."""
        nobody = np.ones(len(self.X), dtype=bool)
        y = np.zeros(len(self.X), dtype=np.int8)
        return Dataset(name, self.X, y, self.file_rows, Provenance(f"the file {name}", "yours"), unlabeled=nobody)

    def dataset(self, name: str, provenance: Provenance) -> Dataset:
        """The rows that stay as a data set of this name; raises BadDataFile where they cannot be tested on."""
        if not self.label_column:
            raise BadDataFile(
                f"{name} needs a label column with one of the names {', '.join(LABEL_COLUMNS)}, or say which it is "
                "with label=…."
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
        )


def find_label_column(table: pd.DataFrame, reading: TableSchema) -> str:
    """The label column that a reading means, NO_LABEL for none."""
    if reading.label is not None:
        return reading.label
    named_so = {str(column).strip().lower(): str(column) for column in reversed(table.columns)}
    return next((named_so[name] for name in LABEL_COLUMNS if name in named_so), NO_LABEL)


def parse_table(table: pd.DataFrame, reading: TableSchema, shown: str) -> ParsedTable:
    """A table's features and labels; shown: its name in sentences. Raises BadDataFile with what is wrong."""
    label = find_label_column(table, reading)
    X, kept, preprocessing, profiles = build_features(table, reading, label, shown)
    labels = to_words(table[label])[kept] if label else np.full(len(X), "", dtype=object)
    y = _sides(labels, reading, label, shown) if label else np.full(len(X), UNLABELED, dtype=np.int8)
    drawn = _drawn(y, reading.share, shown)
    file_rows = np.flatnonzero(kept).astype(np.int64)
    return ParsedTable(X, y, file_rows, drawn, labels, label, len(table), preprocessing, profiles)


def build_features(
    table: pd.DataFrame, reading: TableSchema, label: str, shown: str
) -> tuple[np.ndarray, np.ndarray, Preprocessing, tuple[ColumnProfile, ...]]:
    """All columns but the label and what is left out as features, float32 [kept rows, features].

    Also which rows are kept, bool [rows], how it is done, and what the columns are. Raises BadDataFile.
    """
    if absent := [name for name in (*filter(None, [label]), *reading.without) if name not in table.columns]:
        raise BadDataFile(
            f"{shown} has no column {list_names(absent)}: it has {list_names([str(own) for own in table.columns])}."
        )
    features = [str(name) for name in table.columns if name != label and name not in reading.without]
    profiles = [profile_column(name, table[name]) for name in features]
    one_hot = None if reading.categories is None else reading.categories == "one_hot"
    impute = None if reading.missing is None else reading.missing == "impute"
    preprocessing = fit_preprocessing(table, profiles, one_hot, impute, shown)
    X, kept = preprocessing.apply(table, shown)
    return np.ascontiguousarray(X, dtype=np.float32), kept, preprocessing, tuple(profiles)


def _sides(labels: np.ndarray, reading: TableSchema, label: str, shown: str) -> np.ndarray:
    """1, 0 or UNLABELED for each row, int8 [rows]."""
    values = sorted(set(labels) - {""})
    column = f"{shown}: the label column {printable(label[:60])}"
    if len(values) > MAX_CLASSES:
        raise BadDataFile(f"{column} has {len(values)} different values, and a label has at most {MAX_CLASSES}.")
    chosen = set(reading.anomaly or reading.normal)
    if not chosen:
        if len(values) < 2 and not any(set(values) <= plain for plain in PLAIN):
            raise BadDataFile(f"{column} holds nothing but {list_names(values)}, which tells no row from another.")
        if not any(set(values) <= plain for plain in PLAIN):
            raise BadDataFile(
                f"{column} holds {list_names(values)}, and its labels must be 0 and 1, or say which mean anomaly with "
                "anomaly=… or normal=…."
            )
        chosen = {"1", "True"}
    elif unknown := sorted(chosen - set(values)):
        raise BadDataFile(f"{column} nowhere holds {list_names(unknown)}: it holds {list_names(values)}.")
    is_chosen = np.isin(labels, sorted(chosen))
    anomalous = ~is_chosen if reading.normal else is_chosen
    return np.where(labels == "", UNLABELED, anomalous).astype(np.int8)


def _drawn(y: np.ndarray, share: float | None, shown: str) -> np.ndarray:
    """Which rows stay, bool [rows]: always the same ones, and of a smaller share a part of those of a larger one."""
    stays = np.ones(len(y), dtype=bool)
    if share is None:
        return stays
    anomalies, normals = np.flatnonzero(y == 1), int((y == 0).sum())
    wanted = max(1, round(normals * share / (1 - share)))
    if wanted > len(anomalies):
        most = len(anomalies) / max(normals + len(anomalies), 1)
        raise BadDataFile(f"{shown} has anomalies for a share of {most:.3g} at most, not of {share:g}.")
    stays[numpy_generator(0, "own table").permutation(anomalies)[wanted:]] = False
    return stays

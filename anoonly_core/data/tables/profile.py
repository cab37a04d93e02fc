"""A first look at a table that was brought: what its columns are, and how it could be meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anoonly_core.data.tables.columns import ColumnProfile, profile_column, to_words
from anoonly_core.data.tables.schema import LABEL_COLUMNS, MAX_CLASSES, NO_LABEL, TableSchema

__all__ = ["TableProfile", "profile_table", "suggest_anomalies", "suggest_schema"]

HEAD_ROWS = 50
# Names that often mean what a row is, beside those that the command line takes for the label without being asked.
OFTEN_LABELS = (*LABEL_COLUMNS, "class", "outlier", "is_anomaly", "is_outlier", "fraud", "diagnosis", "species", "type")
# Values that often mean anomaly.
OFTEN_ANOMALIES = ("1", "true", "yes", "anomaly", "anomalous", "outlier", "fraud", "attack", "malignant", "faulty")
IDENTIFIERS = ("id", "index", "row", "row_id", "rowid", "nr", "no", "unnamed: 0")


@dataclass(frozen=True, eq=False)
class TableProfile:
    """What a table holds before anything is decided.

    columns: each of them. values: how often each value stands in a column, "" for blank, for the columns that
    could label the rows. head: the first rows. identifiers: columns that number the rows.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    values: Mapping[str, Mapping[str, int]]
    head: pd.DataFrame
    identifiers: tuple[str, ...]


def profile_table(table: pd.DataFrame) -> TableProfile:
    """Look at a table as it came from its file."""
    names = [str(name) for name in table.columns]
    values = {name: own for name in names if (own := _values(table[name])) is not None}
    identifiers = tuple(name for name in names if name.strip().lower() in IDENTIFIERS and table[name].is_unique)
    return TableProfile(
        len(table), tuple(profile_column(n, table[n]) for n in names), values, table.head(HEAD_ROWS), identifiers
    )


def suggest_schema(look: TableProfile) -> TableSchema:
    """How the table is probably meant: to begin with, and to be looked at by whoever brought it."""
    by_name = {name.strip().lower(): name for name in reversed(list(look.values))}
    label = next((by_name[name] for name in OFTEN_LABELS if name in by_name), NO_LABEL)
    used = [column for column in look.columns if column.name != label]
    without = [column.name for column in used if not column.usable or column.name in look.identifiers]
    left = [column for column in used if column.name not in without]
    return TableSchema(
        label=label,
        anomaly=suggest_anomalies(look.values[label]) if label else (),
        without=tuple(without),
        categories="one_hot" if any(column.words for column in left) else None,
        missing="impute" if any(column.missing for column in left) else None,
    )


def suggest_anomalies(values: Mapping[str, int]) -> tuple[str, ...]:
    """The values that say so by themselves, or else the rarest one."""
    there = {value: count for value, count in values.items() if value}
    if len(there) < 2:
        return tuple(value for value in there if value.lower() in OFTEN_ANOMALIES)
    plain = tuple(value for value in there if value.lower() in OFTEN_ANOMALIES)
    return (
        plain if len(plain) in range(1, len(there)) and len(there) == 2 else (min(there, key=lambda own: there[own]),)
    )


def _values(column: pd.Series) -> dict[str, int] | None:
    """How often each value stands there; None where there are too many to be a label."""
    try:
        if column.nunique() > MAX_CLASSES:
            return None
    except TypeError:  # of lists and the like
        return None
    words, counts = np.unique(to_words(column).astype(str), return_counts=True)
    return dict(zip(map(str, words), counts.tolist(), strict=True))

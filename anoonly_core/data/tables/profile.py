"""Profile of an uploaded table, and the schema that it suggests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anoonly_core.data.tables.columns import ColumnProfile, profile_column, to_words
from anoonly_core.data.tables.schema import LABEL_COLUMNS, MAX_CLASSES, NO_LABEL, TableSchema

__all__ = ["TableProfile", "profile_table", "suggest_anomalies", "suggest_schema"]

HEAD_ROWS = 50
# Names of columns that often hold labels, in order of preference. Beyond LABEL_COLUMNS they are only suggested.
LIKELY_LABELS = (
    *LABEL_COLUMNS,
    "class",
    "outlier",
    "is_anomaly",
    "is_outlier",
    "fraud",
    "diagnosis",
    "species",
    "type",
)
# Values that often mean anomaly.
LIKELY_ANOMALIES = ("1", "true", "yes", "anomaly", "anomalous", "outlier", "fraud", "attack", "malignant", "faulty")
IDENTIFIERS = ("id", "index", "row", "row_id", "rowid", "nr", "no", "unnamed: 0")


@dataclass(frozen=True, eq=False)
class TableProfile:
    """Content of a table before a schema is chosen.

    Attributes
    ----------
    rows
        Number of rows.
    columns
        Profile of each column.
    values
        Count of each value, "" for blank, of the columns with at most `MAX_CLASSES` values.
    head
        First `HEAD_ROWS` rows.
    identifiers
        Names of the columns that number the rows.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    values: Mapping[str, Mapping[str, int]]
    head: pd.DataFrame
    identifiers: tuple[str, ...]


def profile_table(table: pd.DataFrame) -> TableProfile:
    """Profile a table as `read_table` returns it."""
    names = [str(name) for name in table.columns]
    values = {name: counts for name in names if (counts := _value_counts(table[name])) is not None}
    identifiers = tuple(name for name in names if name.strip().lower() in IDENTIFIERS and table[name].is_unique)
    columns = tuple(profile_column(name, table[name]) for name in names)
    return TableProfile(len(table), columns, values, table.head(HEAD_ROWS), identifiers)


def suggest_schema(profile: TableProfile) -> TableSchema:
    """Suggest a schema for a table; the user should check it.

    The label is a column with a likely name. Columns that cannot be features and identifiers are
    left out, words one-hot encoded, and missing numbers imputed.
    """
    by_name = {name.strip().lower(): name for name in reversed(list(profile.values))}
    label = next((by_name[name] for name in LIKELY_LABELS if name in by_name), NO_LABEL)
    candidates = [column for column in profile.columns if column.name != label]
    without = [column.name for column in candidates if not column.usable or column.name in profile.identifiers]
    features = [column for column in candidates if column.name not in without]
    return TableSchema(
        label=label,
        anomaly=suggest_anomalies(profile.values[label]) if label else (),
        without=tuple(without),
        categories="one_hot" if any(column.words for column in features) else None,
        missing="impute" if any(column.missing for column in features) else None,
    )


def suggest_anomalies(values: Mapping[str, int]) -> tuple[str, ...]:
    """Suggest the label values that mean anomaly: a likely one of two values, else the rarest.

    Parameters
    ----------
    values
        Count of each value of the label column; blank ones are ignored.
    """
    counts = {value: count for value, count in values.items() if value}
    likely = tuple(value for value in counts if value.lower() in LIKELY_ANOMALIES)
    if len(counts) < 2 or (len(counts) == 2 and len(likely) == 1):
        return likely
    return (min(counts, key=lambda value: counts[value]),)


def _value_counts(column: pd.Series) -> dict[str, int] | None:
    """Count each value of a column; None if it has more than `MAX_CLASSES`."""
    try:
        if column.nunique() > MAX_CLASSES:
            return None
    except TypeError:  # cells such as lists cannot be counted
        return None
    words, counts = np.unique(to_words(column).astype(str), return_counts=True)
    return dict(zip(map(str, words), counts.tolist(), strict=True))

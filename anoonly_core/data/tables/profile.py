"""Profile of an uploaded table, and the schema that it suggests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from anoonly_core.data.tables.columns import ColumnProfile, profile_columns, to_labels
from anoonly_core.data.tables.exclusions import find_row_numbers
from anoonly_core.data.tables.files import MAX_COLUMN_NAME, ReadOptions
from anoonly_core.data.tables.number_styles import OpenDecimal, settle_open_numbers
from anoonly_core.data.tables.schema import MAX_CLASSES, NO_LABEL, TableSchema, choose_label, make_schema

__all__ = ["TableProfile", "profile_table", "suggest_anomalies", "suggest_schema"]

HEAD_ROWS = 50
# Names of columns that often hold labels, in order of preference, without spaces, "_" and "-". They are only
# suggested, unlike LABEL_COLUMNS.
LIKELY_LABELS = (
    *("class", "outlier", "isanomaly", "isoutlier", "isfraud", "fraud", "anomalous", "isattack", "attack"),
    *("diagnosis", "species", "type"),
)
# Values that mean anomaly or normal however many rows have them.
ANOMALY_WORDS = frozenset(
    (
        *("anomaly", "anomalous", "anomalies", "abnormal", "outlier", "fraud", "fraudulent", "attack", "malicious"),
        *("malignant", "faulty", "fault", "failure", "defect", "defective", "intrusion"),
    )
)
NORMAL_WORDS = frozenset(("normal", "benign", "inlier", "ok", "healthy", "sound", "genuine", "legitimate", "good"))
YES_WORDS = frozenset(("1", "true", "yes"))  # they answer a question that may ask for either


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
        Count of each value by column name, "" for blank, of the columns with at most `MAX_CLASSES` values.
    head
        First `HEAD_ROWS` rows.
    identifiers
        Names of the columns that number the rows, see `find_row_numbers`.
    read
        Encoding, sheet and header with which the file was read, as far as its format has them.
    sheets
        Names of the sheets of a spreadsheet.
    open_decimals
        Columns that can be read with either decimal sign, by name, where the user has to choose.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    values: Mapping[str, Mapping[str, int]]
    head: pd.DataFrame
    identifiers: tuple[str, ...]
    read: ReadOptions = field(default_factory=ReadOptions)
    sheets: tuple[str, ...] = ()
    open_decimals: Mapping[str, OpenDecimal] = field(default_factory=dict)


def profile_table(table: pd.DataFrame) -> TableProfile:
    """Summarize a table that `read_table` returned: types and values of its columns, and its first rows."""
    open_decimals = {name: column for name, column in table.attrs.get("open_decimals", {}).items() if column.is_asked}
    table = settle_open_numbers(table, "", None)
    names = [str(name) for name in table.columns]
    values = {name: counts for name in names if (counts := _value_counts(table[name])) is not None}
    columns = tuple(profile_columns(table, names))
    head = table.head(HEAD_ROWS)
    head.attrs = {}
    return TableProfile(
        *(len(table), columns, values, head, find_row_numbers(table)),
        read=table.attrs.get("read", ReadOptions()),
        sheets=table.attrs.get("sheets", ()),
        open_decimals=open_decimals,
    )


def suggest_schema(profile: TableProfile) -> TableSchema:
    """Suggest a schema for a table from its profile; the user should check it.

    The label is a column with a likely name. Columns that cannot be features and row numbers are
    left out, words one-hot encoded, and missing numbers imputed.
    """
    label = _suggest_label(profile.values)
    candidates = [column for column in profile.columns if column.name != label]
    without = [column.name for column in candidates if not column.usable or column.name in profile.identifiers]
    features = [column for column in candidates if column.name not in without]
    return make_schema(
        {
            "label": label,
            "anomaly": suggest_anomalies(profile.values[label]) if label else (),
            "without": tuple(without),
            "categories": "one_hot" if any(column.words for column in features) else None,
            "missing": "impute" if any(column.missing for column in features) else None,
        }
    )


def _suggest_label(values: Mapping[str, Mapping[str, int]]) -> str:
    """Return the name of the likely label column, or `NO_LABEL` if none has a likely name.

    `values` holds the count of each value by column name, of the columns with few values.
    """
    counts = {name: {word: count for word, count in words.items() if word} for name, words in values.items()}
    if label := choose_label({name: set(words) for name, words in counts.items()}):
        return label
    by_name = {re.sub(r"[\s_-]", "", name.lower()): name for name in reversed(list(counts)) if len(counts[name]) > 1}
    return next((by_name[name] for name in LIKELY_LABELS if name in by_name), NO_LABEL)


def suggest_anomalies(values: Mapping[str, int]) -> tuple[str, ...]:
    """Suggest the values of a label column that mean anomaly; return () if the user has to say.

    A word such as "fraud" or "normal" decides. Otherwise, the rarer value means anomaly. Of -1 and 1
    that is -1, as in scikit-learn, and nothing is suggested if it is the more frequent one. A single
    value is suggested if it may mean anomaly, such as "yes".

    Parameters
    ----------
    values
        Count of each value of the label column; blank ones are ignored.
    """
    counts = {value: count for value, count in values.items() if value}
    anomalous = tuple(value for value in counts if value.lower() in ANOMALY_WORDS)
    if anomalous:
        return anomalous
    normal = {value for value in counts if value.lower() in NORMAL_WORDS}
    if normal:
        return tuple(value for value in counts if value not in normal)
    if len(counts) < 2:
        return tuple(value for value in counts if value.lower() in YES_WORDS)
    rarest = min(counts.values())
    rare = tuple(value for value, count in counts.items() if count == rarest)
    if set(counts) == {"-1", "1"}:
        return ("-1",) if "-1" in rare else ()
    if len(rare) == 1:
        return rare
    return tuple(value for value in rare if value.lower() in YES_WORDS) if len(counts) == 2 else rare[:1]


def _value_counts(column: pd.Series) -> dict[str, int] | None:
    """Count each value of a column, as `to_labels` converts it, in sorted order; "" for blank.

    Return None for over `MAX_CLASSES` values, or a value of over `MAX_COLUMN_NAME` characters.
    """
    try:
        if column.nunique() > MAX_CLASSES:
            return None
    except TypeError:  # cells such as lists cannot be counted
        return None
    words = pd.Series(to_labels(column), dtype=object)
    counts = {str(word): int(count) for word, count in words.value_counts(sort=False).sort_index().items()}
    return counts if max(map(len, counts)) <= MAX_COLUMN_NAME else None

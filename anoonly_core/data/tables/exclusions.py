"""Columns that are no features: row numbers, constants and copies of the label; and columns that give it away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from anoonly_core.data.tables.columns import CATEGORY, DATE, MAX_WORDS, NUMBER, ColumnProfile, to_numbers, to_words
from anoonly_core.data.tables.label_candidates import name_parts
from anoonly_core.data.tables.number_styles import is_missing
from anoonly_core.progress import Report, report_each, report_nothing

__all__ = [
    "find_constants",
    "find_entities",
    "find_giveaways",
    "find_label_copies",
    "find_missing_giveaways",
    "find_row_numbers",
]

MIN_SEQUENCE = 10  # rows that show a sequence 1, 2, 3, … or a copy of the label
# Names of columns that number the rows if all of their values differ.
ROW_NUMBER_NAMES = re.compile(
    r"|id|index|row|row[ _]?id|row[ _]?(?:nr|no|num|number)|nr|no|unnamed(?:: \d+)?|level_\d+|__index_level_\d+__"
)
# Last words of names of columns that name entities, and whole names without their spaces.
ENTITY_ENDS = frozenset(("id", "ids", "uuid", "guid", "iban", "ssn", "imei", "imsi", "msisdn"))
ENTITY_NAMES = re.compile(
    r"(customer|client|user|account|card|device|merchant|patient|order|transaction|session|member|policy|invoice|machine|"
    r"kunden?|konto|karten?|auftrags?|rechnungs?|geräte?)(id|nr|no|num|number|nummer)"
)
MAX_SAMPLED = 10_000_000  # cells that are sorted to compare columns with the label
MIN_SAMPLED = 2_000  # rows
MIN_RARE = 3  # rows of the rarer class, below which chance sorts them
MAX_MISTAKES = 0.01  # rows that the values of a column sort wrongly, as a share of the rarer class


def find_row_numbers(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the names of the columns that number the rows of a table.

    A column numbers the rows if it was the index of a Parquet file, has a name such as ``id`` and
    different values in all rows, or holds integers that rise by 1 from row to row.
    """
    index = table.attrs.get("index", ())
    return tuple(
        str(name)
        for name in table.columns
        if name in index
        or (ROW_NUMBER_NAMES.fullmatch(str(name).strip().lower()) and _all_differ(table[name]))
        or _is_sequence(table[name])
    )


def find_entities(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the names of the columns of integers that name entities, such as customers, which may repeat.

    Such a column has a name such as ``customer_id`` or ``CardNumber`` and more than `MAX_WORDS` different values.
    Columns that number the rows are not among them.
    """
    numbering = find_row_numbers(table)
    return tuple(
        str(name)
        for name in table.columns
        if name not in numbering and _names_entities(str(name)) and _holds_many_integers(table[name])
    )


def _names_entities(name: str) -> bool:
    parts = name_parts(name)
    return bool(parts) and (
        parts[-1] in ENTITY_ENDS
        or (len(parts) > 1 and parts[0] == "id")
        or ENTITY_NAMES.fullmatch("".join(parts)) is not None
    )


def _holds_many_integers(values: pd.Series[Any]) -> bool:
    if values.dtype == object or pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    if values.iloc[:MIN_SAMPLED].nunique() <= MAX_WORDS and values.nunique() <= MAX_WORDS:
        return False
    numbers = to_numbers(values)
    known = numbers[np.isfinite(numbers)]
    return len(known) > MAX_WORDS and bool((known == np.trunc(known)).all())


def find_constants(table: pd.DataFrame, profiles: Sequence[ColumnProfile]) -> tuple[str, ...]:
    """Return the names of the columns that are the same in all rows, so that no row differs from another by them.

    Blank cells count as a value of their own, except among numbers, where a run replaces them by the median of the
    others. A column without any value is not among them.
    """
    return tuple(column.name for column in profiles if _is_constant(table[column.name], column))


def _is_constant(values: pd.Series[Any], profile: ColumnProfile) -> bool:
    if profile.kind == NUMBER:
        for part in (values.iloc[:MIN_SAMPLED], values):  # the first rows rule out nearly all columns
            numbers = to_numbers(part)
            known = numbers[~np.isnan(numbers)]
            if len(known) and (known != known[0]).any():
                return False
        return True
    if profile.kind not in (CATEGORY, DATE) or profile.missing or profile.count > 1:
        return False
    words = to_words(values.iloc[:MIN_SAMPLED])
    return bool((words == words[0]).all() and (to_words(values) == words[0]).all())


def find_missing_giveaways(table: pd.DataFrame, names: Sequence[str], y: np.ndarray) -> dict[str, bool]:
    """Find the columns that are blank exactly in the rows of one class; True for anomalies, False for normal rows.

    Parameters
    ----------
    table
        Table as `read_table` returns it.
    names
        Columns to examine.
    y
        Labels, int8 [rows]; see `find_giveaways`. Its rarer class must have `MIN_RARE` rows.
    """
    rows, is_anomaly = _compared(y)
    if min(is_anomaly.sum(), (~is_anomaly).sum()) < MIN_RARE:
        return {}
    found = {}
    for name in names:
        sides = {True, False}
        for part in (slice(MIN_SAMPLED), slice(None)):  # the first rows rule out nearly all columns
            is_blank = _blank(table[name].iloc[rows[part]])
            sides = {side for side in sides if np.array_equal(is_blank, is_anomaly[part] == side)}
            if not sides:
                break
        if sides:
            (found[name],) = sides
    return found


def _blank(values: pd.Series[Any]) -> np.ndarray:
    """Return a mask of the cells that are missing or hold a word that means so, bool [rows]."""
    is_blank = values.isna().to_numpy(dtype=bool)
    if values.dtype == object or pd.api.types.is_string_dtype(values):
        words = np.array([isinstance(cell, str) and is_missing(cell.strip()) for cell in values], dtype=bool)
        return np.asarray(is_blank | words)
    return is_blank


def find_label_copies(
    table: pd.DataFrame, names: Sequence[str], labels: np.ndarray, y: np.ndarray | None
) -> tuple[str, ...]:
    """Return the names of the columns that are copies of the label: their values map one to one to its values.

    A column that maps one to one to anomaly and normal is a copy, too. Only rows with a label are compared.

    Parameters
    ----------
    table
        Table as `read_table` returns it.
    names
        Columns to compare.
    labels
        Cells of the label column as strings, object [rows]; "" if blank.
    y
        Labels, int8 [rows]: 1 for an anomaly, 0 for a normal row, -1 without a label; None if the label
        is one of several classes.
    """
    rows, is_anomaly = _compared(y) if y is not None else (np.flatnonzero(labels != ""), None)
    if len(rows) < MIN_SEQUENCE:
        return ()
    codes = pd.factorize(pd.Series(labels[rows], dtype=object))[0]
    if codes.max() < 1:  # one class
        codes = np.zeros(len(rows), dtype=np.int64) if is_anomaly is None else is_anomaly.astype(np.int64)
    return tuple(
        name
        for name in names
        if (values := _value_codes(table[name].iloc[rows], len(np.unique(codes)))) is not None
        and (
            (is_anomaly is not None and _one_to_one(values, is_anomaly.astype(np.int64))) or _one_to_one(values, codes)
        )
    )


def find_giveaways(
    table: pd.DataFrame, names: Sequence[str], y: np.ndarray, report: Report = report_nothing
) -> dict[str, float]:
    """Find the columns that alone separate anomalies from normal rows, with mistakes of at most 1 % of the rarer class.

    A column separates by a threshold on its numbers, or, with at most `MAX_WORDS` different values, by the majority
    class of each value. Of a large table a fixed sample of the rows is compared, joined with as many rows of each
    class: at most three times `MAX_SAMPLED` cells, or 3 `MIN_SAMPLED` rows if that is more.

    Parameters
    ----------
    table
        Table as `read_table` returns it.
    names
        Columns to examine.
    y
        Labels, int8 [rows]: 1 for an anomaly, 0 for a normal row, -1 without a label. Rows without a label are left
        out, or are the other class if only one class is labeled.
    report
        Called before each column.

    Returns
    -------
    dict of float
        Mistakes by name of such a column: number of misclassified rows divided by the rows of the rarer class. Empty
        if that class has fewer than `MIN_RARE` rows.
    """
    rows, is_anomaly = _compared(y)
    if not names or min(is_anomaly.sum(), (~is_anomaly).sum()) < MIN_RARE:
        return {}
    sampled = max(MIN_SAMPLED, MAX_SAMPLED // len(names))
    if len(rows) > sampled:
        chosen = np.sort(np.random.default_rng(0).permutation(len(rows))[:sampled])
        chosen = np.union1d(chosen, np.r_[np.flatnonzero(is_anomaly)[:sampled], np.flatnonzero(~is_anomaly)[:sampled]])
        rows, is_anomaly = rows[chosen], is_anomaly[chosen]
    found = {}
    for name in report_each(names, report):
        values = table[name].iloc[rows]
        mistakes = min(_mistakes_by_order(to_numbers(values), is_anomaly), _mistakes_by_value(values, is_anomaly))
        if mistakes <= MAX_MISTAKES:
            found[name] = mistakes
    return found


def _compared(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the rows whose labels can be compared, and their mask of anomalies; empty if of one class.

    Parameters
    ----------
    y
        Labels, int8 [rows]: 1 for an anomaly, 0 for a normal row, -1 without a label. If one class alone is
        labeled, rows without a label stand for the other class.
    """
    both = (y == 1).any() and (y == 0).any()
    rows = np.flatnonzero(y >= 0) if both else np.arange(len(y))
    is_anomaly = y[rows] == 1 if (y == 1).any() else y[rows] != 0
    return (rows, is_anomaly) if is_anomaly.any() and not is_anomaly.all() else (rows[:0], is_anomaly[:0])


def _all_differ(values: pd.Series[Any]) -> bool:
    try:
        return bool(values.is_unique)
    except TypeError:  # cells such as lists cannot be compared
        return False


def _is_sequence(values: pd.Series[Any]) -> bool:
    """Return True if the cells, at least `MIN_SEQUENCE`, are integers that rise by 1 from row to row."""
    if len(values) < MIN_SEQUENCE:
        return False
    if not pd.api.types.is_integer_dtype(values):
        first = str(values.iloc[0]).strip()
        if not pd.api.types.is_string_dtype(values) or re.fullmatch(r"[+-]?\d{1,15}", first) is None:
            return False
        if str(values.iloc[-1]).strip() != str(int(first) + len(values) - 1):
            return False
    numbers = to_numbers(values)
    return bool((np.diff(numbers) == 1).all())


def _value_codes(values: pd.Series[Any], classes: int) -> np.ndarray | None:
    """Return a code from 0 for each row of a column, int64 [rows]; rows share a code if their cells are equal.

    Blank cells are one value. Return None if there are more different values than `classes`, or than 2 if that
    is more.
    """
    most = max(classes, 2)
    try:
        if values.iloc[:MIN_SAMPLED].nunique(dropna=False) > most + 1:  # the label may have blanks of two kinds
            return None
        codes, different = pd.factorize(values, use_na_sentinel=False)
    except TypeError:  # cells such as lists cannot be compared
        return None
    words = to_words(pd.Series(different))
    return pd.factorize(words)[0][codes] if len(set(words)) <= most else None


def _one_to_one(left: np.ndarray, right: np.ndarray) -> bool:
    """Return True if two arrays of integer codes [rows] map one to one: rows are equal in both or differ in both."""
    pairs = len(np.unique(left * (right.max() + 1) + right))
    return pairs == len(np.unique(left)) == len(np.unique(right))


def _mistakes_by_order(numbers: np.ndarray, is_anomaly: np.ndarray) -> float:
    """Return the mistakes of the best threshold on a column of numbers, divided by the rows of the rarer class.

    Either side may be anomalous. Rows without a number are mistakes; return 1 if they exceed 1 % of the rarer class.

    Parameters
    ----------
    numbers
        Cells of the column, float64 [rows]; NaN if missing.
    is_anomaly
        Rows that are anomalies, bool [rows].
    """
    known = ~np.isnan(numbers)
    rarer = min(is_anomaly.sum(), (~is_anomaly).sum())
    if (missing := (~known).sum()) > MAX_MISTAKES * rarer:
        return 1.0
    numbers, is_anomaly = numbers[known], is_anomaly[known]
    if is_anomaly.all() or not is_anomaly.any():
        return 1.0
    order = np.argsort(numbers, kind="stable")
    numbers, is_anomaly = numbers[order], is_anomaly[order]
    below = np.cumsum(is_anomaly)[np.r_[numbers[1:] != numbers[:-1], True]]
    count = (np.flatnonzero(np.r_[numbers[1:] != numbers[:-1], True]) + 1).astype(np.int64)
    # Mistakes if rows above a threshold are anomalies: anomalies below it and normal rows above it.
    above_normal = (~is_anomaly).sum() - (count - below)
    wrong = below + above_normal
    best = min(int(wrong.min()), len(numbers) - int(wrong.max()))
    return float((best + missing) / rarer)


def _mistakes_by_value(values: pd.Series[Any], is_anomaly: np.ndarray) -> float:
    """Return the mistakes if each value predicts its majority class, divided by the rows of the rarer class.

    A value of a single row predicts normal, so an anomaly with such a value is a mistake. Return 1 for a column of
    one value or over `MAX_WORDS` values.

    Parameters
    ----------
    values
        Cells of the column.
    is_anomaly
        Rows that are anomalies, bool [rows].
    """
    codes = _value_codes(values, MAX_WORDS)
    if codes is None or codes.max() < 1:
        return 1.0
    anomalies = np.bincount(codes, weights=is_anomaly)
    counts = np.bincount(codes)
    wrong = np.where(counts > 1, np.minimum(anomalies, counts - anomalies), anomalies).sum()
    return float(wrong / min(is_anomaly.sum(), (~is_anomaly).sum()))

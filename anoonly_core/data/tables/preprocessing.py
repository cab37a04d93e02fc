"""Steps from table columns to features: fitted on one table, then applied to any table.

The type of each column is fixed when the steps are fitted. A row has the same features in any file.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from anoonly_core.data.tables.columns import (
    CATEGORY,
    DATE,
    MAX_WORDS,
    MIXED,
    NUMBER,
    TEXT,
    ColumnProfile,
    find_missing_words,
    find_wrong_cell,
    infer_type,
    list_names,
    to_numbers,
    to_words,
)
from anoonly_core.data.tables.dates import DateSteps, fit_dates
from anoonly_core.data.tables.files import MAX_COLUMNS, printable
from anoonly_core.data.tables.number_styles import Decimal, parse_written
from anoonly_core.errors import BadDataFile, OpenChoices

__all__ = ["BUCKETS", "READING", "Column", "FeatureChoices", "Preprocessing", "fit_preprocessing"]

# Revision of the conversion of cells. Raise it when cells become other numbers or words: identities contain it.
READING: Literal[2] = 2
LISTED = 5  # columns that an error lists one by one
BUCKETS, MAX_BUCKETS = 16, 256  # features to which many words are hashed
LATER = ("decimal", "date", "buckets")  # fields of a column that came later


class Column(BaseModel):
    """One column: a number, or words that are one-hot encoded.

    Attributes
    ----------
    name
        Name of the column.
    words
        Known words, each a feature of 0 and 1; None for a column of numbers.
        A missing or unknown word gives 0 in all of them.
    fill
        Value that replaces missing numbers, a median of training rows; None if they are not replaced.
    decimal
        Decimal sign of a column of written numbers, such as 1.234,50 €; None if its numbers are plain.
    date
        Steps of a column of dates; None for other columns.
    buckets
        Number of features of 0 and 1 to which words are hashed, where they are too many for a feature each; None for
        other columns.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    words: tuple[str, ...] | None = None
    fill: float | None = None
    decimal: Decimal | None = None
    date: DateSteps | None = None
    buckets: int | None = Field(default=None, ge=2, le=MAX_BUCKETS)

    @model_serializer(mode="wrap")
    def _omit_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the fields out that came later and are None, as in files of earlier versions."""
        fields: dict[str, Any] = serialize(self)
        return {name: value for name, value in fields.items() if name not in LATER or value is not None}

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that the column becomes: one for numbers, one per part of a date, word or bucket."""
        if self.date is not None:
            return tuple(f"{self.name} ({part})" for part in self.date.parts)
        if self.buckets is not None:
            return tuple(f"{self.name} #{bucket}" for bucket in range(self.buckets))
        return (self.name,) if self.words is None else tuple(f"{self.name} = {word}" for word in self.words)


class Preprocessing(BaseModel):
    """Steps from the columns of a table to its features; the JSON is part of detector files.

    Attributes
    ----------
    columns
        Columns in the order of the features; each is one of numbers or of words.
    drops
        True to drop a row with a missing value.
    reading
        Revision of the conversion of cells; 1 for files of earlier versions, which typed each
        column of a text file by all of its cells.
    missing_words
        Words such as NA that mean a missing value in columns of words, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[Column, ...]
    drops: bool = False
    reading: Literal[1, 2] = 1
    missing_words: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features of all columns, in order."""
        return tuple(name for column in self.columns for name in column.features)

    def with_fill(self, fill: np.ndarray) -> Preprocessing:
        """Return a copy of these steps that replaces missing numbers by other values.

        Parameters
        ----------
        fill
            New value for each feature, [features]; those of one-hot features, and of columns whose missing
            numbers are not replaced, are ignored.
        """
        columns, position = [], 0
        for column in self.columns:
            values = tuple(map(float, fill[position : position + len(column.features)]))
            position += len(values)
            if column.date is not None:
                date = column.date.model_copy(update={"fill": None if column.date.fill is None else values})
                columns.append(column.model_copy(update={"date": date}))
            else:
                columns.append(column.model_copy(update={"fill": None if column.fill is None else values[0]}))
        return self.model_copy(update={"columns": tuple(columns)})

    def apply(self, table: pd.DataFrame, title: str, fills: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Compute the features of a table, replacing missing numbers or dropping their rows as these steps say.

        Parameters
        ----------
        table
            Table with all columns by name; others are ignored.
        title
            Name of the table in messages.
        fills
            True to replace a missing number by the `fill` of its column; False to leave NaN there.

        Returns
        -------
        features
            float64 [kept rows, features].
        kept
            Mask of the rows that were not dropped, bool [rows].

        Raises
        ------
        BadDataFile
            If a column is missing, has cells that are no numbers or beyond 1e38 in magnitude, lacks a value
            that nothing replaces, or if no row is left.
        """
        if absent := [column.name for column in self.columns if column.name not in table.columns]:
            raise BadDataFile(f"{title} lacks columns that the features are made of: {list_names(absent)}.")
        parts, missing = [], np.zeros(len(table), dtype=bool)
        for column in self.columns:
            values, column_missing = self._encode(column, self._cells(table, column.name), title, fills)
            parts.append(values)
            missing |= column_missing
        kept = ~missing if self.drops else np.ones(len(table), dtype=bool)
        if missing.any() and not self.drops:
            row = int(np.flatnonzero(missing)[0])
            raise BadDataFile(f"{title}: row {row} has a missing value, and nothing stands in for it.")
        if not kept.any():
            raise BadDataFile(f"{title}: every row has a missing value, so dropping them leaves nothing.")
        features = np.concatenate([part[:, None] if part.ndim == 1 else part for part in parts], axis=1)
        return features[kept], kept

    def unknown_words(self, table: pd.DataFrame) -> dict[str, int]:
        """Count the cells whose word was unknown when the steps were fitted, by column name.

        Missing cells do not count; columns without such cells are omitted.
        """
        counts = {
            column.name: sum(
                word not in ("", *column.words)
                for word in self._words(self._cells(table, column.name), column.words).tolist()
            )
            for column in self.columns
            if column.words is not None
        }
        return {name: count for name, count in counts.items() if count}

    def _cells(self, table: pd.DataFrame, name: str) -> pd.Series[Any]:
        """Return the column `name`; for steps of revision 1, text is typed by all cells as in earlier versions."""
        values = table[name]
        return infer_type(values) if self.reading == 1 and table.attrs.get("is_text") else values

    def _words(self, values: pd.Series[Any], known: tuple[str, ...]) -> np.ndarray:
        """Convert the cells of a column of words to strings, object [rows]; "" if missing.

        A word that is in both `missing_words` and `known` is not missing.
        """
        words = to_words(values)
        return np.array(
            ["" if word in self.missing_words and word not in known else word for word in words], dtype=object
        )

    def _encode(self, column: Column, values: pd.Series[Any], title: str, fills: bool) -> tuple[np.ndarray, np.ndarray]:
        """Compute the features of one column.

        Parameters
        ----------
        column
            Column to encode.
        values
            Cells of the column, [rows].
        title
            Name of the table in messages.
        fills
            True to replace a missing number by `column.fill`; False to leave NaN.

        Returns
        -------
        features
            One-hot words [rows, words] or numbers [rows], float64.
        unusable
            Mask of the rows that must be dropped for a missing value, bool [rows].
        """
        if column.date is not None:
            return self._encode_dates(column.name, column.date, values, title, fills)
        if column.buckets is not None:
            words = self._words(values, ())
            return _hash_words(words, column.buckets), (words == "") & self.drops
        if column.words is not None:
            words = self._words(values, column.words)
            one_hot = (words[:, None] == np.array(column.words, dtype=object)).astype(np.float64)
            return one_hot, (words == "") & self.drops
        if column.decimal is not None:
            values = parse_written(values, column.decimal)
        numbers = to_numbers(values)
        absent = np.isnan(numbers)
        if (wrong := find_wrong_cell(column.name, values, numbers)) is not None:
            raise BadDataFile(f"{title}: column {printable(column.name[:60])} {wrong.fault}.")
        if column.fill is not None and not self.drops:
            fill = column.fill if fills else np.nan
            numbers, absent = np.where(absent, fill, numbers), np.zeros_like(absent)
        return numbers, absent

    def _encode_dates(
        self, name: str, steps: DateSteps, values: pd.Series[Any], title: str, fills: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute the features of a column of dates, float64 [rows, parts], and its mask as `_encode` does."""
        numbers = steps.apply(values, name, title)
        absent = np.isnan(numbers).any(axis=1)
        if steps.fill is not None and not self.drops:
            fill = np.array(steps.fill) if fills else np.full(len(steps.parts), np.nan)
            numbers, absent = np.where(absent[:, None], fill, numbers), np.zeros_like(absent)
        return numbers, absent


def _hash_words(words: np.ndarray, buckets: int) -> np.ndarray:
    """Return features of 0 and 1 [rows, buckets]: a word, object [rows], has the bucket of its CRC-32; "" has none."""
    codes, distinct = pd.factorize(pd.Series(words, dtype=object))
    places = np.array([zlib.crc32(word.encode()) % buckets if word else buckets for word in distinct], dtype=np.int64)
    return np.eye(buckets + 1, buckets)[places[codes]]


@dataclass(frozen=True)
class FeatureChoices:
    """Use of the columns that are no plain numbers; None where it is undecided.

    Attributes
    ----------
    one_hot
        True to one-hot encode columns of words, and mixed ones that `can_be_words`; False to leave columns of words
        out.
    impute
        True to replace a missing number or date by the median of its column and to encode a missing word as zeros,
        False to drop rows with either.
    dates
        True to compute numbers from columns of dates.
    hashes
        True to hash the words of columns with more than `MAX_WORDS` of them.
    """

    one_hot: bool | None = None
    impute: bool | None = None
    dates: bool = False
    hashes: bool = False

    def takes(self, column: ColumnProfile) -> bool:
        """Return True if a column can become features under these choices."""
        return (
            column.usable
            or bool(self.one_hot and column.can_be_words)
            or (self.dates and column.kind == DATE)
            or (self.hashes and column.kind == TEXT)
        )


def fit_preprocessing(
    table: pd.DataFrame, profiles: list[ColumnProfile], choices: FeatureChoices, title: str
) -> Preprocessing:
    """Fit the steps from columns to features on a table: known words, parts of dates, and medians.

    Parameters
    ----------
    table
        Table as `read_table` returns it.
    profiles
        Profiles of the columns to use, in the order of the features.
    choices
        Use of columns that are no plain numbers.
    title
        Name of the table in messages.

    Raises
    ------
    OpenChoices
        If the choices do not take a column, `one_hot` is undecided and there are words, or `impute` is undecided and a
        value is missing in a column that is used; the error names all of these.
    BadDataFile
        If no column is left, or there are more than `MAX_COLUMNS` features.
    """
    words = [column for column in profiles if column.kind in (CATEGORY, MIXED)]
    used = [column for column in profiles if column not in words or choices.one_hot is not False]
    if open_choices := [*_unusable_columns(profiles, choices), *_undecided(used, words, choices)]:
        raise OpenChoices(title, tuple(open_choices))
    columns = tuple(_fit_column(table, column, bool(choices.impute), title) for column in used)
    features = sum(len(column.features) for column in columns)
    if not features:
        raise BadDataFile(f"{title} has no column left to be a feature: it needs rows and columns of numbers.")
    if features > MAX_COLUMNS:
        raise BadDataFile(f"{title} would have {features} features, and at most {MAX_COLUMNS} are taken.")
    return Preprocessing(
        columns=columns,
        drops=choices.impute is False,
        reading=READING,
        missing_words=find_missing_words(used),
    )


def _undecided(used: list[ColumnProfile], words: list[ColumnProfile], choices: FeatureChoices) -> Iterator[str]:
    """Yield what is undecided on columns of words and on missing values, and what to say.

    Parameters
    ----------
    used
        Columns that are not left out.
    words
        Columns of words.
    choices
        Use of the columns.
    """
    if choices.one_hot is None and (names := [column.name for column in words if choices.takes(column)]):
        yield (
            f"these columns hold words, not numbers: {list_names(names)}; say categories=one_hot to make each word a "
            "feature, or categories=leave_out"
        )
    if choices.impute is None and (lacking := [column.name for column in used if column.missing]):
        yield (
            f"values are missing in {list_names(lacking)}; say missing=impute to put the median of the column, or no "
            "word, in their place, or missing=drop to leave those rows out"
        )


def _unusable_columns(profiles: list[ColumnProfile], choices: FeatureChoices) -> Iterator[str]:
    """Yield what is wrong with each column that the choices do not take, and what to say; of many the first ones."""
    faults = [column for column in profiles if not choices.takes(column)]
    for column in faults[:LISTED]:
        advice = "leave it out with without="
        if column.can_be_words:
            advice += f", or say categories=one_hot to make each of its {column.count} values a feature"
        elif column.kind == DATE:
            advice += ", or say dates=parts to compute days, hour, weekday and month"
            advice += f", or time={printable(column.name[:60])} to train on the past and test on the latest rows"
        elif column.kind == TEXT:
            advice += f", or say many=hash to hash its words to {BUCKETS} features"
        yield f"column {printable(column.name[:60])} {column.fault}: {advice}"
    if further := faults[LISTED:]:
        yield f"{len(further)} more columns cannot be used either: {list_names([column.name for column in further])}"


def _fit_column(table: pd.DataFrame, column: ColumnProfile, impute: bool, title: str) -> Column:
    """Fit the steps of one column on the cells of a table."""
    values = table[column.name]
    if column.kind == DATE:
        return Column(name=column.name, date=fit_dates(values, column.name, title, impute))
    if column.kind == TEXT:
        return Column(name=column.name, buckets=BUCKETS)
    if column.kind != NUMBER:
        assert column.count <= MAX_WORDS
        return Column(name=column.name, words=column.words)
    fill = float(np.nanmedian(to_numbers(values))) if impute else None
    return Column(name=column.name, fill=fill, decimal=table.attrs.get("decimals", {}).get(column.name))

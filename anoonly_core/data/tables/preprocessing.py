"""How the columns of a user's table become features: fitted on one table, applied to that one and to others alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from anoonly_core.data.dataset import MAX_ABS
from anoonly_core.data.tables.columns import (
    MAX_WORDS,
    NUMBER,
    ColumnProfile,
    list_names,
    profile_column,
    to_numbers,
    to_words,
)
from anoonly_core.data.tables.readers import MAX_COLUMNS, printable
from anoonly_core.errors import BadDataFile

__all__ = ["Column", "Preprocessing", "fit_preprocessing"]


class Column(BaseModel):
    """One column of the table: a number, or one of these words, each of which becomes a feature of 0 and 1.

    fill: what stands in for a missing number, if something does. A missing word is none of the words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    words: tuple[str, ...] | None = None
    fill: float | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """What it contributes, by name."""
        return (self.name,) if self.words is None else tuple(f"{self.name} = {word}" for word in self.words)


class Preprocessing(BaseModel):
    """The columns in order; drops: whether rows with a missing value are left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[Column, ...]
    drops: bool = False

    @property
    def features(self) -> tuple[str, ...]:
        """The features by name, in order."""
        return tuple(name for column in self.columns for name in column.features)

    def apply(self, table: pd.DataFrame, shown: str) -> tuple[np.ndarray, np.ndarray]:
        """Features float64 [kept rows, features] and which rows are kept, bool [rows]; shown: the table's name.

        A word that the preparation does not know is none of its words. Raises BadDataFile where a column is
        not there, is no number any more, or lacks values that nothing stands in for.
        """
        if absent := [column.name for column in self.columns if column.name not in table.columns]:
            raise BadDataFile(f"{shown} lacks columns that the features are made of: {list_names(absent)}.")
        parts, missing = [], np.zeros(len(table), dtype=bool)
        for column in self.columns:
            values, absent_here = self._part(column, table[column.name], shown)
            parts.append(values)
            missing |= absent_here
        kept = ~missing if self.drops else np.ones(len(table), dtype=bool)
        if missing.any() and not self.drops:
            row = int(np.flatnonzero(missing)[0])
            raise BadDataFile(f"{shown}: row {row} has a missing value, and nothing stands in for it.")
        if not kept.any():
            raise BadDataFile(f"{shown}: every row has a missing value, so that dropping them leaves nothing.")
        features = np.concatenate([part[:, None] if part.ndim == 1 else part for part in parts], axis=1)
        return features[kept], kept

    def unknown_words(self, table: pd.DataFrame) -> dict[str, int]:
        """How many cells hold a word that the preparation does not know, by column; columns with none are left out."""
        counts = {
            column.name: int((~np.isin(to_words(table[column.name]).astype(str), ["", *column.words])).sum())
            for column in self.columns
            if column.words is not None
        }
        return {name: count for name, count in counts.items() if count}

    def _part(self, column: Column, values: pd.Series, shown: str) -> tuple[np.ndarray, np.ndarray]:
        """One column's features and which rows have no value that could stand there."""
        if column.words is not None:
            words = to_words(values)
            found = (words[:, None] == np.array(column.words, dtype=object)).astype(np.float64)
            return found, (words == "") & self.drops
        numbers = to_numbers(values)
        absent = np.isnan(numbers)
        beyond = bool((abs(numbers) > MAX_ABS).any())
        if absent.any() or beyond:
            look = profile_column(column.name, values)
            if (look.kind != NUMBER and absent.sum() > look.missing) or beyond:
                raise BadDataFile(f"{shown}: column {printable(column.name[:60])} {look.fault}.")
        if column.fill is not None and not self.drops:
            numbers, absent = np.where(absent, column.fill, numbers), np.zeros_like(absent)
        return numbers, absent


def fit_preprocessing(
    table: pd.DataFrame, looks: list[ColumnProfile], one_hot: bool | None, impute: bool | None, shown: str
) -> Preprocessing:
    """Make one for these columns of a table.

    one_hot: whether words become features (True) or are left out (False); impute: whether a column's median
    stands in for a missing number (True) or its row goes (False); None: not said, which is only allowed
    where nothing depends on it. Raises BadDataFile.
    """
    if faults := [look for look in looks if not look.usable]:
        first = faults[0]
        more = f" ({len(faults) - 1} more columns cannot be used either)" if len(faults) > 1 else ""
        raise BadDataFile(f"{shown}: column {printable(first.name[:60])} {first.fault}: leave it out{more}.")
    words = [look for look in looks if look.kind != NUMBER]
    if words and one_hot is None:
        raise BadDataFile(
            f"{shown}: these columns hold words, not numbers: {list_names([look.name for look in words])}; say "
            "categories=one_hot to make each word a feature, or categories=leave_out."
        )
    looks = [look for look in looks if look.kind == NUMBER or one_hot]
    features = sum(1 if look.kind == NUMBER else look.count for look in looks)
    if not features:
        raise BadDataFile(f"{shown} has no column left to be a feature: it needs rows and columns of numbers.")
    if features > MAX_COLUMNS:
        raise BadDataFile(f"{shown} would have {features} features, and at most {MAX_COLUMNS} are taken.")
    lacking = [look for look in looks if look.missing]
    if lacking and impute is None:
        raise BadDataFile(
            f"{shown}: values are missing in {list_names([look.name for look in lacking])}; say missing=impute to have "
            "the column's median stand in, or missing=drop to leave those rows out."
        )
    assert all(look.count <= MAX_WORDS for look in looks)
    return Preprocessing(
        columns=tuple(
            Column(name=look.name, fill=float(np.nanmedian(to_numbers(table[look.name]))) if impute else None)
            if look.kind == NUMBER
            else Column(name=look.name, words=look.words)
            for look in looks
        ),
        drops=impute is False,
    )

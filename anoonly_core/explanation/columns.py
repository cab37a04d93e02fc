"""Columns of a table behind the features of a network: their names, and their values as a reader knows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anoonly_core.data.tables.preprocessing import Column

__all__ = ["SourceColumns"]

NO_WORD = "no word"


@dataclass(frozen=True, eq=False)
class SourceColumns:
    """Columns whose contributions are told, and the column that each feature belongs to.

    Attributes
    ----------
    names : tuple of str
        Names of the C columns.
    members : int64 [features]
        Column of each feature, from 0, in ascending order.
    sources : tuple of Column or None
        Steps of each column if it is one of a table; None if each feature is a column of numbers.
    """

    names: tuple[str, ...]
    members: np.ndarray
    sources: tuple[Column, ...] | None = None

    @classmethod
    def of_features(cls, names: Sequence[str]) -> SourceColumns:
        """Make columns of features that each stand for themselves."""
        return cls(tuple(names), np.arange(len(names)))

    @classmethod
    def of_table(cls, columns: Sequence[Column]) -> SourceColumns:
        """Make the columns of a table, each with all of its features: words, parts of dates, buckets."""
        sizes = [len(column.features) for column in columns]
        names = tuple(column.name for column in columns)
        return cls(names, np.repeat(np.arange(len(columns)), sizes), tuple(columns))

    def values(self, X: np.ndarray) -> tuple[tuple[float | str, ...], ...]:
        """Return the values of unscaled rows X [rows, features] in the columns: numbers, words, or parts of dates."""
        if self.sources is None:
            return tuple(tuple(map(float, row)) for row in X)
        begins = np.searchsorted(self.members, np.arange(len(self.names)))
        ends = np.append(begins[1:], len(self.members))
        parts = tuple(zip(self.sources, begins, ends, strict=True))
        return tuple(tuple(_value(source, row[begin:end]) for source, begin, end in parts) for row in X)


def _value(column: Column, features: np.ndarray) -> float | str:
    """Return the value of a column behind its features [k] of one row."""
    if column.date is not None:
        return ", ".join(f"{part} {value:.4g}" for part, value in zip(column.date.parts, features, strict=True))
    if column.words is None and column.buckets is None:
        return float(features[0])
    place = int(np.argmax(features))
    if features[place] < 0.5:
        return NO_WORD
    return f"hash {place}" if column.words is None else column.words[place]

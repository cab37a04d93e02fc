"""Output of `score --explain`: the columns that contribute most to the score of each flagged row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from anoonly_core.explanation.result import Explanation

__all__ = ["add_reasons", "is_reason_column", "reason_entries"]

PARTS = {"column": "string", "value": "string", "contribution": "float64"}  # with the dtypes of their columns
EXPLAINED, ENTRY = "explained", "explanation"


def is_reason_column(name: str) -> bool:
    """Return True for the name of a column or entry that --explain adds to the output."""
    return name in (EXPLAINED, ENTRY) or re.fullmatch(rf"({'|'.join(PARTS)})_\d+", name) is not None


def add_reasons(listed: pd.DataFrame, flagged: np.ndarray, explanation: Explanation | None, count: int) -> pd.DataFrame:
    """Return the lines of the output with column_1, value_1, contribution_1, … and `explained` beside them.

    Parameters
    ----------
    listed : DataFrame
        Lines of the output.
    flagged : bool [lines]
        The lines that `explanation` has, in order; the others get empty cells.
    explanation : Explanation or None
        Explanation of the flagged rows; None if no row is flagged.
    count : int
        Columns to name for each row.
    """
    lines = listed.index[flagged]
    reasons = [] if explanation is None else [*_top(explanation, count)]
    added: dict[str, pd.Series[Any]] = {}
    for place in range(count):
        for part, (name, dtype) in enumerate(PARTS.items()):
            cells = [reason[place][part] for reason in reasons]
            texts = [f"{cell:.6g}" if dtype == "string" and isinstance(cell, float) else cell for cell in cells]
            added[f"{name}_{place + 1}"] = pd.Series(texts, lines, dtype=dtype).reindex(listed.index)
    believed = None if explanation is None else explanation.believed
    added[EXPLAINED] = pd.Series([] if believed is None else believed, lines, dtype="boolean").reindex(listed.index)
    return listed.assign(**added)


def reason_entries(flagged: np.ndarray, explanation: Explanation | None, count: int) -> list[dict[str, Any]]:
    """Return the entry of each line for --json, {"explanation": …}: None for rows that are not flagged.

    Parameters are those of `add_reasons`.
    """
    entries: list[dict[str, Any]] = [{ENTRY: None} for _ in flagged]
    if explanation is None or explanation.believed is None:
        return entries
    rows = zip(np.flatnonzero(flagged), _top(explanation, count), explanation.believed, strict=True)
    for line, reasons, believed in rows:
        columns = [dict(zip(PARTS, reason, strict=True)) for reason in reasons]
        entries[line][ENTRY] = {EXPLAINED: bool(believed), "columns": columns}
    return entries


def _top(explanation: Explanation, count: int) -> Iterator[list[tuple[str, float | str, float]]]:
    """Yield for each explained row the names, values and contributions of its first `count` columns."""
    for row, values in enumerate(explanation.values):
        yield [
            (explanation.columns[column], values[column], float(explanation.contributions[row, column]))
            for column in explanation.order(row)[:count]
        ]

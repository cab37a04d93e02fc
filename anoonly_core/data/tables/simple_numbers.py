"""Columns of numbers that differ from plain ones by separators of thousands or a decimal comma alone, as arrays.

They are the most frequent written numbers, and are read here without a look at each cell, as `number_styles` would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

__all__ = ["SimpleNumbers", "find_simple_decimal", "read_simple_numbers"]

_SIGNS: Mapping[str, tuple[str, str]] = MappingProxyType({"point": (".", ","), "comma": (",", ".")})


@dataclass(frozen=True, eq=False)
class SimpleNumbers:
    """Numbers of a column.

    Attributes
    ----------
    numbers
        float64 [rows]; NaN for cells that are no numbers.
    is_number
        Mask of the cells that are numbers, bool [rows].
    is_written
        Mask of the numbers that are not plain ones, bool [rows].
    """

    numbers: np.ndarray
    is_number: np.ndarray
    is_written: np.ndarray


def find_simple_decimal(words: Any) -> tuple[str | None, Any]:
    """Find the decimal sign of a column whose numbers have signs of one style alone.

    Parameters
    ----------
    words
        Stripped cells, Arrow strings [rows].

    Returns
    -------
    decimal
        "point" or "comma" if a cell has a meaning with this decimal sign alone; None for all other columns.
    others
        Different cells that are no numbers with this decimal sign, Arrow strings.
    """
    for decimal in _SIGNS:
        number, sure = _patterns(decimal)
        if pc.any(pc.match_substring_regex(words, sure)).as_py():
            is_number = pc.fill_null(pc.match_substring_regex(words, number), True)
            return decimal, pc.unique(words.filter(pc.invert(is_number)))
    return None, None


def read_simple_numbers(words: Any, decimal: str) -> SimpleNumbers:
    """Read the numbers of a column with a decimal sign, "point" or "comma"; `words` as in `find_simple_decimal`."""
    sign, group = _SIGNS[decimal]
    is_number = pc.fill_null(pc.match_substring_regex(words, _patterns(decimal)[0]), False)
    found = pc.if_else(is_number, words, pa.scalar(None, words.type))
    plain = pc.replace_substring(pc.replace_substring(found, group, ""), sign, ".")
    is_written = pc.fill_null(pc.match_substring(found, ","), False)
    if decimal == "comma":
        is_written = pc.or_(is_written, pc.fill_null(pc.match_substring(found, group), False))
    return SimpleNumbers(
        plain.cast(pa.float64()).to_numpy(zero_copy_only=False).copy(),
        is_number.to_numpy(zero_copy_only=False),
        is_written.to_numpy(zero_copy_only=False),
    )


def _patterns(decimal: str) -> tuple[str, str]:
    """Return the pattern of a number with this decimal sign, and that of one which the other sign cannot read."""
    sign, group = ("\\" + mark if mark == "." else mark for mark in _SIGNS[decimal])
    grouped = rf"[1-9]\d{{0,2}}(?:{group}\d{{3}})+"
    sure = rf"{grouped}{sign}\d+|\d+{sign}(?:\d{{1,2}}|\d{{4,}})|\d{{4,}}{sign}\d+"
    return rf"^-?(?:\d+|{grouped})(?:{sign}\d+)?$", rf"^-?(?:{sure})$"

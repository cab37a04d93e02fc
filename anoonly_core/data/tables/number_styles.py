"""Numbers as people write them: thousands and decimal signs of both kinds, currencies, percent and signs.

A column is rewritten as a whole, and only if every cell that is not missing is a number in the same style. A style is
the decimal sign; the other one and spaces may separate thousands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from anoonly_core.data.tables.files import printable
from anoonly_core.data.tables.simple_numbers import SimpleNumbers, find_simple_decimal, read_simple_numbers

__all__ = [
    "MISSING_WORDS",
    "Decimal",
    "OpenDecimal",
    "is_missing",
    "parse_written",
    "read_number",
    "settle_open_numbers",
    "settle_sure_numbers",
]

Decimal = Literal["point", "comma"]
# Words that mean a missing value in a column of numbers, in lower case. In other columns they are words.
MISSING_WORDS = frozenset(
    (
        *("na", "n/a", "#na", "#n/a", "#n/a n/a", "<na>", "nan", "-nan", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
        *("null", "none", "nil", "missing", "unknown", "-", "--", "."),
    )
)
FIRST = 200  # cells that show whether a column can be of numbers
LISTED = 5  # columns in a note
_SPACES = "'’\u00a0\u202f "
_CURRENCY = (
    r"(?:[$€£¥₹₽₩₺]|US\$|R\$|zł|Kč|kr\.?|(?:EUR|USD|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF|AUD|CAD|NZD|BRL|MXN|ZAR|"
    r"TRY)\b)"
)
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_THREE_DIGITS = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
_FEW_DIGITS = re.compile(r"[+-]?\d{1,3}")


def _grammar(decimal: str, thousands: str) -> re.Pattern[str]:
    """Return the grammar of a number with this decimal sign, with the other signs before or after it."""
    sign = r"[-+\u2212]?"
    whole = rf"\d{{1,3}}(?P<group>[{thousands}{_SPACES}])\d{{3}}(?:(?P=group)\d{{3}})*|\d+"
    number = rf"(?:(?P<whole>{whole})(?:{decimal}(?P<part>\d*))?|{decimal}(?P<tail>\d+))(?P<power>[eE][-+]?\d+)?"
    return re.compile(
        rf"(?P<open>\()?\s*(?P<first>{sign})\s*(?:{_CURRENCY})?\s*(?P<second>{sign})\s*{number}\s*"
        rf"(?:%|{_CURRENCY})?\s*(?P<last>[-\u2212]?)\s*(?(open)\))"
    )


_GRAMMARS: Mapping[Decimal, re.Pattern[str]] = MappingProxyType(
    {"point": _grammar(r"\.", ","), "comma": _grammar(",", r"\.")}
)


@dataclass(frozen=True)
class OpenDecimal:
    """Column of numbers that can be read with either decimal sign, such as 1.234.

    Attributes
    ----------
    likely
        Likely decimal sign.
    example
        Cell of the column.
    is_asked
        True if the other decimal sign is not much less likely, so that the user has to confirm it.
    """

    likely: Decimal
    example: str
    is_asked: bool


@dataclass(frozen=True)
class _Found:
    """Style of a column of numbers, as far as its own cells show it.

    Attributes
    ----------
    decimal
        Decimal sign; None if the cells can be read with either one, as 1.234 can.
    example
        Cell that the style changes, or that may mean two numbers.
    is_plain
        True if all cells are digits with at most a point.
    has_small
        True if there are whole numbers, and all of them are below 1000, as where points separate thousands.
    """

    decimal: Decimal | None
    example: str
    is_plain: bool = False
    has_small: bool = False


def is_missing(word: str) -> bool:
    """Return True if a stripped cell is blank, "?", or a word that means a missing value in a column of numbers."""
    return word in ("", "?") or word.lower() in MISSING_WORDS


def parse_written(cells: pd.Series[Any], decimal: Decimal) -> pd.Series[Any]:
    """Return a column with its cells read in a style.

    Parameters
    ----------
    cells
        Column of strings, or of objects among which numbers stay. Another column is returned as it is.
    decimal
        Decimal sign.

    Returns
    -------
    pandas.Series
        float64 with NaN for missing cells if all others are numbers; otherwise of objects, where other cells stay.
    """
    if cells.dtype != object and not pd.api.types.is_string_dtype(cells):
        return cells
    if (simple := _read_simple(cells, decimal)) is not None:
        return pd.Series(simple.numbers, cells.index, name=cells.name)
    numbers = {cell: _to_number(cell, decimal) for cell in cells.unique()}
    if None not in numbers.values():
        return cells.map(numbers).astype(np.float64)
    mixed = [cell if (number := numbers[cell]) is None else number for cell in cells]
    return pd.Series(mixed, cells.index, dtype=object)


def _read_simple(cells: pd.Series[Any], decimal: Decimal) -> SimpleNumbers | None:
    """Return the numbers of a column of strings if all cells that are not missing are simple ones; None otherwise."""
    if not isinstance(cells.dtype, pd.StringDtype):
        return None
    words = _stripped(cells)
    simple = read_simple_numbers(words, decimal)
    others = pc.unique(words.filter(pa.array(~simple.is_number))).to_pylist()
    return simple if all(word is None or is_missing(word) for word in others) else None


def _stripped(cells: pd.Series[Any]) -> Any:
    """Return the stripped cells of a column of strings, Arrow strings [rows]; missing cells are null."""
    words = pc.utf8_trim_whitespace(pa.array(cells, from_pandas=True).cast(pa.large_string()))
    return words.combine_chunks() if isinstance(words, pa.ChunkedArray) else words


def _to_number(cell: Any, decimal: Decimal) -> float | None:
    """Return the number of one cell, NaN if it is missing, or None if it is no number in this style."""
    if not isinstance(cell, str):
        if isinstance(cell, bool | np.bool) or not isinstance(cell, int | float | np.number):
            return float("nan") if cell is None or cell is pd.NA else None
        return float(cell)
    word = cell.strip()
    if is_missing(word):
        return float("nan")
    if (parts := _GRAMMARS[decimal].fullmatch(word)) is None:
        return None
    signs = [parts[name] for name in ("first", "second", "last") if parts[name]]
    if len(signs) + bool(parts["open"]) > 1:
        return None
    digits = re.sub(r"\D", "", parts["whole"] or "0")
    number = float(f"{digits}.{parts['part'] or parts['tail'] or '0'}{parts['power'] or ''}")
    return -number if parts["open"] or (signs and signs[0] != "+") else number


def settle_sure_numbers(table: pd.DataFrame, title: str, separator: str = ",") -> None:
    """Convert the columns of written numbers to float64, in place, where their style is sure.

    `attrs` of the table get ``decimals``, the decimal sign of each converted column; ``open_decimals``, an
    `OpenDecimal` for each column that can be read in both ways; and a further sentence in ``notes``.

    Parameters
    ----------
    table
        Table as its reader returned it.
    title
        Name of the file in messages.
    separator
        Character between cells of a text file.
    """
    columns = {str(name): _describe(table[name]) for name in table.columns}
    found = {name: style for name, (style, _) in columns.items() if style is not None}
    shows_point = any(shows for _, shows in columns.values())
    shows_comma = any(style.decimal == "comma" for style in found.values())
    evidence: Decimal | None = "point" if shows_point else "comma" if shows_comma else None
    sure, open_decimals = dict[str, tuple[Decimal, str]](), dict[str, OpenDecimal]()
    for name, style in found.items():
        decimal = style.decimal or _by_evidence(style, None if shows_point and shows_comma else evidence)
        if decimal is not None:
            sure[name] = (decimal, style.example)
        elif (unsure := _by_separator(style, separator, shows_point)) is not None:
            open_decimals[name] = unsure
    table.attrs = {**table.attrs, "decimals": {}, "open_decimals": open_decimals}
    _convert(table, sure, title)


def _by_evidence(style: _Found, evidence: Decimal | None) -> Decimal | None:
    """Return the decimal sign of a column that can be read with either one, if other columns show it; else None.

    A decimal point in other columns says nothing of a column with points alone, whose numbers may be grouped.
    """
    return evidence if evidence == "comma" or not style.is_plain else None


def _by_separator(style: _Found, separator: str, shows_point: bool) -> OpenDecimal | None:
    """Return the likely reading of a column that can be read with either decimal sign; None if it stays as it is.

    Parameters
    ----------
    style
        Style of the column.
    separator
        Character between cells of a text file. Beside semicolons, commas are likely decimal signs.
    shows_point
        True if another column of the file shows a decimal point.
    """
    if not style.is_plain:
        likely: Decimal = "comma" if separator == ";" else "point"
        return OpenDecimal(likely, style.example, separator != ",")
    is_asked = style.has_small or (separator == ";" and not shows_point)
    return OpenDecimal("point", style.example, True) if is_asked else None


def settle_open_numbers(table: pd.DataFrame, title: str, decimal: Decimal | None) -> pd.DataFrame:
    """Return a table whose columns that can be read in both ways are converted as well, if there are any.

    Parameters
    ----------
    table
        Table as `read_table` returns it; unchanged.
    title
        Name of the file in messages.
    decimal
        Decimal sign of these columns; None for the likely one, which a sentence in ``notes`` says.
    """
    found: Mapping[str, OpenDecimal] = table.attrs.get("open_decimals", {})
    if not found:
        return table
    table = table.copy(deep=False)
    styles = {name: (decimal or column.likely, column.example) for name, column in found.items()}
    asked = {name: column for name, column in found.items() if column.is_asked}
    notes = table.attrs.get("notes", ())
    if decimal is None and asked:
        first = next(iter(asked.values()))
        likely, example = first.likely, first.example
        one, other = (read_number(example, sign) for sign in (likely, "point" if likely == "comma" else "comma"))
        names = ", ".join(printable(name[:60]) for name in [*asked][:LISTED])
        notes = (
            *notes,
            f"{title}: {example} in {names} may mean {one} or {other}, and it is read as {one}; "
            f"on the command line decimal={'point' if likely == 'comma' else 'comma'} reads {other}.",
        )
    table.attrs = {**table.attrs, "notes": notes, "open_decimals": {}}
    _convert(table, styles, title)
    return table


def _describe(values: pd.Series[Any]) -> tuple[_Found | None, bool]:
    """Return the style of a column, None if nothing is to do, and True if plain cells show a decimal point."""
    is_text = pd.api.types.is_string_dtype(values) and not isinstance(values.dtype, pd.CategoricalDtype)
    if (values.dtype != object and not is_text) or not _are_numbers(values.iloc[:FIRST]):
        return None, False
    strings = [cell for cell in values if isinstance(cell, str)] if values.dtype == object else values
    words = _stripped(pd.Series(strings, dtype="str") if isinstance(strings, list) else strings)
    is_plain = pc.fill_null(pc.match_substring_regex(words, rf"^(?:{_PLAIN.pattern})$"), True)
    if not pc.all(is_plain).as_py() and (simple := _simple_style(words, is_plain)) is not None:
        return simple, simple.decimal == "point"
    others = pc.unique(words.filter(pc.invert(is_plain))).to_pylist()
    written = [word for word in others if not is_missing(word)]
    if not _are_numbers(written):
        return None, False
    if not written and not pc.any(pc.match_substring(words, ".")).as_py():
        return None, False
    thousands = pc.match_substring_regex(words, rf"^(?:{_THREE_DIGITS.pattern})$")
    cells = (words, is_plain, thousands)
    shows_point = _shows_point(*(part[:FIRST] for part in cells)) or _shows_point(*cells)
    if not written and (shows_point or not pc.any(thousands).as_py()):
        return None, shows_point
    return _find_style([word for word in pc.unique(words).to_pylist() if word is not None and not is_missing(word)])


def _simple_style(words: Any, is_plain: Any) -> _Found | None:
    """Return the style of a column of simple numbers, some of them not plain; None for all other columns.

    The parameters are those of `_shows_point`.
    """
    decimal, others = find_simple_decimal(words)
    if decimal is None or not all(map(is_missing, others.to_pylist())):
        return None
    written = words.filter(pc.invert(is_plain))
    first = next((word for word in pc.unique(written).to_pylist() if not is_missing(word)), None)
    return None if first is None else _Found("point" if decimal == "point" else "comma", first)


def _shows_point(words: Any, is_plain: Any, thousands: Any) -> bool:
    """Return True if a plain number has a point that cannot separate thousands.

    Parameters
    ----------
    words
        Cells, Arrow strings [rows].
    is_plain, thousands
        Masks of the plain numbers, and of those with three digits after a point, Arrow booleans [rows].
    """
    pointed = pc.match_substring_regex(words, r"^[^.]*\.[^.]*$")
    return bool(pc.any(pc.and_(pc.and_(is_plain, pointed), pc.invert(thousands))).as_py())


def _are_numbers(cells: Iterable[Any]) -> bool:
    return all(any(_to_number(cell, decimal) is not None for decimal in _GRAMMARS) for cell in cells)


def _find_style(words: Sequence[str]) -> tuple[_Found | None, bool]:
    """Return the style of a column of numbers by its different words, and True if it shows a decimal point."""
    read = {decimal: [_to_number(word, decimal) for word in words] for decimal in _GRAMMARS}
    fitting = [decimal for decimal in _GRAMMARS if None not in read[decimal]]
    written = [word for word in words if not _PLAIN.fullmatch(word)]
    if not fitting:
        return None, False
    differing = [word for word, one, other in zip(words, *read.values(), strict=True) if one != other]
    if len(fitting) == 1:
        return _Found(fitting[0], next(iter(written), differing[0])), fitting == ["point"]
    if not differing:
        return _Found("point", written[0]), False
    whole = [word for word in words if word.lstrip("+-").isdecimal()]
    has_small = bool(whole) and all(map(_FEW_DIGITS.fullmatch, whole))
    return _Found(None, differing[0], not written, has_small), False


def _convert(table: pd.DataFrame, styles: Mapping[str, tuple[Decimal, str]], title: str) -> None:
    """Convert columns of a table to float64, in place, and add to ``decimals`` and ``notes`` of its `attrs`."""
    said = []
    for name, (decimal, example) in styles.items():
        before = table[name]
        numbers = parse_written(before, decimal)
        if count := _count_changed(before, decimal):
            shown = f"{printable(name[:60])} ({count:,} cells, such as {example} as {read_number(example, decimal)})"
            said.append(shown)
        table[name] = numbers
    decimals = {name: decimal for name, (decimal, _) in styles.items()}
    notes = table.attrs.get("notes", ())
    if said:
        more = f" and {len(said) - LISTED} more columns" if len(said) > LISTED else ""
        notes = (*notes, f"{title}: numbers are rewritten in {', '.join(said[:LISTED])}{more}.")
    table.attrs = {**table.attrs, "decimals": {**table.attrs.get("decimals", {}), **decimals}, "notes": notes}


def _count_changed(cells: pd.Series[Any], decimal: Decimal) -> int:
    """Return the number of cells of a column that are read as another number than a plain one."""
    if (simple := _read_simple(cells, decimal)) is not None:
        return int(simple.is_written.sum())
    changed = {cell for cell in cells.unique() if isinstance(cell, str) and _is_changed(cell.strip(), decimal)}
    return int(cells.isin(changed).sum())


def _is_changed(word: str, decimal: Decimal) -> bool:
    return not is_missing(word) and _is_written(word, decimal)


def _is_written(word: str, decimal: Decimal) -> bool:
    """Return True if a number is no plain one, or another one when it is read as plain."""
    return _PLAIN.fullmatch(word) is None or float(word) != _to_number(word, decimal)


def read_number(word: str, decimal: Decimal) -> str:
    """Return a cell that is read in a style as a plain number; "" if it is none."""
    number = _to_number(word, decimal)
    return "" if number is None else f"{number:.15g}"

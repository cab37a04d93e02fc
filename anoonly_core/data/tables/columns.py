"""Types of table columns: numbers, categories, or content that cannot become features.

The cells of a .csv file are text. Each cell is converted on its own, so that a number or a word does not
depend on the other rows of its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from anoonly_core.data.dataset import MAX_ABS
from anoonly_core.data.tables.dates import is_date
from anoonly_core.data.tables.files import printable
from anoonly_core.data.tables.number_styles import MISSING_WORDS, is_missing

__all__ = [
    "CATEGORY",
    "DATE",
    "MAX_WORDS",
    "MIXED",
    "NUMBER",
    "TEXT",
    "ColumnProfile",
    "find_missing_words",
    "find_wrong_cell",
    "infer_type",
    "is_missing_word",
    "is_typed_as_before",
    "list_names",
    "profile_column",
    "profile_columns",
    "to_labels",
    "to_numbers",
    "to_words",
    "to_words_as_before",
]

NUMBER, CATEGORY, TEXT, MIXED, DATE, EMPTY, INFINITE, OTHER, WRITTEN = (
    *("number", "category", "text", "mixed", "date", "empty", "infinite", "other", "written"),
)
MAX_WORDS = 50  # different words in a column of categories
MAX_WRONG = 0.5  # share of cells that are no numbers, below which a column counts as one of numbers
LISTED = 5  # names in a message

NUMBER_PATTERN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
INFINITE_PATTERN = r"^[+-]?(inf|infinity)$"
BLANK_WORDS = ("", "?")  # missing in every column; "?" is the habit of the UCI repository
TRUTH_WORDS = ("false", "true")
# Words that pandas takes for missing; used for detectors whose columns pandas typed.
_PANDAS_MISSING = (
    *("", "?", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
    *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
_SIGN, _CURRENCY = r"[-+\u2212]?", r"(?:[$€£¥₹]|EUR|USD|GBP|CHF)?"
_GROUPED = r"(?:\d{1,3}(?:[,.'’\u00a0\u202f ]\d{3})+|\d+)(?:[.,]\d+)?"
# Numbers written otherwise than the grammar above: 1,234 or 12% or $3.50 or a true minus sign.
_WRITTEN_NUMBER = re.compile(rf"\(?{_SIGN}\s*{_CURRENCY}\s*{_SIGN}{_GROUPED}(?:[eE][-+]?\d+)?\s*(?:%|{_CURRENCY})\)?")

# Reasons why a column cannot be used, by type.
_FAULTS = MappingProxyType(
    {
        CATEGORY: "holds words where numbers are needed, such as {example} in row {row}",
        TEXT: "holds {words} different words, too many for categories (at most {most})",
        MIXED: "holds numbers, but in row {row} {example}",
        DATE: "holds dates",
        EMPTY: "holds no value at all",
        INFINITE: "holds an infinite value or one over {largest:g} in row {row}",
        OTHER: "holds neither numbers nor words, such as {example} in row {row}",
        WRITTEN: "holds cells that look like numbers, such as {example} in row {row}, but are not all written in the "
        "same way",
    }
)


@dataclass(frozen=True)
class ColumnProfile:
    """Type and content of one table column.

    Attributes
    ----------
    name
        Name of the column.
    kind
        Type of the column; NUMBER and CATEGORY can become features, MIXED with `words` as categories.
    missing
        Number of missing cells.
    words
        Different words in sorted order, at most `MAX_WORDS`; empty for numbers, and for MIXED with more words.
    count
        Number of different words.
    example, row
        A cell that explains why the column cannot be used, quoted, and its row, from 0.
    missing_words
        Words such as NA that occur in the column and mean a missing value there.
    """

    name: str
    kind: str
    missing: int
    words: tuple[str, ...] = ()
    count: int = 0
    example: str = ""
    row: int = 0
    missing_words: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """True if the column can become features without further choices."""
        return self.kind in (NUMBER, CATEGORY)

    @property
    def can_be_words(self) -> bool:
        """True for a column of numbers and words (MIXED) that has at most `MAX_WORDS` different values."""
        return self.kind == MIXED and bool(self.words)

    @property
    def holds_numbers(self) -> bool:
        """True if the column is of numbers, even if all are missing, one is infinite, or some cells are words."""
        return self.kind in (NUMBER, MIXED, EMPTY, INFINITE)

    @property
    def can_be_time(self) -> bool:
        """True if the column holds dates or numbers, which may order the rows in time."""
        return self.kind in (NUMBER, DATE)

    @property
    def fault(self) -> str:
        """Reason why the column cannot be used, such as "holds dates", to follow its name in a sentence.

        Defined only where `usable` is False, and for CATEGORY in place of numbers.
        """
        return _FAULTS[self.kind].format(
            words=self.count, most=MAX_WORDS, row=self.row, example=self.example, largest=MAX_ABS
        )


def profile_column(name: str, values: pd.Series[Any]) -> ColumnProfile:
    """Determine the type of one column, its missing cells and its different words.

    Parameters
    ----------
    name
        Name of the column.
    values
        Cells as `read_table` returns them.
    """
    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        return ColumnProfile(name, DATE, int(values.isna().sum()))
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values):
        return _numbers(name, to_numbers(values))
    if values.dtype == object and (odd := _first_object(values)) is not None:
        missing = int((to_words(values) == "").sum())
        return ColumnProfile(name, OTHER, missing, example=_cell(str(values.iloc[odd]).strip()), row=odd)
    numbers = to_numbers(values)
    truths = _are_truths(values)
    rest = np.isnan(numbers)
    rest_words = to_words(values[rest])
    missing_words = tuple(sorted({*rest_words[is_missing_word(rest_words)]}))
    numeric = ~rest & ~truths
    if not rest.all() and all(word in BLANK_WORDS or word in missing_words for word in rest_words):
        if not (truths.any() and numeric.any()) or np.isin(numbers[numeric], (0, 1)).all():
            return _numbers(name, numbers, missing_words)
        rest = truths
    words = to_words(values)
    present = words != ""
    return _words(name, words, present, present & rest & ~is_missing_word(words))


def _words(name: str, words: np.ndarray, present: np.ndarray, wrong: np.ndarray) -> ColumnProfile:
    """Determine the type of a column that is not one of numbers: categories, text, mixed, dates or empty.

    Parameters
    ----------
    name
        Name of the column.
    words
        Cells as `to_words` converts them, object [rows].
    present
        Mask of the cells that are not "", bool [rows].
    wrong
        Mask of the cells that are neither numbers nor words for a missing value, bool [rows].
    """
    missing = int((~present).sum())
    if not wrong.any():  # nothing but words that mean missing
        return ColumnProfile(name, EMPTY, len(words))
    rows = np.flatnonzero(wrong)
    first = int(next((row for row in rows if not _WRITTEN_NUMBER.fullmatch(words[row])), rows[0]))
    distinct = sorted({*words[present]})
    is_many = len(distinct) > MAX_WORDS  # fewer dates in words, or beside words such as NA, can be categories
    if all(is_date(word, is_many) or (is_many and is_missing(word)) for word in distinct):
        return ColumnProfile(name, DATE, missing + int(is_missing_word(words[present]).sum()))
    if all(map(_WRITTEN_NUMBER.fullmatch, {*words[wrong]})):
        return ColumnProfile(name, WRITTEN, missing, example=_cell(words[first]), row=first)
    listed = tuple(distinct) if len(distinct) <= MAX_WORDS else ()
    if wrong.sum() < MAX_WRONG * (present & ~is_missing_word(words)).sum():  # else there are few numbers or none
        return ColumnProfile(name, MIXED, missing, listed, len(distinct), _cell(words[first]), first)
    kind = CATEGORY if len(distinct) <= MAX_WORDS else TEXT
    listed = tuple(distinct[:MAX_WORDS])
    first = int(np.flatnonzero(present)[0])
    return ColumnProfile(name, kind, missing, listed, len(distinct), _cell(words[first]), first)


def to_numbers(values: pd.Series[Any]) -> np.ndarray:
    """Convert a column to float64 [rows]; missing cells and words become NaN.

    True and False, in any case, become 1 and 0, inf becomes infinite. Text is rounded to the nearest float64.
    """
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    cells = _cells(values)
    is_number = pc.match_substring_regex(cells, NUMBER_PATTERN)
    bare = pc.utf8_ltrim(cells, "+")
    numbers = _parse_numbers(pc.if_else(is_number, bare, pa.scalar(None, pa.large_string())))
    rest = np.flatnonzero(~is_number.fill_null(False).to_numpy(zero_copy_only=False))
    if len(rest):
        lower = pc.utf8_lower(cells.take(pa.array(rest)))
        for word, number in (("true", 1.0), ("false", 0.0)):
            numbers[rest[pc.equal(lower, word).fill_null(False).to_numpy(zero_copy_only=False)]] = number
        infinite = pc.match_substring_regex(lower, INFINITE_PATTERN).fill_null(False).to_numpy(zero_copy_only=False)
        negative = pc.starts_with(lower, "-").fill_null(False).to_numpy(zero_copy_only=False)
        numbers[rest[infinite]] = np.where(negative[infinite], -np.inf, np.inf)
    return numbers


def to_words(values: pd.Series[Any]) -> np.ndarray:
    """Convert the cells of a column to stripped strings, object [rows].

    Missing cells and "?" become "". In a column of floats, 1.0 becomes "1".
    """
    missing = values.isna().to_numpy(dtype=bool)
    if pd.api.types.is_float_dtype(values):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        words = np.array([_float_word(number) for number in numbers], dtype=object)
    elif isinstance(values.dtype, pd.StringDtype):  # Arrow makes a list much faster than pandas does
        cells = pa.array(values, from_pandas=True).to_pylist()
        words = np.array(["" if cell is None else cell.strip() for cell in cells], dtype=object)
    else:
        words = np.array([str(cell).strip() for cell in values], dtype=object)
    return np.where(missing | (words == "?"), "", words).astype(object)


def to_labels(values: pd.Series[Any]) -> np.ndarray:
    """Convert the cells of a label column to strings, object [rows]; missing cells and "?" become "".

    In a column of numbers, 1.0 becomes "1" and a word such as NA becomes "". In a column of truth values,
    TRUE and true become "True".
    """
    words = to_words(values)
    distinct = sorted({*words} - {""})
    if distinct and all(word.lower() in TRUTH_WORDS for word in distinct):
        return np.array([word.capitalize() for word in words], dtype=object)
    numbers = to_numbers(pd.Series(distinct, dtype="str"))
    is_blank = is_missing_word(np.array(distinct, dtype=object))
    if is_blank.all() or np.isnan(numbers[~is_blank]).any() or any(word.lower() in TRUTH_WORDS for word in distinct):
        return words
    names = {
        word: "" if blank else _float_word(number) if "." in word or "e" in word.lower() else word
        for word, number, blank in zip(distinct, numbers, is_blank, strict=True)
    }
    return np.array([names.get(word, "") for word in words], dtype=object)


def is_missing_word(words: np.ndarray) -> np.ndarray:
    """Return a mask, bool [rows], of the words that mean a missing value in a column of numbers, such as NA."""
    return np.array([word.lower() in MISSING_WORDS for word in words], dtype=bool)


def profile_columns(table: pd.DataFrame, names: Iterable[str]) -> list[ColumnProfile]:
    """Determine the types of the columns `names` of a table, in this order.

    A word that marks missing values in a column of numbers counts as missing in columns of categories, too.
    """
    profiles = [profile_column(name, table[name]) for name in names]
    marks = {*find_missing_words(profiles)}
    return [
        replace(
            column,
            missing=column.missing + sum(word in marks for word in to_words(table[column.name]).tolist()),
            words=tuple(word for word in column.words if word not in marks),
            count=len({*column.words} - marks),
            missing_words=tuple(sorted(marks & {*column.words})),
        )
        if marks & {*column.words} and column.kind == CATEGORY and len({*column.words} - marks) > 0
        else column
        for column in profiles
    ]


def find_missing_words(profiles: Iterable[ColumnProfile]) -> tuple[str, ...]:
    """Return the words, such as NA, that mark missing values in columns of numbers; sorted.

    A word that may mean something else in a column of words, such as "-", is not returned.
    """
    words = {word for column in profiles if column.kind == NUMBER for word in column.missing_words}
    return tuple(sorted(words & {*_PANDAS_MISSING}))


def infer_type(values: pd.Series[Any]) -> pd.Series[Any]:
    """Convert a column of strings to one type for all cells as pandas does: numbers, truth values, or strings.

    Detectors saved by earlier versions expect columns converted so.
    """
    cells = values.where(~values.isin(_PANDAS_MISSING))
    present = cells.dropna()
    if present.isin(("True", "TRUE", "true", "False", "FALSE", "false")).all() and len(present) == len(cells):
        return cells.str.lower() == "true"
    try:
        return pd.to_numeric(cells)
    except (ValueError, TypeError):
        return cells


def find_wrong_cell(name: str, values: pd.Series[Any], numbers: np.ndarray) -> ColumnProfile | None:
    """Find a cell in a column of numbers that is infinite or beyond `MAX_ABS`, else one that is a word.

    Of several the first is taken. Words that mean a missing value, such as NA, are not wrong.

    Parameters
    ----------
    name
        Name of the column.
    values
        Cells of the column.
    numbers
        The cells as `to_numbers` converts them, float64 [rows].

    Returns
    -------
    ColumnProfile or None
        Profile whose `fault` tells the row, from 0, and the cell if it is a word; None if all cells are numbers or
        missing.
    """
    if (row := _first(abs(numbers) > MAX_ABS)) is not None:
        return ColumnProfile(name, INFINITE, 0, row=row)
    rows = np.flatnonzero(np.isnan(numbers))
    words = to_words(values.iloc[rows])
    if (wrong := _first((words != "") & ~is_missing_word(words))) is None:
        return None
    kind = WRITTEN if _WRITTEN_NUMBER.fullmatch(words[wrong]) else MIXED
    return ColumnProfile(name, kind, 0, example=_cell(words[wrong]), row=int(rows[wrong]))


def is_typed_as_before(profile: ColumnProfile, table: pd.DataFrame) -> bool:
    """Return True if earlier versions compute the same features from this column of the table.

    Of a table read from a text file, earlier versions gave all cells of a column one type, see `infer_type`.
    """
    values = table[profile.name]
    if profile.kind != NUMBER:
        words = ["" if word in profile.missing_words else word for word in to_words(values).tolist()]
        return bool(to_words_as_before(table, profile.name).tolist() == words)
    if table.attrs.get("is_text") and _is_plain(values):
        return True
    before = infer_type(values) if table.attrs.get("is_text") else values
    if not pd.api.types.is_numeric_dtype(before):
        return False
    then, now = to_numbers(before).astype(np.float32), to_numbers(values).astype(np.float32)
    return bool(np.array_equal(then, now, equal_nan=True))


def _is_plain(values: pd.Series[Any]) -> bool:
    """Return True if all cells are blank or numbers of at most 15 digits, which each conversion gives exactly."""
    if not isinstance(values.dtype, pd.StringDtype):
        return False
    cells = pa.array(values, from_pandas=True)
    return bool(pc.all(pc.match_substring_regex(cells, r"^(-?\d{1,15}|-?\d{1,8}\.\d{1,7})?$")).as_py())


def to_words_as_before(table: pd.DataFrame, name: str) -> np.ndarray:
    """Convert the column `name` of a table, as `read_table` returns it, to strings as earlier versions did.

    In a table read from a text file, all cells of the column first get one type, see `infer_type`. In any other table
    a cell "?" stays "?", unlike in `to_words`.

    Returns
    -------
    object [rows]
        Strings; "" for a missing cell.
    """
    if table.attrs.get("is_text"):
        return to_words(infer_type(table[name]))
    values = table[name]
    words = to_words(values)
    is_mark = np.array([isinstance(cell, str) and cell.strip() == "?" for cell in values], dtype=bool)
    return np.where(is_mark, "?", words).astype(object)


def list_names(names: list[str]) -> str:
    """Join names with commas for a message: the first five, each cut to 60 characters, and the number of others."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(printable(name[:60]) for name in names[:LISTED]) + more


def _cells(values: pd.Series[Any]) -> Any:
    """Return the stripped cells of a column as an Arrow array of large strings; missing cells are null.

    In a column that is not of strings, missing cells are "".
    """
    if values.dtype == object or not pd.api.types.is_string_dtype(values):
        return pa.array(to_words(values), type=pa.large_string())
    cells = pa.array(values, from_pandas=True)
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    return pc.utf8_trim_whitespace(cells.cast(pa.large_string()))


def _parse_numbers(cells: Any) -> np.ndarray:
    try:
        numbers = cells.cast(pa.float64())
    except pa.ArrowInvalid:  # such as 1e400, beyond the range of float64
        numbers = pa.array([None if cell is None else float(cell) for cell in cells.to_pylist()], type=pa.float64())
    parsed: np.ndarray = numbers.to_numpy(zero_copy_only=False).copy()
    return parsed


def _float_word(number: float) -> str:
    is_whole = np.isfinite(number) and number == np.trunc(number) and abs(number) < 2**53
    return str(int(number)) if is_whole else repr(float(number))


def _are_truths(values: pd.Series[Any]) -> np.ndarray:
    """Return a mask, bool [rows], of the cells that are True or False in any case."""
    truths: np.ndarray = pc.is_in(pc.utf8_lower(_cells(values)), pa.array(TRUTH_WORDS, pa.large_string())).to_numpy(
        zero_copy_only=False
    )
    return truths


def _first_object(values: pd.Series[Any]) -> int | None:
    """Return the position of the first cell that is neither missing nor a string, bool or number, or None.

    Dates, lists and Decimals are such cells; numbers are int, float and those of NumPy.
    """
    odd = np.array([not isinstance(cell, str | bool | int | float | np.number | np.bool) for cell in values])
    return _first(odd & ~values.isna().to_numpy(dtype=bool))


def _numbers(name: str, values: np.ndarray, missing_words: tuple[str, ...] = ()) -> ColumnProfile:
    missing = int(np.isnan(values).sum())
    if missing == len(values):
        return ColumnProfile(name, EMPTY, missing)
    if (huge := _first(abs(values) > MAX_ABS)) is not None:
        return ColumnProfile(name, INFINITE, missing, row=huge)
    return ColumnProfile(name, NUMBER, missing, missing_words=missing_words)


def _first(mask: np.ndarray) -> int | None:
    rows = np.flatnonzero(mask)
    return int(rows[0]) if len(rows) else None


def _cell(word: str) -> str:
    return repr(word if len(word) <= 40 else f"{word[:37]}...")

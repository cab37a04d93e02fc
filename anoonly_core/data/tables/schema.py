"""Schema of a table: the label column, the values that mean anomaly, and the use of the other columns.

A schema is part of a file URI, such as `file.csv?label=class&anomaly=4,5&missing=drop`, or chosen on a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from anoonly_core.data.dataset import SplitKeys
from anoonly_core.data.tables.columns import (
    MAX_WORDS,
    to_labels,
)
from anoonly_core.data.tables.encoding import ENCODINGS
from anoonly_core.data.tables.files import MAX_CELLS, MAX_COLUMN_NAME, ReadOptions
from anoonly_core.data.tables.number_styles import Decimal
from anoonly_core.data.tables.preprocessing import FeatureChoices
from anoonly_core.data.tables.split_columns import to_groups, to_times
from anoonly_core.errors import InvalidConfig, did_you_mean

__all__ = [
    "LABEL_COLUMNS",
    "LATER_FIELDS",
    "REVISION",
    "SCHEMA_RULES",
    "UNLABELED",
    "TableSchema",
    "choose_label",
    "find_label_column",
    "has_plain_labels",
    "make_schema",
]

LABEL_COLUMNS = ("y", "label", "anomaly", "target")
COORDINATE = "y"  # a name that coordinates have, too
NO_LABEL = ""
UNLABELED = -1
# Revision of the reader. Raise it when a table gives other features or labels; identities of such tables contain it.
REVISION = 4
# Label values that need no schema: the second means anomaly.
PLAIN = ({"0", "1"}, {"False", "True"})

SCHEMA_RULES = {
    "label": f"the name of a column, or empty for none (by default one of {', '.join(LABEL_COLUMNS)})",
    "anomaly": "the values of the label column that mean anomaly, with commas between",
    "normal": "the values of the label column that mean normal (all others mean anomaly)",
    "share": "a number above 0 and below 1, the share to which anomalies are drawn",
    "rows": "a whole number from 10 to 50000000, the rows of a sample that keeps all labeled anomalies",
    "without": "the columns that are not features, with commas between",
    "keep": "the columns that are features although they look like row numbers or a label, or never vary, with commas "
    "between",
    "categories": "one_hot or leave_out",
    "missing": "impute or drop",
    "time": "the name of a column with the time of each row, for a split by time",
    "group": "the name of a column with the entity of each row, such as a customer, for a split by group",
    "test": "the path of a further file with the same columns, whose rows are the test",
    "dates": "parts, which computes days, hour, weekday and month",
    "many": "hash, for columns with more words than can be a feature each",
    "decimal": "point or comma, the decimal sign of numbers that may be read either way, such as 1.234",
    "encoding": f"the encoding of a text file, one of {', '.join(ENCODINGS)}",
    "sheet": "the name of a sheet of a spreadsheet",
    "header": "yes if the first line of the table holds the names of the columns, no if it is a row",
}
# Words that a field takes, to suggest one for a word that is mistyped.
_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "categories": ("one_hot", "leave_out"),
        "missing": ("impute", "drop"),
        "dates": ("parts",),
        "many": ("hash",),
        "decimal": ("point", "comma"),
        "header": ("yes", "no"),
        "encoding": tuple(ENCODINGS),
    }
)
# Fields that came later: at their default they are no part of an identity.
LATER_FIELDS = ("rows", "keep", "time", "group", "test", "dates", "many", "decimal", "encoding", "sheet", "header")
MAX_PATH = 4096  # characters

Name = Annotated[str, StringConstraints(max_length=MAX_COLUMN_NAME)]  # of a column, or a label value


class TableSchema(BaseModel):
    """Use of the columns and rows of a table; None and () stand for choices not made.

    A row with a blank label is unlabeled. The JSON of a schema is part of run keys.

    Attributes
    ----------
    label
        Name of the label column; `NO_LABEL` for a table without labels; None for a column with a
        name of `LABEL_COLUMNS`, see `find_label_column`.
    anomaly
        Label values that mean anomaly; all others mean normal.
    normal
        Label values that mean normal; all others mean anomaly. Excludes `anomaly`.
    share
        Share of the labeled rows to which anomalies are drawn (paper § 4.1); None keeps all.
    rows
        Number of rows of a sample for a large table: all labeled anomalies, and normal and unlabeled rows drawn in
        their proportion; None takes all rows. Rows of a test file are all kept.
    without
        Names of columns that are not features.
    keep
        Names of columns that are features although they number the rows, equal the label or are the same in all rows.
    categories
        Use of columns of words: one-hot encode them or leave them out.
    missing
        Use of missing values: replace numbers by the median of the training rows, or drop the rows.
    time, group
        Columns with the time and the entity of each row, which a split may follow. They are no features unless
        they are in `keep`.
    test
        Path of the test file; for an upload the name of another upload.
    dates
        "parts" to compute days, hour, weekday and month from columns of dates; None if they are to be left out.
    many
        "hash" to hash the words of columns with too many for a feature each; None if they are to be left out.
    decimal
        Decimal sign of columns that can be read with either one; None for the likely one.
    encoding, sheet, header
        Choices on how the file is read, see `ReadOptions`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    label: Name | None = None
    anomaly: tuple[Name, ...] = ()
    normal: tuple[Name, ...] = ()
    share: float | None = Field(default=None, gt=0, lt=1)
    rows: int | None = Field(default=None, ge=10, le=MAX_CELLS)
    without: tuple[Name, ...] = ()
    keep: tuple[Name, ...] = ()
    categories: Literal["one_hot", "leave_out"] | None = None
    missing: Literal["impute", "drop"] | None = None
    time: Annotated[Name, StringConstraints(min_length=1)] | None = None
    group: Annotated[Name, StringConstraints(min_length=1)] | None = None
    test: Annotated[str, StringConstraints(min_length=1, max_length=MAX_PATH)] | None = None
    dates: Literal["parts"] | None = None
    many: Literal["hash"] | None = None
    decimal: Decimal | None = None
    encoding: str | None = None
    sheet: Name | None = None
    header: Literal["yes", "no"] | None = None

    @property
    def protocols(self) -> tuple[str, ...]:
        """Protocols that split a table as this schema says, the most specific first; () if it names no way."""
        ways = {"test_file": self.test, "by_time": self.time, "by_group": self.group}
        return tuple(protocol for protocol, given in ways.items() if given is not None)

    def split_keys(self, table: pd.DataFrame, title: str) -> SplitKeys:
        """Return the times and groups of the rows of a table; raise BadDataFile if a cell is no time."""
        return SplitKeys(
            times=None if self.time is None else to_times(table[self.time], self.time, title),
            groups=None if self.group is None else to_groups(table[self.group]),
        )

    @property
    def feature_choices(self) -> FeatureChoices:
        """Use of the columns that are no plain numbers."""
        return FeatureChoices(
            one_hot=None if self.categories is None else self.categories == "one_hot",
            impute=None if self.missing is None else self.missing == "impute",
            dates=self.dates == "parts",
            hashes=self.many == "hash",
        )

    @property
    def read_options(self) -> ReadOptions:
        """Choices on how the file is read, before its columns are used."""
        return ReadOptions(self.encoding, self.sheet, self.header)

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, encoding: str | None) -> str | None:
        if encoding is not None and encoding not in ENCODINGS:
            raise ValueError("unknown encoding")
        return encoding

    @model_validator(mode="after")
    def _check_encode_labels(self) -> TableSchema:
        if self.anomaly and self.normal:
            raise ValueError("both sides")
        return self


def make_schema(values: Mapping[str, object]) -> TableSchema:
    """Make a schema from the values of its fields by name.

    Raises
    ------
    InvalidConfig
        If a name is not a field of `TableSchema`, a value does not fit, or both anomaly and normal are set.
    """
    try:
        return TableSchema.model_validate(values)
    except ValidationError as error:
        detail = error.errors()[0]
        name = str(detail["loc"][0]) if detail["loc"] else ""
        if not name:
            raise InvalidConfig("Say which values mean anomaly or which mean normal, not both.") from error
        if name not in SCHEMA_RULES:
            hint = did_you_mean(name[:60], SCHEMA_RULES) or f"; its settings are {', '.join(SCHEMA_RULES)}."
            raise InvalidConfig(f"A table has no setting {name[:60]!r}{hint}") from error
        text = str(values[name])[:60]
        hint = did_you_mean(text, _WORDS.get(name, ())) or "."
        raise InvalidConfig(f"{name} must be {SCHEMA_RULES[name]}, not {text!r}{hint}") from error


def find_label_column(table: pd.DataFrame, schema: TableSchema) -> str:
    """Return the name of the label column: that of the schema, else the one that `choose_label` chooses.

    Return `NO_LABEL` if the table has no labels. The schema's column need not exist.
    """
    if schema.label is not None:
        return schema.label
    names = [str(name) for name in table.columns if str(name).strip().lower() in LABEL_COLUMNS]
    return choose_label({name: _label_values(table[name]) for name in names})


def choose_label(values: Mapping[str, set[str]]) -> str:
    """Choose the label column among columns with a name of `LABEL_COLUMNS`; return its name or `NO_LABEL`.

    Columns are tried in the order of `LABEL_COLUMNS`. The first whose values need no schema, such as 0 and 1,
    is chosen, else the first column, with y last. A column y with more than `MAX_WORDS` values is not chosen, since it
    holds coordinates.

    Parameters
    ----------
    values
        Different values of each column, without blank ones, by name.
    """
    by_name = {name.strip().lower(): name for name in reversed(list(values))}
    names = [by_name[name] for name in LABEL_COLUMNS if name in by_name]
    if plain := [name for name in names if has_plain_labels(values[name])]:
        return plain[0]
    coordinates = [name for name in names if name.strip().lower() == COORDINATE]
    others = [name for name in names if name not in coordinates]
    return next(
        (name for name in (*others, *coordinates) if name in others or len(values[name]) <= MAX_WORDS), NO_LABEL
    )


def has_plain_labels(values: set[str]) -> bool:
    """Return True if all values, at least one, belong to one pair of labels that need no schema, such as 0 and 1."""
    return bool(values) and any(values <= words for words in PLAIN)


def _label_values(values: pd.Series) -> set[str]:
    """Return the different values of a column without blank ones, at most three times `MAX_WORDS` of them."""
    try:
        return {*to_labels(pd.Series(values.unique()[: 3 * MAX_WORDS]))} - {""}
    except TypeError:  # cells such as lists cannot be compared
        return set()

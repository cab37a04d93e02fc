"""Profile of an uploaded table, and the schema that it suggests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from anoonly_core.data.tables.columns import DATE, MAX_WORDS, NUMBER, ColumnProfile, profile_columns
from anoonly_core.data.tables.exclusions import find_entities, find_row_numbers
from anoonly_core.data.tables.files import ReadOptions
from anoonly_core.data.tables.label_candidates import LabelCandidate, count_values, name_parts, rank_labels
from anoonly_core.data.tables.number_styles import OpenDecimal, settle_open_numbers
from anoonly_core.data.tables.schema import NO_LABEL, TableSchema, choose_label, has_plain_labels, make_schema
from anoonly_core.progress import Report, report_each, report_nothing

__all__ = ["TableProfile", "profile_table", "suggest_anomalies", "suggest_schema"]

HEAD_ROWS = 50
TIME_NAMES = frozenset(("time", "timestamp", "datetime", "date", "datum", "zeit", "fecha", "epoch"))  # of numbers
# Values that mean anomaly or normal however many rows have them.
ANOMALY_WORDS = frozenset(
    (
        *("anomaly", "anomalous", "anomalies", "abnormal", "outlier", "fraud", "fraudulent", "attack", "malicious"),
        *(
            "malignant",
            "faulty",
            "fault",
            "failure",
            "defect",
            "defective",
            "intrusion",
            "betrug",
            "fraude",
            "anomalie",
        ),
        *("ausfall", "fehler", "fehlerhaft", "defekt", "angriff", "ataque", "attaque", "fallo", "krank"),
    )
)
NORMAL_WORDS = frozenset(
    (
        *("normal", "benign", "inlier", "ok", "healthy", "sound", "genuine", "legitimate", "good"),
        *("gesund", "gut", "normale", "in ordnung", "i.o."),
    )
)
YES_WORDS = frozenset(
    ("1", "true", "yes", "ja", "oui", "sí", "si", "sim", "tak", "да", "はい", "是")
)  # they answer a question that may ask for either


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
        Names of the columns that number the rows or name entities, see `find_row_numbers` and `find_entities`.
    read
        Encoding, sheet and header with which the file was read, as far as its format has them.
    sheets
        Names of the sheets of a spreadsheet.
    open_decimals
        Columns that can be read with either decimal sign, by name, where the user has to choose.
    groups
        Names of the columns that name entities of which some have several rows, which a split may keep on one side.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    values: Mapping[str, Mapping[str, int]]
    head: pd.DataFrame
    identifiers: tuple[str, ...]
    read: ReadOptions = field(default_factory=ReadOptions)
    sheets: tuple[str, ...] = ()
    open_decimals: Mapping[str, OpenDecimal] = field(default_factory=dict)
    groups: tuple[str, ...] = ()

    @property
    def times(self) -> tuple[str, ...]:
        """Names of the columns that tell the time of a row: dates, and numbers with a name such as ``timestamp``."""
        return tuple(
            column.name
            for column in self.columns
            if column.kind == DATE or (column.kind == NUMBER and {*name_parts(column.name)} & TIME_NAMES)
        )

    @property
    def label_candidates(self) -> tuple[LabelCandidate, ...]:
        """Columns that may hold the label, the likeliest first."""
        return rank_labels(self.values)

    def other_labels(self, label: str) -> tuple[str, ...]:
        """Return the names of columns of two values beside `label` that may be labels, too; () for no label."""
        return tuple(
            column.name
            for column in self.label_candidates
            if label and column.name != label and column.is_plausible and len({*column.counts} - {""}) == 2
        )


def profile_table(table: pd.DataFrame, report: Report = report_nothing) -> TableProfile:
    """Summarize a table that `read_table` returned: types and values of its columns, and its first rows.

    `report` is called before each of two steps per column, so that it can cancel.
    """
    open_decimals = {name: column for name, column in table.attrs.get("open_decimals", {}).items() if column.is_asked}
    table = settle_open_numbers(table, "", None)
    names = [str(name) for name in table.columns]
    steps = 2 * len(names)
    counted = report_each(names, report, 0, steps)
    values = {name: counts for name in counted if (counts := count_values(table[name])) is not None}
    columns = tuple(profile_columns(table, report_each(names, report, len(names), steps)))
    head = table.head(HEAD_ROWS)
    head.attrs = {}
    entities = find_entities(table)
    return TableProfile(
        *(len(table), columns, values, head, (*find_row_numbers(table), *entities)),
        read=table.attrs.get("read", ReadOptions()),
        sheets=table.attrs.get("sheets", ()),
        open_decimals=open_decimals,
        groups=tuple(name for name in entities if table[name].dropna().duplicated().any()),
    )


def suggest_schema(profile: TableProfile, given: TableSchema | None = None) -> TableSchema:
    """Suggest a schema for a table from its profile; the user should check it.

    The label is the likeliest column, see `rank_labels`. Columns that cannot be features, row numbers and other
    columns that may be labels are left out, words one-hot encoded, and missing numbers imputed.

    Parameters
    ----------
    profile
        Content of the table.
    given
        Choices that are made already and stay as they are.
    """
    given = given or TableSchema()
    label = given.label
    if label is None:
        label = _suggest_label(profile.values, profile.label_candidates)
    others = [column for column in profile.columns if column.name not in (label, given.time, given.group)]
    no_features = {*profile.identifiers, *profile.other_labels(label), *given.without} - {*given.keep}
    choices = given.feature_choices
    without = [column.name for column in others if not choices.takes(column) or column.name in no_features]
    features = [column for column in others if column.name not in without]
    suggested: dict[str, object] = {
        "label": label,
        "anomaly": () if given.normal or label not in profile.values else suggest_anomalies(profile.values[label]),
        "without": tuple(without),
        "categories": "one_hot" if any(column.words for column in features) else None,
        "missing": "impute" if any(column.missing for column in features) else None,
    }
    made = given.model_dump(exclude_defaults=True, exclude={"without"})
    return make_schema({**suggested, **made})


def _suggest_label(values: Mapping[str, Mapping[str, int]], candidates: Sequence[LabelCandidate]) -> str:
    """Return the name of the likely label column, or `NO_LABEL` if none has a likely name.

    A column with a name and values that need no schema comes first, then the first of the plausible candidates.

    Parameters
    ----------
    values
        Count of each value by column name, of the columns with few values.
    candidates
        Columns that may hold the label, as `rank_labels` returns them.
    """
    words = {name: {word for word in counts if word} for name, counts in values.items()}
    label = choose_label(words)
    if label and has_plain_labels(words[label]):
        return label
    few = label if label and len(words[label]) <= MAX_WORDS else NO_LABEL  # many values are a quantity to predict
    return next((column.name for column in candidates if column.is_plausible), few)


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

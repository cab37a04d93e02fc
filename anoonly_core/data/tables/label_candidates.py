"""Columns that may hold the label, ranked by their names and values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from anoonly_core.data.tables.columns import to_labels
from anoonly_core.data.tables.files import MAX_COLUMN_NAME, printable

__all__ = [
    "MAX_CLASSES",
    "LabelCandidate",
    "count_values",
    "find_labels",
    "find_other_labels",
    "name_parts",
    "rank_labels",
    "shown_counts",
]

# Parts of a name, without accents where people drop them, that mean an anomaly in the languages of users.
_ANOMALIES = frozenset(
    (
        *("anomaly", "anomalies", "anomalous", "anomalie", "anomalia", "abnormal", "outlier", "outliers"),
        *("ausreisser", "ausreißer", "fraud", "fraudulent", "fraude", "frode", "betrug", "bedrog", "oszustwo"),
        *("мошенничество", "詐欺", "attack", "angriff", "attaque", "ataque", "attacco", "intrusion", "malware"),
        *("malicious", "phishing", "spam", "failure", "failed", "fail", "fails", "ausfall", "fehler", "panne"),
        *("fallo", "falha", "guasto", "awaria", "defect", "defective", "defekt", "defaut", "défaut", "defecto"),
        *("fault", "faulty", "error", "broken", "故障", "default", "chargeback", "churn", "churned", "exited"),
        *("attrition", "death", "died", "stroke", "malignant", "cancer", "disease", "sick", "krank"),
        *("infected", "異常", "异常", "аномалия"),
    )
)
# Parts of a name that mean a label, with the weight of each.
_LABELS: Mapping[str, float] = {
    **dict.fromkeys(
        ("label", "labels", "target", "zielvariable", "etikett", "etiqueta", "etichetta", "etiquette"), 3.0
    ),
    **dict.fromkeys(("class", "klasse", "classe", "clase", "klasa", "класс", "метка", "diagnosis", "diagnose"), 2.5),
    **dict.fromkeys(("outcome", "ergebnis", "resultat", "resultado", "ziel", "groundtruth", "truth"), 2.0),
    **dict.fromkeys(("response", "verdict", "gt", "result", "species", "survived"), 1.5),
}
_WEAK: Mapping[str, float] = {"y": 1.0, "type": 1.0, "status": 1.0, "state": 0.5}
# Parts that name the output of another system rather than what is known of a row.
_DERIVED = frozenset(
    ("flagged", "flag", "pred", "predicted", "prediction", "score", "rule", "alert", "suspected", "prob", "probability")
)
_QUESTIONS = frozenset(("is", "has", "was", "ist", "hat", "est", "es"))
MIN_PLAUSIBLE = 2.0
RARE = 0.2
MAX_CLASSES = 1000  # different values of a label column
MAX_DISTINCT = 6  # different cells of a column of two values, such as 1, 1.0, true, ? and blank
LISTED = 4  # values in a message


@dataclass(frozen=True)
class LabelCandidate:
    """Column that may hold the label.

    Attributes
    ----------
    name
        Name of the column.
    counts
        Count of each value; "" for blank.
    score
        Sum of the hints of its name and values; only its order means something.
    is_plausible
        True if the name speaks for a label and the values do not speak against it.
    """

    name: str
    counts: Mapping[str, int]
    score: float
    is_plausible: bool


def rank_labels(values: Mapping[str, Mapping[str, int]]) -> tuple[LabelCandidate, ...]:
    """Return the columns that may hold the label, the likeliest first; equal ones in the order of the table.

    A name speaks for a label by words such as fraud, label or outcome in several languages. Two values speak for it,
    the more if one is rare, or if the others are blank.

    Parameters
    ----------
    values
        Count of each value by column name, "" for blank, of the columns with few values.

    Returns
    -------
    tuple of LabelCandidate
        Columns with a name that speaks for a label, and other columns of two values.
    """
    candidates = []
    for name, counts in values.items():
        named, valued = _name_score(name), _value_score(counts)
        if named > 0 or valued >= 1:
            is_plausible = named >= MIN_PLAUSIBLE and valued > -1
            candidates.append(LabelCandidate(name, counts, named + valued, is_plausible))
    return tuple(sorted(candidates, key=lambda column: (not column.is_plausible, -column.score)))


def find_labels(table: pd.DataFrame) -> tuple[LabelCandidate, ...]:
    """Return the plausible label columns of a table, the likeliest first."""
    names = [str(name) for name in table.columns if _name_score(str(name)) >= MIN_PLAUSIBLE]
    values = {name: counts for name in names if (counts := count_values(table[name])) is not None}
    return tuple(candidate for candidate in rank_labels(values) if candidate.is_plausible)


def count_values(column: pd.Series[Any]) -> dict[str, int] | None:
    """Count each value of a column, as `to_labels` converts it, in sorted order; "" for blank.

    Return None for over `MAX_CLASSES` values, or a value of over `MAX_COLUMN_NAME` characters.
    """
    try:
        if column.nunique() > MAX_CLASSES:
            return None
    except TypeError:  # cells such as lists cannot be counted
        return None
    counts = _count_cells(column)
    return counts if max(map(len, counts)) <= MAX_COLUMN_NAME else None


def _count_cells(column: pd.Series[Any]) -> dict[str, int]:
    """Count each value of a column as `to_labels` converts it, in sorted order, converting different cells once."""
    if isinstance(column.dtype, pd.StringDtype) or column.dtype.kind in "iuf":
        cells = column.value_counts(sort=False, dropna=False)
        labels, counts = to_labels(pd.Series(cells.index, dtype=column.dtype)), cells.to_numpy()
    else:  # in a column of objects True and 1 are equal
        labels, counts = to_labels(column), np.ones(len(column), dtype=np.int64)
    totals = pd.Series(counts).groupby(labels.astype(object)).sum().sort_index()
    return {str(label): int(count) for label, count in totals.items()}


def find_other_labels(table: pd.DataFrame, label: str) -> tuple[str, ...]:
    """Return the names of columns beside the label that may be labels, too: by their names, and with two values."""
    return tuple(
        str(name)
        for name in table.columns
        if name != label and _name_score(str(name)) >= MIN_PLAUSIBLE and _is_binary(table[name])
    )


def _is_binary(values: pd.Series[Any]) -> bool:
    try:
        if values.nunique() > MAX_DISTINCT:
            return False
    except TypeError:  # cells such as lists cannot be counted
        return False
    return len({*to_labels(pd.Series(values.unique()))} - {""}) == 2


def _name_score(name: str) -> float:
    """Return how much a name of a column speaks for a label; 0 if not at all."""
    parts = name_parts(name)
    best = max((_part_score(part) for part in parts), default=0.0)
    if best == 0:
        return 0.25 if len(parts) > 1 and parts[0] in _QUESTIONS else 0.0
    asks = 0.5 if parts[0] in _QUESTIONS or len(parts) == 1 else 0.0
    return best + asks - (0.75 if {*parts} & _DERIVED else 0.0)


def shown_counts(candidate: LabelCandidate) -> str:
    """Return the values of a candidate with their counts for a message, such as "0: 578, 1: 22"."""
    listed = sorted(candidate.counts.items(), key=lambda item: -item[1])
    more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
    return ", ".join(f"{printable(value[:30]) or 'blank'}: {count:,}" for value, count in listed[:LISTED]) + more


def name_parts(name: str) -> list[str]:
    """Split a name into its words in lower case, also where a capital letter begins one, as in isFraud."""
    spaced = re.sub(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])", " ", name.strip())
    return [part for part in re.split(r"[\W_]+", spaced.lower()) if part]


def _part_score(part: str) -> float:
    if part in _ANOMALIES or any(part == f"{question}{word}" for question in ("is", "has") for word in _ANOMALIES):
        return 3.0
    return _LABELS.get(part, _WEAK.get(part, 0.0))


def _value_score(counts: Mapping[str, int]) -> float:
    """Return how much the values of a column speak for a label."""
    present = {value: count for value, count in counts.items() if value}
    if len(present) < 2:
        return 0.5 if present and counts.get("") else -2.0
    if len(present) > 2:
        return -0.5 if len(present) <= 50 else -2.0
    return 1.5 if min(present.values()) <= RARE * sum(present.values()) else 1.0

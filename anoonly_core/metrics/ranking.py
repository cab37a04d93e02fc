"""Scores -> metrics and curves.

The metrics all come from one sort of the scores, since a run is measured at many of its epochs;
they agree with scikit-learn's, ties included.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import numpy as np

__all__ = ["METRICS", "Confusion", "Curves", "Metrics", "chance_levels", "confusion", "curves", "metrics"]


@dataclass(frozen=True)
class Metrics:
    """How well scores separate the classes, each from 0 to 1.

    aucpr_anomaly: average precision of the anomalies with the score. aucpr_normal: average
    precision of the normal rows with minus the score. aucpr_normal_published: the same with the
    sign left as it was, as the paper's Table 4 was computed; it falls as detection improves and is
    here for comparison with that table only.
    """

    aucroc: float
    aucpr_anomaly: float
    aucpr_normal: float
    aucpr_normal_published: float

    def as_dict(self) -> dict[str, float]:
        """The metrics by name."""
        return asdict(self)


METRICS = tuple(field.name for field in fields(Metrics))


@dataclass(frozen=True, eq=False)
class Curves:
    """One point per distinct score, from the highest to the lowest; all arrays have equal length.

    threshold: rows with this score or more are flagged. Flagged rows are called anomalies, the
    others normal; recall_normal and precision_normal judge that second call. Where a precision
    has no rows to judge it is 1.
    """

    threshold: np.ndarray
    true_positive_rate: np.ndarray
    false_positive_rate: np.ndarray
    precision_anomaly: np.ndarray
    recall_normal: np.ndarray
    precision_normal: np.ndarray


@dataclass(frozen=True)
class Confusion:
    """Counts of test rows at one threshold."""

    anomalies_flagged: int
    anomalies_missed: int
    normals_flagged: int
    normals_passed: int


def metrics(y: np.ndarray, score: np.ndarray) -> Metrics:
    """The four metrics of labels y [n] (1 = anomaly) and scores [n]; both classes must occur."""
    anomalies, normals = _cumulative(y, score)
    return Metrics(
        aucroc=_area_under_roc(anomalies, normals),
        aucpr_anomaly=_average_precision(anomalies, normals),
        aucpr_normal=_average_precision(*_from_below(normals, anomalies)),
        aucpr_normal_published=_average_precision(normals, anomalies),
    )


def chance_levels(y: np.ndarray) -> dict[str, float]:
    """What scores without any skill get, by metric: 0.5, and each class's prevalence."""
    share = float(np.mean(y == 1))
    return {"aucroc": 0.5, "aucpr_anomaly": share, "aucpr_normal": 1 - share}


def curves(y: np.ndarray, score: np.ndarray) -> Curves:
    """ROC and both precision-recall curves of labels y [n] and scores [n]."""
    anomalies, normals = _cumulative(y, score)
    thresholds = np.unique(score)[::-1]
    missed, passed = anomalies[-1] - anomalies, normals[-1] - normals
    unflagged = missed + passed
    return Curves(
        threshold=thresholds,
        true_positive_rate=anomalies / anomalies[-1],
        false_positive_rate=normals / normals[-1],
        precision_anomaly=anomalies / (anomalies + normals),
        recall_normal=passed / normals[-1],
        precision_normal=np.where(unflagged > 0, passed / np.maximum(unflagged, 1), 1.0),
    )


def confusion(y: np.ndarray, score: np.ndarray, threshold: float) -> Confusion:
    """Who is flagged when rows that score `threshold` or more are called anomalies."""
    flagged = score >= threshold
    return Confusion(
        anomalies_flagged=int((flagged & (y == 1)).sum()),
        anomalies_missed=int((~flagged & (y == 1)).sum()),
        normals_flagged=int((flagged & (y == 0)).sum()),
        normals_passed=int((~flagged & (y == 0)).sum()),
    )


def _cumulative(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Anomalies and normal rows that score at least each distinct score, highest score first."""
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    anomalies = np.cumsum(y[order] == 1)[last_of_tie]
    return anomalies, last_of_tie + 1 - anomalies


def _from_below(wanted: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same counts with the lowest score first."""
    return tuple(np.append((counts[-1] - counts)[:-1][::-1], counts[-1]) for counts in (wanted, others))  # type: ignore[return-value]


def _area_under_roc(positives: np.ndarray, negatives: np.ndarray) -> float:
    area = np.trapezoid(np.append(0, positives), np.append(0, negatives))
    return float(area / (positives[-1] * negatives[-1]))


def _average_precision(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Σ (recall step) · precision, as scikit-learn's average_precision_score."""
    precision = positives / (positives + negatives)
    return float(np.sum(np.diff(positives, prepend=0) * precision) / positives[-1])

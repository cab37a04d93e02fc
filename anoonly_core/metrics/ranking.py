"""Metrics and curves of anomaly scores.

All metrics come from one sort of the scores, because a run is evaluated after many epochs. They
agree with scikit-learn, ties included.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import numpy as np

__all__ = [
    "METRICS",
    "Confusion",
    "Curves",
    "Metrics",
    "chance_levels",
    "confusion",
    "curves",
    "metrics",
    "threshold_of_share",
]


@dataclass(frozen=True)
class Metrics:
    """Metrics of one scoring, each from 0 to 1.

    Attributes
    ----------
    aucroc
        Area under the ROC curve.
    aucpr_anomaly
        Average precision of the anomalies, ranked by score.
    aucpr_normal
        Average precision of the normal rows, ranked by minus the score.
    aucpr_normal_published
        Average precision of the normal rows, ranked by the score itself. The paper's Table 4 was
        computed in this way; it falls as detection improves. Use it for comparison with Table 4 only.

    Source: docs/methods.md § 4.
    """

    aucroc: float
    aucpr_anomaly: float
    aucpr_normal: float
    aucpr_normal_published: float

    def as_dict(self) -> dict[str, float]:
        """Return the metrics by name."""
        return asdict(self)


METRICS = tuple(field.name for field in fields(Metrics))


@dataclass(frozen=True, eq=False)
class Curves:
    """ROC and precision-recall curves, one point per distinct score, from the highest to the lowest.

    Rows with a score of at least the threshold are classified as anomalies, all others as normal.

    Attributes
    ----------
    threshold
        Distinct scores in descending order [p].
    true_positive_rate, false_positive_rate
        Share of the anomalies, and of the normal rows, classified as anomalies [p].
    precision_anomaly
        Share of anomalies among the rows classified as anomalies [p].
    recall_normal
        Share of the normal rows classified as normal [p].
    precision_normal
        Share of normal rows among the rows classified as normal, 1 if there are none [p].
    """

    threshold: np.ndarray
    true_positive_rate: np.ndarray
    false_positive_rate: np.ndarray
    precision_anomaly: np.ndarray
    recall_normal: np.ndarray
    precision_normal: np.ndarray


@dataclass(frozen=True)
class Confusion:
    """Counts of rows at one threshold; flagged rows are classified as anomalies."""

    anomalies_flagged: int
    anomalies_missed: int
    normals_flagged: int
    normals_passed: int


def metrics(y: np.ndarray, score: np.ndarray) -> Metrics:
    """Compute the four metrics of a scoring.

    Parameters
    ----------
    y
        Labels, 1 = anomaly, 0 = normal [n]; both must occur.
    score
        Anomaly scores, finite, higher is more anomalous [n].

    Source: docs/methods.md § 4.
    """
    anomalies, normals = _cumulative(y, score)
    return Metrics(
        aucroc=_area_under_roc(anomalies, normals),
        aucpr_anomaly=_average_precision(anomalies, normals),
        aucpr_normal=_average_precision(*_from_below(normals, anomalies)),
        aucpr_normal_published=_average_precision(normals, anomalies),
    )


def chance_levels(y: np.ndarray) -> dict[str, float]:
    """Return the expected value of each metric for random scores, by name: 0.5, or the prevalence of the class.

    `y` has the labels, 1 for an anomaly and 0 for a normal row, [n]. aucpr_normal_published is left out.
    """
    share = float(np.mean(y == 1))
    return {"aucroc": 0.5, "aucpr_anomaly": share, "aucpr_normal": 1 - share}


def curves(y: np.ndarray, score: np.ndarray) -> Curves:
    """Compute the ROC curve and both precision-recall curves.

    Parameters
    ----------
    y
        Labels, 1 = anomaly, 0 = normal [n]; both must occur.
    score
        Anomaly scores, finite, higher is more anomalous [n].
    """
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
    """Count flagged and other rows of each class, where rows with a score of at least the threshold are flagged.

    `y` has the labels, 1 for an anomaly and 0 for a normal row, `score` the anomaly scores, [n].
    """
    flagged = score >= threshold
    return Confusion(
        anomalies_flagged=int((flagged & (y == 1)).sum()),
        anomalies_missed=int((~flagged & (y == 1)).sum()),
        normals_flagged=int((flagged & (y == 0)).sum()),
        normals_passed=int((~flagged & (y == 0)).sum()),
    )


def threshold_of_share(score: np.ndarray, share: float) -> float:
    """Return the lowest score threshold that flags at most this share of the rows.

    Rows with a score of at least the threshold are flagged.

    Parameters
    ----------
    score : np.ndarray
        Anomaly scores, float [n].
    share : float
        Largest share of flagged rows, 0 to 1.

    Returns
    -------
    float
        One of the scores; infinite if even the rows with the highest score are more than this share.
    """
    distinct, counts = np.unique(score, return_counts=True)
    flagged = np.cumsum(counts[::-1])
    fitting = int((flagged <= np.floor(share * len(score) + 1e-9)).sum())
    return float(distinct[len(distinct) - fitting]) if fitting else float("inf")


def _cumulative(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the anomalies and the normal rows with a score of at least each distinct score.

    Labels y are 1 for an anomaly and 0 for a normal row, [n]. Returns both cumulative counts [p], the highest score
    first.
    """
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    anomalies = np.cumsum(y[order] == 1)[last_of_tie]
    return anomalies, last_of_tie + 1 - anomalies


def _from_below(positives: np.ndarray, negatives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn cumulative counts [p] from the highest score down into counts from the lowest score up, for both classes."""
    return tuple(np.append((counts[-1] - counts)[:-1][::-1], counts[-1]) for counts in (positives, negatives))  # type: ignore[return-value]


def _area_under_roc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Return the area under the ROC curve, 0 to 1, from cumulative counts [p] of both classes, highest score first."""
    area = np.trapezoid(np.append(0, positives), np.append(0, negatives))
    return float(area / (positives[-1] * negatives[-1]))


def _average_precision(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Return the average precision, 0 to 1, from cumulative counts [p] of both classes, best score first.

    Precision is summed over the steps of recall, as in scikit-learn.
    """
    precision = positives / (positives + negatives)
    return float(np.sum(np.diff(positives, prepend=0) * precision) / positives[-1])

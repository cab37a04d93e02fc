"""Measures of a finished run for the lessons: metrics of its scores, and ratios of its maps.

Ratios to the spread of the normal rows make runs with features of different size comparable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from anoonly_core.results.result import Role

from .streams import StreamRun

__all__ = ["MEASURES", "Measure", "relative_gap", "relative_spread"]


@dataclass(frozen=True)
class Measure:
    """A number computed from a finished run, for a tile or a claim of a lesson.

    Attributes
    ----------
    label : str
        Title of its tile.
    of : callable
        Takes the run and the points [rows, columns] of its sample, and returns the value. For a stream, it takes a
        `StreamRun` and no points.
    projector : str or None
        Projection that gives the points, such as "tsne"; None for the hidden features themselves.
    is_metric : bool
        True for a field of `Metrics`.
    more_is_better : bool
        True if a larger value means better detection.
    unit : str
        Sentence on the unit, "" if there is none.
    is_stream : bool
        True for a measure of a stream.
    """

    label: str
    of: Callable[[Any, np.ndarray], float]
    projector: str | None = None
    is_metric: bool = False
    more_is_better: bool = False
    unit: str = ""
    is_stream: bool = False


SPREAD_UNIT = "Unit: spread of the normal rows, their root mean square distance from their mean."


def relative_gap(points: np.ndarray, role: np.ndarray) -> float:
    """Return the distance between the means of test anomalies and normal test rows, over the spread of the latter.

    Parameters
    ----------
    points : np.ndarray
        A point for each row of a sample, float [rows, columns].
    role : np.ndarray
        `Role` of each row, int8 [rows]; labeled anomalies of the training are ignored.
    """
    normal, anomalies = _test_rows(points, role)
    return float(np.linalg.norm(anomalies.mean(axis=0) - normal.mean(axis=0)) / _spread(normal))


def relative_spread(points: np.ndarray, role: np.ndarray) -> float:
    """Return the spread of the test anomalies divided by that of the normal test rows.

    The spread is the root mean square distance from the mean.

    Parameters
    ----------
    points : np.ndarray
        A point for each row of a sample, float [rows, columns].
    role : np.ndarray
        `Role` of each row, int8 [rows]; labeled anomalies of the training are ignored.
    """
    normal, anomalies = _test_rows(points, role)
    return _spread(anomalies) / _spread(normal)


def _test_rows(points: np.ndarray, role: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    exact = points.astype(np.float64)
    return exact[role == Role.TEST_NORMAL], exact[role == Role.TEST_ANOMALY]


def _spread(points: np.ndarray) -> float:
    """Return the root mean square distance of points, float [rows, columns], from their mean."""
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))


def _metric(name: str, label: str) -> Measure:
    return Measure(
        label,
        lambda run, points: float(getattr(run.metrics, name)),
        is_metric=True,
        more_is_better=name != "aucpr_normal_published",
    )


AFTER = "Mean over the batches from the first one on in which a shift would be."


def _stream(label: str, of: Callable[[StreamRun], float], more_is_better: bool = True) -> Measure:
    return Measure(label, lambda run, points: of(run), more_is_better=more_is_better, unit=AFTER, is_stream=True)


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "aucroc": _metric("aucroc", "AUCROC"),
        "aucpr_anomaly": _metric("aucpr_anomaly", "AUCPR anomaly"),
        "aucpr_normal": _metric("aucpr_normal", "AUCPR normal"),
        "aucpr_normal_published": _metric("aucpr_normal_published", "AUCPR normal, as published"),
        "normal_score": Measure(
            "score of the normal rows, median",
            lambda run, points: float(np.median(run.scores[run.y_test == 0].astype(np.float64))),
            unit="As the network gives it: the distance of a row from the center, squared.",
        ),
        "tsne_gap": Measure(
            "gap to the normal rows, t‑SNE",
            lambda run, points: relative_gap(points, run.sample.role),
            projector="tsne",
            unit=SPREAD_UNIT,
        ),
        "tsne_spread": Measure(
            "spread of the anomalies, t‑SNE",
            lambda run, points: relative_spread(points, run.sample.role),
            projector="tsne",
            unit=SPREAD_UNIT,
        ),
        "feature_spread": Measure(
            "spread of the anomalies, features",
            lambda run, points: relative_spread(points, run.sample.role),
            unit=SPREAD_UNIT,
        ),
        "stream_aucroc": _stream("AUCROC in the stream", lambda run: run.after("aucroc")),
        "stream_found": _stream("share of the anomalies flagged", lambda run: 1 - run.after("missed")),
        "stream_false_alarms": _stream(
            "share of the normal rows flagged", lambda run: run.after("false_alarms"), more_is_better=False
        ),
    }
)

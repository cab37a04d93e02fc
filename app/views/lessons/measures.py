"""What a lesson can ask of a finished run: the metrics of its scores, and figures of its maps.

A measure of a map is a ratio to the spread of the normal rows, so that runs whose features have
very different sizes can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from anoonly_core.results.result import Role, RunResult

__all__ = ["MEASURES", "Measure", "relative_gap", "relative_spread"]


@dataclass(frozen=True)
class Measure:
    """One figure of a run.

    label: its name over a tile. of: takes the run and the points [rows, columns] of its sample: its
    map by `projector`, or its hidden features where that is None. is_metric: one of evaluate.Metrics.
    more_is_better: whether a larger figure means better detection. unit: what it is counted in.
    """

    label: str
    of: Callable[[RunResult, np.ndarray], float]
    projector: str | None = None
    is_metric: bool = False
    more_is_better: bool = False
    unit: str = ""


SPREAD_UNIT = "Counted in spreads of the normal rows, root mean square distances from their mean."


def relative_gap(points: np.ndarray, role: np.ndarray) -> float:
    """How far the anomalies' mean lies from the normal rows', in spreads of the normal rows."""
    normal, anomalies = _test_rows(points, role)
    return float(np.linalg.norm(anomalies.mean(axis=0) - normal.mean(axis=0)) / _spread(normal))


def relative_spread(points: np.ndarray, role: np.ndarray) -> float:
    """How widely the anomalies scatter about their own mean, in spreads of the normal rows."""
    normal, anomalies = _test_rows(points, role)
    return _spread(anomalies) / _spread(normal)


def _test_rows(points: np.ndarray, role: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    exact = points.astype(np.float64)
    return exact[role == Role.TEST_NORMAL], exact[role == Role.TEST_ANOMALY]


def _spread(points: np.ndarray) -> float:
    """Root mean square distance from the mean."""
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))


def _metric(name: str, label: str) -> Measure:
    return Measure(
        label,
        lambda run, points: float(getattr(run.metrics, name)),
        is_metric=True,
        more_is_better=name != "aucpr_normal_published",
    )


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "aucroc": _metric("aucroc", "AUCROC"),
        "aucpr_anomaly": _metric("aucpr_anomaly", "AUCPR anomaly"),
        "aucpr_normal": _metric("aucpr_normal", "AUCPR normal"),
        "aucpr_normal_published": _metric("aucpr_normal_published", "AUCPR normal, as published"),
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
    }
)

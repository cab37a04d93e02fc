"""Made results of drift, for tests of figures and sentences."""

from __future__ import annotations

import numpy as np

from anoonly_core.drift.result import ABSORPTION_FIGURES, Absorption, DriftResult
from anoonly_core.drift.ways import WAYS


def made_result(scores: np.ndarray, anomalous: np.ndarray, promised: float = 0.5) -> DriftResult:
    """Return a result with given scores [W, B, n] and mask of anomalies [B, n]; all other arrays are plain."""
    ways, batches, rows = scores.shape
    return DriftResult(
        rows=np.arange(batches * rows).reshape(batches, rows),
        anomalous=anomalous,
        intensity=np.zeros(batches, dtype=np.float32),
        scores=scores.astype(np.float32),
        promised=np.full(ways, promised, dtype=np.float32),
        recalibrated=np.full((ways, batches), 2 * promised, dtype=np.float32),
        path=np.zeros((ways, batches), dtype=np.float32),
        plane=np.zeros((*scores.shape, 2), dtype=np.float32),
        training_plane=np.zeros((5, 2), dtype=np.float32),
        distinct_rows=np.array([batches * rows]),
    )


def made_absorption(areas: dict[str, list[float]], shares: list[float]) -> Absorption:
    """Return an absorption with AUCROC by way and share; other ways have that of running statistics."""
    figures = np.zeros((len(shares), len(ABSORPTION_FIGURES), len(WAYS)), dtype=np.float32)
    for index, way in enumerate(WAYS):
        figures[:, 0, index] = areas.get(way, areas["running"])
    return Absorption(np.array(shares), figures, np.zeros((len(shares), len(WAYS)), dtype=np.float32))

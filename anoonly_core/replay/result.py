"""Runs side by side over their epochs, as the page replays them; free of torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Replay", "RunReplay"]


@dataclass(frozen=True, eq=False)
class RunReplay:
    """One run recorded at K epochs: scores of m rows, a map of p of them, and metrics.

    Attributes
    ----------
    rows : int64 [m]
        Row indices in the Dataset.
    role : int8 [m]
        Role of each row, see `results.result.Role`.
    scores : float32 [K, m]
        Anomaly scores of the rows.
    plotted : int64 [p]
        Indices in `rows` of the rows in the map.
    points : float32 [K, p, 2]
        Hidden features of the plotted rows, projected to the plane.
    metrics : dict of float64 [K]
        Metrics of all test rows, by name (HISTORY_METRICS).
    losses : dict of float32 [epochs]
        Mean of each loss term per epoch, by name: loss_normal and loss_anomaly.
    """

    rows: np.ndarray
    role: np.ndarray
    scores: np.ndarray
    plotted: np.ndarray
    points: np.ndarray
    metrics: dict[str, np.ndarray]
    losses: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Replay:
    """Runs recorded at the same K epochs, to be shown side by side.

    Attributes
    ----------
    epochs : int64 [K]
        Recorded epochs; 0 is before the first step.
    runs : tuple of RunReplay
        One per run.
    projector : str
        Projection of the maps.
    shared_plane : bool
        True if the maps of all runs show the same plane, so that their points can be compared.
    """

    epochs: np.ndarray
    runs: tuple[RunReplay, ...]
    projector: str
    shared_plane: bool

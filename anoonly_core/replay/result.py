"""Two runs over their epochs as the page replays them; free of torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Replay", "RunReplay"]


@dataclass(frozen=True, eq=False)
class RunReplay:
    """One run at K moments of its training, m of its rows.

    rows: int64 [m], positions in the Dataset; role: int8 [m], see result.Role. scores: float32
    [K, m]. points: float32 [K, p, 2], the hidden features of the rows `plotted` (int64 [p], places in
    rows), in one plane for all K. metrics: by name, of all test rows, float64 [K]. losses: by name,
    the means of each epoch, float32 [epochs].
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
    """Runs side by side at the same moments.

    epochs: int64 [K], 0 before the first step. shared_plane: whether all maps show the same plane.
    """

    epochs: np.ndarray
    runs: tuple[RunReplay, ...]
    projector: str
    shared_plane: bool

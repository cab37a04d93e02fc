"""Result of a zero-shot run and its form in the store; free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

__all__ = ["RATIOS", "SCORER_LABELS", "SHIFT_SHARES", "SIZES", "SIZE_SHARE", "ZeroShotResult"]

# Scorers of a test batch: label on the page and the command line, by name.
SCORER_LABELS = {
    "batch": "batch statistics",
    "running": "running statistics",
    "none": "no batch norm",
    "untrained": "untrained, batch statistics",
    "neighbors": "k-nearest neighbors",
    "mean": "distance to the batch mean",
}
RATIOS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
SIZES = (2, 3, 5, 10, 16, 25, 50, 100, 200)
SIZE_SHARE = 0.1  # share of anomalies in the batches of SIZES
SHIFT_SHARES = (0.0, 0.01, 0.02, *(number / 20 for number in range(1, 17)))


@dataclass(frozen=True, eq=False)
class ZeroShotResult:
    """Result of one run: S scorers on D test batches of each of H held-out classes.

    The arrays of the shift describe one batch per held-out class, of N normal rows and at most A anomalies, to which
    anomalies are added in M steps.

    Attributes
    ----------
    by_ratio : float32 [S, RATIOS, H, D]
        AUCROC by share of anomalies.
    ratio_rows : int64 [RATIOS]
        Rows of these batches.
    by_size : float32 [S, SIZES, H, D]
        AUCROC by size of the batch.
    size_rows : int64 [SIZES]
        Rows of these batches.
    losses : float32 [steps]
        Loss per step of the meta-training with batch norm.
    shift_rows : int64 [H, N + A]
        Row indices in the table.
    shift_normals : int64 [1]
        N.
    shift_counts : int64 [M]
        Number of anomalies in the batch, from 0 to the last of SHIFT_SHARES or as many as there are.
    shift_scores : float32 [M, H, N + A]
        Scores with batch statistics; NaN for rows that are not in the batch yet.
    shift_away : float32 [M, H]
        Distance of the batch mean from the mean of the normal rows in front of the first norm, in their deviations:
        root mean square over the features.
    """

    by_ratio: np.ndarray
    ratio_rows: np.ndarray
    by_size: np.ndarray
    size_rows: np.ndarray
    losses: np.ndarray
    shift_rows: np.ndarray
    shift_normals: np.ndarray
    shift_counts: np.ndarray
    shift_scores: np.ndarray
    shift_away: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all fields as arrays by name, for Store.put_arrays."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray] | None) -> ZeroShotResult | None:
        """Rebuild the result from the arrays that `arrays` returned; return None for None or arrays that do not fit."""
        if arrays is None or set(arrays) != {field.name for field in fields(cls)}:
            return None
        known = arrays["by_ratio"].shape[:2] == (len(SCORER_LABELS), len(RATIOS))
        return cls(**arrays) if known else None

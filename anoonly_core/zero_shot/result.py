"""What a zero-shot run comes to, and its form in the store; free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

__all__ = ["RATIOS", "SCORER_LABELS", "SHIFT_SHARES", "SIZES", "SIZE_SHARE", "ZeroShotResult"]

# Who scores a test batch, by name, as the page and the command line call them.
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
SIZE_SHARE = 0.1  # of anomalies in the batches of different sizes
SHIFT_SHARES = (0.0, 0.01, 0.02, *(number / 20 for number in range(1, 17)))


@dataclass(frozen=True, eq=False)
class ZeroShotResult:
    """One run: S scorers on test batches of H classes held out, D draws each.

    by_ratio: float32 [S, RATIOS, H, D], AUCROC; ratio_rows: int64 [RATIOS], a batch's rows. by_size:
    float32 [S, SIZES, H, D]; size_rows: int64 [SIZES]. losses: float32 [steps], of the meta-training.
    The rest is about one batch a class held out, to which anomalies are added at M moments, of N normal
    rows and then at most A anomalies: shift_rows: int64 [H, N + A], positions in the table;
    shift_normals: int64 [1], N; shift_counts: int64 [M], how many anomalies, from 0 up to the last of
    SHIFT_SHARES or as many as there are; shift_scores: float32 [M, H, N + A], by batch statistics, NaN
    where a row is not in the batch yet; shift_away: float32 [M, H], how far the batch's mean is from the
    normal rows' in front of the first norm, in their deviations, root mean square over the features.
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
        """Its arrays by name, as the store keeps them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray] | None) -> ZeroShotResult | None:
        """The result that `arrays` gave, None where these are not one."""
        if arrays is None or set(arrays) != {field.name for field in fields(cls)}:
            return None
        known = arrays["by_ratio"].shape[:2] == (len(SCORER_LABELS), len(RATIOS))
        return cls(**arrays) if known else None

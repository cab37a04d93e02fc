"""Results of drift, of one seed each, and their form in the store; free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from anoonly_core.drift.ways import WAYS

__all__ = ["ABSORPTION_FIGURES", "Absorption", "DriftResult"]

# Figures of a batch, in the order of the second axis of Absorption.figures.
ABSORPTION_FIGURES = ("aucroc", "aucpr", "false_alarms", "missed")


@dataclass(frozen=True, eq=False)
class _Arrays:
    """Base of results that are arrays only."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all fields as arrays by name, for Store.put_arrays."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray] | None) -> Self | None:
        """Rebuild the result from the arrays that `arrays` returned; return None for None or arrays that do not fit."""
        if arrays is None or set(arrays) != {field.name for field in fields(cls)}:
            return None
        result = cls(**arrays)
        return result if result.fits() else None

    def fits(self) -> bool:
        """Return True if the arrays are of the ways that this version knows."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class DriftResult(_Arrays):
    """Scores of one stream by the W ways of WAYS: B batches of n rows.

    Attributes
    ----------
    rows : int64 [B, n]
        Row indices in the data set; `stream.batch_features` computes their shifted features again.
    anomalous : bool [B, n]
        Rows that count as anomalies.
    intensity : float32 [B]
        Intensity of the shift, in its unit.
    scores : float32 [W, B, n]
        Anomaly scores; higher is more anomalous.
    promised : float32 [W]
        Threshold at the start, from rows that neither training nor the stream has; rows above it are flagged.
    recalibrated : float32 [W, B]
        Threshold from the same number of normal rows, of which the newest come from the batches before.
    path : float32 [W, B]
        Distance of the mean in use at the first norm from the running mean after training, in its deviations: root
        mean square over the features. 0 for a network without a norm that can follow, and for "retrained".
    plane : float32 [W, B, n, 2]
        Hidden features in the plane of the first two principal components of the training rows; those of a retrained
        network in its plane.
    training_plane : float32 [t, 2]
        Hidden features of up to 200 training rows in that plane.
    distinct_rows : int64 [1]
        Distinct rows in the stream; fewer than B · n if rows return.
    """

    rows: np.ndarray
    anomalous: np.ndarray
    intensity: np.ndarray
    scores: np.ndarray
    promised: np.ndarray
    recalibrated: np.ndarray
    path: np.ndarray
    plane: np.ndarray
    training_plane: np.ndarray
    distinct_rows: np.ndarray

    @property
    def rows_return(self) -> bool:
        """True if the stream repeats rows, since it is longer than the rows at hand."""
        return int(self.distinct_rows[0]) < self.rows.size

    def thresholds(self, recalibrated: bool) -> np.ndarray:
        """Return the threshold of each batch by way, float32 [W, B]: the promised ones, or those that follow.

        Those of the way "retrained" always follow: the scores of a new network have another scale.
        """
        if recalibrated:
            return self.recalibrated
        thresholds = np.repeat(self.promised[:, None], len(self.rows), axis=1)
        retrained = list(WAYS).index("retrained")
        if (self.scores[retrained] != self.scores[0]).any():
            thresholds[retrained] = self.recalibrated[retrained]
        return thresholds

    def fits(self) -> bool:
        """Return True if the scores are of the ways that this version knows."""
        return self.scores.shape == (len(WAYS), *self.rows.shape)


@dataclass(frozen=True, eq=False)
class Absorption(_Arrays):
    """Figures of streams without a shift, over a growing share of anomalies.

    Attributes
    ----------
    shares : float64 [S]
        Shares of anomalies in the batches.
    figures : float32 [S, F, W]
        Means over the second half of the batches of the F figures of ABSORPTION_FIGURES by the W ways of WAYS, with the
        promised threshold. NaN if no batch has rows of both classes.
    path : float32 [S, W]
        Distance of the mean in use from the running mean at the end of the stream, as in DriftResult.
    """

    shares: np.ndarray
    figures: np.ndarray
    path: np.ndarray

    def of(self, figure: str) -> np.ndarray:
        """Return a figure, one of ABSORPTION_FIGURES, by share and way, float32 [S, W]."""
        return np.asarray(self.figures[:, ABSORPTION_FIGURES.index(figure)])

    def fits(self) -> bool:
        """Return True if the figures are of the ways that this version knows."""
        return self.figures.shape == (len(self.shares), len(ABSORPTION_FIGURES), len(WAYS))

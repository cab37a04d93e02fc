"""What the microscope saw of a run, as the page draws it; free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from anoonly_core.baselines import BASELINES
from anoonly_core.baselines.network import Operation

__all__ = ["PART_NAMES", "Observation", "RowKind", "norm_locations"]

PART_NAMES = ("direct", "through the variance", "through the mean")


class RowKind(IntEnum):
    """True kind of a training row, as stored in Observation.kind; training sees the label of LABELED_ANOMALY only."""

    NORMAL = 0
    HIDDEN_ANOMALY = 1
    LABELED_ANOMALY = 2


@dataclass(frozen=True, eq=False)
class Observation:
    """One place of a norm over the first S steps of a run, b rows a step.

    location: see `places`. epoch: int32 [S], from 1; steps_an_epoch and all_steps: of the whole training.
    row_ids: int64 [S, b]. kind: int8 [S, b], see Kind. lengths: float32 [S, 3, b], how long each
    row's parts of the gradient are, in the order of PART_NAMES. distance: float32 [S, b], from the
    center of the batch's pool behind the norm, a feature. mean, deviation: float32 [S, features], the
    batch's in front of the norm; running_mean, running_deviation: the norm's after the step, NaN where
    it keeps none. loss_before, loss_after: float32 [S], L_BN (P eq. 5) in front of and behind the norm.
    error, error_printed: float32 [S], the furthest that the parts' sum is from autograd's gradient, in
    shares of the largest number among them, and the same with P eq. 13 as printed, NaN where it does
    not apply.
    """

    location: str
    epoch: np.ndarray
    steps_an_epoch: int
    all_steps: int
    row_ids: np.ndarray
    kind: np.ndarray
    lengths: np.ndarray
    distance: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    running_mean: np.ndarray
    running_deviation: np.ndarray
    loss_before: np.ndarray
    loss_after: np.ndarray
    error: np.ndarray
    error_printed: np.ndarray

    def shares(self, kind: int) -> np.ndarray | None:
        """Of the lengths of all parts that rows of this kind got, the share of each [3]; None where they got none."""
        chosen = self.kind == kind
        summed = np.array([self.lengths[:, part][chosen].sum(dtype=np.float64) for part in range(len(PART_NAMES))])
        return summed / summed.sum() if summed.sum() > 0 else None


def norm_locations(baseline: str, columns: int, preset: str, passes: int) -> list[str]:
    """In words, the passes of a batch through a system's norms, input side first."""
    network = BASELINES[baseline].network
    assert network is not None
    widths = [
        width
        for part in network(columns, preset).values()
        for step, width in zip(part.steps, part.widths(), strict=False)
        if step is Operation.NORM
    ]
    if passes == 2 * len(widths):
        return [f"{width} features, {side} of a pair" for width in widths for side in ("first rows", "second rows")]
    if len(widths) > 1:
        return [f"norm {number} of {len(widths)}, {width} features" for number, width in enumerate(widths, start=1)]
    return [f"{width} features" for width in widths]

"""Result of the microscope: gradients at one norm over the first steps of a run; free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from anoonly_core.baselines import BASELINES
from anoonly_core.baselines.network import Operation

__all__ = ["PART_NAMES", "Observation", "RowKind", "norm_locations"]

PART_NAMES = ("direct", "through the variance", "through the mean")


class RowKind(IntEnum):
    """True class of a training row, and its label if it has one, as stored in Observation.kind.

    The training knows LABELED_ANOMALY only; the other two are both unlabeled.
    """

    NORMAL = 0
    HIDDEN_ANOMALY = 1
    LABELED_ANOMALY = 2


@dataclass(frozen=True, eq=False)
class Observation:
    """Gradients and statistics at one norm over the first S steps of a run, b rows a step.

    Attributes
    ----------
    location : str
        The norm, and for PReNet the side of the pairs, in words; see `norm_locations`.
    epoch : int32 [S]
        Epoch of each step, from 1.
    steps_an_epoch, all_steps : int
        Steps of an epoch and of the whole training.
    row_ids : int64 [S, b]
        Row ids in the source.
    kind : int8 [S, b]
        RowKind of each row.
    lengths : float32 [S, 3, b]
        Norm of each part of the gradient per row, in the order of PART_NAMES.
    distance : float32 [S, b]
        Root mean square distance, per feature, from the mean of the pool rows of the batch, behind the norm.
    mean, deviation : float32 [S, features]
        Batch statistics in front of the norm.
    running_mean, running_deviation : float32 [S, features]
        Running statistics after the step; NaN if the norm has none.
    loss_before, loss_after : float32 [S]
        L_BN (paper eq. 5) in front of and behind the norm.
    error : float32 [S]
        Largest difference between the sum of the parts and the gradient of autograd, relative to the largest number
        among them.
    error_printed : float32 [S]
        The same with paper eq. 13 as printed; NaN if it does not apply.
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
        """Return the share of each part of the gradient, [3] in the order of PART_NAMES; None if there is no gradient.

        The lengths of each part are summed over all steps and the rows of one `kind`, a RowKind, then divided by their
        sum.
        """
        chosen = self.kind == kind
        summed = np.array([self.lengths[:, part][chosen].sum(dtype=np.float64) for part in range(len(PART_NAMES))])
        return summed / summed.sum() if summed.sum() > 0 else None


def norm_locations(baseline: str, columns: int, preset: str, passes: int) -> list[str]:
    """Describe each pass of a batch through the norms of a network in words, from input to output.

    Parameters
    ----------
    baseline : str
        A baseline that is a network of this engine.
    columns : int
        Number of features of the input.
    preset : str
        Preset of the layer sizes.
    passes : int
        Number of passes of a batch through all norms: the number of norms, or twice that for PReNet.

    Returns
    -------
    list of str
        One description per pass, such as "norm 1 of 2, 64 features".
    """
    network = BASELINES[baseline].network
    assert network is not None
    widths = [
        width
        for part in network(columns, preset).values()
        for step, width in zip(part.layers, part.widths(), strict=False)
        if step is Operation.NORM
    ]
    if passes == 2 * len(widths):
        return [f"{width} features, {side} of a pair" for width in widths for side in ("first rows", "second rows")]
    if len(widths) > 1:
        return [f"norm {number} of {len(widths)}, {width} features" for number, width in enumerate(widths, start=1)]
    return [f"{width} features" for width in widths]

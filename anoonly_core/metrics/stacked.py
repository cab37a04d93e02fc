"""The metrics of a whole stack's scores at once, wherever they lie; `evaluate` has one run's, without torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["PADDING", "padded_labels", "stacked_metrics"]

PADDING = -1  # in place of a label: a run has fewer rows than another


def padded_labels(y: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """Each run's labels (1 = anomaly) as one tensor int8 [R, most rows], filled up with PADDING."""
    labels = np.full((len(y), max(map(len, y))), PADDING, dtype=np.int8)
    for run, own in enumerate(y):
        labels[run, : len(own)] = own
    return torch.from_numpy(labels).to(device)


def stacked_metrics(labels: Tensor, scores: Tensor) -> Tensor:
    """`evaluate.METRICS` of each run, in that order, float64 [R, 4].

    labels: int8 [R, n], 1 = anomaly, 0 = normal, else no row; scores: [R, n], of which those of no row
    do not matter. NaN where a score of a row is not finite; both classes must occur in every run.

    As scikit-learn treats ties: rows of one score are flagged together, so that a curve has one point
    for each distinct score. Counts are exact: float64 of whole numbers.
    """
    real = labels >= 0
    finite = (scores.isfinite() | ~real).all(dim=1)
    ordered, order = torch.where(real, scores, -torch.inf).sort(dim=1, descending=True)
    sorted_labels = labels.gather(1, order)
    anomalies = (sorted_labels == 1).cumsum(dim=1).double()
    normals = (sorted_labels == 0).cumsum(dim=1).double()
    all_anomalies, all_normals = anomalies[:, -1:], normals[:, -1:]
    ends_tie = torch.ones_like(real)
    ends_tie[:, :-1] = ordered[:, 1:] != ordered[:, :-1]

    def before(counts: Tensor) -> Tensor:
        """The counts at the next higher score."""
        ends = torch.where(ends_tie, counts, 0).cummax(dim=1).values
        return torch.cat([torch.zeros_like(counts[:, :1]), ends[:, :-1]], dim=1)

    anomalies_before, normals_before = before(anomalies), before(normals)
    new_anomalies, new_normals = anomalies - anomalies_before, normals - normals_before
    flagged = (anomalies + normals).clamp(min=1)
    normals_not_above = all_normals - normals_before
    not_above = normals_not_above + all_anomalies - anomalies_before
    points = torch.stack(
        [
            new_normals * (anomalies + anomalies_before) / (2 * all_anomalies * all_normals),
            new_anomalies / all_anomalies * (anomalies / flagged),
            new_normals / all_normals * (normals_not_above / not_above.clamp(min=1)),  # from the lowest score up
            new_normals / all_normals * (normals / flagged),
        ],
        dim=1,
    )
    found = torch.where(ends_tie[:, None], points, 0).sum(dim=2)
    return torch.where(finite[:, None], found, torch.nan)

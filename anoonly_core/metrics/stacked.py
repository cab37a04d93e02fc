"""Metrics of all runs of a stack at once, on the device of the scores; `ranking` has those of one run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["PADDING", "padded_labels", "stacked_metrics"]

PADDING = -1  # label of an entry behind the rows of a shorter run


def padded_labels(y: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """Join the labels of R runs into one tensor on the device, int8 [R, max n_r].

    `y` has the labels of each run r, 1 for an anomaly and 0 for a normal row, [n_r]; shorter runs are filled up with
    PADDING.
    """
    labels = np.full((len(y), max(map(len, y))), PADDING, dtype=np.int8)
    for run, labels_of_run in enumerate(y):
        labels[run, : len(labels_of_run)] = labels_of_run
    return torch.from_numpy(labels).to(device)


def stacked_metrics(labels: Tensor, scores: Tensor) -> Tensor:
    """Compute the metrics of each run of a stack; on a GPU the call returns before they are computed.

    Rows with equal scores are flagged together, as in scikit-learn, so a curve has one point per
    distinct score. Counts are whole numbers in float64 and therefore exact.

    Parameters
    ----------
    labels
        1 = anomaly, 0 = normal, PADDING = no row, int8 [R, n]; both classes must occur in every run.
    scores
        Anomaly scores [R, n]; values at padding are ignored.

    Returns
    -------
    Tensor
        The metrics in the order of `ranking.METRICS`, float64 [R, 4]; NaN for a run of which a
        score is not finite.

    Source: docs/methods.md § 4.
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
        """Return for each row the cumulative count at the next higher score, 0 at the highest; [R, n] to [R, n]."""
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
            new_normals / all_normals * (normals_not_above / not_above.clamp(min=1)),  # ranked from the lowest score up
            new_normals / all_normals * (normals / flagged),
        ],
        dim=1,
    )
    values = torch.where(ends_tie[:, None], points, 0).sum(dim=2)
    return torch.where(finite[:, None], values, torch.nan)

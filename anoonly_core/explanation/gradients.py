"""Integrated gradients of the anomaly score of a network."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from anoonly_core.models import Head

__all__ = ["integrated_gradients", "network_scores"]

TOLERANCE = 0.01  # of the score's change, for the sum of all errors along the path
FIRST_POINTS, MAX_POINTS = 32, 16_384  # of the midpoint rule
BLOCK_POINTS = 1024


def network_scores(head: Head, x: np.ndarray) -> np.ndarray:
    """Return the anomaly scores, float64 [n], of scaled rows x, float32 [n, columns], by a head of one run."""
    (scores,) = head.map_rows(head.score, [torch.from_numpy(x).to(head.lambda_n.device)])
    return np.asarray(scores.cpu().numpy(), dtype=np.float64)


def integrated_gradients(head: Head, x: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Split the change of the score from a reference row to each row into contributions of the features.

    The contribution of feature i is (x_i − r_i) · ∫ ∂F/∂x_i (r + t (x − r)) dt over t from 0 to 1, by the midpoint
    rule. Parts of the path are halved until their errors, which the scores at their ends tell, add up to at most 1 % of
    F(x) − F(r), or 16,384 points are used.

    Parameters
    ----------
    head : Head
        Trained network of one run, in eval mode: norms use their running statistics.
    x : float32 [n, columns]
        Scaled rows.
    reference : float32 [columns]
        Scaled reference row r.

    Returns
    -------
    float64 [n, columns]
        Contributions.

    Source: Sundararajan, Taly and Yan (2017), eq. 1 and 3; docs/methods.md § 16.
    """
    device = head.lambda_n.device
    start = torch.from_numpy(reference).to(device)
    return np.stack([_integral(head, torch.from_numpy(row).to(device), start) for row in x])


def _integral(head: Head, row: Tensor, start: Tensor) -> np.ndarray:
    """Return the contributions of one row, float64 [columns], by the midpoint rule on parts of the path."""
    step = (row - start).cpu().numpy().astype(np.float64)
    edges = np.linspace(0, 1, FIRST_POINTS + 1)
    scores, _ = _on_path(head, row, start, edges)
    left, right, low, high = edges[:-1], edges[1:], scores[:-1], scores[1:]
    budget, total, points = TOLERANCE * abs(scores[-1] - scores[0]), np.zeros(len(step)), 0
    while True:
        middle = (left + right) / 2
        points += len(middle)
        scores, gradients = _on_path(head, row, start, middle)
        parts = gradients * ((right - left)[:, None] * step)
        errors = np.abs(parts.sum(axis=1) - (high - low))
        if errors.sum() <= budget or points >= MAX_POINTS:
            return np.asarray(total + parts.sum(axis=0))
        order = np.argsort(errors)
        done = order[np.cumsum(errors[order]) <= budget / 2]  # half of the budget stays for the rest
        total += parts[done].sum(axis=0)
        budget -= errors[done].sum()
        rest = np.setdiff1d(order, done)
        left, right = np.r_[left[rest], middle[rest]], np.r_[middle[rest], right[rest]]
        low, high = np.r_[low[rest], scores[rest]], np.r_[scores[rest], high[rest]]


def _on_path(head: Head, row: Tensor, start: Tensor, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores, float64 [k], and gradients, float64 [k, columns], at positions 0 to 1 between two rows."""
    scores, gradients = [], []
    for block in torch.split(torch.from_numpy(positions).to(row), BLOCK_POINTS):
        path = torch.lerp(start, row, block[:, None]).requires_grad_(True)
        score = head.score(path[None])[0]
        (gradient,) = torch.autograd.grad(score.sum(), path)
        scores.append(score.detach().cpu().numpy())
        gradients.append(gradient.cpu().numpy())
    return np.concatenate(scores).astype(np.float64), np.concatenate(gradients).astype(np.float64)

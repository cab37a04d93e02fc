"""Losses on the features in the place of a norm; the features pass through unchanged."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from anoonly_core.baselines.mechanisms import MECHANISMS, Mechanism
from anoonly_core.models.norm import Norm
from anoonly_core.models.products import stacked_product

__all__ = ["BatchNormLoss", "CovarianceLoss", "FeatureLoss", "MovingCenterLoss", "VarianceFloor", "VarianceLoss"]


class FeatureLoss(Norm):
    """Base of the norms that pass features through unchanged and add strength · loss to the penalty in training mode.

    A subclass defines `mechanism` and `loss`. The training divides the penalty by the batch size.

    Attributes
    ----------
    mechanism
        Description with the dial.
    pulls_rows
        True if the loss is a sum over rows, with a gradient for each row alone; False if it is one of the batch's
        statistics, by which rows move each other.
    weights
        Strength of each run [R].
    """

    mechanism: ClassVar[Mechanism]
    pulls_rows: ClassVar[bool] = False
    weights: Tensor

    def __init__(self, runs: int, features: int, eps: float, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        dial = self.mechanism.dial
        self.set_strengths([1.0 if dial is None else dial.standard] * runs)

    def set_strengths(self, strengths: Sequence[float]) -> None:
        """Set the strength, the weight of the loss, of each run; called before the norm is moved to a device."""
        self.register_buffer("weights", torch.tensor(strengths, dtype=torch.float32, device="cpu"), persistent=False)

    @abstractmethod
    def loss(self, h: Tensor, labeled: Tensor) -> Tensor:
        """Compute the loss of each run, [R], before its weight.

        `h` has the features [R, rows, features], `labeled` the mask of the labeled anomalies, bool [R, rows].
        """

    def forward(self, h: Tensor, labeled: Tensor | None = None) -> Tensor:
        if self.training:
            if labeled is None:
                labeled = torch.zeros(h.shape[:2], dtype=torch.bool, device=h.device)
            penalty = self.weights * self.loss(h, labeled)
            self.penalty = penalty if self.penalty is None else self.penalty + penalty
        return h


class BatchNormLoss(FeatureLoss):
    """Loss ‖μ‖₂ + ‖σ² − 1‖₂ on mean and biased variance of the batch, with norms over the features (`bn_loss`).

    Source: paper eq. 5; docs/methods.md § 1.
    """

    mechanism = MECHANISMS["bn_loss"]

    def loss(self, h: Tensor, labeled: Tensor) -> Tensor:
        variance, mean = torch.var_mean(h, dim=1, correction=0)
        norm = torch.linalg.vector_norm
        total: Tensor = norm(mean, dim=1) + norm(variance - 1, dim=1)
        return total


def _deviation(h: Tensor, eps: float) -> Tensor:
    """Return √(σ² + ε) of each feature over the rows of h [R, rows, features], with the unbiased σ²: [R, features].

    For one row that is √ε.
    """
    centered = h - h.mean(dim=1, keepdim=True)
    return (centered.square().sum(dim=1) / max(h.shape[1] - 1, 1) + eps).sqrt()


class VarianceFloor(FeatureLoss):
    """Loss max(0, 1 − √(σ² + ε)), mean over the features: the variance term of VICReg, which is one-sided.

    Source: Bardes et al., "VICReg", ICLR 2022, eq. 1.
    """

    mechanism = MECHANISMS["variance_floor"]

    def loss(self, h: Tensor, labeled: Tensor) -> Tensor:
        return functional.relu(1 - _deviation(h, self.eps)).mean(dim=1)


class VarianceLoss(FeatureLoss):
    """Loss |1 − √(σ² + ε)|, mean over the features: the variance term of VICReg on both sides of 1.

    Source: after Bardes et al., "VICReg", ICLR 2022, eq. 1.
    """

    mechanism = MECHANISMS["variance_loss"]

    def loss(self, h: Tensor, labeled: Tensor) -> Tensor:
        return (1 - _deviation(h, self.eps)).abs().mean(dim=1)


class CovarianceLoss(FeatureLoss):
    """Loss on the squared covariances between different features: their sum divided by the number of features.

    Source: Bardes et al., "VICReg", ICLR 2022, eq. 3 and 4.
    """

    mechanism = MECHANISMS["covariance_loss"]

    def loss(self, h: Tensor, labeled: Tensor) -> Tensor:
        centered = h - h.mean(dim=1, keepdim=True)
        covariance = stacked_product(centered.mT.contiguous(), centered) / max(h.shape[1] - 1, 1)
        squares = covariance.square()
        diagonal = squares.diagonal(dim1=1, dim2=2)
        return (squares.sum(dim=1) - diagonal).sum(dim=1) / h.shape[2]


class MovingCenterLoss(FeatureLoss):
    """Loss on the squared distances of pool rows from a moving center: sum over the rows, mean over the features.

    The center is an exponential moving average of the batch means, without gradient; the average is corrected for its
    start at 0.

    Attributes
    ----------
    center_sum
        The average before correction [R, 1, features].
    start_weight
        Weight of the start in it, (1 − momentum) to the power of the number of batches [R, 1, 1].

    Source: docs/methods.md § 13.
    """

    mechanism = MECHANISMS["cluster"]
    pulls_rows = True
    has_exact_gradient = False
    center_sum: Tensor
    start_weight: Tensor

    def __init__(self, runs: int, features: int, eps: float, momentum: float = 0.1) -> None:
        super().__init__(runs, features, eps, momentum)
        self.register_buffer("center_sum", torch.zeros(runs, 1, features))
        self.register_buffer("start_weight", torch.ones(runs, 1, 1))

    def loss(self, h: Tensor, labeled: Tensor) -> Tensor:
        with torch.no_grad():
            mean = h.mean(dim=1, keepdim=True)
            self.center_sum.mul_(1 - self.momentum).add_(mean, alpha=self.momentum)
            self.start_weight.mul_(1 - self.momentum)
            center = self.center_sum / (1 - self.start_weight)
        distance = (h - center).square().mean(dim=2)
        return torch.where(labeled, 0.0, distance).sum(dim=1)

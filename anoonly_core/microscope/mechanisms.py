"""Gradient in front of a mechanism with statistics, or with a loss on the features, split by autograd."""

from __future__ import annotations

import torch
from torch import Tensor

from anoonly_core.models.feature_losses import FeatureLoss
from anoonly_core.models.statistics_norms import Moments, StatisticsNorm

__all__ = ["split_gradient"]


def split_gradient(
    norm: StatisticsNorm | FeatureLoss, h: Tensor, upstream: Tensor, labeled: Tensor, penalty: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Split the gradient in front of a norm in training mode, for each run of a stack.

    Parameters
    ----------
    norm
        The norm with its running statistics before the batch, in the dtype of h. A moving center changes.
    h
        Features in front of the norm [R, rows, features].
    upstream
        Gradient of the loss behind the norm, without the loss of the norm itself [R, rows, features].
    labeled
        Mask of the labeled anomalies, bool [R, rows].
    penalty
        Factor of the loss of the norm.

    Returns
    -------
    direct, through_variance, through_mean
        [R, rows, features] each; their sum is the gradient. Direct: the statistics are held constant. Through the
        variance: the factor alone moves. Through the mean: the shift alone moves. The gradient of a loss on
        statistics is split into its mean over the rows and the rest; that of a loss on rows is direct.

    Source: docs/methods.md § 5 and 13.
    """
    with torch.enable_grad():
        h = h.detach().requires_grad_()
        if isinstance(norm, FeatureLoss):
            return _split_loss(norm, h, upstream, labeled, penalty)
        moments = norm.moments(h, labeled)
        fixed = Moments(*(None if value is None else value.detach() for value in moments))  # type: ignore[arg-type]
        outputs = (
            norm.transform(h, fixed),
            norm.transform(h.detach(), fixed._replace(scale=moments.scale)),
            norm.transform(h.detach(), fixed._replace(shift=moments.shift)),
        )
        direct, variance, mean = (_gradient(output, h, upstream) for output in outputs)
    return direct, variance, mean


def _gradient(output: Tensor, h: Tensor, upstream: Tensor) -> Tensor:
    """Return the gradient with respect to h of the sum of `output` times `upstream`, all [R, rows, features].

    Zeros if `output` does not depend on h.
    """
    if not output.requires_grad:
        return torch.zeros_like(h)
    return torch.autograd.grad(output, h, upstream, retain_graph=True)[0]


def _split_loss(
    norm: FeatureLoss, h: Tensor, upstream: Tensor, labeled: Tensor, penalty: float
) -> tuple[Tensor, Tensor, Tensor]:
    loss = penalty * norm.weights * norm.loss(h, labeled)
    (gradient,) = torch.autograd.grad(loss.sum(), h)
    nothing = torch.zeros_like(gradient)
    if norm.pulls_rows:
        return upstream + gradient, nothing, nothing
    mean = gradient.mean(dim=1, keepdim=True).expand_as(gradient)
    return upstream, gradient - mean, mean

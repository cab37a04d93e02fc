"""The norms by name, for stacked features [R, rows, features], and the dials on batch norm's gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from anoonly_core.baselines.mechanisms import register_mechanism
from anoonly_core.models.feature_losses import (
    BatchNormLoss,
    CovarianceLoss,
    FeatureLoss,
    MovingCenterLoss,
    VarianceFloor,
    VarianceLoss,
)
from anoonly_core.models.norm import Norm
from anoonly_core.models.statistics_norms import (
    BatchRenorm,
    GhostBatchNorm,
    GroupNorm,
    PoolNorm,
    RMSNorm,
    RunningNorm,
    StandardizedGroupNorm,
    StatisticsNorm,
    WeightedBatchNorm,
    mean_and_variance,
)
from anoonly_core.models.whitening import WhiteningNorm

__all__ = ["NORMS", "BatchNorm", "LayerNorm", "NoNorm", "normalize", "register_norm"]

NormBuilder = Callable[[int, int, float, float], Norm]


class _Normalize(torch.autograd.Function):
    """Normalization over the rows axis, with an explicit gradient (paper appendix A; docs/methods.md § 5)."""

    @staticmethod
    def forward(ctx, h: Tensor, eps: float, shares: Tensor | None):  # type: ignore[no-untyped-def]
        mean = h.mean(dim=1, keepdim=True)
        centered = h - mean
        variance = (centered * centered).mean(dim=1, keepdim=True)
        root = torch.rsqrt(variance + eps)
        normalized = centered.mul_(root)
        ctx.save_for_backward(normalized, root)
        ctx.shares = shares
        ctx.mark_non_differentiable(mean, variance)
        return normalized, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream, _mean, _variance):  # type: ignore[no-untyped-def]
        # docs/methods.md § 5 with its terms collected: the direct part of each row, minus the mean
        # gradient of the batch (through μ), minus the row's share of the part through σ².
        normalized, root = ctx.saved_tensors
        through_mean = upstream.mean(dim=1, keepdim=True)
        through_variance = (upstream * normalized).mean(dim=1, keepdim=True)
        if ctx.shares is not None:  # a share of 1 keeps the bits
            direct, variance, mean = ctx.shares.unsqueeze(2).unsqueeze(3).unbind(1)
            upstream, through_variance, through_mean = (
                upstream * direct,
                through_variance * variance,
                through_mean * mean,
            )
        gradient = torch.addcmul(upstream - through_mean, normalized, through_variance, value=-1)
        return gradient.mul_(root), None, None


def normalize(h: Tensor, eps: float, shares: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize features by the mean and the biased variance over their rows.

    Parameters
    ----------
    h
        Features [R, rows, features].
    eps
        The ε under the root.
    shares
        For each run, the shares of the direct part of the gradient, of the part through σ² and of the part
        through μ that the backward pass lets through, [R, 3]; None for the whole gradient.

    Returns
    -------
    normalized
        (h − μ)/√(σ² + ε) [R, rows, features]; the only result with a gradient.
    mean, variance
        μ and σ² [R, 1, features].

    Source: paper § 3.3 and appendix A; docs/methods.md § 5.
    """
    normalized, mean, variance = _Normalize.apply(h, eps, shares)  # type: ignore[no-untyped-call]
    return normalized, mean, variance


class NoNorm(Norm):
    """Norm that is the identity, for a network without a norm (`none`)."""

    def __init__(self, runs: int, features: int, eps: float, momentum: float = 0.1) -> None:
        super().__init__()

    def forward(self, h: Tensor, labeled: Tensor | None = None) -> Tensor:
        return h


class _Affine(nn.Module):
    """Learned scale γ and shift β of each run and feature, both [R, 1, features]."""

    def __init__(self, runs: int, features: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(runs, 1, features))
        self.beta = nn.Parameter(torch.zeros(runs, 1, features))

    def forward(self, h: Tensor) -> Tensor:
        return torch.addcmul(self.beta, h, self.gamma)


class BatchNorm(Norm):
    """Batch norm over the rows axis, as torch.nn.BatchNorm1d (`batch`, `batch_no_affine`).

    In training mode the statistics come from the batch and update running statistics. In eval mode
    the running statistics are used, so the result of a row does not depend on other rows. A batch of
    one row normalizes to 0, where PyTorch raises.

    Attributes
    ----------
    running_mean, running_variance
        Running statistics, float32 [R, 1, features]; the variance is unbiased.
    affine
        Scale and shift, or None.
    gradient_shares
        Shares of the three parts of the gradient that the backward pass lets through, [R, 3] as in `normalize`;
        None for the whole gradient. The forward pass does not depend on them.

    Source: paper § 3.3; docs/methods.md § 1 and 5.
    """

    running_mean: Tensor
    running_variance: Tensor
    gradient_shares: Tensor | None

    def __init__(self, runs: int, features: int, eps: float, momentum: float = 0.1, affine: bool = True) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.affine = _Affine(runs, features) if affine else None
        self.register_buffer("running_mean", torch.zeros(runs, 1, features))
        self.register_buffer("running_variance", torch.ones(runs, 1, features))
        self.register_buffer("gradient_shares", None, persistent=False)

    def forward(self, h: Tensor, labeled: Tensor | None = None) -> Tensor:
        if self.training and h.is_cuda and h.shape[1] > 1 and self.gradient_shares is None:
            return self._in_few_kernels(h)
        if self.training:
            normalized, mean, variance = normalize(h, self.eps, self.gradient_shares)
            self.update_running(mean, variance, rows=h.shape[1])
        else:
            mean, variance = self.in_use(h)
            normalized = (h - mean) * torch.rsqrt(variance + self.eps)
        return normalized if self.affine is None else self.affine(normalized)

    def running(self) -> tuple[Tensor, ...]:
        return self.running_mean, self.running_variance

    def batch_statistics(self, h: Tensor, weight: Tensor | None = None, unbiased: bool = False) -> tuple[Tensor, ...]:
        return mean_and_variance(h, weight, unbiased)

    def _in_few_kernels(self, h: Tensor) -> Tensor:
        """Compute `forward` on a GPU in training mode by the kernel of PyTorch, scale γ and shift β included.

        h has the features [R, rows, features] of two rows or more: the kernel computes no unbiased variance of one.
        The running statistics are updated; `gradient_shares` are ignored. The features of all runs are channels of one
        batch, since the number of kernels determines the time of a step on a GPU: DeepSAD has 61 in this way, 98
        otherwise.
        """
        runs, rows, features = h.shape
        gamma, beta = (None, None) if self.affine is None else (self.affine.gamma.view(-1), self.affine.beta.view(-1))
        mean, variance = self.running_mean.view(-1), self.running_variance.view(-1)
        channels = h.transpose(0, 1).reshape(rows, runs * features)
        normalized, _, _ = torch.native_batch_norm(channels, gamma, beta, mean, variance, True, self.momentum, self.eps)
        return normalized.view(rows, runs, features).transpose(0, 1)

    @torch.no_grad()
    def update_running(self, mean: Tensor, variance: Tensor, rows: int) -> None:
        """Move the running statistics towards those of a batch, in place, by the momentum.

        `mean` and `variance`, the biased one, are [R, 1, features]; `rows` is the number of rows of the batch.
        """
        unbiased = rows / max(rows - 1, 1)
        self.running_mean.mul_(1 - self.momentum).add_(mean, alpha=self.momentum)
        self.running_variance.mul_(1 - self.momentum).add_(variance, alpha=self.momentum * unbiased)


class LayerNorm(Norm):
    """Layer norm: normalize each row over its features, as torch.nn.LayerNorm (`layer`)."""

    def __init__(self, runs: int, features: int, eps: float, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps = eps
        self.affine = _Affine(runs, features)

    def forward(self, h: Tensor, labeled: Tensor | None = None) -> Tensor:
        scaled: Tensor = self.affine(functional.layer_norm(h, h.shape[-1:], eps=self.eps))
        return scaled


def _batch_norm_without_affine(runs: int, features: int, eps: float, momentum: float = 0.1) -> BatchNorm:
    return BatchNorm(runs, features, eps, momentum, affine=False)


_BUILT_IN: tuple[type[FeatureLoss] | type[StatisticsNorm], ...] = (
    BatchNormLoss,
    GroupNorm,
    StandardizedGroupNorm,
    RMSNorm,
    GhostBatchNorm,
    BatchRenorm,
    RunningNorm,
    PoolNorm,
    WeightedBatchNorm,
    WhiteningNorm,
    VarianceFloor,
    VarianceLoss,
    CovarianceLoss,
    MovingCenterLoss,
)
_norms: dict[str, NormBuilder] = {
    "batch": BatchNorm,
    "batch_no_affine": _batch_norm_without_affine,
    "layer": LayerNorm,
    "none": NoNorm,
    **{norm.mechanism.name: norm for norm in _BUILT_IN},
}
NORMS: Mapping[str, NormBuilder] = MappingProxyType(_norms)


def register_norm(norm: type[FeatureLoss] | type[StatisticsNorm]) -> None:
    """Add the class of a norm to NORMS, and its mechanism to MECHANISMS, for the rest of the process.

    A second registration of the same mechanism replaces the class.

    Raises
    ------
    ValueError
        If the description of the mechanism is wrong, or the name belongs to another mechanism.
    """
    register_mechanism(norm.mechanism)
    _norms[norm.mechanism.name] = norm

"""The five norms over stacked features [R, rows, features]: what stands, or does not, after a linear layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

__all__ = ["NORMS", "BatchNorm", "BatchNormLoss", "LayerNorm", "NoNorm", "Norm", "normalize"]


class _Normalize(torch.autograd.Function):
    """Center and scale over the rows axis, with the gradient written out (P appendix A)."""

    @staticmethod
    def forward(ctx, h: Tensor, eps: float):  # type: ignore[no-untyped-def]
        mean = h.mean(dim=1, keepdim=True)
        centered = h - mean
        variance = (centered * centered).mean(dim=1, keepdim=True)
        root = torch.rsqrt(variance + eps)
        normalized = centered.mul_(root)
        ctx.save_for_backward(normalized, root)
        ctx.mark_non_differentiable(mean, variance)
        return normalized, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream, _mean, _variance):  # type: ignore[no-untyped-def]
        # METHODS § 5 with its terms gathered: each row gets its direct part, minus the batch's
        # mean gradient (the part through μ), minus its share of the part through σ².
        normalized, root = ctx.saved_tensors
        through_mean = upstream.mean(dim=1, keepdim=True)
        through_variance = (upstream * normalized).mean(dim=1, keepdim=True)
        gradient = torch.addcmul(upstream - through_mean, normalized, through_variance, value=-1)
        return gradient.mul_(root), None


def normalize(h: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Batch statistics at work: (h − μ)/√(σ² + ε), μ, σ² over the rows of h [R, rows, features].

    σ² is the biased variance. Only the first result carries a gradient.
    """
    normalized, mean, variance = _Normalize.apply(h, eps)  # type: ignore[no-untyped-call]
    return normalized, mean, variance


class Norm(nn.Module):
    """What stands after a linear layer; maps [R, rows, features] to the same shape.

    eps and momentum are batch norm's; the others take what they need of them.
    penalty: what the norm has added to each run's loss [R] since `take_penalty` was called, or None.
    """

    penalty: Tensor | None = None

    def take_penalty(self) -> Tensor | None:
        """The penalty, once: the next step begins without it."""
        penalty, self.penalty = self.penalty, None
        return penalty


class NoNorm(Norm):
    """Identity: the network without batch norm."""

    def __init__(self, runs: int, features: int, eps: float, momentum: float = 0.1) -> None:
        super().__init__()

    def forward(self, h: Tensor) -> Tensor:
        return h


class _Affine(nn.Module):
    """A scale γ and a shift β for each run and feature [R, 1, features]."""

    def __init__(self, runs: int, features: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(runs, 1, features))
        self.beta = nn.Parameter(torch.zeros(runs, 1, features))

    def forward(self, h: Tensor) -> Tensor:
        return torch.addcmul(self.beta, h, self.gamma)


class BatchNorm(Norm):
    """Batch norm over the rows axis, as torch.nn.BatchNorm1d.

    In training it uses the batch's own statistics and follows them with running ones
    [R, 1, features]; in eval mode it uses the running ones, so that a row's score does not depend
    on the rows beside it. A batch of one row has variance 0 and normalizes to 0.
    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, runs: int, features: int, eps: float, momentum: float = 0.1, affine: bool = True) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.affine = _Affine(runs, features) if affine else None
        self.register_buffer("running_mean", torch.zeros(runs, 1, features))
        self.register_buffer("running_variance", torch.ones(runs, 1, features))

    def forward(self, h: Tensor) -> Tensor:
        if self.training and h.is_cuda and h.shape[1] > 1:
            return self._in_few_kernels(h)
        if self.training:
            normalized, mean, variance = normalize(h, self.eps)
            self._follow(mean, variance, rows=h.shape[1])
        else:
            normalized = (h - self.running_mean) * torch.rsqrt(self.running_variance + self.eps)
        return normalized if self.affine is None else self.affine(normalized)

    def _in_few_kernels(self, h: Tensor) -> Tensor:
        """The same as training does elsewhere, by PyTorch's own: each run's features are channels of one batch.

        On a GPU a step takes as long as its many small kernels: DeepSAD's has 61 with these, and 98 without. A batch
        of one row has no unbiased variance there.
        """
        runs, rows, features = h.shape
        gamma, beta = (None, None) if self.affine is None else (self.affine.gamma.view(-1), self.affine.beta.view(-1))
        mean, variance = self.running_mean.view(-1), self.running_variance.view(-1)
        beside = h.transpose(0, 1).reshape(rows, runs * features)
        normalized, _, _ = torch.native_batch_norm(beside, gamma, beta, mean, variance, True, self.momentum, self.eps)
        return normalized.view(rows, runs, features).transpose(0, 1)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, rows: int) -> None:
        unbiased = rows / max(rows - 1, 1)
        self.running_mean.mul_(1 - self.momentum).add_(mean, alpha=self.momentum)
        self.running_variance.mul_(1 - self.momentum).add_(variance, alpha=self.momentum * unbiased)


class LayerNorm(Norm):
    """Layer norm: each row by its own mean and variance over the features, as torch.nn.LayerNorm."""

    def __init__(self, runs: int, features: int, eps: float, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps = eps
        self.affine = _Affine(runs, features)

    def forward(self, h: Tensor) -> Tensor:
        scaled: Tensor = self.affine(functional.layer_norm(h, h.shape[-1:], eps=self.eps))
        return scaled


class BatchNormLoss(Norm):
    """Identity, with batch norm's pull on the features as an explicit loss (P eq. 5).

    penalty = ‖batch mean‖₂ + ‖batch variance − 1‖₂ over the features, for each run, summed over the
    calls of a step.
    """

    def __init__(self, runs: int, features: int, eps: float, momentum: float = 0.1) -> None:
        super().__init__()

    def forward(self, h: Tensor) -> Tensor:
        if self.training:
            variance, mean = torch.var_mean(h, dim=1, correction=0)
            norm = torch.linalg.vector_norm
            pull = norm(mean, dim=1) + norm(variance - 1, dim=1)
            self.penalty = pull if self.penalty is None else self.penalty + pull
        return h


def _batch_norm_without_affine(runs: int, features: int, eps: float, momentum: float = 0.1) -> BatchNorm:
    return BatchNorm(runs, features, eps, momentum, affine=False)


NORMS: dict[str, Callable[[int, int, float, float], Norm]] = {
    "batch": BatchNorm,
    "batch_no_affine": _batch_norm_without_affine,
    "layer": LayerNorm,
    "none": NoNorm,
    "bn_loss": BatchNormLoss,
}

"""Batch norm that also decorrelates the features (ZCA whitening)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from anoonly_core.baselines.mechanisms import MECHANISMS
from anoonly_core.models.products import stacked_product
from anoonly_core.models.statistics_norms import BatchStatisticsNorm, Moments, group_sizes, weighted_statistics

__all__ = ["WhiteningNorm", "inverse_root"]


class _InverseRoot(torch.autograd.Function):
    """Inverse root A^(−1/2) of symmetric positive definite matrices [R, n, n], with a gradient.

    The gradient stays finite for equal eigenvalues.
    """

    @staticmethod
    def forward(ctx, matrix: Tensor):  # type: ignore[no-untyped-def]
        # Matrix by matrix: the bits of a run do not depend on the number of runs.
        pairs = [torch.linalg.eigh(of_run) for of_run in matrix.unbind()]
        values, vectors = (torch.stack(parts) for parts in zip(*pairs, strict=True))
        # Rounding may leave an eigenvalue of a singular matrix below 0.
        roots = values.clamp(min=torch.finfo(values.dtype).eps).sqrt()
        ctx.save_for_backward(roots, vectors)
        return stacked_product(vectors / roots[:, None, :], vectors.mT.contiguous())

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):  # type: ignore[no-untyped-def]
        # Daleckii and Krein: in the eigenbasis the derivative is a product with the divided differences of λ^(−1/2).
        roots, vectors = ctx.saved_tensors
        rows, columns = roots[:, :, None], roots[:, None, :]
        differences = -1 / (rows * columns * (rows + columns))
        transposed = vectors.mT.contiguous()
        inner = stacked_product(stacked_product(transposed, (upstream + upstream.mT) / 2), vectors)
        return stacked_product(stacked_product(vectors, differences * inner), transposed)


def inverse_root(matrix: Tensor) -> Tensor:
    """Return A^(−1/2) of symmetric positive definite matrices [R, n, n], with its gradient."""
    root: Tensor = _InverseRoot.apply(matrix)  # type: ignore[no-untyped-call]
    return root


class WhiteningNorm(BatchStatisticsNorm):
    """Norm that subtracts the mean of the batch and multiplies by the inverse root of its covariance plus ε.

    The strength is the number of features in a group; features of different groups stay correlated. Strength 1 is
    batch norm. As published, eval mode uses running averages of the mean and of the whitening matrix.

    Attributes
    ----------
    running_matrix
        Running whitening matrix [R, features, features], begun at the identity.

    Source: Huang et al., "Decorrelated Batch Normalization", CVPR 2018.
    """

    mechanism = MECHANISMS["whiten"]
    trains_on_gpu = False  # eigh checks its result on the CPU; without a graph it is no faster than there
    running_matrix: Tensor

    def __init__(self, runs: int, features: int, eps: float, momentum: float = 0.1) -> None:
        super().__init__(runs, features, eps, momentum)
        del self.running_variance
        self.register_buffer("running_matrix", torch.eye(features).repeat(runs, 1, 1))

    def running(self) -> tuple[Tensor, ...]:
        return self.running_mean, self.running_matrix

    def moments_at(self, strength: float, h: Tensor, labeled: Tensor, running: tuple[Tensor, ...]) -> Moments:
        mean = h.mean(dim=1, keepdim=True)
        centered = h - mean
        matrix = self._matrix(strength, stacked_product(centered.mT.contiguous(), centered) / h.shape[1])
        return Moments(mean, matrix, None, mean, matrix)

    def _matrix(self, strength: float, covariance: Tensor) -> Tensor:
        """Return the whitening matrices of covariances, both [r, features, features], in groups of `strength`."""
        sizes = group_sizes(self.features, strength)
        blocks = torch.block_diag(*(covariance.new_ones(size, size) for size in sizes))  # type: ignore[no-untyped-call]
        identity = torch.eye(self.features, dtype=covariance.dtype, device=covariance.device)
        return inverse_root(covariance * blocks + self.eps * identity)

    def batch_statistics(self, h: Tensor, weight: Tensor | None = None, unbiased: bool = False) -> tuple[Tensor, ...]:
        mean, _, _ = weighted_statistics(h, weight)
        weight = h.new_ones(*h.shape[:2], 1) if weight is None else weight
        weight = torch.where((weight == 0).all(dim=1, keepdim=True), torch.ones_like(weight), weight)
        centered = (h - mean) * (weight / weight.sum(dim=1, keepdim=True)).sqrt()
        covariance = stacked_product(centered.mT.contiguous(), centered)
        pairs = zip(self.strengths, covariance.unbind(), strict=True)
        return mean, torch.cat([self._matrix(strength, of_run[None]) for strength, of_run in pairs])

    def transform(self, h: Tensor, moments: Moments) -> Tensor:
        return stacked_product(h - moments.shift, moments.scale)

    def forward(self, h: Tensor, labeled: Tensor | None = None) -> Tensor:
        if self.training:
            return super().forward(h, labeled)
        return self.transform(h, Moments(*self.in_use(h)))

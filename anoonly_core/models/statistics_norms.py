"""Norms that subtract and divide by statistics of the features, each with a strength per run.

None has a learned scale or shift, so that they differ in their statistics only. Source: docs/methods.md § 13.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from anoonly_core.baselines.mechanisms import MECHANISMS, Mechanism
from anoonly_core.models.norm import Norm

__all__ = [
    "BatchRenorm",
    "BatchStatisticsNorm",
    "GhostBatchNorm",
    "GroupNorm",
    "Moments",
    "PoolNorm",
    "RMSNorm",
    "RunningNorm",
    "StandardizedGroupNorm",
    "StatisticsNorm",
    "WeightedBatchNorm",
    "group_sizes",
    "mean_and_variance",
    "weighted_statistics",
]


class Moments(NamedTuple):
    """Statistics that map features h to (h − shift) · scale + offset.

    Attributes
    ----------
    shift, scale
        [R, 1 or rows, features or 1]; the scale of a whitening norm is a matrix [R, features, features].
    offset
        A constant of the same shape; None for 0.
    mean, spread
        Statistics of the batch towards which the running ones move: the mean [R, 1, features], and the unbiased
        variance or the whitening matrix. None for a norm without running statistics.
    """

    shift: Tensor
    scale: Tensor
    offset: Tensor | None = None
    mean: Tensor | None = None
    spread: Tensor | None = None


class StatisticsNorm(Norm):
    """Base of the norms h' = (h − shift) · scale + offset, with a strength per run.

    A subclass defines `mechanism` and `moments_at`. Runs of equal strength are computed together.

    Attributes
    ----------
    mechanism
        Description with the dial.
    strengths
        Strength of each run.
    """

    mechanism: ClassVar[Mechanism]

    def __init__(self, runs: int, features: int, eps: float, momentum: float = 0.1) -> None:
        super().__init__()
        self.features, self.eps, self.momentum = features, eps, momentum
        dial = self.mechanism.dial
        self.set_strengths([1.0 if dial is None else dial.standard] * runs)

    def set_strengths(self, strengths: Sequence[float]) -> None:
        """Set the strength of each run; called before the norm is moved to a device."""
        self.strengths = tuple(float(strength) for strength in strengths)
        self._distinct = tuple(dict.fromkeys(self.strengths))
        runs = [[r for r, s in enumerate(self.strengths) if s == distinct] for distinct in self._distinct]
        for number, members in enumerate(runs):
            self.register_buffer(f"_runs_{number}", torch.tensor(members, device="cpu"), persistent=False)
        order = torch.tensor([run for members in runs for run in members], device="cpu").argsort()
        self.register_buffer("_order", order, persistent=False)

    @abstractmethod
    def moments_at(self, strength: float, h: Tensor, labeled: Tensor, running: tuple[Tensor, ...]) -> Moments:
        """Compute the statistics of a batch for some runs with equal strength, with their gradient.

        Parameters
        ----------
        strength
            Strength of all these runs.
        h
            Features [r, rows, features].
        labeled
            Mask of the labeled anomalies, bool [r, rows].
        running
            Running statistics of the runs before this batch: () for a norm without them.
        """

    def moments(self, h: Tensor, labeled: Tensor | None = None) -> Moments:
        """Compute the statistics of a batch h [R, rows, features] of all runs in training mode, with their gradient.

        `labeled` is the mask of the labeled anomalies, bool [R, rows]; None if none is labeled. Running statistics
        stay.
        """
        if labeled is None:
            labeled = torch.zeros(h.shape[:2], dtype=torch.bool, device=h.device)
        if len(self._distinct) == 1:
            # A view: autograd then adds the gradients of h in the same order as behind index_select below.
            return self.moments_at(self._distinct[0], h.view_as(h), labeled, self.running())
        parts = []
        for number, strength in enumerate(self._distinct):
            runs = self.get_buffer(f"_runs_{number}")
            running = tuple(statistic.index_select(0, runs) for statistic in self.running())
            parts.append(self.moments_at(strength, h.index_select(0, runs), labeled.index_select(0, runs), running))
        joined = [
            None if values[0] is None else torch.cat(values)[self.get_buffer("_order")]
            for values in zip(*parts, strict=True)
        ]
        return Moments(*joined)  # type: ignore[arg-type]

    def transform(self, h: Tensor, moments: Moments) -> Tensor:
        """Normalize features h [R, rows, features] by statistics: return (h − shift) · scale + offset."""
        scaled = (h - moments.shift) * moments.scale
        return scaled if moments.offset is None else scaled + moments.offset

    def forward(self, h: Tensor, labeled: Tensor | None = None) -> Tensor:
        return self.transform(h, self.moments(h, labeled))


def group_sizes(features: int, size: float) -> list[int]:
    """Return the sizes of neighboring groups of features: about `size` each, as equal as possible, larger ones first.

    The number of groups is features / size, rounded half up, at least 1.
    """
    groups = min(features, max(1, math.floor(features / size + 0.5)))
    return [features // groups + (group < features % groups) for group in range(groups)]


class GroupNorm(StatisticsNorm):
    """Norm by mean and variance of each row over groups of neighboring features, as torch.nn.GroupNorm without affine.

    The strength is the number of features in a group. No gradient passes between rows.

    Source: Wu and He, "Group Normalization", ECCV 2018.
    """

    mechanism = MECHANISMS["group"]

    def moments_at(self, strength: float, h: Tensor, labeled: Tensor, running: tuple[Tensor, ...]) -> Moments:
        sizes = group_sizes(self.features, strength)
        shifts, scales = [], []
        for part, size in zip(torch.split(h, sizes, dim=2), sizes, strict=True):
            variance, mean = torch.var_mean(part, dim=2, correction=0, keepdim=True)
            shifts.append(mean.expand(-1, -1, size))
            scales.append(torch.rsqrt(variance + self.eps).expand(-1, -1, size))
        return Moments(torch.cat(shifts, dim=2), torch.cat(scales, dim=2))


class StandardizedGroupNorm(GroupNorm):
    """Group norm behind a linear layer with standardized weights, see `layers.standardized`.

    Source: Qiao et al., "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization", 2019.
    """

    mechanism = MECHANISMS["group_ws"]
    standardizes_weights = True


class RMSNorm(StatisticsNorm):
    """Norm by the root mean square of each row over its first features; torch.nn.RMSNorm without weights at strength 1.

    The strength is the share of the features that the root mean square is taken over (pRMSNorm), rounded up.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019.
    """

    mechanism = MECHANISMS["rms"]

    def moments_at(self, strength: float, h: Tensor, labeled: Tensor, running: tuple[Tensor, ...]) -> Moments:
        taken = h[:, :, : math.ceil(strength * self.features)]
        square = taken.square().mean(dim=2, keepdim=True)
        return Moments(torch.zeros_like(square), torch.rsqrt(square + self.eps))


class BatchStatisticsNorm(StatisticsNorm):
    """Base of the norms with statistics over rows: eval mode uses running statistics, as in batch norm.

    A subclass defines `mechanism` and `statistics`, or `moments_at` where it needs more.

    Attributes
    ----------
    running_mean, running_variance
        Running statistics [R, 1, features], begun at 0 and 1; the variance is unbiased.
    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, runs: int, features: int, eps: float, momentum: float = 0.1) -> None:
        super().__init__(runs, features, eps, momentum)
        self.register_buffer("running_mean", torch.zeros(runs, 1, features))
        self.register_buffer("running_variance", torch.ones(runs, 1, features))

    def statistics(self, strength: float, h: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor, float | Tensor]:
        """Compute the mean and the biased variance that normalize h, and the factor that makes the variance unbiased.

        Parameters
        ----------
        strength
            Strength of all these runs.
        h
            Features [r, rows, features].
        labeled
            Mask of the labeled anomalies, bool [r, rows].

        Returns
        -------
        mean, variance
            [r, 1 or rows, features].
        unbiased
            Unbiased over biased variance; a number or [r, 1, 1].
        """
        return weighted_statistics(h, None)

    def moments_at(self, strength: float, h: Tensor, labeled: Tensor, running: tuple[Tensor, ...]) -> Moments:
        mean, variance, unbiased = self.statistics(strength, h, labeled)
        return Moments(mean, torch.rsqrt(variance + self.eps), None, mean, variance * unbiased)

    def running(self) -> tuple[Tensor, ...]:
        return self.running_mean, self.running_variance

    def batch_statistics(self, h: Tensor, weight: Tensor | None = None, unbiased: bool = False) -> tuple[Tensor, ...]:
        return mean_and_variance(h, weight, unbiased)

    def forward(self, h: Tensor, labeled: Tensor | None = None) -> Tensor:
        if not self.training:
            mean, variance = self.in_use(h)
            return (h - mean) * torch.rsqrt(variance + self.eps)
        moments = self.moments(h, labeled)
        normalized = self.transform(h, moments)
        self.update(moments)
        return normalized

    @torch.no_grad()
    def update(self, moments: Moments) -> None:
        """Move the running statistics towards those of a batch, in place, by the momentum."""
        for statistic, of_batch in zip(self.running(), moments[3:], strict=True):
            assert of_batch is not None
            statistic.mul_(1 - self.momentum).add_(of_batch, alpha=self.momentum)


def weighted_statistics(h: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, float | Tensor]:
    """Compute weighted mean and biased variance over the rows, and the factor that makes the variance unbiased.

    The number of rows in the factor is the effective one, (Σw)²/Σw².

    Parameters
    ----------
    h
        Features [r, rows, features].
    weight
        Weight of each row, at least 0, [r, rows, 1]; None for equal weights. A run whose weights are all 0 counts all
        rows.

    Returns
    -------
    mean, variance
        [r, 1, features].
    unbiased
        Unbiased over biased variance; a number or [r, 1, 1].
    """
    if weight is None:
        mean = h.mean(dim=1, keepdim=True)
        variance = (h - mean).square().mean(dim=1, keepdim=True)
        return mean, variance, h.shape[1] / max(h.shape[1] - 1, 1)
    weight = torch.where((weight == 0).all(dim=1, keepdim=True), torch.ones_like(weight), weight)
    total = weight.sum(dim=1, keepdim=True)
    mean = (weight * h).sum(dim=1, keepdim=True) / total
    variance = (weight * (h - mean).square()).sum(dim=1, keepdim=True) / total
    rows = total.square() / weight.square().sum(dim=1, keepdim=True)
    return mean, variance, rows / (rows - 1).clamp(min=1)


def mean_and_variance(h: Tensor, weight: Tensor | None, unbiased: bool) -> tuple[Tensor, Tensor]:
    """Compute the weighted mean and variance over the rows, [R, 1, features]; see `Norm.batch_statistics`."""
    mean, variance, factor = weighted_statistics(h, weight)
    return mean, variance * factor if unbiased else variance


class GhostBatchNorm(BatchStatisticsNorm):
    """Batch norm over small batches into which the rows are dealt like cards: row i goes to batch i mod k.

    The strength is the number of rows in a small batch; there are k = rows / strength of them, rounded half up. The
    running statistics move towards the mean over the small batches.

    Source: Hoffer et al., "Train longer, generalize better", NeurIPS 2017.
    """

    mechanism = MECHANISMS["ghost"]

    def moments_at(self, strength: float, h: Tensor, labeled: Tensor, running: tuple[Tensor, ...]) -> Moments:
        rows = h.shape[1]
        batches = min(rows, max(1, math.floor(rows / strength + 0.5)))
        counts = ((rows + batches - 1 - torch.arange(batches, device=h.device)) // batches)[:, None].to(h.dtype)
        mean = _sum_of_each(h, batches) / counts
        shift = _for_each_row(mean, rows)
        variance = _sum_of_each((h - shift).square(), batches) / counts
        scale = _for_each_row(torch.rsqrt(variance + self.eps), rows)
        unbiased = variance * (counts / (counts - 1).clamp(min=1))
        return Moments(shift, scale, None, mean.mean(dim=1, keepdim=True), unbiased.mean(dim=1, keepdim=True))


def _sum_of_each(h: Tensor, batches: int) -> Tensor:
    """Sum the rows of each small batch: h [r, rows, features] to [r, batches, features]; row i is in batch i mod k.

    On a GPU index_add adds in any order, and so does the gradient of index_select. Sums over an axis have one order.
    """
    runs, rows, features = h.shape
    if h.is_cuda:
        dealt = functional.pad(h, (0, 0, 0, -rows % batches)).view(runs, -1, batches, features)
        return dealt.sum(dim=1)
    batch = torch.arange(rows, device=h.device) % batches
    return h.new_zeros(runs, batches, features).index_add(1, batch, h)


def _for_each_row(values: Tensor, rows: int) -> Tensor:
    """Return for each of `rows` rows the values [r, batches, features] of its small batch: [r, rows, features]."""
    runs, batches, features = values.shape
    if values.is_cuda:
        rounds = -(-rows // batches)
        return values[:, None].expand(-1, rounds, -1, -1).reshape(runs, rounds * batches, features)[:, :rows]
    return values.index_select(1, torch.arange(rows, device=values.device) % batches)


class BatchRenorm(BatchStatisticsNorm):
    """Batch norm corrected towards the running statistics, by a factor r and an offset d without gradient.

    h' = (h − μ)/σ · r + d with r = σ/σ_run in [1/r_max, r_max] and d = (μ − μ_run)/σ_run in [−d_max, d_max]; σ² is the
    variance plus ε. At strength s, r_max = 1 + 2s and d_max = 5s: the published bounds at s = 1, batch norm at 0.
    The bounds hold from the first step; the publication widens them slowly.

    Source: Ioffe, "Batch Renormalization", NeurIPS 2017.
    """

    mechanism = MECHANISMS["renorm"]
    has_exact_gradient = False

    def moments_at(self, strength: float, h: Tensor, labeled: Tensor, running: tuple[Tensor, ...]) -> Moments:
        mean, variance, unbiased = weighted_statistics(h, None)
        running_mean, running_variance = running
        inverse = torch.rsqrt(variance + self.eps)
        most, farthest = 1 + 2 * strength, 5 * strength
        with torch.no_grad():
            running_inverse = torch.rsqrt(running_variance + self.eps)
            factor = (running_inverse / inverse).clamp(1 / most, most)
            offset = ((mean - running_mean) * running_inverse).clamp(-farthest, farthest)
        return Moments(mean, inverse * factor, offset, mean, variance * unbiased)


class RunningNorm(BatchStatisticsNorm):
    """Norm in training by running statistics mixed with a share of those of the batch.

    At strength s the mean is (1 − s) μ_run + s μ, and the variance likewise; the gradient passes through the share of
    the batch. s = 1 is batch norm; at s = 0 no gradient passes between rows.

    Source: after Yong et al., "Momentum Batch Normalization", ECCV 2020.
    """

    mechanism = MECHANISMS["running"]

    def moments_at(self, strength: float, h: Tensor, labeled: Tensor, running: tuple[Tensor, ...]) -> Moments:
        mean, variance, unbiased = weighted_statistics(h, None)
        mixed_mean, mixed_variance = (
            (1 - strength) * statistic + strength * of_batch
            for statistic, of_batch in zip(running, (mean, variance), strict=True)
        )
        return Moments(mixed_mean, torch.rsqrt(mixed_variance + self.eps), None, mean, variance * unbiased)


class PoolNorm(BatchStatisticsNorm):
    """Batch norm with statistics of the pool rows: labeled anomalies are normalized, but not counted.

    At strength s mean and variance are s times those of the pool rows plus 1 − s times those of the whole batch. A
    batch without pool rows counts all rows.

    Source: docs/methods.md § 13.
    """

    mechanism = MECHANISMS["pool_only"]

    def moments_at(self, strength: float, h: Tensor, labeled: Tensor, running: tuple[Tensor, ...]) -> Moments:
        of_batch, of_pool = (weighted_statistics(h, weight) for weight in (None, (~labeled)[:, :, None].to(h.dtype)))
        mean, variance, exact = (
            (1 - strength) * whole + strength * pool
            for whole, pool in zip(_with_unbiased(*of_batch), _with_unbiased(*of_pool), strict=True)
        )
        return Moments(mean, torch.rsqrt(variance + self.eps), None, mean, exact)


def _with_unbiased(mean: Tensor, variance: Tensor, unbiased: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean, biased variance and unbiased variance, from the factor between the variances."""
    return mean, variance, variance * unbiased


class WeightedBatchNorm(BatchStatisticsNorm):
    """Batch norm with another weight for labeled anomalies: the strength, where a pool row has 1.

    Strength 1 is batch norm, 0 counts the pool rows only; more than 1 lets labeled anomalies move the statistics more.

    Source: docs/methods.md § 13.
    """

    mechanism = MECHANISMS["weighted"]

    def statistics(self, strength: float, h: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor, float | Tensor]:
        return weighted_statistics(h, 1 + (strength - 1) * labeled[:, :, None].to(h.dtype))

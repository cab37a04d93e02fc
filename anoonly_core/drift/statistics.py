"""Score batches with statistics that follow the stream: one mechanism for every norm of every head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import NormalDist
from types import MappingProxyType

import torch
from torch import Tensor

from anoonly_core.drift.config import DriftConfig
from anoonly_core.models import Head
from anoonly_core.models.norm import Norm

__all__ = ["FOLLOWERS", "TRIMMED_SHARE", "Follower", "first_mean", "trimmed"]

TRIMMED_SHARE = 0.1  # of the rows, at either end of a feature

Statistics = tuple[Tensor, ...]


class Follower(ABC):
    """Statistics of all norms of a head while a stream passes; a subclass is a way of WAYS.

    Only norms with running statistics take part. The running statistics of the head stay as they are.

    Parameters
    ----------
    head : Head
        R trained networks.
    config : DriftConfig
        Settings of the ways.
    """

    def __init__(self, head: Head, config: DriftConfig) -> None:
        self.config = config
        self.in_use: dict[Norm, Statistics] = {norm: norm.running() for norm in head.norms() if norm.running()}
        self._inputs: dict[Norm, Tensor] = {}
        self._of_batch: dict[Norm, Statistics] = {}
        self._rows = 0

    @abstractmethod
    def for_batch(self, norm: Norm, h: Tensor) -> Statistics:
        """Return the statistics that score a batch with features h [R, n, features] in front of a norm."""

    def follow(self, norm: Norm, h: Tensor, flagged: Tensor) -> Statistics:
        """Return the statistics in use after a batch with features h [R, n, features] and flagged rows, bool [R, n]."""
        return self.in_use[norm]

    @contextmanager
    def of_batch(self, rows: int) -> Iterator[None]:
        """Give statistics to the norms while a batch is scored, whose rows are the first ones of each forward pass.

        The first pass of a norm has the rows of the stream and sets its statistics. A further pass, such as that of
        the partners of PReNet, takes the same statistics.

        Parameters
        ----------
        rows : int
            Number n of rows of the batch.
        """
        self._inputs, self._of_batch, self._rows = {}, {}, rows
        for norm in self.in_use:
            norm.given = self._given
        try:
            yield
        finally:
            for norm in self.in_use:
                norm.given = None

    def _given(self, norm: Norm, h: Tensor) -> Statistics:
        if norm not in self._of_batch:
            self._inputs[norm] = h[:, : self._rows]
            self._of_batch[norm] = self.for_batch(norm, self._inputs[norm])
        return self._of_batch[norm]

    def used(self, norm: Norm) -> Statistics:
        """Return the statistics that scored the last batch at a norm."""
        return self._of_batch[norm]

    def after_batch(self, flagged: Tensor) -> None:
        """Let the statistics in use follow the last batch, of which some rows are flagged, bool [R, n]."""
        self.in_use = {norm: self.follow(norm, h, flagged) for norm, h in self._inputs.items()}


class _Running(Follower):
    def for_batch(self, norm: Norm, h: Tensor) -> Statistics:
        return self.in_use[norm]


class _Batch(Follower):
    def for_batch(self, norm: Norm, h: Tensor) -> Statistics:
        return norm.batch_statistics(h)


class _Mixed(Follower):
    def for_batch(self, norm: Norm, h: Tensor) -> Statistics:
        alpha = self.config.alpha
        pairs = zip(norm.batch_statistics(h), self.in_use[norm], strict=True)
        return tuple(alpha * of_batch + (1 - alpha) * running for of_batch, running in pairs)


class _Moving(_Running):
    def follow(self, norm: Norm, h: Tensor, flagged: Tensor) -> Statistics:
        return _towards(self.in_use[norm], norm.batch_statistics(h, unbiased=True), self.config.rate)


class _Guarded(_Moving):
    """Moving statistics with a guard; where rows do not count, the rate shrinks by their share."""

    def follow(self, norm: Norm, h: Tensor, flagged: Tensor) -> Statistics:
        if self.config.guard == "none":
            return super().follow(norm, h, flagged)
        if self.config.guard == "trimmed":
            return super().follow(norm, trimmed(h), flagged)
        counts = (~flagged)[:, :, None].to(h.dtype)
        rate = self.config.rate * counts.mean(dim=1, keepdim=True)
        return _towards(self.in_use[norm], norm.batch_statistics(h, counts, unbiased=True), rate)


def _towards(in_use: Statistics, of_batch: Statistics, rate: float | Tensor) -> Statistics:
    """Move statistics towards those of a batch by a rate, one number or one per run, [R, 1, 1]."""
    return tuple((1 - rate) * old + rate * new for old, new in zip(in_use, of_batch, strict=True))


def trimmed(h: Tensor) -> Tensor:
    """Return features [R, n, features] with the trimmed mean and the winsorized variance of h.

    The trimmed mean leaves out TRIMMED_SHARE of the rows at either end of a feature. For the variance these rows stand
    at the outermost of the others; it is scaled so that rows of a normal distribution keep their variance. Source:
    Tukey and McLaughlin (1963); docs/methods.md § 18.
    """
    rows = h.shape[1]
    cut = max(1, int(TRIMMED_SHARE * rows))
    share = cut / rows
    ordered = h.sort(dim=1).values
    inner = ordered[:, cut : rows - cut]
    clipped = h.clamp(inner[:, :1], inner[:, -1:])
    z = NormalDist().inv_cdf(1 - share)
    kept = 1 - 2 * share - 2 * z * NormalDist().pdf(z) + 2 * share * z * z  # variance that winsorizing leaves of 1
    centered = clipped - clipped.mean(dim=1, keepdim=True)
    result: Tensor = inner.mean(dim=1, keepdim=True) + centered / kept**0.5
    return result


def first_mean(follower: Follower, running: Sequence[Statistics]) -> Tensor:
    """Return the distance of the mean that scored the last batch at the first norm from the running mean, [R].

    It is in running deviations, root mean square over the features; 0 without such a norm. `running` holds the running
    statistics of the norms after training, input side first. A whitening norm measures in its whitened space.
    """
    norm = next(iter(follower.in_use), None)
    if norm is None:
        return torch.zeros(())
    (mean, spread), moved = running[0], follower.used(norm)[0]
    away = moved - mean
    # A matrix is the inverse root of a covariance, a variance is one of each feature.
    scaled = away @ spread if spread.shape[1] == spread.shape[2] > 1 else away * torch.rsqrt(spread + 1e-12)
    distance: Tensor = scaled.square().mean(dim=(1, 2)).sqrt()
    return distance


# Ways that follow with one network; "retrained" scores as "running" does, with further networks.
FOLLOWERS: Mapping[str, type[Follower]] = MappingProxyType(
    {"running": _Running, "batch": _Batch, "mixed": _Mixed, "moving": _Moving, "guarded": _Guarded}
)

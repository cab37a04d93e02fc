"""Score batches with statistics that follow the stream: one mechanism for every norm of every head."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType

import torch
from torch import Tensor

from anoonly_core.drift.config import DriftConfig
from anoonly_core.models import Head
from anoonly_core.models.norm import Norm

__all__ = ["FOLLOWERS", "TRIMMED_SHARE", "Follower", "first_mean"]

TRIMMED_SHARE = 0.1  # of the rows of a batch, those with the highest scores

Statistics = tuple[Tensor, ...]


class Follower:
    """Statistics of all norms of a head while a stream passes: the running ones; a subclass is another way of WAYS.

    Only norms with running statistics take part. The running statistics of the head stay as they are.

    Parameters
    ----------
    head : Head
        R trained networks.
    config : DriftConfig
        Settings of the ways.

    Attributes
    ----------
    in_use : dict of Norm to tuple of Tensor
        Statistics of each norm in the form of `Norm.running`, input side first.
    """

    def __init__(self, head: Head, config: DriftConfig) -> None:
        self.config = config
        self.in_use: dict[Norm, Statistics] = {norm: norm.running() for norm in head.norms() if norm.running()}
        self._of_batch: dict[Norm, Statistics] = {}

    def for_batch(self, norm: Norm, h: Tensor) -> Statistics:
        """Return the statistics that score a batch with features h [R, n, features] in front of a norm."""
        return self.in_use[norm]

    def scoring(self, rows: int) -> AbstractContextManager[None]:
        """Give the statistics of the way to the norms while a batch of `rows` rows is scored."""
        return self._giving(rows, self.for_batch)

    @contextmanager
    def _giving(self, rows: int, statistics: Callable[[Norm, Tensor], Statistics]) -> Iterator[None]:
        """Give statistics to the norms in forward passes whose first rows are those of the stream.

        The first pass of a norm has these rows and sets its statistics. A further pass, such as that of the partners
        of PReNet, takes the same statistics.

        Parameters
        ----------
        rows : int
            Number n of rows of the batch.
        statistics : callable
            Maps a norm and the features of these rows in front of it, [R, n, features], to statistics.
        """
        self._of_batch = {}

        def given(norm: Norm, h: Tensor) -> Statistics:
            if norm not in self._of_batch:
                self._of_batch[norm] = statistics(norm, h[:, :rows])
            return self._of_batch[norm]

        for norm in self.in_use:
            norm.given = given
        try:
            yield
        finally:
            for norm in self.in_use:
                norm.given = None

    def used(self, norm: Norm) -> Statistics:
        """Return the statistics of a norm in the last passes."""
        return self._of_batch[norm]

    def follow(self, scores: Tensor, threshold: Tensor, forward: Callable[[], object]) -> None:
        """Let the statistics in use follow a batch that was scored.

        Parameters
        ----------
        scores : Tensor
            Scores of the batch [R, n].
        threshold : Tensor
            Promised threshold [R, 1].
        forward : callable
            Passes the batch through the head again.
        """


class _Batch(Follower):
    def for_batch(self, norm: Norm, h: Tensor) -> Statistics:
        return norm.batch_statistics(h)


class _Mixed(Follower):
    def for_batch(self, norm: Norm, h: Tensor) -> Statistics:
        alpha = self.config.alpha
        pairs = zip(norm.batch_statistics(h), self.in_use[norm], strict=True)
        return tuple(alpha * of_batch + (1 - alpha) * running for of_batch, running in pairs)


class _Moving(Follower):
    """Statistics that move as in training: each norm sees the batch behind norms that took its batch statistics.

    Behind norms in use, whose statistics lag, deeper statistics would follow features that vanish once they caught up.
    """

    def follow(self, scores: Tensor, threshold: Tensor, forward: Callable[[], object]) -> None:
        if self.config.rate == 0:
            return
        counts, rate = self.guard(scores, threshold)
        moved: dict[Norm, Statistics] = {}

        def of_batch(norm: Norm, h: Tensor) -> Statistics:
            moved[norm] = _towards(self.in_use[norm], norm.batch_statistics(h, counts, unbiased=True), rate)
            return norm.batch_statistics(h, counts)

        with self._giving(scores.shape[1], of_batch):
            forward()
        self.in_use |= moved

    def guard(self, scores: Tensor, threshold: Tensor) -> tuple[Tensor | None, float | Tensor]:
        """Return the weight of each row, [R, n, 1] or None if all count, and the rate, one number or [R, 1, 1]."""
        return None, self.config.rate


class _Guarded(_Moving):
    def guard(self, scores: Tensor, threshold: Tensor) -> tuple[Tensor | None, float | Tensor]:
        if self.config.guard == "threshold":
            counts = (scores <= threshold)[:, :, None].float()
            return counts, self.config.rate * counts.mean(dim=1, keepdim=True)
        if self.config.guard == "trimmed":
            left_out = scores.topk(math.ceil(TRIMMED_SHARE * scores.shape[1]), dim=1).values
            return (scores < left_out[:, -1:])[:, :, None].float(), self.config.rate
        return super().guard(scores, threshold)


def _towards(in_use: Statistics, of_batch: Statistics, rate: float | Tensor) -> Statistics:
    """Move statistics towards those of a batch by a rate, one number or one per run, [R, 1, 1]."""
    return tuple((1 - rate) * old + rate * new for old, new in zip(in_use, of_batch, strict=True))


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
    {"running": Follower, "batch": _Batch, "mixed": _Mixed, "moving": _Moving, "guarded": _Guarded}
)

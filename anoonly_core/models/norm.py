"""Base class of the norms, and of losses on the features in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from torch import Tensor, nn

__all__ = ["Norm"]


class Norm(nn.Module):
    """Base class of the norms: maps features [R, rows, features] to the same shape.

    All norms are built from (runs, features, eps, momentum) and called with features and the mask of the labeled
    anomalies among their rows, bool [R, rows], or None where no row is labeled. They ignore what they do not use.

    Attributes
    ----------
    standardizes_weights
        True if the linear layer in front of the norm standardizes its weights.
    has_exact_gradient
        False if the norm holds a statistic of the batch constant in its gradient, by definition.
    trains_on_gpu
        False if a training step waits for the GPU, so that no CUDA graph of it can be recorded.
    penalty
        Sum of the loss terms of the forward passes since the last `take_penalty` [R], or None.
    given
        Function of the norm and the features in front of it, [R, rows, features], that returns statistics to use in
        eval mode in place of the running ones, in the form of `running`; None for the running ones.

    Source: docs/methods.md § 1.
    """

    standardizes_weights: ClassVar[bool] = False
    has_exact_gradient: ClassVar[bool] = True
    trains_on_gpu: ClassVar[bool] = True
    penalty: Tensor | None = None
    given: Callable[[Norm, Tensor], tuple[Tensor, ...]] | None = None

    def running(self) -> tuple[Tensor, ...]:
        """Return the running statistics of eval mode, each [R, ...]: a mean, and a variance or matrix; () for none."""
        return ()

    def in_use(self, h: Tensor) -> tuple[Tensor, ...]:
        """Return the statistics that eval mode uses for features h [R, rows, features]: the given or running ones."""
        return self.running() if self.given is None else self.given(self, h)

    def batch_statistics(self, h: Tensor, weight: Tensor | None = None, unbiased: bool = False) -> tuple[Tensor, ...]:
        """Compute the statistics of a batch in the form of `running`; () for a norm without running statistics.

        Parameters
        ----------
        h
            Features in front of the norm [R, rows, features].
        weight
            Weight of each row, at least 0, [R, rows, 1]; None for equal weights. A run whose weights are all 0 counts
            all rows.
        unbiased
            True for the variance that the running one moves towards, False for the one that normalizes a batch.
        """
        return ()

    def take_penalty(self) -> Tensor | None:
        """Return the penalty collected since the last call, [R] or None, and reset it to None."""
        penalty, self.penalty = self.penalty, None
        return penalty

    def set_strengths(self, strengths: Sequence[float]) -> None:
        """Set the strength of each run, for a norm with a dial; called before the norm is moved to a device.

        Raise TypeError for a norm without a dial.
        """
        raise TypeError(f"{type(self).__name__} has no strength")

"""Base class of the norms, and of losses on the features in their place."""

from __future__ import annotations

from collections.abc import Sequence
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
    penalty
        Sum of the loss terms of the forward passes since the last `take_penalty` [R], or None.

    Source: docs/methods.md § 1.
    """

    standardizes_weights: ClassVar[bool] = False
    has_exact_gradient: ClassVar[bool] = True
    penalty: Tensor | None = None

    def take_penalty(self) -> Tensor | None:
        """Return the penalty collected since the last call, [R] or None, and reset it to None."""
        penalty, self.penalty = self.penalty, None
        return penalty

    def set_strengths(self, strengths: Sequence[float]) -> None:
        """Set the strength of each run, for a norm with a dial; called before the norm is moved to a device.

        Raise TypeError for a norm without a dial.
        """
        raise TypeError(f"{type(self).__name__} has no strength")

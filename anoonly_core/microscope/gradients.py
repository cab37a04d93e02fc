"""Gradient in front of a norm, split into a direct part and parts through mean and variance.

All formulas are written out in float64, independent of autograd. Source: paper appendix A; docs/methods.md § 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["SPLITS", "GradientParts", "batch_norm_loss"]

ROWS, FEATURES = 0, 1


@dataclass(frozen=True, eq=False)
class GradientParts:
    """The three parts of the gradient of a batch in front of a norm; their sum is the gradient.

    Attributes
    ----------
    direct, through_variance, through_mean : float64 [rows, features]
        The three terms of docs/methods.md § 5.
    printed_mean : float64 [rows, features] or None
        through_mean as printed in paper eq. 13, with 1/(σ²+ε) in place of its root; None except for batch norm.
    """

    direct: np.ndarray
    through_variance: np.ndarray
    through_mean: np.ndarray
    printed_mean: np.ndarray | None = None

    def scaled(self, direct: float, variance: float, mean: float) -> GradientParts:
        """Return the parts multiplied by the shares, 0 to 1, that a norm with a scaled gradient lets through.

        `direct`, `variance` and `mean` are the shares of `direct`, `through_variance` and `through_mean`.
        """
        return GradientParts(
            direct * self.direct,
            variance * self.through_variance,
            mean * self.through_mean,
            None if self.printed_mean is None else mean * self.printed_mean,
        )

    @property
    def in_order(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The three parts, float64 [rows, features] each, in the order of `result.PART_NAMES`."""
        return self.direct, self.through_variance, self.through_mean

    @property
    def total(self) -> np.ndarray:
        """Sum of the three parts, the gradient in front of the norm, float64 [rows, features]."""
        return np.asarray(self.direct + self.through_variance + self.through_mean)

    @property
    def total_as_printed(self) -> np.ndarray | None:
        """Sum of the parts with `printed_mean` for `through_mean`; None if there is no `printed_mean`."""
        return None if self.printed_mean is None else self.direct + self.through_variance + self.printed_mean


def _normalized(h: np.ndarray, upstream: np.ndarray, eps: float, axis: int) -> GradientParts:
    """Split the gradient of a normalization h' = (h − μ)/√(σ²+ε) into its parts (paper eq. 11 to 14).

    Parameters
    ----------
    h : float64 [rows, features]
        Features in front of the norm.
    upstream : float64 [rows, features]
        Gradient ∂L/∂h' behind the norm.
    eps : float
        ε.
    axis : {ROWS, FEATURES}
        Axis along which mean μ and variance σ² are taken.
    """
    count = h.shape[axis]
    centered = h - h.mean(axis, keepdims=True)
    shifted = (centered**2).mean(axis, keepdims=True) + eps
    to_variance = -0.5 * (upstream * centered).sum(axis, keepdims=True) * shifted**-1.5
    to_mean_by_variance = to_variance * (-2 / count) * centered.sum(axis, keepdims=True)
    summed = upstream.sum(axis, keepdims=True)

    def spread(to_mean: np.ndarray) -> np.ndarray:
        return np.broadcast_to((to_mean + to_mean_by_variance) / count, h.shape)

    return GradientParts(
        direct=upstream * shifted**-0.5,
        through_variance=to_variance * 2 * centered / count,
        through_mean=spread(-(shifted**-0.5) * summed),
        printed_mean=spread(-summed / shifted) if axis == ROWS else None,
    )


def _batch(h: np.ndarray, upstream: np.ndarray, eps: float, penalty: float) -> GradientParts:
    """Split the gradient for batch norm, with statistics over the rows: the loss of one row moves all rows.

    `h` are the features in front of the norm and `upstream` the gradient behind it, [rows, features]; `eps` is ε;
    `penalty` is ignored.
    """
    return _normalized(h, upstream, eps, ROWS)


def _layer(h: np.ndarray, upstream: np.ndarray, eps: float, penalty: float) -> GradientParts:
    """Split the gradient for layer norm, with statistics over the features of a row: nothing passes between rows.

    `h` are the features in front of the norm and `upstream` the gradient behind it, [rows, features]; `eps` is ε;
    `penalty` is ignored.
    """
    return _normalized(h, upstream, eps, FEATURES)


def _none(h: np.ndarray, upstream: np.ndarray, eps: float, penalty: float) -> GradientParts:
    """Split the gradient without a norm: the direct part is `upstream`, [rows, features], the others are 0."""
    return GradientParts(upstream, np.zeros_like(h), np.zeros_like(h))


def _bn_loss(h: np.ndarray, upstream: np.ndarray, eps: float, penalty: float) -> GradientParts:
    """Split the gradient for a norm that is the identity but adds the loss penalty · L_BN (paper eq. 5).

    The parts through variance and mean are the gradient of this loss. `h` are the features in front of the norm and
    `upstream` the gradient of the other losses behind it, [rows, features]; `eps` is ignored.
    """
    mean, centered = h.mean(ROWS), h - h.mean(ROWS)
    off = (centered**2).mean(ROWS) - 1
    to_mean, to_variance = (penalty * value / (np.linalg.norm(value) or 1.0) for value in (mean, off))
    return GradientParts(
        direct=upstream,
        through_variance=to_variance * 2 * centered / len(h),
        through_mean=np.broadcast_to(to_mean / len(h), h.shape),
    )


# By norm. Arguments: h [rows, features], ∂L/∂h' without the loss of the norm, ε, the weight of that loss.
SPLITS: dict[str, Callable[[np.ndarray, np.ndarray, float, float], GradientParts]] = {
    "batch": _batch,
    "batch_no_affine": _batch,
    "layer": _layer,
    "none": _none,
    "bn_loss": _bn_loss,
}


def batch_norm_loss(h: np.ndarray) -> float:
    """Return L_BN = ‖mean‖₂ + ‖variance − 1‖₂ over the rows of features h [rows, features] (paper eq. 5)."""
    return float(np.linalg.norm(h.mean(ROWS)) + np.linalg.norm(h.var(ROWS) - 1))

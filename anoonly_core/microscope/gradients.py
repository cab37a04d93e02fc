"""The gradient in front of a norm, split into its direct part and those through mean and variance (P appendix A).

All in float64 and written out from the formulas, beside autograd and not from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["SPLITS", "GradientParts", "batch_norm_loss"]

ROWS, FEATURES = 0, 1


@dataclass(frozen=True, eq=False)
class GradientParts:
    """A batch's gradient in front of a norm; each float64 [rows, features], and they add up to it.

    mean_as_printed: through_mean as P eq. 13 prints it, with 1/(σ²+ε) where its root belongs; None
    for a norm that the equation is not about.
    """

    direct: np.ndarray
    through_variance: np.ndarray
    through_mean: np.ndarray
    printed_mean: np.ndarray | None = None

    @property
    def total(self) -> np.ndarray:
        """What the three add up to."""
        return np.asarray(self.direct + self.through_variance + self.through_mean)

    @property
    def total_as_printed(self) -> np.ndarray | None:
        """The same with the part through the mean as printed."""
        return None if self.printed_mean is None else self.direct + self.through_variance + self.printed_mean


def _normalized(h: np.ndarray, upstream: np.ndarray, eps: float, axis: int) -> GradientParts:
    """For h' = (h − μ)/√(σ²+ε) with statistics along an axis, and upstream = ∂L/∂h' (P eq. 11 to 14)."""
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
    """Statistics over the batch's rows: what one row's loss does to them moves all rows."""
    return _normalized(h, upstream, eps, ROWS)


def _layer(h: np.ndarray, upstream: np.ndarray, eps: float, penalty: float) -> GradientParts:
    """Statistics over a row's own features: nothing passes from row to row."""
    return _normalized(h, upstream, eps, FEATURES)


def _none(h: np.ndarray, upstream: np.ndarray, eps: float, penalty: float) -> GradientParts:
    """No statistics: the direct part alone."""
    return GradientParts(upstream, np.zeros_like(h), np.zeros_like(h))


def _bn_loss(h: np.ndarray, upstream: np.ndarray, eps: float, penalty: float) -> GradientParts:
    """The features pass unchanged, and penalty · L_BN pulls at the batch's mean and variance (P eq. 5)."""
    mean, centered = h.mean(ROWS), h - h.mean(ROWS)
    off = (centered**2).mean(ROWS) - 1
    to_mean, to_variance = (penalty * own / (np.linalg.norm(own) or 1.0) for own in (mean, off))
    return GradientParts(
        direct=upstream,
        through_variance=to_variance * 2 * centered / len(h),
        through_mean=np.broadcast_to(to_mean / len(h), h.shape),
    )


# By norm: h [rows, features], ∂L/∂h' without what the norm itself adds to the loss, ε, the weight of that.
SPLITS: dict[str, Callable[[np.ndarray, np.ndarray, float, float], GradientParts]] = {
    "batch": _batch,
    "batch_no_affine": _batch,
    "layer": _layer,
    "none": _none,
    "bn_loss": _bn_loss,
}


def batch_norm_loss(h: np.ndarray) -> float:
    """L_BN = ‖mean‖₂ + ‖variance − 1‖₂ of features h [rows, features] over the rows (P eq. 5)."""
    return float(np.linalg.norm(h.mean(ROWS)) + np.linalg.norm(h.var(ROWS) - 1))

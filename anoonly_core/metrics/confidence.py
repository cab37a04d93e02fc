"""95 % confidence interval of a mean by Student's t: the ± in all tables and on all pages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

__all__ = ["CONFIDENCE", "margin_of_error", "t_quantile"]

CONFIDENCE = 0.95


def t_quantile(values: int) -> float:
    """Return the half-width, in standard errors, of the 95 % interval of the mean of `values` values (at least 2)."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, values - 1))


def margin_of_error(values: Sequence[float]) -> float | None:
    """Return the half-width of the 95 % interval of the mean, in the unit of the values; None for one value."""
    if len(values) < 2:
        return None
    return float(t_quantile(len(values)) * np.std(values, ddof=1) / len(values) ** 0.5)

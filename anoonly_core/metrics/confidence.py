"""The 95 % interval of a mean (Student's t): what every ± on the pages and in the tables is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

__all__ = ["CONFIDENCE", "margin_of_error", "t_quantile"]

CONFIDENCE = 0.95


def t_quantile(values: int) -> float:
    """How many standard errors the interval of so many values' mean reaches to either side; two values at least."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, values - 1))


def margin_of_error(values: Sequence[float]) -> float | None:
    """Half of the interval of the values' mean; None for one value."""
    if len(values) < 2:
        return None
    return float(t_quantile(len(values)) * np.std(values, ddof=1) / len(values) ** 0.5)

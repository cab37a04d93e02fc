"""Explanations made by hand, for tests of figures and sentences."""

from __future__ import annotations

import numpy as np

from anoonly_core.explanation.result import GRADIENTS, DeletionTest, Explanation

__all__ = ["explained"]


def explained(
    area: float = 0.1,
    magnitude: float = 0.2,
    random: float = 0.4,
    columns: int = 12,
    method: str = GRADIENTS,
    deviation: float = 0.0,
) -> Explanation:
    """Return the explanation of two equal rows, whose curves have these areas; `deviation` is the completeness gap."""
    shares = np.linspace(0, 1, 5)
    contributions = np.tile(np.arange(columns, 0, -1.0) * np.where(np.arange(columns) % 3 == 2, -1, 1), (2, 1))
    change = contributions.sum(axis=1) / (1 - deviation)
    curve = np.tile(1 - shares, (2, 1))
    random_areas = np.tile(random + np.linspace(-0.05, 0.05, 100), (2, 1))
    test = DeletionTest(
        *(shares, curve, curve, curve - 0.1, curve + 0.1),
        *(np.full(2, area), np.full(2, magnitude), random_areas, np.full(2, columns)),
    )
    names = (*(f"column {n}" for n in range(columns - 1)), "a <b>name</b> that is longer than an axis can show")
    values = (*(float(n) for n in range(columns - 1)), "some <i>words</i> that are long")
    return Explanation(names, (values, values), values, 1 + change, 1.0, method, contributions, contributions, test)

"""Runs of rankings with invented values, whose statistics can be computed by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from anoonly_core.reproduction.which.runs import COLUMNS

EMBEDDINGS = ("CIFAR10_0", "CIFAR10_4", "MVTec-AD_bottle", "SVHN_0", "20news_3")
CLASSICAL = ("6_cardio", "14_glass", "18_Ionosphere", "38_thyroid")
SHARES = (0.01, 0.1, 1.0)
POINTS: tuple[dict[str, Any], ...] = (
    *({"contamination": pool, "labeled_ratio": share} for pool in ("0.0", "natural") for share in SHARES),
    *({"contamination": "natural", "labeled_ratio": 0.1, "labeled_anomalies": count} for count in (1, 5)),
)
Value = Callable[[str, str, dict[str, Any], int], float | None]


def runs_of(
    systems: Sequence[str], value: Value, datasets: Sequence[str] = (*EMBEDDINGS, *CLASSICAL), seeds: int = 5
) -> pd.DataFrame:
    """Return runs whose AUCPR is `value(dataset, system, point, seed)`; None means that a run is missing."""
    rows = []
    for dataset, system, point, seed in itertools.product(datasets, systems, POINTS, range(seeds)):
        if (aucpr := value(dataset, system, point, seed)) is not None:
            rows.append(
                {"dataset": dataset, "system": system, "labeled_anomalies": np.nan, **point, "seed": seed}
                | {"aucpr": aucpr, "seconds": 0.5}
            )
    return pd.DataFrame(rows, columns=[*COLUMNS])

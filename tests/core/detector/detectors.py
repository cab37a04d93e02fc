"""A small detector and a table to fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from anoonly_core.baselines import BASELINES
from anoonly_core.detector.estimator import AnoOnlyDetector


def detector(baseline: str = "DeepSAD", **settings: Any) -> AnoOnlyDetector:
    lambda_n = 0.0 if BASELINES[baseline].has("lambda_n") else None
    return AnoOnlyDetector(
        baseline, **{"lambda_n": lambda_n, "epochs": 1, "batch_size": 8, "random_state": 0, **settings}
    )


def table(rows: int = 60, columns: int = 4, labels: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows around 0, with labeled and as many unlabeled anomalies around 3."""
    drawn = np.random.default_rng(seed)
    X = drawn.normal(size=(rows, columns))
    X[: 2 * labels] += 3
    y = np.zeros(rows, dtype=np.int64)
    y[:labels] = 1
    return X, y


def is_one_sentence(error: BaseException) -> bool:
    text = str(error)
    return text.isprintable() and text.endswith((".", "?")) and len(text) < 300

"""Made tables and their splits."""

from __future__ import annotations

from typing import Any

import numpy as np

from anoonly_core.config import make_config
from anoonly_core.data.dataset import Dataset, Provenance, make_dataset
from anoonly_core.data.split import Split, make_split

PROTOCOLS = ("leak_free", "published")


def table(X: np.ndarray, y: np.ndarray) -> Dataset:
    return make_dataset("made", np.asarray(X), np.asarray(y), Provenance("made here", "none"))


def distinct(rows: int, anomalies: int) -> Dataset:
    """Make distinct rows, of which some are anomalies."""
    X = np.random.default_rng(rows).normal(size=(rows, 4))
    return table(X, np.random.default_rng(1).permutation(np.arange(rows) < anomalies).astype(int))


def split(dataset: Dataset, **values: Any) -> Split:
    return make_split(dataset, make_config(**values))


def labeled_rows(result: Split) -> set[int]:
    return set(result.train[result.labeled].tolist())


def pool_rows(result: Split, dataset: Dataset, label: int) -> set[int]:
    pool = result.train[~result.labeled]
    return set(pool[dataset.y[pool] == label].tolist())

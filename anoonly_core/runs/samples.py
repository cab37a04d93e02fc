"""Sample the rows of a run whose features are drawn in projections."""

from __future__ import annotations

import numpy as np

from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split
from anoonly_core.models import TrainedRuns
from anoonly_core.results.result import Role, Sample
from anoonly_core.rng import numpy_generator

__all__ = ["make_samples", "sample_rows"]

SAMPLE_ROWS = 1500


def make_samples(trained: TrainedRuns) -> list[Sample]:
    """Sample rows of each run and compute their hidden features; return one Sample per run."""
    pairs = zip(trained.configs, trained.splits, strict=True)
    sampled = [sample_rows(trained.dataset, split, config.seed) for config, split in pairs]
    hidden = trained.hidden([rows for rows, _ in sampled])
    return [
        Sample(rows, role, features, split.minimum, split.scale, split.fill)
        for (rows, role), features, split in zip(sampled, hidden, trained.splits, strict=True)
    ]


def sample_rows(dataset: Dataset, split: Split, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sample at most 1500 distinct rows among the test rows and the labeled anomalies of a split.

    Labeled anomalies and test anomalies fill up to a third each, normal test rows the rest. Runs
    with equal split and seed get the same rows.

    Returns
    -------
    rows
        Row indices in the data set, int64 [m]: normal test rows, test anomalies, labeled anomalies.
    role
        Role of each row, int8 [m].
    """
    labeled = np.unique(split.train[split.labeled])
    anomalies = np.unique(split.test[dataset.y[split.test] == 1])
    normals = np.unique(split.test[dataset.y[split.test] == 0])
    generator = numpy_generator(seed, "sample")
    labeled, anomalies = _draw(generator, labeled, SAMPLE_ROWS // 3), _draw(generator, anomalies, SAMPLE_ROWS // 3)
    normals = _draw(generator, normals, SAMPLE_ROWS - len(labeled) - len(anomalies))
    role = np.repeat(
        np.array([Role.TEST_NORMAL, Role.TEST_ANOMALY, Role.LABELED_ANOMALY], dtype=np.int8),
        [len(normals), len(anomalies), len(labeled)],
    )
    return np.concatenate([normals, anomalies, labeled]), role


def _draw(generator: np.random.Generator, rows: np.ndarray, count: int) -> np.ndarray:
    """Draw `count` of these rows without replacement, in ascending order; return all rows if there are no more."""
    return rows if len(rows) <= count else np.sort(generator.choice(rows, count, replace=False))

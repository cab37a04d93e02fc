"""Short streams, and made results for tests of figures and sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split
from anoonly_core.drift.config import DriftConfig, make_drift_config
from anoonly_core.drift.result import ABSORPTION_FIGURES, Absorption, DriftResult
from anoonly_core.drift.run import trained_networks
from anoonly_core.drift.scoring import scaled_batches
from anoonly_core.drift.stream import Stream, make_stream
from anoonly_core.drift.ways import WAYS
from anoonly_core.training.stack import Stack

RUNNING, BATCH, MIXED, MOVING, GUARDED, RETRAINED = range(len(WAYS))


def short(seed: int = 0, run: dict[str, Any] | None = None, **settings: Any) -> DriftConfig:
    """Return a config of 6 batches of 32 rows, whose network trains for 3 epochs."""
    config = make_config(**{"epochs": 3, "seed": seed, **(run or {})})
    return make_drift_config(config, **{"batches": 6, "start": 3, "rows": 32, **settings})


def networks(*configs: DriftConfig) -> tuple[Stack, list[Stream], Tensor]:
    """Train the networks of configs as one stack; return it with their streams and scaled rows."""
    dataset = load_cached(configs[0].run.dataset)
    splits = [make_split(dataset, config.run) for config in configs]
    [(_, stack)] = trained_networks([config.run for config in configs], dataset, splits)
    streams = [make_stream(dataset, *each) for each in zip(splits, configs, strict=True)]
    return stack, streams, scaled_batches(stack, streams)


def made_result(scores: np.ndarray, anomalous: np.ndarray, promised: float = 0.5) -> DriftResult:
    """Return a result with given scores [W, B, n] and mask of anomalies [B, n]; all other arrays are plain."""
    ways, batches, rows = scores.shape
    return DriftResult(
        rows=np.arange(batches * rows).reshape(batches, rows),
        anomalous=anomalous,
        intensity=np.zeros(batches, dtype=np.float32),
        scores=scores.astype(np.float32),
        promised=np.full(ways, promised, dtype=np.float32),
        recalibrated=np.full((ways, batches), 2 * promised, dtype=np.float32),
        path=np.zeros((ways, batches), dtype=np.float32),
        plane=np.zeros((*scores.shape, 2), dtype=np.float32),
        training_plane=np.zeros((5, 2), dtype=np.float32),
        distinct_rows=np.array([batches * rows]),
    )


def made_absorption(areas: dict[str, list[float]], shares: list[float]) -> Absorption:
    """Return an absorption with AUCROC by way and share; other ways have that of running statistics."""
    figures = np.zeros((len(shares), len(ABSORPTION_FIGURES), len(WAYS)), dtype=np.float32)
    for index, way in enumerate(WAYS):
        figures[:, 0, index] = areas.get(way, areas["running"])
    return Absorption(np.array(shares), figures, np.zeros((len(shares), len(WAYS)), dtype=np.float32))

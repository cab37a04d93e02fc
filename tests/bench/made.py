"""Synthetic tables and timing of trainings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from anoonly_core.config import make_config
from anoonly_core.data.dataset import Dataset, Provenance, make_dataset
from anoonly_core.data.split import Split
from anoonly_core.training.loop import train
from anoonly_core.training.stack import Stack

REPEATS = 2


@dataclass(frozen=True)
class Table:
    """Rows in 0 … 1, 5 % of them anomalies, a tenth of those labeled."""

    dataset: Dataset
    split: Split

    @property
    def labels(self) -> np.ndarray:
        """1 for labeled anomalies."""
        return self.split.labeled.astype(np.int64)


def made(rows: int, columns: int) -> Table:
    """Make a table of this size; all rows are training rows."""
    random = np.random.default_rng(0)
    y = (random.random(rows) < 0.05).astype(np.int64)
    dataset = make_dataset("bench", random.random((rows, columns)), y, Provenance("made here", ""))
    minimum, scale = np.zeros(columns, np.float32), np.ones(columns, np.float32)
    labeled = y.astype(bool) & (random.random(rows) < 0.1)
    return Table(dataset, Split(np.arange(rows), labeled, np.arange(1), minimum, scale, {}))


def training(table: Table, runs: int, **settings: Any) -> Callable[[], None]:
    """A whole training of a stack, its first weights and batches included, a pretraining left out."""
    configs = [make_config(seed=seed, **settings) for seed in range(runs)]

    def once() -> None:
        for _ in train(Stack(table.dataset, configs, [table.split] * runs)):
            pass

    return once


def timed(function: Callable[..., None], *arguments: Any) -> float:
    """Wall-clock seconds of one call."""
    begun = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - begun

"""What a trained stack of runs can do, whatever trained it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split

__all__ = ["TrainedRuns"]


class TrainedRuns(Protocol):
    """R runs on one data set that can score rows of it and show what they see in them."""

    @property
    def dataset(self) -> Dataset:
        """What its runs were trained on."""

    @property
    def configs(self) -> tuple[RunConfig, ...]:
        """One a run."""

    @property
    def splits(self) -> tuple[Split, ...]:
        """One a run."""

    def scores(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Each run's anomaly scores of its own rows of the data set, float32 [len(rows[r])]."""

    def hidden(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Each run's features of its own rows, float32 [len(rows[r]), features]."""

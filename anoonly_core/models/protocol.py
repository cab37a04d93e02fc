"""Interface of a trained stack of runs, independent of how it was trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split

__all__ = ["TrainedRuns"]


class TrainedRuns(Protocol):
    """R trained runs on one data set that can score its rows and return their features."""

    @property
    def dataset(self) -> Dataset:
        """Data set of the runs."""

    @property
    def configs(self) -> tuple[RunConfig, ...]:
        """Configuration of each run."""

    @property
    def splits(self) -> tuple[Split, ...]:
        """Split of each run."""

    def scores(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return each run's anomaly scores, float32 [n_r].

        rows: for each run r, positions in the data set, int64 [n_r].
        """

    def hidden(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return each run's hidden features, which the last layer reads, float32 [n_r, features].

        rows: for each run r, positions in the data set, int64 [n_r].
        """

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
    """Interface of R trained runs on one data set, which score its rows and return their features."""

    @property
    def dataset(self) -> Dataset:
        """Data set of the runs."""

    @property
    def configs(self) -> tuple[RunConfig, ...]:
        """Settings of each run."""

    @property
    def splits(self) -> tuple[Split, ...]:
        """Split of each run."""

    def scores(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the anomaly scores of rows by each run, float32 [n_r]; higher is more anomalous.

        Parameters
        ----------
        rows
            For each run r, row indices in the data set, int64 [n_r].
        """

    def hidden(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the hidden features of rows by each run, the inputs of its last layer, float32 [n_r, features].

        Parameters
        ----------
        rows
            For each run r, row indices in the data set, int64 [n_r].
        """

"""XGBOD (Zhao and Hryniewicki, IJCNN 2018) from PyOD; it uses neither the training loop nor torch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split
from anoonly_core.models.implementation import import_implementation
from anoonly_core.progress import Report
from anoonly_core.rng import derived_seed

__all__ = ["XGBOD"]


class XGBOD:
    """R XGBOD detectors of PyOD with its settings, fitted at construction; implements `TrainedRuns`.

    Parameters
    ----------
    dataset
        Data set of all runs.
    configs, splits
        One per run.
    report
        Called after each fit with the fits done and all fits; an exception stops the fitting.

    Raises
    ------
    ComparatorMissing
        If PyOD or XGBoost is not installed.
    """

    def __init__(
        self,
        dataset: Dataset,
        configs: Sequence[RunConfig],
        splits: Sequence[Split],
        report: Report = lambda done, total: None,
    ) -> None:
        detector_class = import_implementation("XGBOD")
        self.dataset = dataset
        self.configs = tuple(configs)
        self.splits = tuple(splits)
        self._detectors = []
        for config, split in zip(configs, splits, strict=True):
            seed = derived_seed(config.seed, "weights") % 2**31
            detector = detector_class(random_state=seed, n_jobs=1)
            with warnings.catch_warnings():  # PyOD warns about calls that it makes itself
                warnings.filterwarnings("ignore", "y should not be presented", UserWarning)
                warnings.filterwarnings("ignore", "(?s).*silent.*", UserWarning)
                detector.fit(split.scaled(dataset, split.train), split.labeled.astype(np.int64))
            self._detectors.append(detector)
            report(len(self._detectors), len(self.configs))

    def scores(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the probability of an anomaly of rows by each run, float32 [n_r].

        Parameters
        ----------
        rows
            For each run r, row indices in the data set, int64 [n_r].
        """
        pairs = zip(self._detectors, self._inputs(rows), strict=True)
        return [detector.decision_function(x).astype(np.float32) for detector, x in pairs]

    def score_scaled(self, run: int, x: np.ndarray) -> np.ndarray:
        """Return the probability of an anomaly of scaled rows x, float32 [n, columns], by one run, float64 [n]."""
        return np.asarray(self._detectors[run].decision_function(x), dtype=np.float32).astype(np.float64)

    def hidden(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the scores of rows by the unsupervised detectors of each run, float32 [n_r, detectors].

        They are standardized over the given rows.

        Parameters
        ----------
        rows
            For each run r, row indices in the data set, int64 [n_r].
        """
        pairs = zip(self._detectors, self._inputs(rows), strict=True)
        return [_standardized(detector._generate_new_features(x)) for detector, x in pairs]

    def _inputs(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [split.scaled(self.dataset, positions) for split, positions in zip(self.splits, rows, strict=True)]


def _standardized(scores: np.ndarray) -> np.ndarray:
    deviation = scores.std(axis=0)
    standard: np.ndarray = ((scores - scores.mean(axis=0)) / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    return standard

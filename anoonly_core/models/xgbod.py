"""XGBOD (Zhao and Hryniewicki, IJCNN 2018): PyOD's, which needs no loop of ours, nor torch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split
from anoonly_core.errors import ComparatorMissing
from anoonly_core.rng import derived_seed

__all__ = ["XGBOD"]


class XGBOD:
    """Each run's detector with PyOD's settings; building it trains it.

    What it sees in a row, its `hidden` features, are the scores of its unsupervised detectors, in
    standard deviations over the rows asked for. Raises ComparatorMissing where PyOD is not there.
    """

    def __init__(self, dataset: Dataset, configs: Sequence[RunConfig], splits: Sequence[Split]) -> None:
        detector = _pyod()
        self.dataset = dataset
        self.configs = tuple(configs)
        self.splits = tuple(splits)
        self._fitted = []
        for config, split in zip(configs, splits, strict=True):
            seed = derived_seed(config.seed, "weights") % 2**31
            own = detector(random_state=seed, n_jobs=1)
            with warnings.catch_warnings():  # PyOD's parts complain about each other
                warnings.filterwarnings("ignore", "y should not be presented", UserWarning)
                warnings.filterwarnings("ignore", "(?s).*silent.*", UserWarning)
                own.fit(split.scaled(dataset, split.train), split.labeled.astype(np.int64))
            self._fitted.append(own)

    def scores(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Each run's probability of being labeled, for its own rows, float32 [len(rows[r])]."""
        found = (own.decision_function(x) for own, x in zip(self._fitted, self._inputs(rows), strict=True))
        return [scores.astype(np.float32) for scores in found]

    def hidden(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Each run's unsupervised scores of its own rows, standardized, float32 [len(rows[r]), detectors]."""
        found = (own._generate_new_features(x) for own, x in zip(self._fitted, self._inputs(rows), strict=True))
        return [_standardized(scores) for scores in found]

    def _inputs(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [split.scaled(self.dataset, own) for split, own in zip(self.splits, rows, strict=True)]


def _standardized(scores: np.ndarray) -> np.ndarray:
    deviation = scores.std(axis=0)
    standard: np.ndarray = ((scores - scores.mean(axis=0)) / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    return standard


def _pyod() -> Any:
    try:
        from pyod.models.xgbod import XGBOD as detector
    except ImportError as error:
        raise ComparatorMissing(
            "XGBOD needs PyOD and XGBoost, which are optional: pip install -r requirements-comparators.txt."
        ) from error
    return detector

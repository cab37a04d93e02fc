"""Explanation of rows by the system of a run, which is trained again and kept for the next rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.data.bundled import feature_names
from anoonly_core.data.catalogue import load_cached, resolve
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split, make_split, medians
from anoonly_core.explanation.columns import SourceColumns
from anoonly_core.explanation.deletion import DRAWS, Scores
from anoonly_core.explanation.explain import explain
from anoonly_core.explanation.result import Explanation
from anoonly_core.lru import LRU
from anoonly_core.models import OTHERS, Head
from anoonly_core.progress import Report
from anoonly_core.results.keys import run_key
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = ["columns_of", "explain_run"]

CACHED = 4  # systems of the last runs in this process


@dataclass(frozen=True, eq=False)
class _Trained:
    """The trained system of one run: its model as `explain` takes it, its data set and its split."""

    model: Head | Scores
    dataset: Dataset
    split: Split


_trained: LRU[_Trained] = LRU(CACHED)


def explain_run(
    config: RunConfig, rows: Sequence[int], report: Report = lambda done, total: None, draws: int = DRAWS
) -> Explanation:
    """Train the system of a run on the CPU, and explain the scores of rows of its data set.

    The system of a run is kept in this process, so that further rows of the last four runs need no training.

    Parameters
    ----------
    config : RunConfig
        Settings of the run.
    rows : sequence of int
        Row indices in the data set, at least one.
    report : callable
        Called with (epochs done, all epochs) while the system trains, then with (rows done, all rows); an exception
        stops either.
    draws : int
        Random orders of the deletion test; 0 leaves the test out.

    Returns
    -------
    Explanation
        Explanation of these rows, with the scores of the run on the CPU.

    Raises
    ------
    AnoOnlyError
        If loading, splitting or training fails, or the package of the system is missing.
    """
    key = run_key(config)
    trained = _trained.get(key)
    if trained is None:
        trained = _train(config, report)
        _trained.put(key, trained)
    dataset, split = trained.dataset, trained.split
    median = medians(dataset.X, split.train[~split.labeled])
    scaling = split.minimum, split.scale
    X = split.filled(dataset, np.asarray(rows))
    return explain(trained.model, X, median, scaling, columns_of(config.dataset, dataset), draws, report)


def columns_of(name: str, dataset: Dataset) -> SourceColumns:
    """Return the columns of a data set, given by its name in the catalogue: those of its table, pixels, or features."""
    preprocessing = resolve(name).preprocessing
    if preprocessing is not None:
        return SourceColumns.of_table(preprocessing.columns)
    if dataset.image_shape is not None:
        return SourceColumns.of_features([f"pixel {row}, {column}" for row, column in np.ndindex(dataset.image_shape)])
    return SourceColumns.of_features(feature_names(name) or [f"feature {n}" for n in range(dataset.columns)])


@default_torch_settings()
def _train(config: RunConfig, report: Report) -> _Trained:
    dataset = load_cached(config.dataset)
    split = make_split(dataset, config)
    if config.baseline in OTHERS:
        fitted = OTHERS[config.baseline](dataset, [config], [split], report)
        return _Trained(lambda x: fitted.score_scaled(0, x), dataset, split)
    stack = Stack(dataset, [config], [split])
    assert config.epochs is not None
    before = BASELINES[config.baseline].pretraining_epochs
    for epoch in pretrain(stack):
        report(epoch, before + config.epochs)
    for snapshot in train(stack):
        report(before + snapshot.epoch, before + config.epochs)
    return _Trained(stack.head.eval().requires_grad_(False), dataset, split)

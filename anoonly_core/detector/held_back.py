"""Rows that are held back from the training of a detector, and their scores, from which thresholds are computed.

A network scores the rows that it was trained on as more normal than new rows. A quantile of its training scores
would therefore flag too many new rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split, medians, min_max
from anoonly_core.decision.calibration import Calibration, FoldScores, median_and_spread
from anoonly_core.detector.network import DetectorNetwork, train_network
from anoonly_core.errors import InvalidInput, TrainingDiverged
from anoonly_core.progress import Report
from anoonly_core.rng import numpy_generator
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack, shape_key
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = ["Fold", "make_folds", "score_folds", "train_without"]

FOLDS = 3
MAX_HELD_BACK = 10_000  # pool rows in a fold; larger pools hold back one fold of this size
MIN_LABELED = 6  # distinct labeled anomalies, of which a third can be held back


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows that are held back from a training, and the split without them.

    Attributes
    ----------
    split : Split
        The other rows; scaling as for the whole split.
    held_back : int64 [n]
        Row indices in the data set of the held-back pool rows.
    anomalies : int64 [k]
        Row indices in the data set of the held-back labeled anomalies.
    normal : bool [n]
        True for rows of `held_back` that are known to be normal.
    """

    split: Split
    held_back: np.ndarray
    anomalies: np.ndarray
    normal: np.ndarray

    @property
    def is_first(self) -> np.ndarray:
        """True for the first of several equal indices in `held_back`, bool [n]; a resampled row is held back once."""
        is_first = np.zeros(len(self.held_back), dtype=bool)
        is_first[np.unique(self.held_back, return_index=True)[1]] = True
        return is_first


def make_folds(
    dataset: Dataset,
    split: Split,
    seed: int,
    holds_labels: bool = False,
    normal: np.ndarray | None = None,
) -> list[Fold]:
    """Cut the pool of a split into three folds; return a Fold per fold, with that part of the pool held back.

    Of a pool of more than 30,000 distinct rows, hold back one fold of about 10,000. Equal rows stay in one fold.
    The cut depends on `seed`, that of the run.

    Parameters
    ----------
    dataset, split : Dataset, Split
        Rows of the training.
    seed : int
        Seed of the run.
    holds_labels : bool
        True to hold back a third of the labeled anomalies in each fold, too, if `MIN_LABELED` of them are distinct.
    normal : bool [len(split.train)], optional
        Training rows that are known to be normal.

    Returns
    -------
    list of Fold
        Empty if the pool has fewer than three distinct rows.
    """
    pool, labeled = np.flatnonzero(~split.labeled), np.flatnonzero(split.labeled)
    distinct, group = np.unique(dataset.identical[split.train[pool]], return_inverse=True)
    if len(distinct) < FOLDS:
        return []
    is_large = len(distinct) > FOLDS * MAX_HELD_BACK
    part = _parts(len(distinct), -(-len(distinct) // MAX_HELD_BACK) if is_large else FOLDS, seed, "threshold folds")
    label_part = np.full(len(labeled), FOLDS)
    if holds_labels:
        distinct, label_group = np.unique(dataset.identical[split.train[labeled]], return_inverse=True)
        if len(distinct) >= MIN_LABELED:
            label_part = _parts(len(distinct), FOLDS, seed, "threshold labels")[label_group]
    is_normal = np.zeros(len(split.train), dtype=bool) if normal is None else normal
    folds = []
    for number in range(1 if is_large else FOLDS):
        held_back, anomalies = pool[part[group] == number], labeled[label_part == number]
        keep = np.ones(len(split.train), dtype=bool)
        keep[held_back] = keep[anomalies] = False
        folds.append(Fold(split.with_rows(keep), split.train[held_back], split.train[anomalies], is_normal[held_back]))
    return folds


def _parts(count: int, parts: int, seed: int, stream: str) -> np.ndarray:
    """Divide `count` things into parts of about equal size at random; return the part of each, int64 [count]."""
    part = np.empty(count, dtype=np.int64)
    part[numpy_generator(seed, stream).permutation(count)] = np.arange(count) % parts
    return part


@default_torch_settings()
def score_folds(
    dataset: Dataset,
    folds: Sequence[Fold],
    config: RunConfig,
    device: str = "cpu",
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[FoldScores]:
    """Train a network per fold without its held-back rows, and score these; folds of equal shapes train as one stack.

    Parameters
    ----------
    dataset : Dataset
        Rows of the folds.
    folds : sequence of Fold
        As `make_folds` returns them.
    config : RunConfig
        Settings of the run.
    device : {"cpu", "cuda"}
        Device for training.
    report : callable
        Called after each epoch with (epochs done, all epochs), pretraining included; an exception stops training.

    Returns
    -------
    list of FoldScores
        Without folds that have a score that is not finite, or an interquartile range of 0.
    """
    stacks: dict[object, list[Fold]] = {}
    for fold in folds:
        stacks.setdefault(shape_key(config, fold.split), []).append(fold)
    scored: list[FoldScores] = []
    for number, together in enumerate(stacks.values()):
        scored += _score_stack(dataset, together, config, device, _part(report, number, len(stacks)))
    return scored


def _part(report: Callable[[int, int], None], number: int, parts: int) -> Callable[[int, int], None]:
    """Return a progress callback for part `number`, from 0, of `parts` equally long parts of the work.

    The callback reports to `report` the progress of the whole work.
    """
    return lambda done, total: report(number * total + done, parts * total)


def _score_stack(
    dataset: Dataset, folds: Sequence[Fold], config: RunConfig, device: str, report: Callable[[int, int], None]
) -> list[FoldScores]:
    """Train one network per fold, all in one stack, and return the scores of each usable fold; see `score_folds`."""
    stack = Stack(dataset, [config] * len(folds), [fold.split for fold in folds], device)
    before = stack.pretraining.epochs if stack.pretraining else 0
    assert config.epochs is not None
    for epoch in pretrain(stack, use_cache=False):
        report(epoch, before + config.epochs)
    for snapshot in train(stack):
        report(before + snapshot.epoch, before + config.epochs)
    trained = stack.scores([fold.split.train[~fold.split.labeled] for fold in folds])
    new = stack.scores([np.concatenate([fold.held_back, fold.anomalies]) for fold in folds])
    scored = []
    for fold, of_trained, of_new in zip(folds, trained, new, strict=True):
        if np.isfinite(of_trained).all() and np.isfinite(of_new).all():
            median, spread = median_and_spread(of_trained)
            if spread > 0:
                count = len(fold.held_back)
                scored.append(FoldScores(of_new[:count], of_new[count:], fold.normal, median, spread, fold.is_first))
    return scored


def train_without(
    dataset: Dataset,
    split: Split,
    folds: Sequence[Fold],
    config: RunConfig,
    device: str = "cpu",
    report: Report = lambda done, total: None,
    use_cache: bool = True,
) -> tuple[DetectorNetwork, Calibration, np.ndarray | None]:
    """Train one network without the rows of the first fold, and score these with it: the split of conformal p-values.

    Scaling and medians come from the other rows, so that the held-back rows are to the network as new ones.

    Parameters
    ----------
    dataset, split : Dataset, Split
        Rows of the training, held-back ones included.
    folds : sequence of Fold
        Those of `make_folds`; only the first is used.
    config, device, report, use_cache
        As in `train_network`.

    Returns
    -------
    network : DetectorNetwork
        The network; its `training_scores` are those of all rows of `split.train`.
    calibration : Calibration
        Scores of the pool rows it was trained on, and of the held-back rows.
    fill : [columns] or None
        Values that replace missing ones, see `Split`.

    Raises
    ------
    InvalidInput
        If the pool has fewer than three distinct rows.
    TrainingDiverged
        If a score is not a finite number.
    """
    if not folds:
        raise InvalidInput("hold_back='split' needs three distinct unlabeled rows: give more, or take 'folds'.")
    fold = folds[0]
    rows = fold.split.train
    minimum, scale = min_max(dataset.X, rows)
    fill = None if split.fill is None else medians(dataset.X, rows)
    kept = replace(fold.split, minimum=minimum, scale=scale, fill=fill)
    network = train_network(dataset, kept, config, device, report, use_cache)

    of_all = network.scores(kept.filled(dataset, split.train))
    of_new = network.scores(kept.filled(dataset, np.concatenate([fold.held_back, fold.anomalies])))
    if not (np.isfinite(of_all).all() and np.isfinite(of_new).all()):
        raise TrainingDiverged
    pool = network.training_scores[~kept.labeled]
    median, spread = median_and_spread(pool)
    count = len(fold.held_back)
    held_back = FoldScores(of_new[:count], of_new[count:], fold.normal, median, spread, fold.is_first)
    return replace(network, training_scores=of_all), Calibration(pool, (held_back,) if spread > 0 else ()), fill

"""Threshold of a detector from held-back rows, so that new rows exceed it as often as promised.

A network scores the rows that it was trained on as more normal than new rows. A quantile of its training scores
therefore flags too many new rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split
from anoonly_core.rng import numpy_generator
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack, shape_key
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = ["Fold", "held_back_threshold", "make_folds"]

FOLDS = 3
MAX_HELD_BACK = 10_000  # pool rows in a fold; larger pools hold back one fold of this size


@dataclass(frozen=True, eq=False)
class Fold:
    """Pool rows that are held back from a training, and the split without them.

    Attributes
    ----------
    split : Split
        All labeled anomalies and the rest of the pool; scaling as for the whole split.
    held_back : int64 [n]
        Row indices in the data set of the held-back rows.
    """

    split: Split
    held_back: np.ndarray


def make_folds(dataset: Dataset, split: Split, seed: int) -> list[Fold]:
    """Cut the pool of a split into three folds; return a Fold per fold, with that part of the pool held back.

    Of a pool of more than 30,000 distinct rows, hold back one fold of about 10,000. Equal rows stay in one fold.
    Return [] if the pool has fewer than three distinct rows. The cut depends on `seed`, that of the run.
    """
    pool = np.flatnonzero(~split.labeled)
    distinct, group = np.unique(dataset.identical[split.train[pool]], return_inverse=True)
    if len(distinct) < FOLDS:
        return []
    is_large = len(distinct) > FOLDS * MAX_HELD_BACK
    parts = -(-len(distinct) // MAX_HELD_BACK) if is_large else FOLDS
    part = np.empty(len(distinct), dtype=np.int64)
    part[numpy_generator(seed, "threshold folds").permutation(len(distinct))] = np.arange(len(distinct)) % parts
    folds = []
    for number in range(1 if is_large else FOLDS):
        held_back = pool[part[group] == number]
        keep = np.ones(len(split.train), dtype=bool)
        keep[held_back] = False
        without = replace(split, train=split.train[keep], labeled=split.labeled[keep], counts={})
        folds.append(Fold(without, split.train[held_back]))
    return folds


@default_torch_settings()
def held_back_threshold(
    pool_scores: np.ndarray,
    dataset: Dataset,
    folds: Sequence[Fold],
    config: RunConfig,
    share: float,
    device: str = "cpu",
    report: Callable[[int, int], None] = lambda done, total: None,
) -> float:
    """Estimate the score that a share of new rows exceeds, by training further networks without held-back rows.

    For each fold, a network is trained without its held-back rows. The (1 - share) quantile of the scores of the
    held-back rows is expressed as a height: interquartile ranges above the median, both of the scores of the pool rows
    that were trained on. The median height over the folds is turned into a score on the scale of `pool_scores`.
    Heights are needed because the scale of scores differs between networks.

    Parameters
    ----------
    pool_scores : float64 [n]
        Scores of the pool rows by the network that was trained on all of them.
    dataset : Dataset
        Rows of the folds.
    folds : sequence of Fold
        As `make_folds` returns them.
    config : RunConfig
        Settings of the run.
    share : float
        Share of new rows above the threshold, 0 to 1.
    device : {"cpu", "cuda"}
        Device for training.
    report : callable
        Called after each epoch with (epochs done, all epochs), pretraining included; an exception stops training.

    Returns
    -------
    float
        The threshold; at least the (1 - share) quantile of `pool_scores`, and equal to it if no fold can be used.
    """
    stacks: dict[object, list[Fold]] = {}
    for fold in folds:
        stacks.setdefault(shape_key(config, fold.split), []).append(fold)
    heights: list[float] = []
    for number, together in enumerate(stacks.values()):
        heights += _heights(dataset, together, config, share, device, _part(report, number, len(stacks)))
    least = float(np.quantile(pool_scores, 1 - share))
    if not heights:
        return least
    median, spread = _median_and_spread(pool_scores)
    return max(least, median + float(np.median(heights)) * spread)


def _median_and_spread(scores: np.ndarray) -> tuple[float, float]:
    """Return the median and the interquartile range of scores [n]."""
    first, median, third = np.quantile(scores.astype(np.float64), [0.25, 0.5, 0.75])
    return float(median), float(third - first)


def _part(report: Callable[[int, int], None], number: int, parts: int) -> Callable[[int, int], None]:
    """Return a progress callback for part `number`, from 0, of `parts` equally long parts of the work.

    The callback reports to `report` the progress of the whole work.
    """
    return lambda done, total: report(number * total + done, parts * total)


def _heights(
    dataset: Dataset,
    folds: Sequence[Fold],
    config: RunConfig,
    share: float,
    device: str,
    report: Callable[[int, int], None],
) -> list[float]:
    """Train one network per fold, all in one stack, and return the height of the quantile for each usable fold.

    See `held_back_threshold`. A fold is left out if a score is not finite or the interquartile range is 0.
    """
    stack = Stack(dataset, [config] * len(folds), [fold.split for fold in folds], device)
    before = stack.pretraining.epochs if stack.pretraining else 0
    assert config.epochs is not None
    for epoch in pretrain(stack, use_cache=False):
        report(epoch, before + config.epochs)
    for snapshot in train(stack):
        report(before + snapshot.epoch, before + config.epochs)
    trained = stack.scores([fold.split.train[~fold.split.labeled] for fold in folds])
    new = stack.scores([fold.held_back for fold in folds])
    heights = []
    for of_trained, of_new in zip(trained, new, strict=True):
        if np.isfinite(of_trained).all() and np.isfinite(of_new).all():
            median, spread = _median_and_spread(of_trained)
            if spread > 0:
                heights.append((float(np.quantile(of_new, 1 - share)) - median) / spread)
    return heights

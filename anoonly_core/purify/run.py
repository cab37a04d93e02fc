"""Clean pools in two stages (LLBNAD, arXiv 2508.07441), many seeds at once.

Stage one cuts the pool into K parts and trains K fresh models, one per part. Every model scores every pool row, so
that most models that score a contaminant were not trained on it. Stage two removes the rows with the highest mean
scores and trains the final head on the rest. See docs/methods.md § 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split, make_split
from anoonly_core.errors import InvalidConfig
from anoonly_core.metrics.ranking import Metrics, metrics
from anoonly_core.progress import Report
from anoonly_core.purify.config import POOL_SCORERS, PurifyConfig
from anoonly_core.purify.keys import pool_scores_key, purify_key
from anoonly_core.purify.result import PoolScores, PurifyResult
from anoonly_core.results.store import Store
from anoonly_core.rng import derived_seed, numpy_generator
from anoonly_core.runs.train_and_score import SCORING_METHODS, TrainingTask, train_and_score

__all__ = ["compute_pool_scores", "drop_pool_rows", "partition", "pool_rows", "purify_many"]

SUSPICION, PURIFIED = "suspicion", "purified"  # kinds of store entries


@dataclass(frozen=True, eq=False)
class _Pool:
    """Split of one config, and the row indices of its pool in the data set."""

    config: PurifyConfig
    dataset: Dataset
    split: Split
    rows: np.ndarray

    @property
    def is_contaminant(self) -> np.ndarray:
        """Mask of the pool rows that are anomalies, bool [n]; all False if the data set has unlabeled rows."""
        if self.dataset.unlabeled is not None:
            return np.zeros(len(self.rows), dtype=bool)
        return np.asarray(self.dataset.y[self.rows] == 1)

    def final(self, removed: np.ndarray) -> TrainingTask:
        """Return the task that trains the final head without some pool rows and scores the test rows.

        `removed` holds indices into `rows`.
        """
        split = drop_pool_rows(self.split, self.rows[removed])
        return TrainingTask(self.dataset, self.config.run, split, self.split.test)

    def metrics(self, scores: np.ndarray) -> Metrics:
        """Compute the metrics of the test rows from their anomaly scores, float [test rows]."""
        return metrics(self.dataset.y[self.split.test], scores)


def purify_many(
    configs: Sequence[PurifyConfig], store: Store | None = None, report: Report = lambda done, total: None
) -> list[PurifyResult]:
    """Remove suspicious rows from the pool of each config, and train the final head on the remaining rows.

    Trainings of one shape share a stack.

    Parameters
    ----------
    configs : sequence of PurifyConfig
        Settings, one per pool.
    store : Store or None
        Results that it holds are not trained again; new ones are stored.
    report : callable
        Called after each epoch with (epochs done, all epochs), counted anew in the second stage. An exception stops the
        training.

    Returns
    -------
    list of PurifyResult
        In the order of the configs.

    Raises
    ------
    InvalidConfig
        If a pool has fewer distinct rows than parts.
    TrainingDiverged
        If a score is not a finite number.
    AnoOnlyError
        If loading or splitting fails.
    """
    all_scores = compute_pool_scores(configs, store, report)
    results: dict[str, PurifyResult] = {}
    missing: dict[str, tuple[_Pool, PoolScores]] = {}
    for config, pool_scores in zip(configs, all_scores, strict=True):
        key = purify_key(config)
        if store is not None and (arrays := store.try_get_arrays(key, PURIFIED)) is not None:
            results[key] = PurifyResult.from_arrays(config, pool_scores, arrays)
        else:
            missing[key] = _pool(config), pool_scores
    tasks = []
    for pool, pool_scores in missing.values():
        removed = pool_scores.rows_to_remove(pool.config.remove)
        tasks += [pool.final(removed), pool.final(_random_rows(pool, len(removed)))]
    scores = iter(train_and_score(tasks, report))
    for key, (pool, pool_scores) in missing.items():
        after, random = pool.metrics(next(scores)), pool.metrics(next(scores))
        results[key] = PurifyResult(pool.config, pool_scores, after, random)
        if store is not None:
            store.try_put_arrays(key, PURIFIED, results[key].arrays(), pool.config.canonical())
    return [results[purify_key(config)] for config in configs]


def compute_pool_scores(
    configs: Sequence[PurifyConfig], store: Store | None = None, report: Report = lambda done, total: None
) -> list[PoolScores]:
    """Score how suspicious each pool row of each config is, and train the final head without such a removal.

    The final head is trained on the whole pool, and without its contaminants. The share to remove does not matter.

    Parameters
    ----------
    configs : sequence of PurifyConfig
        Settings, one per pool.
    store : Store or None
        Results that it holds are not trained again; new ones are stored.
    report : callable
        Called after each epoch with (epochs done, all epochs). An exception stops the training.

    Returns
    -------
    list of PoolScores
        In the order of the configs.

    Raises
    ------
    InvalidConfig
        If a pool has fewer distinct rows than parts.
    TrainingDiverged
        If a score is not a finite number.
    AnoOnlyError
        If loading or splitting fails.
    """
    results: dict[str, PoolScores] = {}
    missing: dict[str, _Pool] = {}
    for config in configs:
        key = pool_scores_key(config)
        if store is not None and (arrays := store.try_get_arrays(key, SUSPICION)) is not None:
            results[key] = PoolScores.from_arrays(config, arrays)
        else:
            missing[key] = _pool(config)
    part_tasks = {key: _part_tasks(pool) for key, pool in missing.items()}
    reference_tasks = {key: _reference_tasks(pool) for key, pool in missing.items()}
    tasks = [task for by_key in (part_tasks, reference_tasks) for group in by_key.values() for task in group]
    scores = iter(train_and_score(tasks, report))
    part_scores = {key: [next(scores) for _ in group] for key, group in part_tasks.items()}
    for key, pool in missing.items():
        mean = np.stack(part_scores[key]).mean(axis=0, dtype=np.float64)
        before, *oracle = (pool.metrics(next(scores)) for _ in reference_tasks[key])
        is_contaminant = pool.is_contaminant
        results[key] = PoolScores(pool.config, pool.rows, is_contaminant, mean, before, oracle[0] if oracle else None)
        if store is not None:
            store.try_put_arrays(key, SUSPICION, results[key].arrays(), pool.config.canonical())
    return [replace(results[pool_scores_key(config)], config=config) for config in configs]


def pool_rows(split: Split) -> np.ndarray:
    """Return the distinct pool rows of a split, as indices in the data set in the order of training, int64 [n]."""
    rows = split.train[~split.labeled]
    _, first = np.unique(rows, return_index=True)
    return np.asarray(rows[np.sort(first)])


def partition(identical: np.ndarray, parts: int, seed: int) -> np.ndarray:
    """Assign each pool row to one of `parts` parts at random; equal rows share a part.

    Parameters
    ----------
    identical : int [n]
        Group of each row; rows of one group are copies and share a part.
    parts : int
        Number of parts.
    seed : int
        Seed of the run; the draw has its own random stream.

    Returns
    -------
    int64 [n]
        Part of each row, 0 to parts - 1. The numbers of groups per part differ by one at most.

    Raises
    ------
    InvalidConfig
        If there are fewer groups than parts.
    """
    _, group = np.unique(identical, return_inverse=True)
    groups = int(group.max()) + 1
    if groups < parts:
        raise InvalidConfig(f"The pool's distinct rows are too few for {parts} parts, only {groups}: take fewer parts.")
    part = np.empty(groups, dtype=np.int64)
    part[numpy_generator(seed, "purify parts").permutation(groups)] = np.arange(groups) % parts
    return part[group]


def drop_pool_rows(split: Split, rows: np.ndarray) -> Split:
    """Return a copy of a split whose pool lacks some rows, given as indices in the data set; `counts` is empty.

    Scaling, labeled anomalies and test rows stay the same.
    """
    keep = split.labeled | ~np.isin(split.train, rows)
    return split.with_rows(keep)


def _pool(config: PurifyConfig) -> _Pool:
    dataset = load_cached(config.run.dataset)
    split = make_split(dataset, config.run)
    return _Pool(config, dataset, split, pool_rows(split))


def _part_tasks(pool: _Pool) -> list[TrainingTask]:
    """Return the K training tasks of the first stage: each trains on one part of the pool and scores all pool rows.

    Each has its own random numbers for weights and batches.
    """
    config, scorer = pool.config, POOL_SCORERS[pool.config.scorer]
    system = scorer.system(config.run)
    part = partition(pool.dataset.identical[pool.rows], config.parts, config.run.seed)
    tasks = []
    for number in range(config.parts):
        split = drop_pool_rows(pool.split, pool.rows[part != number])
        if not scorer.sees_labels:
            split = split.with_rows(~split.labeled)
        seed = derived_seed(config.run.seed, f"purify part {number}") % 2**31
        tasks.append(
            TrainingTask(pool.dataset, system.with_(seed=seed), split, pool.rows, SCORING_METHODS[config.scorer])
        )
    return tasks


def _reference_tasks(pool: _Pool) -> list[TrainingTask]:
    """Return the tasks of the final head on the whole pool ("before") and without its contaminants ("oracle").

    The second is left out if the pool has no contaminants or nothing else.
    """
    contaminants = np.flatnonzero(pool.is_contaminant)
    removed = [np.zeros(0, dtype=np.int64)]
    if 0 < len(contaminants) < len(pool.rows):
        removed.append(contaminants)
    return [pool.final(rows) for rows in removed]


def _random_rows(pool: _Pool, count: int) -> np.ndarray:
    """Draw `count` indices into the pool rows; a smaller draw is the start of a larger one."""
    return numpy_generator(pool.config.run.seed, "purify random").permutation(len(pool.rows))[:count]

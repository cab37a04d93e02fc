"""Clean a pool in two stages (LLBNAD, arXiv 2508.07441), many seeds at once.

First the pool is cut into K parts; K fresh models, each trained on one part, score every row of it,
so that a contaminant is judged by models that have not seen it. Then the final head trains on what
is left without the most suspicious rows.
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

__all__ = ["compute_pool_scores", "partition", "pool_rows", "purify_many", "without"]

SUSPICION, PURIFIED = "suspicion", "purified"  # the store's kinds


@dataclass(frozen=True, eq=False)
class _Pool:
    """A seed's rows: its split, and the pool's rows in it."""

    config: PurifyConfig
    dataset: Dataset
    split: Split
    rows: np.ndarray

    @property
    def is_contaminant(self) -> np.ndarray:
        """Which of its rows are anomalies, bool [n]: none where rows lack labels, for then nobody knows them all."""
        if self.dataset.unlabeled is not None:
            return np.zeros(len(self.rows), dtype=bool)
        return np.asarray(self.dataset.y[self.rows] == 1)

    def final(self, taken: np.ndarray) -> TrainingTask:
        """The final head without the rows at these places of the pool, on the same test rows."""
        split = without(self.split, self.rows[taken])
        return TrainingTask(self.dataset, self.config.run, split, self.split.test)

    def metrics(self, scores: np.ndarray) -> Metrics:
        """Of the test rows."""
        return metrics(self.dataset.y[self.split.test], scores)


def purify_many(
    configs: Sequence[PurifyConfig], store: Store | None = None, report: Report = lambda done, total: None
) -> list[PurifyResult]:
    """Clean each config's pool and train its final head; both stages of all configs in as few stacks as may be.

    What the store has is not trained again. report: called after every epoch with the epochs done and
    all of them, once for each stage; what it raises stops the training. Raises InvalidConfig where the
    pool has fewer distinct rows than parts, TrainingDiverged, and what loading and splitting raise.
    """
    suspicions = compute_pool_scores(configs, store, report)
    found: dict[str, PurifyResult] = {}
    missing: dict[str, tuple[_Pool, PoolScores]] = {}
    for config, suspicion in zip(configs, suspicions, strict=True):
        key = purify_key(config)
        if store is not None and (arrays := store.get_arrays(key, PURIFIED)) is not None:
            found[key] = PurifyResult.from_arrays(config, suspicion, arrays)
        else:
            missing[key] = _pool(config), suspicion
    trainings = []
    for pool, suspicion in missing.values():
        taken = suspicion.rows_to_remove(pool.config.remove)
        trainings += [pool.final(taken), pool.final(_blindly(pool, len(taken)))]
    scores = iter(train_and_score(trainings, report))
    for key, (pool, suspicion) in missing.items():
        after, random = pool.metrics(next(scores)), pool.metrics(next(scores))
        found[key] = PurifyResult(pool.config, suspicion, after, random)
        if store is not None:
            store.try_put_arrays(key, PURIFIED, found[key].arrays(), pool.config.canonical())
    return [found[purify_key(config)] for config in configs]


def compute_pool_scores(
    configs: Sequence[PurifyConfig], store: Store | None = None, report: Report = lambda done, total: None
) -> list[PoolScores]:
    """The first stage of each config, whatever it removes: S of the pool's rows, and the two runs that need no S.

    store, report and errors as in `purify_many`.
    """
    found: dict[str, PoolScores] = {}
    missing: dict[str, _Pool] = {}
    for config in configs:
        key = pool_scores_key(config)
        if store is not None and (arrays := store.get_arrays(key, SUSPICION)) is not None:
            found[key] = PoolScores.from_arrays(config, arrays)
        else:
            missing[key] = _pool(config)
    models = {key: _models(pool) for key, pool in missing.items()}
    finals = {key: _without_suspicion(pool) for key, pool in missing.items()}
    trainings = [one for own in (models, finals) for those in own.values() for one in those]
    scores = iter(train_and_score(trainings, report))
    judged = {key: [next(scores) for _ in own] for key, own in models.items()}
    for key, pool in missing.items():
        mean = np.stack(judged[key]).mean(axis=0, dtype=np.float64)
        before, *oracle = (pool.metrics(next(scores)) for _ in finals[key])
        is_contaminant = pool.is_contaminant
        found[key] = PoolScores(pool.config, pool.rows, is_contaminant, mean, before, oracle[0] if oracle else None)
        if store is not None:
            store.try_put_arrays(key, SUSPICION, found[key].arrays(), pool.config.canonical())
    return [replace(found[pool_scores_key(config)], config=config) for config in configs]


def pool_rows(split: Split) -> np.ndarray:
    """The pool's rows, each once however often training repeats it, in the split's order; int64 [n]."""
    rows = split.train[~split.labeled]
    _, first = np.unique(rows, return_index=True)
    return np.asarray(rows[np.sort(first)])


def partition(identical: np.ndarray, parts: int, seed: int) -> np.ndarray:
    """Which part each row of the pool falls into, 0 to parts − 1 [n]; rows of one group, int [n], stay together.

    Drawn from a stream of the run's seed; the parts' groups differ by one in number at most. Raises InvalidConfig.
    """
    _, group = np.unique(identical, return_inverse=True)
    groups = int(group.max()) + 1
    if groups < parts:
        raise InvalidConfig(f"The pool's distinct rows are too few for {parts} parts, only {groups}: take fewer parts.")
    part = np.empty(groups, dtype=np.int64)
    part[numpy_generator(seed, "purify parts").permutation(groups)] = np.arange(groups) % parts
    return part[group]


def without(split: Split, rows: np.ndarray) -> Split:
    """The same split with these rows of the data set gone from the pool; scaling, labels and test rows stay."""
    keep = split.labeled | ~np.isin(split.train, rows)
    return replace(split, train=split.train[keep], labeled=split.labeled[keep], counts={})


def _pool(config: PurifyConfig) -> _Pool:
    dataset = load_cached(config.run.dataset)
    split = make_split(dataset, config.run)
    return _Pool(config, dataset, split, pool_rows(split))


def _models(pool: _Pool) -> list[TrainingTask]:
    """The K models of the first stage: each on its own part of the pool, with weights and batches of its own."""
    config, scorer = pool.config, POOL_SCORERS[pool.config.scorer]
    system = scorer.system(config.run)
    part = partition(pool.dataset.identical[pool.rows], config.parts, config.run.seed)
    models = []
    for number in range(config.parts):
        split = without(pool.split, pool.rows[part != number])
        if not scorer.sees_labels:
            split = replace(split, train=split.train[~split.labeled], labeled=np.zeros((~split.labeled).sum(), bool))
        seed = derived_seed(config.run.seed, f"purify part {number}") % 2**31
        models.append(
            TrainingTask(pool.dataset, system.with_(seed=seed), split, pool.rows, SCORING_METHODS[config.scorer])
        )
    return models


def _without_suspicion(pool: _Pool) -> list[TrainingTask]:
    """The plain run, and the one without exactly the contaminants where there are any, and other rows too."""
    contaminants = np.flatnonzero(pool.is_contaminant)
    taken = [np.zeros(0, dtype=np.int64)]
    if 0 < len(contaminants) < len(pool.rows):
        taken.append(contaminants)
    return [pool.final(places) for places in taken]


def _blindly(pool: _Pool, count: int) -> np.ndarray:
    """Places of so many of the pool's rows, drawn without looking at them; more of them hold the fewer."""
    return numpy_generator(pool.config.run.seed, "purify random").permutation(len(pool.rows))[:count]

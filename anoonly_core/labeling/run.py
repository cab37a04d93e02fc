"""A table of one's own whose anomalies are marked by hand: scored without labels, then trained on the marks.

All rows train: those that are marked as labeled anomalies, all others as the pool. Nothing is put
aside for a test, for nobody knows which rows are normal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split, min_max
from anoonly_core.data.tables import uploads
from anoonly_core.detector.scoring import detector_for_split
from anoonly_core.errors import InvalidInput
from anoonly_core.labeling.scorers import UNSUPERVISED_SCORERS
from anoonly_core.purify.config import POOL_SCORERS
from anoonly_core.rng import derived_seed, numpy_generator
from anoonly_core.runs.train_and_score import SCORING_METHODS, TrainingTask, train_and_score

__all__ = ["Ranking", "labeled_table", "rank_with_labels", "rank_without_labels"]

SAMPLE_ROWS = 1200
TOP_ROWS = 200
NEIGHBORS = 20
MIN_ROWS = 3
TREES = 200

Report = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Ranking:
    """What came of a table: scores float32 [rows], higher is more anomalous, in the order of its rows.

    rows: int64 [m], places in the table, the rows that are drawn: a fixed sample, what is marked, and those with
    the highest scores. hidden: float32 [m, features], what the trained network sees in them, else the scaled rows.
    file: the detector that was trained on marks, as AnoOnlyDetector.load reads it.
    """

    scores: np.ndarray
    rows: np.ndarray
    hidden: np.ndarray
    file: bytes | None = None


def rank_without_labels(config: RunConfig, scorer: str, report: Report = lambda done, total: None) -> Ranking:
    """Scores of a table's rows by one of UNSUPERVISED, on the stream of the config's seed.

    Raises InvalidInput where the table has too many rows for it, TrainingDiverged, and what loading raises.
    """
    known = UNSUPERVISED_SCORERS[scorer]
    dataset, split = labeled_table(config.dataset, ())
    if dataset.rows < MIN_ROWS:
        raise InvalidInput(f"{known.label} needs at least {MIN_ROWS} rows, and this table has {dataset.rows}.")
    if known.max_rows is not None and dataset.rows > known.max_rows:
        raise InvalidInput(f"{known.label} takes at most {known.max_rows} rows, and this table has {dataset.rows}.")
    if known.trained:
        system = POOL_SCORERS[scorer].system(config)
        (scores,) = train_and_score(
            [TrainingTask(dataset, system, split, split.train, SCORING_METHODS[scorer])], report
        )
    else:
        scores = _CLASSICAL[scorer](split.scaled(dataset, split.train), config.seed).astype(np.float32)
    rows = _drawn(scores, np.zeros(dataset.rows, dtype=bool), config.seed)
    return Ranking(scores, rows, split.scaled(dataset, rows))


def rank_with_labels(config: RunConfig, anomalies: Sequence[int], report: Report = lambda done, total: None) -> Ranking:
    """Train on all rows of a table with these marked, by their places in its file, and score all of them.

    report: called with the epochs done, pretraining counted in, and all of them; what it raises stops the
    training. Raises InvalidInput, TrainingDiverged, and what loading raises.
    """
    dataset, split = labeled_table(config.dataset, anomalies)
    if not split.labeled.any() or split.labeled.all():
        raise InvalidInput("Mark at least one row as an anomaly, and not all of them.")
    detector = detector_for_split(config, dataset, split, report)
    scores = detector.decision_scores_.astype(np.float32)
    rows = _drawn(scores, split.labeled, config.seed)
    return Ranking(scores, rows, detector.network_.hidden(dataset.X[rows]), detector.to_bytes())


def labeled_table(name: str, anomalies: Sequence[int]) -> tuple[Dataset, Split]:
    """All rows of a table that was brought as one training part, in order, with these places of its file marked.

    Raises UnknownDataset where there is no such table any more.
    """
    dataset = uploads.load(uploads.get(name)).unlabeled_dataset(name)
    everything = np.arange(dataset.rows)
    labeled = np.isin(dataset.row_ids, np.asarray(anomalies, dtype=np.int64))
    return dataset, Split(everything, labeled, everything, *min_max(dataset.X, everything), {})


def _drawn(scores: np.ndarray, marked: np.ndarray, seed: int) -> np.ndarray:
    """The rows that are drawn, in order."""
    chosen = marked.copy()
    chosen[np.argsort(-scores, kind="stable")[:TOP_ROWS]] = True
    chosen[numpy_generator(seed, "sample").permutation(len(scores))[:SAMPLE_ROWS]] = True
    return np.flatnonzero(chosen)


def _forest(X: np.ndarray, seed: int) -> np.ndarray:
    random = derived_seed(seed, "isolation forest") % 2**32
    forest = IsolationForest(n_estimators=TREES, random_state=random).fit(X)
    return -np.asarray(forest.score_samples(X))


def _local_outlier_factor(X: np.ndarray, seed: int) -> np.ndarray:
    found = LocalOutlierFactor(n_neighbors=min(NEIGHBORS, len(X) - 1)).fit(X)
    return -np.asarray(found.negative_outlier_factor_)


_CLASSICAL = {"isolation_forest": _forest, "local_outlier_factor": _local_outlier_factor}

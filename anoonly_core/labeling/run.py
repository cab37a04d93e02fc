"""Rank a table for labeling: without labels first, then by training on labels given by hand.

All rows are training rows: those labeled as anomalies, and all others as the pool, some of them known to be normal.
There are no test rows, since the labels that a query rule asks for are no random sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from anoonly_core.config import RunConfig
from anoonly_core.detector.scoring import detector_for_split
from anoonly_core.errors import InvalidInput
from anoonly_core.labeling.scorers import UNSUPERVISED_SCORERS
from anoonly_core.labeling.table import labeled_table
from anoonly_core.progress import Report
from anoonly_core.purify.config import POOL_SCORERS
from anoonly_core.rng import derived_seed, numpy_generator
from anoonly_core.runs.train_and_score import SCORING_METHODS, TrainingTask, train_and_score

__all__ = ["Ranking", "isolation_forest", "rank_with_labels", "rank_without_labels"]

SAMPLE_ROWS = 1200
TOP_ROWS = 200
NEIGHBORS = 20
MIN_ROWS = 3
TREES = 200


@dataclass(frozen=True, eq=False)
class Ranking:
    """Anomaly scores of all rows of a table, with a sample of rows for a map.

    Attributes
    ----------
    scores : float32 [rows]
        Anomaly score of each row, in the order of the table; higher is more anomalous.
    rows : int64 [m]
        Indices of the rows in the map: a fixed random sample, all labeled rows, and the TOP_ROWS highest scores.
    hidden : float32 [m, features]
        Features of these rows in front of the last layer; the scaled inputs if no network was trained on labels.
    file : bytes or None
        Detector file for AnoOnlyDetector.load; None if no labels were used.

    Labels of a bundled data set are not used; such a table serves to practise.
    """

    scores: np.ndarray
    rows: np.ndarray
    hidden: np.ndarray
    file: bytes | None = None


def rank_without_labels(config: RunConfig, scorer: str, report: Report = lambda done, total: None) -> Ranking:
    """Score the rows of a table by an unsupervised scorer, without any labels.

    Parameters
    ----------
    config : RunConfig
        Settings; `config.dataset` names the upload, `config.seed` decides the random numbers.
    scorer : str
        A key of UNSUPERVISED_SCORERS.
    report : callable
        Called after each epoch with (epochs done, all epochs). An exception stops the training.

    Returns
    -------
    Ranking
        Scores of all rows, without a detector file.

    Raises
    ------
    InvalidInput
        If the table has fewer than 3 rows, or more than the scorer takes.
    TrainingDiverged
        If a score is not a finite number.
    UnknownDataset
        If the upload does not exist.
    """
    unsupervised = UNSUPERVISED_SCORERS[scorer]
    dataset, split = labeled_table(config.dataset, ())
    if dataset.rows < MIN_ROWS:
        raise InvalidInput(f"{unsupervised.label} needs at least {MIN_ROWS} rows, and this table has {dataset.rows}.")
    if unsupervised.max_rows is not None and dataset.rows > unsupervised.max_rows:
        raise InvalidInput(
            f"{unsupervised.label} takes at most {unsupervised.max_rows} rows, and this table has {dataset.rows}."
        )
    if unsupervised.trained:
        system = POOL_SCORERS[scorer].system(config)
        (scores,) = train_and_score(
            [TrainingTask(dataset, system, split, split.train, SCORING_METHODS[scorer])], report
        )
    else:
        scores = _CLASSICAL[scorer](split.scaled(dataset, split.train), config.seed).astype(np.float32)
    rows = _map_rows(scores, np.zeros(dataset.rows, dtype=bool), config.seed)
    return Ranking(scores, rows, split.scaled(dataset, rows))


def rank_with_labels(
    config: RunConfig,
    anomalies: Sequence[int],
    normals: Sequence[int] = (),
    report: Report = lambda done, total: None,
) -> Ranking:
    """Train on a table with some rows labeled by hand, and score all of its rows.

    Parameters
    ----------
    config : RunConfig
        Settings; `config.dataset` names the upload or the bundled data set.
    anomalies, normals : sequence of int
        Row numbers in the file of the rows labeled as anomalies and as normal; all other rows are unlabeled.
    report : callable
        Called after each epoch with (epochs done, all epochs), including pretraining. An exception stops the training.

    Returns
    -------
    Ranking
        Scores of all rows, with the detector file.

    Raises
    ------
    InvalidInput
        If no row or every row is labeled as an anomaly.
    TrainingDiverged
        If a score is not a finite number.
    UnknownDataset
        If the upload does not exist.
    """
    dataset, split = labeled_table(config.dataset, anomalies, normals)
    if not split.labeled.any() or split.labeled.all():
        raise InvalidInput("Label at least one row as an anomaly, and not all of them.")
    detector = detector_for_split(config, dataset, split, report, normal=split.known_normal)
    scores = detector.decision_scores_.astype(np.float32)
    rows = _map_rows(scores, split.labeled | split.is_known_normal, config.seed)
    return Ranking(scores, rows, detector.network_.hidden(split.filled(dataset, rows)), detector.to_bytes())


def _map_rows(scores: np.ndarray, labeled: np.ndarray, seed: int) -> np.ndarray:
    """Return the ascending indices of the rows to show in the map.

    Parameters
    ----------
    scores : float [rows]
        Anomaly scores; the TOP_ROWS highest are shown.
    labeled : bool [rows]
        Mask of the labeled rows; all are shown.
    seed : int
        Seed of a random sample of SAMPLE_ROWS rows, which are shown, too.
    """
    chosen = labeled.copy()
    chosen[np.argsort(-scores, kind="stable")[:TOP_ROWS]] = True
    chosen[numpy_generator(seed, "sample").permutation(len(scores))[:SAMPLE_ROWS]] = True
    return np.flatnonzero(chosen)


def isolation_forest(X: np.ndarray, seed: int) -> IsolationForest:
    """Fit scikit-learn's isolation forest of 200 trees to scaled rows X [rows, columns], with the seed of a run."""
    random = derived_seed(seed, "isolation forest") % 2**32
    return IsolationForest(n_estimators=TREES, random_state=random).fit(X)


def _forest(X: np.ndarray, seed: int) -> np.ndarray:
    return -np.asarray(isolation_forest(X, seed).score_samples(X))


def _local_outlier_factor(X: np.ndarray, seed: int) -> np.ndarray:
    fitted = LocalOutlierFactor(n_neighbors=min(NEIGHBORS, len(X) - 1)).fit(X)
    return -np.asarray(fitted.negative_outlier_factor_)


_CLASSICAL = {"isolation_forest": _forest, "local_outlier_factor": _local_outlier_factor}

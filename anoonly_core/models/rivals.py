"""Estimators of other packages behind the interface of a trained stack.

Each estimator is declared in ESTIMATORS: its settings, how it scores, and the candidates of the preset "tuned".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split
from anoonly_core.metrics.ranking import metrics
from anoonly_core.models.implementation import import_implementation
from anoonly_core.progress import Report
from anoonly_core.rng import derived_seed, numpy_generator
from anoonly_core.weights import find_weights, usable_weights

__all__ = ["ESTIMATORS", "FOLDS", "MAX_HIDDEN", "Estimator", "Rivals", "tuning_folds"]

FOLDS = 3
NEIGHBORS = 5
MAX_HIDDEN = 64  # hidden features that a result stores, those of the largest variance
WORKING_MEMORY = 64  # MiB for blocks of distances
TINY = 1e-12  # of a probability, so that its logarithm is finite

Settings = Mapping[str, Any]
Map = Callable[[Any, np.ndarray], np.ndarray]  # of a fitted estimator and scaled rows
BALANCED = "balanced"  # the one setting that is ours: both classes get the same total weight


@dataclass(frozen=True)
class Estimator:
    """Estimator of another package: its settings, and its functions for scores and features.

    Attributes
    ----------
    settings
        Settings of the preset "default" that differ from those of the package.
    score
        Returns the anomaly scores [rows] of a fitted estimator for scaled rows [rows, columns].
    hidden
        Returns features [rows, any number] from which the score follows, for the maps.
    candidates
        Changes of the settings that the preset "tuned" tries; the first one changes nothing.
    uses_labels
        False for a detector that is fitted without labels.
    seed
        Name of the setting that takes the seed; "" if nothing is random.
    weights
        Name of the setting that takes the path of pretrained weights; "" if there are none.

    Source: docs/methods.md § 8.
    """

    settings: Settings
    score: Map
    hidden: Map
    candidates: tuple[Settings, ...] = ({},)
    uses_labels: bool = True
    seed: str = "random_state"
    weights: str = ""


def _decision(model: Any, X: np.ndarray) -> np.ndarray:
    values: np.ndarray = model.decision_function(X)
    return values


def _log_odds(model: Any, X: np.ndarray) -> np.ndarray:
    probabilities = np.asarray(model.predict_proba(X), dtype=np.float64)
    normal, anomaly = np.clip(probabilities, TINY, None).T
    odds: np.ndarray = np.log(anomaly) - np.log(normal)
    return odds


def _scaled_columns(model: Any, X: np.ndarray) -> np.ndarray:
    return X


def _tree_votes(model: Any, X: np.ndarray) -> np.ndarray:
    return np.stack([tree.predict_proba(X)[:, 1] for tree in model.estimators_], axis=1)


def _tree_scores(model: Any, X: np.ndarray) -> np.ndarray:
    totals = np.stack([np.ravel(total) for total in model.staged_decision_function(X)], axis=1)
    return np.diff(totals, axis=1, prepend=0)


def _path_lengths(model: Any, X: np.ndarray) -> np.ndarray:
    trees = zip(model.estimators_, model.estimators_features_, strict=True)
    return np.stack([np.ravel(tree.decision_path(X[:, columns]).sum(axis=1)) for tree, columns in trees], axis=1)


def _neighbor_distances(model: Any, X: np.ndarray) -> np.ndarray:
    from sklearn import config_context

    with config_context(working_memory=WORKING_MEMORY):
        distances: np.ndarray = model.kneighbors(X, min(NEIGHBORS, model.n_samples_fit_))[0]
    return distances


def _xgboost_contributions(model: Any, X: np.ndarray) -> np.ndarray:
    import xgboost

    contributions: np.ndarray = model.get_booster().predict(xgboost.DMatrix(X, nthread=1), pred_contribs=True)
    return contributions[:, :-1]  # the last one is the same for all rows


def _catboost_contributions(model: Any, X: np.ndarray) -> np.ndarray:
    import catboost

    contributions = model.get_feature_importance(catboost.Pool(X), type="ShapValues", thread_count=1)
    return np.asarray(contributions)[:, :-1]


ESTIMATORS: Mapping[str, Estimator] = MappingProxyType(
    {
        "LogisticRegression": Estimator(
            {BALANCED: True, "max_iter": 1000},
            _decision,
            lambda model, X: X * model.coef_[0],
            ({}, *({"C": C} for C in (0.001, 0.01, 0.1, 10.0, 100.0))),
        ),
        "RandomForest": Estimator(
            {BALANCED: True, "n_estimators": 100, "n_jobs": 1},
            lambda model, X: model.predict_proba(X)[:, 1],
            _tree_votes,
            (
                {},
                {"min_samples_leaf": 3},
                {"min_samples_leaf": 10},
                *({"max_features": 0.3, "min_samples_leaf": rows} for rows in (1, 3, 10)),
            ),
        ),
        "HistGradientBoosting": Estimator(
            {"early_stopping": False},
            _decision,
            _tree_scores,
            (
                {},
                {"min_samples_leaf": 5},
                {BALANCED: True},
                {BALANCED: True, "min_samples_leaf": 5},
                {BALANCED: True, "learning_rate": 0.03},
                {BALANCED: True, "max_leaf_nodes": 7},
            ),
        ),
        "XGBoost": Estimator(
            {"n_estimators": 100, "tree_method": "hist", "n_jobs": 1},
            lambda model, X: model.predict(X, output_margin=True),
            _xgboost_contributions,
            (
                {},
                {"learning_rate": 0.1},
                {BALANCED: True},
                {BALANCED: True, "learning_rate": 0.1},
                {BALANCED: True, "max_depth": 3},
                {BALANCED: True, "learning_rate": 0.1, "max_depth": 3},
            ),
        ),
        "CatBoost": Estimator(
            {"iterations": 200, "thread_count": 1, "verbose": False, "allow_writing_files": False},
            lambda model, X: model.predict(X, prediction_type="RawFormulaVal", thread_count=1),
            _catboost_contributions,
            (
                {},
                {"learning_rate": 0.03},
                {BALANCED: True},
                {BALANCED: True, "learning_rate": 0.03},
                {BALANCED: True, "depth": 4},
                {BALANCED: True, "learning_rate": 0.03, "depth": 4},
            ),
            seed="random_seed",
        ),
        "TabICL": Estimator(
            {"n_jobs": 1, "device": "cpu", "allow_auto_download": False},
            _log_odds,
            _scaled_columns,
            (
                {},
                {"n_estimators": 2},
                {"n_estimators": 16},
                {"norm_methods": "none"},
                {"norm_methods": "quantile"},
                {"average_logits": False},
            ),
            weights="model_path",
        ),
        "TabPFN": Estimator(
            {"device": "cpu", "ignore_pretraining_limits": True},
            _log_odds,
            _scaled_columns,
            (
                {},
                *({"n_estimators": count} for count in (1, 4, 16)),
                *({"average_before_softmax": True, "n_estimators": count} for count in (4, 16)),
            ),
            weights="model_path",
        ),
        "IsolationForest": Estimator(
            {"n_jobs": 1},
            lambda model, X: -model.score_samples(X),
            _path_lengths,
            uses_labels=False,
        ),
        "KNN": Estimator(
            {"n_neighbors": NEIGHBORS, "n_jobs": 1},
            lambda model, X: _neighbor_distances(model, X).mean(axis=1),
            _neighbor_distances,
            uses_labels=False,
            seed="",
        ),
        "ECOD": Estimator({"n_jobs": 1}, _decision, _scaled_columns, uses_labels=False, seed=""),
    }
)


class Rivals:
    """R estimators of one baseline of another package, fitted at construction in one thread; implements `TrainedRuns`.

    Parameters
    ----------
    dataset
        Data set of all runs.
    configs, splits
        One per run.
    report
        Called after each fit with the fits done and all fits of its run; an exception stops the fitting.

    Raises
    ------
    ComparatorMissing
        If the package of the estimator is not installed, or its pretrained weights are missing.
    BadModelFile
        If an estimator cannot be fitted with its pretrained weights.
    """

    def __init__(
        self,
        dataset: Dataset,
        configs: Sequence[RunConfig],
        splits: Sequence[Split],
        report: Report = lambda done, total: None,
    ) -> None:
        self.dataset = dataset
        self.configs = tuple(configs)
        self.splits = tuple(splits)
        self._estimator = ESTIMATORS[configs[0].baseline]
        with threadpool_limits(limits=1):
            self._models = [
                _fit_run(dataset, config, split, report) for config, split in zip(configs, splits, strict=True)
            ]

    def scores(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the anomaly scores of rows by each run, float32 [n_r]; higher is more anomalous.

        Parameters
        ----------
        rows
            For each run r, row indices in the data set, int64 [n_r].
        """
        return self._map(self._estimator.score, rows)

    def score_scaled(self, run: int, x: np.ndarray) -> np.ndarray:
        """Return the anomaly scores, float64 [n], of scaled rows x, float32 [n, columns], by a run given by index."""
        with threadpool_limits(limits=1):
            scores = self._estimator.score(self._models[run], x)
        return np.asarray(scores, dtype=np.float32).astype(np.float64)

    def hidden(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the features of rows from which the score of each run follows, float32 [n_r, features].

        Of more than MAX_HIDDEN features, those with the largest variance over the given rows; see `Baseline.hidden`.

        Parameters
        ----------
        rows
            For each run r, row indices in the data set, int64 [n_r].
        """
        return [_widest(features) for features in self._map(self._estimator.hidden, rows)]

    def _map(self, function: Map, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        with threadpool_limits(limits=1):
            return [
                np.asarray(function(model, split.scaled(self.dataset, positions)), dtype=np.float32)
                for model, split, positions in zip(self._models, self.splits, rows, strict=True)
            ]


def _fit_run(dataset: Dataset, config: RunConfig, split: Split, report: Report) -> Any:
    """Fit the estimator of one run and return it.

    Under the preset "tuned", the candidates are compared by cross-validation on the training rows first. `report` is
    called after each fit with the fits done and all fits.
    """
    estimator = ESTIMATORS[config.baseline]
    if not estimator.uses_labels:  # a copy of a row would be its nearest neighbor
        model = _fit(config, estimator.settings, split.scaled(dataset, np.unique(split.train)), None)
        report(1, 1)
        return model
    X, y = split.scaled(dataset, split.train), split.labeled.astype(np.int64)
    folds = tuning_folds(dataset, config, split) if config.preset == "tuned" else None
    fits = 1 if folds is None else FOLDS * len(estimator.candidates) + 1
    best = {} if folds is None else _best_candidate(config, X, y, folds, lambda done: report(done, fits))
    model = _fit(config, {**estimator.settings, **best}, X, y)
    report(fits, fits)
    return model


def tuning_folds(dataset: Dataset, config: RunConfig, split: Split) -> np.ndarray | None:
    """Assign the training rows of a run to folds at random; return the fold of each, int64 [training rows].

    There are at most FOLDS folds. Copies of a row share a fold. Only the training labels decide: each fold has as many
    distinct labeled anomalies and pool rows as any other, or one more. With fewer than FOLDS distinct rows of a kind
    there are fewer folds, and None for a single one.
    """
    groups, members = np.unique(dataset.identical[split.train], return_inverse=True)
    is_labeled = np.zeros(len(groups), dtype=bool)
    is_labeled[members[split.labeled]] = True
    count = int(min(FOLDS, is_labeled.sum(), (~is_labeled).sum()))
    if count < 2:
        return None
    generator = numpy_generator(config.seed, "tuning")
    fold_of_group = np.empty(len(groups), dtype=np.int64)
    for kind in (is_labeled, ~is_labeled):
        drawn = generator.permutation(np.flatnonzero(kind))
        fold_of_group[drawn] = np.arange(len(drawn)) % count
    return fold_of_group[members]


def _best_candidate(
    config: RunConfig, X: np.ndarray, y: np.ndarray, folds: np.ndarray, report: Callable[[int], None]
) -> Settings:
    """Return the candidate with the largest mean average precision over the folds; of equal ones the first.

    Parameters
    ----------
    config
        Settings of the run.
    X, y
        Scaled training rows [rows, columns], and 1 for a labeled anomaly, 0 for a pool row, [rows].
    folds
        Fold of each row, int64 [rows].
    report
        Called after each fit with the fits done.
    """
    estimator, means = ESTIMATORS[config.baseline], []
    for number, candidate in enumerate(estimator.candidates):
        precisions = []
        for fold in range(folds.max() + 1):
            fitted_on, held_out = folds != fold, folds == fold
            model = _fit(config, {**estimator.settings, **candidate}, X[fitted_on], y[fitted_on])
            scores = np.asarray(estimator.score(model, X[held_out]), dtype=np.float32)
            precisions.append(metrics(y[held_out], scores).aucpr_anomaly)
            report(number * FOLDS + fold + 1)
        means.append(float(np.mean(precisions)))
    return estimator.candidates[int(np.argmax(means))]


def _fit(config: RunConfig, settings: Settings, X: np.ndarray, y: np.ndarray | None) -> Any:
    """Build the estimator of a run and fit it to scaled rows X [rows, columns]; return it.

    `settings` are those of the estimator by name. `y` has labels [rows], 1 for a labeled anomaly; None fits without.
    """
    estimator = ESTIMATORS[config.baseline]
    given = {name: value for name, value in settings.items() if name != BALANCED}
    if estimator.seed:
        given[estimator.seed] = derived_seed(config.seed, "weights") % 2**31
    implementation = import_implementation(config.baseline)
    if estimator.weights:
        given[estimator.weights] = find_weights(config.baseline)
    model = implementation(**given)
    if y is None:
        model.fit(X)
    elif estimator.weights:
        with usable_weights(config.baseline):
            model.fit(X, y)
    else:
        from sklearn.utils.class_weight import compute_sample_weight

        model.fit(X, y, sample_weight=compute_sample_weight("balanced", y) if settings.get(BALANCED) else None)
    return model


def _widest(features: np.ndarray) -> np.ndarray:
    """Return at most MAX_HIDDEN columns of features [rows, features]: those of the largest variance, in their order."""
    if features.shape[1] <= MAX_HIDDEN:
        return features
    widest = np.argsort(-features.var(axis=0), kind="stable")[:MAX_HIDDEN]
    return features[:, np.sort(widest)]

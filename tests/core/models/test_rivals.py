"""Contract of every system of another package, and agreement with its package called directly."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import PredefinedSplit, cross_val_score

from anoonly_core.baselines import BASELINES
from anoonly_core.baselines.rivals import RIVALS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.dataset import Dataset, make_dataset
from anoonly_core.data.split import Split
from anoonly_core.errors import ComparatorMissing
from anoonly_core.models import METHODS, OTHERS, rivals
from anoonly_core.models.rivals import ESTIMATORS, FOLDS, MAX_HIDDEN, Rivals, tuning_folds
from anoonly_core.rng import derived_seed
from anoonly_core.runs.run import run
from anoonly_core.training.evaluation import score_test_rows
from tests.core.models.checkpoints import PRETRAINED
from tests.core.training.stacks import made_split, made_table

pytestmark = pytest.mark.usefixtures("random_weights")
CASES = [(rival.name, preset) for rival in RIVALS for preset in rival.settings]
CLASSIFIERS = [name for name, estimator in ESTIMATORS.items() if estimator.uses_labels]
# Random weights have learned nothing from other tables.
LEARNERS = [name for name in CLASSIFIERS if name not in PRETRAINED]
DETECTORS = [name for name, estimator in ESTIMATORS.items() if not estimator.uses_labels]
every_case = pytest.mark.parametrize(("name", "preset"), CASES)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every ensemble have eight trees, so that these tests are fast."""

    def smaller(settings: Any) -> dict[str, Any]:
        return {**settings, **{name: 8 for name in ("n_estimators", "iterations") if name in settings}}

    smaller_ones = {name: replace(each, settings=smaller(each.settings)) for name, each in ESTIMATORS.items()}
    histogram, forest = smaller_ones["HistGradientBoosting"], smaller_ones["IsolationForest"]
    smaller_ones["HistGradientBoosting"] = replace(histogram, settings={**histogram.settings, "max_iter": 8})
    smaller_ones["IsolationForest"] = replace(forest, settings={**forest.settings, "n_estimators": 8})
    for name in PRETRAINED:
        quick = {"n_estimators": 2}
        smaller_ones[name] = replace(
            smaller_ones[name], settings={**smaller_ones[name].settings, **quick}, candidates=({}, {"n_estimators": 1})
        )
    monkeypatch.setattr(rivals, "ESTIMATORS", smaller_ones)


def config_of(name: str, preset: str = "default", seed: int = 0) -> RunConfig:
    return make_config(baseline=name, preset=preset, seed=seed)


def fitted(name: str, preset: str = "default", dataset: Dataset | None = None, split: Split | None = None) -> Rivals:
    dataset = dataset or made_table()
    return Rivals(dataset, [config_of(name, preset)], [split or made_split(dataset)])


def test_every_system_is_declared_once() -> None:
    assert [*ESTIMATORS] == [rival.name for rival in RIVALS]
    assert set(METHODS).isdisjoint(OTHERS) and {*METHODS, *OTHERS} == set(BASELINES)
    assert {name for name, baseline in BASELINES.items() if baseline.implementation} == set(OTHERS)
    assert {name for name in ESTIMATORS if BASELINES[name].has("preset")} == set(CLASSIFIERS)


def test_every_classifier_is_tuned_by_the_same_budget() -> None:
    for name in CLASSIFIERS:
        candidates = ESTIMATORS[name].candidates
        assert len(candidates) == 6 and candidates[0] == {}
        assert len({repr(sorted(candidate.items())) for candidate in candidates}) == 6


@every_case
def test_a_run_repeats_its_bits_alone_and_beside_others(name: str, preset: str) -> None:
    dataset = made_table()
    configs = [config_of(name, preset, seed) for seed in (0, 1, 0)]
    split = made_split(dataset)
    together = score_test_rows(Rivals(dataset, configs, [split] * 3))
    alone = score_test_rows(Rivals(dataset, configs[1:2], [split]))[0]
    assert np.array_equal(together[1], alone) and np.array_equal(together[0], together[2])
    assert alone.dtype == np.float32 and alone.shape == split.test.shape and np.isfinite(alone).all()


@pytest.mark.parametrize("name", ["RandomForest", "IsolationForest"])
def test_what_is_random_follows_the_seed(name: str) -> None:
    dataset = made_table()
    split = made_split(dataset)
    first, other = score_test_rows(Rivals(dataset, [config_of(name, seed=seed) for seed in (0, 1)], [split] * 2))
    assert not np.array_equal(first, other)


def relabeled(dataset: Dataset, rows: np.ndarray, X: np.ndarray | None = None) -> Dataset:
    y = dataset.y.copy()
    y[rows] = 1 - y[rows]
    return make_dataset("made", dataset.X if X is None else X, y, dataset.provenance)


@every_case
def test_no_test_row_and_no_label_but_the_training_labels_is_seen(name: str, preset: str) -> None:
    dataset = made_table()
    split = made_split(dataset)
    hidden_labels = np.append(split.train[~split.labeled], split.test)
    X = dataset.X.copy()
    X[split.test] = np.random.default_rng(3).normal(size=X[split.test].shape)
    probe = [split.train[:40]]
    expected = fitted(name, preset, dataset, split).scores(probe)[0]
    for changed in (relabeled(dataset, hidden_labels), relabeled(dataset, split.test, X)):
        assert np.array_equal(fitted(name, preset, changed, split).scores(probe)[0], expected)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_without_labels_sees_none(name: str) -> None:
    dataset = made_table()
    few, many = (score_test_rows(fitted(name, split=made_split(dataset, labels)))[0] for labels in (1, 9))
    assert np.array_equal(few, many)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_classifier_learns_from_its_labels(name: str) -> None:
    dataset = made_table(rows=300)
    split = made_split(dataset, labels=30)
    scores = score_test_rows(fitted(name, "tuned", dataset, split))[0]
    anomalies = dataset.y[split.test] == 1
    assert np.median(scores[anomalies]) > np.quantile(scores[~anomalies], 0.8)


@every_case
@pytest.mark.parametrize(("rows", "columns"), [(30, 1), (20, 7), (60, 300)])
def test_any_shape_trains_and_has_bounded_features(name: str, preset: str, rows: int, columns: int) -> None:
    dataset = made_table(rows=rows, columns=columns)
    split = made_split(dataset, labels=1)
    trained = fitted(name, preset, dataset, split)
    (scores,), (features,) = trained.scores([split.test]), trained.hidden([split.test])
    assert np.isfinite(scores).all() and np.isfinite(features).all()
    assert np.array_equal(trained.score_scaled(0, split.scaled(dataset, split.test)), scores.astype(np.float64))
    assert features.dtype == np.float32
    assert len(features) == len(split.test) and 1 <= features.shape[1] <= MAX_HIDDEN


# Features of the maps


@pytest.mark.parametrize(
    ("name", "together"),
    [
        ("LogisticRegression", np.sum),
        ("RandomForest", np.mean),
        ("HistGradientBoosting", np.sum),
        ("XGBoost", np.sum),
        ("CatBoost", np.sum),
        ("KNN", np.mean),
    ],
)
def test_the_features_make_up_the_score(name: str, together: Callable[..., np.ndarray]) -> None:
    """Up to a constant, such as an intercept."""
    trained = fitted(name)
    rows = [np.arange(90)]
    (scores,), (features,) = trained.scores(rows), trained.hidden(rows)
    rest = scores - together(features.astype(np.float64), axis=1)
    np.testing.assert_allclose(rest, rest[0], rtol=1e-4, atol=1e-5)
    assert np.ptp(scores) > 0


def test_of_many_features_those_of_the_largest_variance_are_shown() -> None:
    dataset = made_table(columns=100)
    dataset.X[:, 40:] *= 1e-3
    split = made_split(dataset)
    features = fitted("ECOD", dataset=dataset, split=split).hidden([split.test])[0]
    assert features.shape == (len(split.test), MAX_HIDDEN)
    assert np.array_equal(features[:, :40], dataset.X[split.test][:, :40])


# Agreement with the packages


def directly(name: str, X: np.ndarray, y: np.ndarray, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Fit the class of the package with its own words for the same settings; return its score function."""
    if name == "LogisticRegression":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(class_weight="balanced", max_iter=1000).fit(X, y).decision_function
    if name == "RandomForest":
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(8, class_weight="balanced", random_state=seed).fit(X, y)
        return lambda rows: forest.predict_proba(rows)[:, 1]
    if name == "HistGradientBoosting":
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(max_iter=8, random_state=seed).fit(X, y).decision_function
    if name == "XGBoost":
        from xgboost import XGBClassifier

        boosted = XGBClassifier(n_estimators=8, random_state=seed, n_jobs=1).fit(X, y)
        return lambda rows: np.log(odds := boosted.predict_proba(rows).astype(float))[:, 1] - np.log(odds)[:, 0]
    if name == "CatBoost":
        from catboost import CatBoostClassifier

        settings = {"verbose": False, "allow_writing_files": False, "thread_count": 1}
        cat = CatBoostClassifier(iterations=8, random_seed=seed, **settings).fit(X, y)
        return lambda rows: np.log(odds := cat.predict_proba(rows))[:, 1] - np.log(odds)[:, 0]
    if name == "TabICL":
        from tabicl import TabICLClassifier

        own = {"model_path": os.environ["ANOONLY_TABICL"], "device": "cpu", "n_jobs": 1, "n_estimators": 2}
        icl = TabICLClassifier(**own, random_state=seed).fit(X, y)
        return lambda rows: np.log(odds := icl.predict_proba(rows).astype(float))[:, 1] - np.log(odds)[:, 0]
    if name == "TabPFN":
        from tabpfn import TabPFNClassifier

        own = {"model_path": os.environ["ANOONLY_TABPFN"], "device": "cpu", "n_estimators": 2}
        pfn = TabPFNClassifier(**own, random_state=seed).fit(X, y)
        return lambda rows: np.log(odds := pfn.predict_proba(rows).astype(float))[:, 1] - np.log(odds)[:, 0]
    if name == "IsolationForest":
        from sklearn.ensemble import IsolationForest

        isolation = IsolationForest(n_estimators=8, random_state=seed).fit(X)
        return lambda rows: -isolation.score_samples(rows)
    if name == "KNN":
        return lambda rows: np.sort(np.linalg.norm(rows[:, None] - X[None], axis=2), axis=1)[:, :5].mean(axis=1)
    from pyod.models.ecod import ECOD

    return ECOD().fit(X).decision_function  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_scores_agree_with_the_package(name: str) -> None:
    dataset = made_table()
    split = made_split(dataset)
    seed = derived_seed(0, "weights") % 2**31
    expected = directly(name, dataset.X[split.train], split.labeled.astype(int), seed)(dataset.X[split.test])
    np.testing.assert_allclose(score_test_rows(fitted(name))[0], expected, rtol=2e-4, atol=2e-5)


# The preset tuned


def test_tuning_takes_the_candidate_that_scikit_learn_finds_best() -> None:
    from sklearn.linear_model import LogisticRegression

    chosen = set()
    for seed in range(4):
        dataset = made_table(rows=240, columns=20, seed=seed)
        split, config = made_split(dataset, labels=12), config_of("LogisticRegression", "tuned", seed)
        folds = tuning_folds(dataset, config, split)
        candidates = ESTIMATORS["LogisticRegression"].candidates
        means = [
            cross_val_score(
                LogisticRegression(class_weight="balanced", max_iter=1000, **candidate),
                dataset.X[split.train],
                split.labeled.astype(int),
                cv=PredefinedSplit(folds),
                scoring="average_precision",
            ).mean()
            for candidate in candidates
        ]
        (model,) = Rivals(dataset, [config], [split])._models
        number = [candidate.get("C", 1.0) for candidate in candidates].index(model.C)
        assert means[number] == pytest.approx(max(means), abs=1e-9)
        chosen.add(number)
    assert len(chosen) > 1, "the tables ask for more than one candidate"


@pytest.mark.parametrize("labels", [2, 3, 7])
def test_folds_keep_copies_together_and_share_the_labels_out(labels: int) -> None:
    dataset = made_table()
    split = made_split(dataset, labels=labels)
    copies = np.repeat(split.train, 3)
    split = replace(split, train=copies, labeled=np.repeat(split.labeled, 3))
    folds = tuning_folds(dataset, config_of("XGBoost", "tuned"), split)
    assert folds is not None
    assert all(len(set(folds[copies == row])) == 1 for row in set(copies))
    count = min(FOLDS, labels)
    per_fold = [len(set(copies[(folds == fold) & split.labeled])) for fold in range(count)]
    assert folds.max() == count - 1 and max(per_fold) - min(per_fold) <= 1 and sum(per_fold) == labels


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_one_label_cannot_be_tuned_on_and_takes_the_defaults(name: str) -> None:
    dataset = made_table()
    split = made_split(dataset, labels=1)
    assert tuning_folds(dataset, config_of(name, "tuned"), split) is None
    tuned, default = (score_test_rows(fitted(name, preset, dataset, split))[0] for preset in ("tuned", "default"))
    assert np.array_equal(tuned, default)


# Progress and missing packages


@pytest.mark.parametrize(("preset", "fits"), [("default", 1), ("tuned", 19)])
def test_every_fit_is_reported_and_can_be_stopped(preset: str, fits: int) -> None:
    reported = []

    def stop(done: int, total: int) -> None:
        reported.append((done, total))
        if done == min(2, fits):
            raise KeyboardInterrupt

    dataset = made_table()
    with pytest.raises(KeyboardInterrupt):
        Rivals(dataset, [config_of("LogisticRegression", preset)], [made_split(dataset)], stop)
    assert reported == [(done, fits) for done in range(1, min(2, fits) + 1)]


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("XGBoost", "xgboost", "xgboost"),
        ("CatBoost", "catboost", "catboost"),
        ("ECOD", "pyod.models.ecod", "pyod"),
        ("TabICL", "tabicl", "tabicl"),
        ("TabPFN", "tabpfn", "tabpfn"),
    ],
)
def test_without_its_package_a_system_is_one_sentence(
    name: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = "pretrained" if name in PRETRAINED else "comparators"
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ComparatorMissing) as caught:
        run(make_config(dataset="breast_cancer", baseline=name), "cpu")
    assert str(caught.value) == (
        f"{name} needs the package {package}, which is optional: pip install -r requirements-{extra}.txt."
    )


def test_a_run_has_metrics_seconds_and_no_history() -> None:
    result = run(make_config(dataset="digits_3", baseline="LogisticRegression"), "cpu")
    assert result.metrics.aucpr_anomaly == pytest.approx(0.80, abs=0.02)
    assert result.seconds["train"] > 0 and len(result.history.measured) == 0
    assert result.config.epochs is None and result.config.lambda_n is None and result.config.preset == "default"

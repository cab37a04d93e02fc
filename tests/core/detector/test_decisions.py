"""Rules and p-values of a fitted detector, its file, and what it is not trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Provenance, make_dataset
from anoonly_core.data.split import Split, make_split, min_max
from anoonly_core.decision.conformal import conformal_p_values, discoveries
from anoonly_core.decision.rules import RULES
from anoonly_core.detector.classifier import AnoOnlyClassifier
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.held_back import make_folds, train_without
from anoonly_core.detector.result import HOLD_BACKS
from anoonly_core.detector.scoring import detector_for_all_rows, detector_for_split
from anoonly_core.detector.serialization import read_model, write_model
from anoonly_core.errors import InvalidInput
from tests.bench.promise import train_split
from tests.core.detector.detectors import detector, table

HOLDING = pytest.mark.parametrize("hold_back", HOLD_BACKS)


@pytest.fixture(scope="module", params=HOLD_BACKS)
def fitted(request: pytest.FixtureRequest) -> AnoOnlyDetector:
    X, y = table(rows=400, labels=12)
    return detector(hold_back=request.param, contamination="auto").fit(X, y)


@pytest.fixture
def new_rows() -> np.ndarray:
    return table(rows=200, labels=10, seed=5)[0]


def test_p_values_count_the_held_back_rows(fitted: AnoOnlyDetector, new_rows: np.ndarray) -> None:
    reference = fitted.calibration.reference
    assert reference.is_split == (fitted.hold_back == "split")
    assert len(reference.scores) == (388 if fitted.hold_back == "folds" else 130)
    expected = conformal_p_values(reference.scores, fitted.decision_function(new_rows))
    assert np.array_equal(fitted.p_value(new_rows), expected)
    assert not hasattr(fitted, "predict_proba")


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_decides_and_its_file_repeats_it(
    rule: str, fitted: AnoOnlyDetector, new_rows: np.ndarray, tmp_path: Path
) -> None:
    scores = fitted.decision_function(new_rows)
    prevalence = 0.05 if rule == "cost" else None
    expected = scores > RULES[rule].cut(fitted.calibration, RULES[rule].default, scores, prevalence).score
    assert np.array_equal(scores > fitted.cut(scores, rule, prevalence=prevalence).score, expected)
    one = fitted.load(_saved(fitted, tmp_path)).set_params(rule=rule)
    if rule == "cost":
        one.set_params(contamination=0.05)
    assert np.array_equal(one.predict(new_rows) == 1, expected)
    loaded = AnoOnlyDetector.load(_saved(one, tmp_path))
    assert (loaded.rule, loaded.hold_back) == (rule, fitted.hold_back)
    assert np.array_equal(loaded.predict(new_rows), one.predict(new_rows))
    assert np.array_equal(loaded.p_value(new_rows), fitted.p_value(new_rows))
    assert loaded.labels_.shape == loaded.decision_scores_.shape == (400,)


def _saved(fitted: AnoOnlyDetector, folder: Path) -> Path:
    fitted.save(folder / "d.safetensors")
    return folder / "d.safetensors"


@pytest.mark.parametrize("rule", [rule.name for rule in RULES.values() if rule.is_per_batch])
def test_a_rule_for_a_batch_has_no_threshold_of_its_own(rule: str, new_rows: np.ndarray) -> None:
    X, y = table(rows=300)
    one = AnoOnlyClassifier(epochs=1, random_state=0, rule=rule, level=0.2, verbose=False).fit(X, y)
    for read in (lambda: one.threshold_, lambda: one.threshold_reason_, lambda: one.decision_function(new_rows)):
        with pytest.raises(InvalidInput, match="rows that are scored together"):
            read()
    p = one.p_value(new_rows)
    assert np.array_equal(one.predict(new_rows) == 1, discoveries(p, 0.2, rule == "fdr_storey"))
    one.threshold_ = 3.0
    assert one.threshold_ == 3.0


@HOLDING
def test_new_normal_rows_are_flagged_as_often_as_promised(hold_back: str) -> None:
    random = np.random.default_rng(0)
    X, y = random.normal(size=(900, 6)), np.arange(900) < 12
    X[y] += 2.5
    fitted = AnoOnlyDetector(lambda_n=0.0, rule="false_alarms", level=0.1, hold_back=hold_back, random_state=0)
    flagged = fitted.fit(X, y).predict(random.normal(size=(4000, 6))).mean()
    assert flagged == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize("far", [5.0, 100.0, 1e4, -5.0, -1e4])
def test_held_back_rows_are_as_new_to_the_network(far: float) -> None:
    """Neither weights nor scaling depend on them: if they move far away, no other score changes by a bit."""
    X, y = table(rows=90)
    rows, config = np.arange(90), make_config(dataset="X", epochs=1, batch_size=8)
    scores = []
    dataset = make_dataset("X", X, y, Provenance("here", "none"))
    folds = make_folds(dataset, Split(rows, y == 1, rows[:0], *min_max(dataset.X, rows), {}), 0)
    for shift in (0.0, far):
        dataset.X[folds[0].held_back] += shift
        split = Split(rows, y == 1, rows[:0], *min_max(dataset.X, rows), {})
        network, calibration, _ = train_without(dataset, split, folds, config)
        scores.append(network.training_scores)
        assert np.array_equal(calibration.folds[0].pool, network.training_scores[folds[0].held_back])
    moved = np.isin(rows, folds[0].held_back)
    assert np.array_equal(scores[0][~moved], scores[1][~moved])
    assert not (scores[0][moved] == scores[1][moved]).any()


@pytest.mark.parametrize(
    "settings",
    [
        {"rule": "percentile"},
        {"rule": "fdr", "level": 0.0},
        {"rule": "false_alarms", "level": 0.7},
        {"rule": "iqr", "level": "2"},
        {"level": 0.1},
        {"hold_back": "cross"},
    ],
)
def test_a_wrong_choice_is_refused_before_the_training(settings: dict[str, Any]) -> None:
    X, y = table()
    with pytest.raises(InvalidInput, match=r"must be|level is the number of a rule"):
        detector(epochs=10**6, **settings).fit(X, y)


@pytest.mark.parametrize(
    ("rows", "hold_back", "words"),
    [
        (2, "split", "three distinct unlabeled rows"),
        (2, "folds", "No unlabeled row was held back"),
        (60, "folds", "needs at least 99 held-back rows, and the detector has 60"),
        (60, "split", "needs at least 99 held-back rows, and the detector has 20"),
    ],
)
def test_too_few_rows_are_said(rows: int, hold_back: str, words: str) -> None:
    X, _ = table(rows=rows + 4)
    with pytest.raises(InvalidInput, match=words):
        _ = detector(hold_back=hold_back, rule="false_alarms", level=0.01).fit(X, np.arange(rows + 4) < 4).threshold_


def test_a_file_without_held_back_scores_loads_and_says_what_it_lacks(tmp_path: Path) -> None:
    X, y = table()
    one = detector().fit(X, y)
    document, tensors = read_model(_saved(one, tmp_path))
    new = ("rule", "level", "hold_back")
    document["params"] = {name: value for name, value in document["params"].items() if name not in new}
    write_model(tmp_path / "old.safetensors", document, {n: t for n, t in tensors.items() if "calibration" not in n})
    old = AnoOnlyDetector.load(tmp_path / "old.safetensors")
    assert np.array_equal(old.predict(X), one.predict(X))
    for ask in (old.p_value, lambda X: old.cut(old.decision_function(X), "fdr")):
        with pytest.raises(InvalidInput, match="earlier version has no held-back scores: fit the detector again"):
            ask(X)


@HOLDING
def test_resampled_rows_are_held_back_once(hold_back: str, tmp_path: Path) -> None:
    """A small set's training part is resampled: its copies must not pass for further held-back rows."""
    config = make_config(dataset="breast_cancer", epochs=1)
    dataset = load_cached(config.dataset)
    split = make_split(dataset, config)
    one = detector_for_split(config, dataset, split, hold_back=hold_back)
    pool = split.train[~split.labeled]
    distinct = len(np.unique(pool))
    held_back = len(one.calibration.reference.scores)
    assert len(pool) > distinct and held_back == (distinct if hold_back == "folds" else -(-distinct // 3))
    loaded = AnoOnlyDetector.load(_saved(one, tmp_path))
    assert np.array_equal(loaded.calibration.reference.scores, one.calibration.reference.scores)


def test_settings_can_be_cloned_and_known_labels_give_the_prevalence() -> None:
    X, y = table(rows=300, labels=20)
    y = np.where(y == 1, 1, -1)
    one = clone(detector(rule="cost", level=30.0)).fit(X, y)
    assert one.calibration.folds[0].anomalies.size and "0.0667 of new rows are anomalies" in one.threshold_reason_
    assert one.calibration.reference.is_normal


def test_missing_values_are_filled_without_the_held_back_rows() -> None:
    config = make_config(dataset="breast_cancer", epochs=1)
    one, split = detector_for_all_rows(config, rule=("false_alarms", 0.05), hold_back="split")
    assert one.fill_ is None and len(one.decision_scores_) == len(split.train) == load_cached("breast_cancer").rows
    assert (one.rule, one.level, one.hold_back) == ("false_alarms", 0.05, "split")


def test_the_benchmark_of_promises_scores_as_the_detector() -> None:
    """It trains many seeds as one stack."""
    configs = [make_config(dataset="digits_3", lambda_n=0.0, epochs=1, seed=seed) for seed in (0, 1)]
    for config, measured in zip(configs, train_split(configs), strict=True):
        dataset = load_cached(config.dataset)
        split = make_split(dataset, config)
        one = detector_for_split(config, dataset, split, hold_back="split")
        np.testing.assert_array_equal(measured.held_back, one.calibration.reference.scores)
        normal = split.test[dataset.y[split.test] == 0]
        np.testing.assert_array_equal(measured.normal, one.decision_function(dataset.X[normal]))

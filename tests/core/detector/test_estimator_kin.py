"""The interface of detectors in scikit-learn and PyOD: methods, weights, three kinds of labels, and their tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.metrics import RocCurveDisplay, average_precision_score, balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import TunedThresholdClassifierCV, cross_val_predict, cross_val_score

from anoonly_core import AnoOnlyClassifier, AnoOnlyDetector, LabeledKFold
from anoonly_core.decision.calibration import Calibration, FoldScores
from anoonly_core.errors import InvalidInput
from tests.core.detector import detectors
from tests.core.detector.detectors import is_one_sentence, table

pytestmark = pytest.mark.usefixtures("short_pretraining")


def detector(**settings: Any) -> AnoOnlyDetector:
    return detectors.detector(**{"batch_size": 32, **settings})


@pytest.fixture(scope="module")
def separable() -> tuple[np.ndarray, np.ndarray]:
    """Rows with twelve labeled anomalies, and as many unlabeled ones, that a few epochs separate."""
    return table(rows=240, labels=12)


@pytest.fixture(scope="module")
def fitted(separable: tuple[np.ndarray, np.ndarray]) -> AnoOnlyDetector:
    return detector(epochs=8, contamination="auto").fit(*separable)


# Methods


def test_fit_predict_and_score_samples_agree_with_the_others(separable: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = separable
    one = detector(epochs=3)
    labels = one.fit_predict(X, y)
    assert np.array_equal(labels, one.predict(X)) and np.array_equal(labels, one.labels_)
    assert np.array_equal(one.score_samples(X), -one.decision_function(X))
    assert one.score(X, y) == average_precision_score(y, one.decision_scores_)


def test_confidence_is_low_at_the_threshold_and_high_far_from_it(fitted: AnoOnlyDetector) -> None:
    X, _ = table(rows=2000, seed=3)
    confidence = fitted.predict_confidence(X)
    distance = fitted.decision_function(X) - fitted.threshold_
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert confidence[np.argsort(abs(distance))[:100]].min() < 0.7
    assert confidence[np.argsort(distance)[:1000]].min() > 0.99


def test_confidence_is_that_of_the_published_formula() -> None:
    """Perini et al.: the binomial sum, written out for a few scores."""
    from math import comb

    pool, scores, threshold = np.arange(20.0), np.array([3.5, 16.5, 18.2, 40]), 16.7  # three of twenty exceed it
    expected = []
    for score in scores:
        p = (1 + (pool <= score).sum()) / 22
        above = sum(comb(20, i) * p**i * (1 - p) ** (20 - i) for i in range(18, 21))
        expected.append(above if score > threshold else 1 - above)
    assert Calibration(pool).confidence(scores, threshold) == pytest.approx(expected)


def test_the_losses_of_each_epoch_are_kept_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = table()
    one = detector(epochs=12, lambda_n=1.0, verbose=True).fit(X, y)
    assert one.loss_history_ is not None and one.loss_history_.shape == (12, 2)
    assert one.loss_history_[-1].sum() < one.loss_history_[0].sum()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11 and lines[0].startswith("Epoch 1 of 12: L_N ") and lines[9].startswith("Epoch 12 of 12")
    assert f"{one.loss_history_[-1, 1]:.4g}" in lines[9] and lines[10].startswith(f"Threshold {one.threshold_:.4g}. ")
    detector().fit(X, y)
    assert capsys.readouterr().out == ""


# Labels and weights


def test_missing_labels_train_as_unlabeled_ones_and_known_normal_ones_at_weight_1() -> None:
    X, y = table()
    scores = detector().fit(X, y).decision_scores_
    assert np.array_equal(detector().fit(X, np.where(y == 1, 1.0, np.nan)).decision_scores_, scores)
    both = [detector(lambda_n=1.0).fit(X, labels).decision_scores_ for labels in (y, np.where(y == 1, 1, -1))]
    assert np.array_equal(*both), "at λ_n = 1 all rows of the pool weigh 1"
    kinds = np.where(y == 1, 1.0, np.array([0, -1, np.nan])[np.arange(60) % 3])
    scores = detector().fit(X, np.where(kinds == kinds, kinds, 0)).decision_scores_
    assert not np.array_equal(scores, detector().fit(X, y).decision_scores_)
    for labels in (
        kinds,
        pd.Series(kinds).astype("Int64"),
        pd.Series(kinds).astype(object).where(kinds == kinds, None),
    ):
        assert np.array_equal(detector().fit(X, labels).decision_scores_, scores)


@pytest.mark.parametrize("weights", [np.arange(60) % 3, np.full(60, 2), pd.Series(1 + np.arange(60) % 2)])
def test_whole_weights_repeat_rows(weights: Any) -> None:
    X, y = table()
    weighted = detector().fit(X, y, sample_weight=weights)
    repeated = detector().fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert np.array_equal(weighted.decision_function(X), repeated.decision_function(X))
    assert weighted.threshold_ == repeated.threshold_
    assert weighted.decision_scores_.shape == (60,) and np.array_equal(weighted.predict(X), weighted.labels_)


def test_other_weights_are_shares() -> None:
    X, y = table(rows=300)
    weights = np.random.default_rng(0).random(300)
    one, scaled = (detector().fit(X, y, sample_weight=weights * factor) for factor in (1, 1e-6))
    assert np.array_equal(one.decision_scores_, scaled.decision_scores_)
    assert not np.array_equal(one.decision_scores_, detector().fit(X, y).decision_scores_)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (-np.ones(60), "0 or more"),
        (np.zeros(60), "one non-zero number|no labeled anomaly"),  # scikit-learn's sentence from 1.9 on
        (np.arange(60) >= 5, "no labeled anomaly"),
    ],
)
def test_wrong_weights_are_refused(weights: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        detector().fit(*table(), sample_weight=weights)
    assert is_one_sentence(caught.value)


def test_sparse_rows_are_refused_in_a_sentence() -> None:
    X, y = table()
    with pytest.raises(TypeError, match=r"Sparse data was passed for X, but dense data is required\."):
        detector().fit(sparse.csr_matrix(X), y)


# The threshold


def test_contamination_can_be_set_after_fit(separable: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    X, y = separable
    one = detector(contamination=0.3).fit(X, y)
    for share in (0.02, 0.1, 0.5):
        one.contamination = share
        other = detector(contamination=share).fit(X, y)
        assert one.threshold_ == other.threshold_ and np.array_equal(one.predict(X), other.labels_)
    one.save(tmp_path / "d.safetensors")
    loaded = AnoOnlyDetector.load(tmp_path / "d.safetensors")
    assert loaded.threshold_ == one.threshold_
    loaded.set_params(contamination=0.02)
    assert loaded.threshold_ == detector(contamination=0.02).fit(X, y).threshold_
    one.contamination = 0.7
    with pytest.raises(InvalidInput, match="contamination"):
        one.predict(X)


def test_a_threshold_can_be_assigned_and_is_kept_in_the_file(
    fitted: AnoOnlyDetector, separable: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    one = detector(epochs=2).fit(*separable)
    one.threshold_ = float(np.sort(one.decision_scores_)[-8])
    assert one.labels_.sum() == 7
    one.save(tmp_path / "d.safetensors")
    loaded = AnoOnlyDetector.load(tmp_path / "d.safetensors")
    assert loaded.threshold_ == one.threshold_ and loaded.threshold_reason_ == "It was set to this number."
    assert np.array_equal(loaded.predict_confidence(separable[0]), one.predict_confidence(separable[0]))
    with pytest.raises(InvalidInput, match="finite"):
        one.threshold_ = float("nan")
    with pytest.raises(AttributeError, match="not fitted"):
        _ = detector().threshold_


def test_auto_finds_hidden_and_new_anomalies_better_than_a_tenth(fitted: AnoOnlyDetector) -> None:
    X, _ = table(rows=3000, labels=600, seed=9)  # 1,200 anomalies
    truth = np.arange(3000) < 1200
    best = balanced_accuracy_score(truth, fitted.predict(X))
    assert "best balanced accuracy on held-back rows" in fitted.threshold_reason_
    assert fitted.predict(X)[truth].mean() > 0.9 and best > 0.93


def test_auto_with_few_labels_is_a_tenth() -> None:
    X, y = table(labels=5)
    one, tenth = detector(contamination="auto").fit(X, y), detector().fit(X, y)
    assert (
        one.threshold_ == tenth.threshold_
        and one.threshold_reason_ == "About 10 % of new rows like the pool exceed it."
    )


def drawn_calibration(prevalence: float, normal: bool = False) -> tuple[Calibration, np.ndarray]:
    """Return scores of one fold with hidden anomalies in the pool, and the mask of these."""
    random = np.random.default_rng(0)
    hidden = random.random(4000) < prevalence
    pool = (random.normal(size=4000) + 3 * hidden).astype(np.float32)
    anomalies = (random.normal(size=900) + 3).astype(np.float32)
    fold = FoldScores(pool, anomalies, normal & ~hidden, 0.0, 1.0)
    return Calibration(np.quantile(pool, np.linspace(0, 1, 101)), (fold,)), hidden


@pytest.mark.parametrize("prevalence", [0.02, 0.2, 0.4])
def test_hidden_anomalies_hardly_move_the_best_balanced_threshold(prevalence: float) -> None:
    calibration, _ = drawn_calibration(prevalence)
    (fold,) = calibration.folds
    median, spread = np.median(calibration.pool), np.subtract(*np.quantile(calibration.pool, [0.75, 0.25]))
    height = (calibration.best(0.1).score - median) / spread
    assert height == pytest.approx(1.5, abs=0.35)  # halfway between the two kinds
    assert calibration.best(0.1).share == pytest.approx((fold.pool > height).mean(), abs=0.002)


@pytest.mark.parametrize("prevalence", [0.001, 0.05, 0.5])
def test_with_a_known_prevalence_no_other_threshold_has_a_better_f1(prevalence: float) -> None:
    calibration, _ = drawn_calibration(0.0, normal=True)
    (fold,) = calibration.folds

    def f1(height: float) -> float:
        found, wrong = (fold.anomalies > height).mean(), (fold.pool > height).mean()
        return float(2 * prevalence * found / (prevalence * (found + 1) + (1 - prevalence) * wrong))

    median, spread = np.median(calibration.pool), np.subtract(*np.quantile(calibration.pool, [0.75, 0.25]))
    cut = calibration.best(0.1, prevalence)
    assert f1((cut.score - median) / spread) >= max(f1(height) for height in np.linspace(-1, 6, 400)) - 1e-12


@pytest.mark.parametrize("prevalence", [None, 0.01, 0.4])
def test_useless_scores_flag_at_most_half_of_the_other_rows(prevalence: float | None) -> None:
    random = np.random.default_rng(0)
    fold = FoldScores(random.normal(size=200), random.normal(size=40), np.ones(200, dtype=bool), 0.0, 1.0)
    assert Calibration(random.normal(size=200), (fold,)).best(0.1, prevalence).share <= 0.5


def test_rows_known_to_be_normal_stand_for_the_pool() -> None:
    blind, seeing = drawn_calibration(0.4)[0].best(0.1), drawn_calibration(0.4, normal=True)[0].best(0.1)
    assert seeing.share < 0.12 < 0.3 < blind.share


# Tools of scikit-learn


def test_every_fold_has_labeled_anomalies(separable: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = separable
    kinds = np.where(y == 1, 1.0, np.array([0, -1, np.nan])[np.arange(240) % 3])
    for labels in (y, kinds):
        folds = list(LabeledKFold(4).split(X, labels))
        assert sorted(np.concatenate([test for _, test in folds])) == [*range(240)]
        assert [(labels[test] == 1).sum() for _, test in folds] == [3, 3, 3, 3]
    groups = np.arange(240) // 2
    for train, test in LabeledKFold(3).split(X, y, groups):
        assert not {*groups[train]} & {*groups[test]} and (y[test] == 1).any()
    assert repr(LabeledKFold(4)) == "LabeledKFold(n_splits=4, random_state=0)"


@pytest.mark.parametrize(
    ("n_splits", "y", "groups", "words"),
    [
        (13, True, None, "y holds 12 labeled anomalies, and each of 13 folds needs one"),
        (1, True, None, "set n_splits from 2"),
        (3, False, None, "needs y"),
        (3, True, np.arange(240) // 60, "too few groups"),
    ],
)
def test_folds_that_cannot_be_are_refused(
    separable: tuple[np.ndarray, np.ndarray], n_splits: int, y: bool, groups: np.ndarray | None, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        list(LabeledKFold(n_splits).split(separable[0], separable[1] if y else None, groups))


def test_cross_validation_scores_by_default_and_predicts(separable: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = separable
    folds = LabeledKFold(3)
    scores = cross_val_score(detector(epochs=3), X, y, cv=folds, error_score="raise")
    assert np.isfinite(scores).all()
    held_back = cross_val_predict(detector(epochs=3), X, y, cv=folds, method="decision_function")
    assert roc_auc_score(y, held_back) > 0.8
    train, test = next(folds.split(X, y))
    assert scores[0] == average_precision_score(
        y[test], detector(epochs=3).fit(X[train], y[train]).decision_function(X[test])
    )
    assert np.array_equal(held_back[test], detector(epochs=3).fit(X[train], y[train]).decision_function(X[test]))


def test_a_fold_without_a_label_is_explained() -> None:
    X, y = table()
    with pytest.raises(InvalidInput, match="take LabeledKFold"):
        detector().fit(X, y).score(X[y == 0], y[y == 0])


def test_the_classifier_works_with_tools_for_classifiers(separable: tuple[np.ndarray, np.ndarray]) -> None:
    pytest.importorskip("matplotlib").use("Agg")  # a requirement of pyod
    X, y = separable
    settings = detector(epochs=3).get_params()
    classifier, alone = AnoOnlyClassifier(**settings).fit(X, y), AnoOnlyDetector(**settings).fit(X, y)
    assert is_classifier(classifier) and not is_classifier(alone)
    assert np.array_equal(classifier.decision_function(X), alone.decision_scores_ - alone.threshold_)
    assert np.array_equal(classifier.decision_function(X) > 0, classifier.predict(X) == 1)
    assert classifier.score(X, y) == alone.score(X, y)
    display = RocCurveDisplay.from_estimator(classifier, X, y)
    assert display.roc_auc == pytest.approx(roc_auc_score(y, alone.decision_scores_))
    tuned = TunedThresholdClassifierCV(AnoOnlyClassifier(**settings), scoring="balanced_accuracy", cv=3).fit(X, y)
    assert balanced_accuracy_score(y, tuned.predict(X)) > 0.8
    assert len(cross_val_predict(AnoOnlyClassifier(**settings), X, y, cv=3)) == 240

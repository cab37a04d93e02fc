"""Invalid input is refused in one sentence and leaves the detector unfitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from anoonly_core.detector import network as fitted_module
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.errors import AnoOnlyError, InvalidInput, TrainingDiverged
from tests.core.detector.detectors import detector, is_one_sentence, table

pytestmark = pytest.mark.usefixtures("short_pretraining")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"baseline": "DeepSVDD"}, ["baseline", "DeepSAD", "DeepSVDD"]),
        ({"baseline": ["DeepSAD"]}, ["baseline"]),
        ({"baseline": "XGBOD"}, ["XGBOD", "pyod.models.xgbod"]),
        ({"baseline": "REPEN"}, ["REPEN", "lambda_n=None"]),
        ({"baseline": "GANomaly", "lambda_n": None, "norm": "batch"}, ["GANomaly", "norm"]),
        ({"baseline": "REPEN", "lambda_n": None, "preset": "published_code"}, ["REPEN", "preset"]),
        ({"lambda_n": -1}, ["lambda_n", "-1"]),
        ({"norm": "instance"}, ["norm", "instance"]),
        ({"batch_size": 0}, ["batch_size", "0"]),
        ({"baseline": "PReNet", "batch_size": 3}, ["batch_size", "PReNet", "4"]),
        ({"epochs": 1.5}, ["epochs", "1.5"]),
        ({"learning_rate": float("nan")}, ["learning_rate", "nan"]),
        ({"preset": "mine"}, ["preset", "mine"]),
        ({"contamination": 0}, ["contamination", "0.5"]),
        ({"contamination": 0.6}, ["contamination", "0.6"]),
        ({"contamination": float("nan")}, ["contamination", "nan"]),
        ({"contamination": "some"}, ["contamination", "auto", "some"]),
        ({"random_state": -1}, ["random_state", "-1"]),
        ({"random_state": 2**31}, ["random_state", "2147483647"]),
        ({"device": "tpu"}, ["device", "tpu"]),
    ],
    ids=str,
)
def test_an_invalid_setting_is_refused_in_one_sentence(settings: dict[str, Any], words: list[str]) -> None:
    X, y = table()
    asked = AnoOnlyDetector(**settings)  # building it checks nothing
    with pytest.raises(ValueError) as caught:
        asked.fit(X, y)
    assert isinstance(caught.value, AnoOnlyError) and is_one_sentence(caught.value)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (None, "requires y"),
        (np.zeros(60), "no labeled anomaly"),
        (np.ones(60), "at least one row must be 0"),
        (np.arange(60) % 3, "nothing else"),
        (np.where(np.arange(60) < 5, 2, -1), "nothing else"),
        (np.full(60, np.nan), "no labeled anomaly"),
        (np.where(np.arange(60) < 5, 0.5, np.nan), "nothing else"),
        (np.where(np.arange(60) < 5, "1", "0"), "nothing else"),
    ],
    ids=["none", "zeros", "ones", "three", "two", "nan", "half", "words"],
)
def test_invalid_labels_are_refused_in_one_sentence(y: np.ndarray | None, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        detector().fit(table()[0], y)
    assert is_one_sentence(caught.value)


def test_labels_may_have_any_type_that_holds_0_and_1() -> None:
    X, y = table()
    scores = detector().fit(X, y).decision_scores_
    for same in (y.astype(bool), y.astype(float), y.astype(object), y.tolist(), pd.Series(y, index=y + 5)):
        assert np.array_equal(detector().fit(X, same).decision_scores_, scores)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        detector().fit(X, y[1:])


def test_rows_may_have_any_type_that_holds_the_numbers() -> None:
    X, y = table()
    X = X.astype(np.float32)
    fitted = detector().fit(X, y)
    for same in (X.astype(np.float64), np.asfortranarray(X), X.astype(object), pd.DataFrame(X), X.tolist()):
        assert np.array_equal(clone(fitted).fit(same, y).decision_scores_, fitted.decision_scores_)
        assert np.array_equal(fitted.decision_function(same), fitted.decision_scores_)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # scikit-learn's own, before it refuses the row
def test_invalid_rows_are_refused() -> None:
    X, y = table()
    fitted = detector().fit(X, y)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        detector().fit(sparse.csr_array(X), y)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        fitted.predict(sparse.csr_array(X))
    for value, words in ((np.nan, "NaN"), (np.inf, "infinity"), (1e300, "too large")):
        bad = X.copy()
        bad[7, 1] = value
        with pytest.raises(ValueError, match=words):
            detector().fit(bad, y)
        with pytest.raises(ValueError, match=words):
            fitted.decision_function(bad)
    bad[7, 1] = 3e38  # a float32, but not its difference from another
    with pytest.raises(InvalidInput, match="over 1e"):
        detector().fit(bad, y)
    with pytest.raises(InvalidInput, match=r"Row 7 of X .* infinite") as caught:
        fitted.decision_function(bad)
    assert is_one_sentence(caught.value)


def test_a_failed_fit_leaves_the_detector_unfitted() -> None:
    X, y = table()
    fitted = detector().fit(X, y)
    wild = fitted.set_params(baseline="REPEN", lambda_n=None, learning_rate=1.0)
    with pytest.raises(InvalidInput):
        wild.fit(X[:, :2], np.zeros(60))
    with pytest.raises(NotFittedError):
        wild.decision_function(X)


def test_a_diverging_training_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    original = fitted_module.Stack.scores
    monkeypatch.setattr(fitted_module.Stack, "scores", lambda self, rows: [s * np.nan for s in original(self, rows)])
    with pytest.raises(TrainingDiverged, match="smaller learning rate"):
        detector().fit(*table())


def test_a_failed_fit_removes_the_previous_fit() -> None:
    random = np.random.default_rng(0)
    X, y = random.normal(size=(40, 2)), (np.arange(40) % 8 == 0).astype(int)
    fitted = AnoOnlyDetector(epochs=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="no labeled anomaly"):
        fitted.fit(X[:, :1], np.zeros(40))
    assert not any(
        name.endswith("_") and not name.startswith("__") for name in vars(fitted) if name != "n_features_in_"
    )
    with pytest.raises(NotFittedError):
        fitted.decision_function(X)

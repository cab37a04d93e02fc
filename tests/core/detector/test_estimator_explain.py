"""`explain` of the estimator: every system, saved files, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.detector.classifier import AnoOnlyClassifier
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.serialization import read_model, write_model
from anoonly_core.errors import BadModelFile, InvalidInput
from anoonly_core.models import METHODS
from tests.core.detector.detectors import detector, is_one_sentence, table

pytestmark = pytest.mark.usefixtures("short_pretraining")


@pytest.mark.parametrize("baseline", METHODS)
def test_every_system_is_explained_and_so_is_its_file(baseline: str, tmp_path: Path) -> None:
    X, y = table(columns=5)
    fitted = detector(baseline).fit(X, y)
    explanation = fitted.explain(X[:4], draws=20)
    assert explanation.contributions.shape == explanation.occlusion.shape == (4, 5)
    assert explanation.columns == ("x0", "x1", "x2", "x3", "x4")
    np.testing.assert_allclose(explanation.values, X[:4].astype(np.float32))
    np.testing.assert_allclose(explanation.medians, np.median(X[y == 0], axis=0), rtol=1e-6)
    assert np.array_equal(explanation.scores, fitted.decision_function(X[:4]))
    fitted.save(tmp_path / "one.safetensors")
    loaded = AnoOnlyDetector.load(tmp_path / "one.safetensors").explain(X[:4], draws=20)
    assert np.array_equal(loaded.contributions, explanation.contributions)
    assert loaded.deletion is not None and explanation.deletion is not None
    assert np.array_equal(loaded.deletion.random_areas, explanation.deletion.random_areas, equal_nan=True)


def test_the_planted_column_is_found_and_believed() -> None:
    drawn = np.random.default_rng(0)
    frame = pd.DataFrame(drawn.normal(size=(300, 8)), columns=[*"abcdefgh"])
    frame.loc[:39, "e"] += 6
    fitted = AnoOnlyDetector("DevNet", lambda_n=1.0, epochs=20, random_state=0).fit(frame, np.arange(300) < 20)
    explanation = fitted.explain(frame[20:40])
    assert np.mean([explanation.columns[explanation.order(row)[0]] == "e" for row in range(20)]) >= 0.95
    assert int(np.argmax(explanation.mean_absolute())) == 4
    assert explanation.believed is not None and explanation.believed.mean() >= 0.9


def test_a_classifier_explains_the_score_of_the_detector() -> None:
    X, y = table()
    fitted = AnoOnlyClassifier("DevNet", epochs=1, random_state=0).fit(X, y)
    explanation = fitted.explain(X[:3], draws=0)
    np.testing.assert_allclose(explanation.scores, fitted.decision_function(X[:3]) + fitted.threshold_)


def without_median(folder: Path) -> Path:
    """Write a file as versions without explanations wrote it."""
    path = folder / "old.safetensors"
    detector("DevNet").fit(*table()).save(path)
    document, tensors = read_model(path)
    write_model(path, document, {name: tensor for name, tensor in tensors.items() if name != "median"})
    return path


def test_a_file_without_a_median_scores_and_says_why_it_does_not_explain(tmp_path: Path) -> None:
    X, _ = table()
    loaded = AnoOnlyDetector.load(without_median(tmp_path))
    assert np.array_equal(loaded.decision_function(X), detector("DevNet").fit(*table()).decision_function(X))
    with pytest.raises(InvalidInput, match="earlier version") as error:
        loaded.explain(X)
    assert is_one_sentence(error.value)
    loaded.save(tmp_path / "again.safetensors")
    assert "median" not in read_model(tmp_path / "again.safetensors")[1]


@pytest.mark.parametrize("kind", ["shape", "dtype", "infinite"])
def test_a_forged_median_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "forged.safetensors"
    detector("DevNet").fit(*table()).save(path)
    document, tensors = read_model(path)
    median = tensors["median"]
    forged = {"shape": median[:-1].clone(), "dtype": median.double(), "infinite": median * np.inf}[kind]
    write_model(path, document, tensors | {"median": forged})
    with pytest.raises(BadModelFile):
        AnoOnlyDetector.load(path)


@pytest.mark.parametrize(
    ("X", "draws"),
    [(np.zeros((2, 3)), 10), (np.full((2, 4), np.nan), 10), (np.zeros((2, 4)), -1), (np.zeros(4), 10)],
)
def test_invalid_arguments_are_refused(X: np.ndarray, draws: int) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        detector("DevNet").fit(*table()).explain(X, draws)

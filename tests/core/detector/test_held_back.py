"""The threshold of a detector: new rows exceed it as often as promised, and nothing else depends on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anoonly_core.baselines import BASELINES
from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Provenance, make_dataset
from anoonly_core.data.split import Split, make_split, min_max
from anoonly_core.detector import held_back
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.held_back import make_folds, score_folds
from anoonly_core.detector.network import train_network
from anoonly_core.detector.scoring import detector_for_run
from anoonly_core.models import METHODS
from anoonly_core.runs.run import run
from tests.core.detector.detectors import detector, table

pytestmark = pytest.mark.usefixtures("short_pretraining")


def drawn(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 12))


@pytest.mark.parametrize(("baseline", "lambda_n"), [("DeepSAD", 0.0), ("DevNet", 1.0), ("DevNet", 0.0)])
def test_new_rows_exceed_it_as_often_as_promised(baseline: str, lambda_n: float) -> None:
    X, y = drawn(300, 0), np.zeros(300, dtype=np.int64)
    y[:8] = 1
    X[y == 1] += 2.5
    fitted = AnoOnlyDetector(baseline, lambda_n=lambda_n, random_state=0).fit(X, y)
    for share in (0.05, 0.1, 0.25):
        flagged = fitted.set_params(contamination=share).predict(drawn(4000, 1))
        assert flagged.mean() == pytest.approx(share, abs=0.07), share


@pytest.mark.parametrize("name", ["breast_cancer", "digits_3", "digits_8"])
def test_a_quantile_of_training_scores_would_flag_far_more(name: str) -> None:
    """DeepSAD at λ_n = 1 fits its pool closely: the case for which rows are held back."""
    config = make_config(dataset=name, lambda_n=1.0)
    dataset = load_cached(config.dataset)
    split = make_split(dataset, config)
    normal = dataset.X[split.test[dataset.y[split.test] == 0]]
    fitted = detector_for_run(config)
    scores = fitted.decision_function(normal)
    assert (scores > np.quantile(fitted.decision_scores_, 0.9)).mean() > 0.2
    assert (scores > fitted.threshold_).mean() < 0.13


@pytest.mark.parametrize("baseline", METHODS)
def test_network_and_scores_are_those_of_the_run(baseline: str) -> None:
    lambda_n = 0.0 if BASELINES[baseline].has("lambda_n") else None
    config = make_config(dataset="digits_only_3", baseline=baseline, lambda_n=lambda_n, epochs=1)
    dataset = load_cached(config.dataset)
    split = make_split(dataset, config)
    fitted, alone = detector_for_run(config), train_network(dataset, split, config)
    np.testing.assert_array_equal(fitted.decision_scores_, alone.training_scores)
    np.testing.assert_array_equal(fitted.decision_function(dataset.X[split.test]), run(config).scores)


def test_equal_rows_stay_in_one_fold_and_every_pool_row_is_held_back_once() -> None:
    X = np.repeat(drawn(40, 0), 3, axis=0)
    labeled = np.arange(120) < 6
    dataset = make_dataset("t", X, labeled.astype(int), Provenance("here", "none"))
    rows = np.arange(120)
    split = Split(rows, labeled, rows[:0], *min_max(dataset.X, rows), {})
    folds = make_folds(dataset, split, seed=0)
    assert sorted(np.concatenate([fold.held_back for fold in folds])) == rows[6:].tolist()
    for fold in folds:
        assert fold.split.labeled.sum() == 6 and fold.split.minimum is split.minimum
        assert set(fold.held_back).isdisjoint(fold.split.train)
        assert not set(fold.held_back // 3) & set(fold.split.train // 3)


@pytest.mark.parametrize(("rows", "folds", "size"), [(60, 3, 20), (61, 1, 18), (400, 1, 20)])
def test_a_large_pool_holds_back_one_bounded_fold(
    rows: int, folds: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_back, "MAX_HELD_BACK", 20)
    labeled = np.arange(rows + 2) < 2
    dataset = make_dataset("t", drawn(rows + 2, 0), labeled.astype(int), Provenance("here", "none"))
    every = np.arange(rows + 2)
    made = make_folds(dataset, Split(every, labeled, every[:0], *min_max(dataset.X, every), {}), seed=0)
    assert len(made) == folds and size - 3 <= len(made[0].held_back) <= 20


@pytest.mark.parametrize("unlabeled", [1, 2])
def test_without_three_distinct_rows_it_is_a_quantile_of_the_training_scores(unlabeled: int) -> None:
    X = np.concatenate([np.full((2, 3), 4.0), np.repeat(drawn(unlabeled, 0)[:, :3], 2, axis=0)])
    y = np.array([1, 1] + [0] * (2 * unlabeled))
    fitted = detector(contamination=0.3).fit(X, y)
    assert fitted.threshold_ == np.quantile(fitted.decision_scores_[y == 0], 0.7)


def test_a_diverged_fold_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(dataset="digits_only_3", epochs=1)
    dataset = load_cached(config.dataset)
    folds = make_folds(dataset, make_split(dataset, config), 0)
    monkeypatch.setattr(
        held_back.Stack, "scores", lambda self, rows: [np.full(len(part), np.nan, dtype=np.float32) for part in rows]
    )
    assert folds and not score_folds(dataset, folds, config)


def test_the_same_seed_gives_the_same_threshold_and_the_file_keeps_it(tmp_path: Path) -> None:
    X, y = table()
    first, second = detector("PReNet").fit(X, y), detector("PReNet").fit(X, y)
    assert first.threshold_ == second.threshold_
    first.save(tmp_path / "d.safetensors")
    assert AnoOnlyDetector.load(tmp_path / "d.safetensors").threshold_ == first.threshold_


def test_all_epochs_are_reported_in_order() -> None:
    reported: list[float] = []
    detector_for_run(make_config(dataset="digits_only_3", epochs=3), lambda done, total: reported.append(done / total))
    assert reported == sorted(reported) and len(reported) >= 6 and reported[-1] == 1

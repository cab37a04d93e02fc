"""Thresholds, path and plane of a stream."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from anoonly_core.decision.conformal import conformal_threshold
from anoonly_core.drift.run import run_drift
from anoonly_core.drift.scoring import newest_thresholds
from tests.core.drift.made import BATCH, GUARDED, MIXED, MOVING, RUNNING, networks, short


def test_the_path_is_the_distance_from_the_running_mean_in_deviations() -> None:
    config = short(amount=2, guard="none")
    stack, _, x = networks(config)
    [result] = run_drift([config])
    norm = next(stack.head.norms())
    h = x[0, 4] @ stack.head.parts["features"].steps[0].weight[0].detach()
    away = (h.mean(dim=0) - norm.running_mean[0, 0]) / norm.running_variance[0, 0].sqrt()
    assert result.path[BATCH, 4] == pytest.approx(float(away.square().mean().sqrt()), rel=1e-4)
    assert result.path[MIXED, 4] == pytest.approx(result.path[BATCH, 4] / 2, rel=1e-4)
    assert (result.path[RUNNING] == 0).all() and result.path[MOVING, 0] == 0
    assert (result.path[GUARDED] == result.path[MOVING]).all()


def test_the_promise_holds_before_the_shift() -> None:
    configs = [short(seed, schedule="none", batches=12, level=0.1) for seed in range(5)]
    results = run_drift(configs)
    for way in (RUNNING, BATCH, MIXED):
        rates = [(result.scores[way] > result.promised[way])[~result.anomalous].mean() for result in results]
        assert 0.04 < np.mean(rates) < 0.17


def test_thresholds_follow_the_newest_normal_scores() -> None:
    rng = np.random.default_rng(0)
    calibration, scores, normal = rng.random(30), rng.random((5, 20)) + 3, rng.random((5, 20)) < 0.9
    thresholds = newest_thresholds(calibration, scores, normal, 0.1)
    assert thresholds[0] == np.float32(conformal_threshold(calibration, 0.1))
    newest = np.concatenate([calibration, *(row[mask] for row, mask in zip(scores, normal, strict=True))])
    until = len(calibration) + normal[:4].sum()
    assert thresholds[4] == np.float32(conformal_threshold(newest[until - 30 : until], 0.1))
    assert thresholds[4] > 3


def test_standardized_scores_have_mean_0_and_deviation_1_in_each_batch() -> None:
    [result] = run_drift([short(standardize=True)])
    np.testing.assert_allclose(result.scores.mean(axis=2), 0, atol=1e-5)
    np.testing.assert_allclose(result.scores.std(axis=2, ddof=1), 1, rtol=1e-4)
    [plain] = run_drift([short()])
    assert (np.argsort(result.scores[0, 0]) == np.argsort(plain.scores[0, 0])).all()


def test_the_plane_is_fixed_and_that_of_the_training_rows() -> None:
    config = short(schedule="none")
    [result] = run_drift([config])
    stack, streams, _ = networks(config)
    [hidden] = stack.hidden([streams[0].rows[2]])
    [training] = stack.hidden([np.unique(stack.splits[0].train)])
    expected = PCA(2, svd_solver="full").fit(training).transform(hidden)
    np.testing.assert_allclose(abs(result.plane[RUNNING, 2]), abs(expected), rtol=1e-2, atol=1e-3)
    assert result.training_plane.shape == (200, 2)

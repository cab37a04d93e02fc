"""Metrics of a stack against scikit-learn, ties included, and against the metrics of one run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from anoonly_core.metrics.ranking import METRICS, metrics
from anoonly_core.metrics.stacked import padded_labels, stacked_metrics

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")),
]


def expected(y: np.ndarray, score: np.ndarray) -> list[float]:
    return [
        roc_auc_score(y, score),
        average_precision_score(y, score),
        average_precision_score(1 - y, -score),
        average_precision_score(1 - y, score),
    ]


def measured(runs: list[tuple[np.ndarray, np.ndarray]], device: str) -> np.ndarray:
    """Compute the metrics of runs of unequal length, with NaN as padding of the scores."""
    labels = padded_labels([y for y, _ in runs], torch.device(device))
    scores = torch.full(labels.shape, torch.nan)
    for run, (_, own) in enumerate(runs):
        scores[run, : len(own)] = torch.from_numpy(own)
    return stacked_metrics(labels, scores.to(device)).cpu().numpy()


@st.composite
def runs_with_ties(draw: st.DrawFn) -> list[tuple[np.ndarray, np.ndarray]]:
    runs = []
    for _ in range(draw(st.integers(1, 4))):
        rows = draw(st.integers(2, 40))
        y = np.array(draw(st.lists(st.integers(0, 1), min_size=rows, max_size=rows)))
        y[:2] = 0, 1  # both classes
        values = st.one_of(st.sampled_from([-1.5, 0.0, 2.0]), st.floats(-1024, 1024, width=32, allow_subnormal=False))
        runs.append((y, np.array(draw(st.lists(values, min_size=rows, max_size=rows)), dtype=np.float32)))
    return runs


@pytest.mark.parametrize("device", DEVICES)
@settings(deadline=None, max_examples=150)
@given(runs=runs_with_ties())
def test_stacked_metrics_equal_those_of_scikit_learn(device: str, runs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for found, (y, score) in zip(measured(runs, device), runs, strict=True):
        np.testing.assert_allclose(found, expected(y, score), rtol=0, atol=1e-12)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("distinct", [1, 2, 7, 2000])
def test_stacked_metrics_of_many_rows_equal_those_of_one_run(device: str, distinct: int) -> None:
    random = np.random.default_rng(distinct)
    runs = []
    for rows in (1579, 1580, 400):
        y = (random.random(rows) < 0.05).astype(np.int64)
        y[:2] = 0, 1
        runs.append((y, (random.integers(distinct, size=rows) + y * (distinct > 2)).astype(np.float32)))
    for found, (y, score) in zip(measured(runs, device), runs, strict=True):
        np.testing.assert_allclose(found, expected(y, score), rtol=0, atol=1e-12)
        one = metrics(y, score).as_dict()
        np.testing.assert_allclose(found, [one[name] for name in METRICS], rtol=0, atol=1e-12)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_makes_all_metrics_of_its_run_nan(wrong: float) -> None:
    y, score = np.array([0, 1, 1]), np.array([0.0, 1.0, 0.5], dtype=np.float32)
    broken = score.copy()
    broken[2] = wrong
    fine, none = measured([(y, score), (y, broken)], "cpu")
    assert np.isfinite(fine).all() and np.isnan(none).all()

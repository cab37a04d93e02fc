"""Figures of streams against scikit-learn, and sentences that claim no more than their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from anoonly_core.config import make_config
from anoonly_core.drift.config import make_drift_config
from anoonly_core.drift.result import ABSORPTION_FIGURES, Absorption, DriftResult
from anoonly_core.drift.summary import (
    absorption_sentence,
    before_and_after,
    breaking_share,
    headline,
    moving_mean,
    stream_figures,
)
from anoonly_core.drift.ways import WAYS
from tests.core.drift.made import made_absorption, made_result

RNG = np.random.default_rng(0)
CONFIG = make_drift_config(make_config(), batches=6, start=3)


def random_result(seed: int = 0, batches: int = 6) -> DriftResult:
    rng = np.random.default_rng(seed)
    anomalous = rng.random((batches, 20)) < 0.3
    scores = rng.integers(0, 8, (len(WAYS), batches, 20)) / 8 + anomalous * 0.2  # with ties
    return made_result(scores, anomalous)


def test_rankings_are_those_of_scikit_learn() -> None:
    result = random_result()
    figures = stream_figures(result)
    for way in range(len(WAYS)):
        for batch, marks in enumerate(result.anomalous):
            scores = result.scores[way, batch]
            assert figures.aucroc[way, batch] == pytest.approx(roc_auc_score(marks, scores), abs=1e-12)
            assert figures.aucpr[way, batch] == pytest.approx(average_precision_score(marks, scores), abs=1e-12)


@pytest.mark.parametrize("recalibrated", [False, True])
def test_rates_count_the_rows_above_the_threshold(recalibrated: bool) -> None:
    result = random_result()
    figures = stream_figures(result, recalibrated)
    threshold = 1.0 if recalibrated else 0.5
    scores, marks = result.scores[2, 4], result.anomalous[4]
    assert figures.false_alarms[2, 4] == np.mean(scores[~marks] > threshold)
    assert figures.missed[2, 4] == np.mean(scores[marks] <= threshold)


@pytest.mark.parametrize("marks", [False, True])
def test_a_batch_of_one_class_has_no_ranking(marks: bool) -> None:
    result = made_result(RNG.random((len(WAYS), 2, 8)), np.full((2, 8), marks))
    figures = stream_figures(result)
    assert np.isnan(figures.aucroc).all() and np.isnan(figures.aucpr).all()
    assert np.isnan(figures.missed).all() != marks and np.isnan(figures.false_alarms).all() == marks
    assert "there is no AUCROC" in headline(CONFIG, [result])


@pytest.mark.parametrize("batches", [1, 3, 10])
def test_a_moving_mean_is_that_of_the_last_batches(batches: int) -> None:
    values = RNG.random((2, 7))
    values[0, 2] = np.nan
    expected = [
        [np.nanmean(row[max(0, end - batches) : end]) if np.isfinite(row[max(0, end - batches) : end]).any() else np.nan
         for end in range(1, 8)]
        for row in values
    ]  # fmt: skip
    np.testing.assert_allclose(moving_mean(values, batches), expected)


def test_before_and_after_are_means_over_batches_with_intervals_over_seeds() -> None:
    results = [random_result(seed) for seed in range(4)]
    summary = before_and_after(results, 2)["mixed"]
    after = np.array([stream_figures(result).aucroc[2, 2:].mean() for result in results])
    running = np.array([stream_figures(result).aucroc[0, 2:].mean() for result in results])
    assert summary.after.mean == pytest.approx(after.mean())
    assert summary.after.margin == pytest.approx(3.182446 * after.std(ddof=1) / 2)
    assert summary.lead.mean == pytest.approx((after - running).mean())
    assert summary.before.mean == pytest.approx(
        np.mean([stream_figures(result).aucroc[2, :2].mean() for result in results])
    )
    assert before_and_after(results[:1], 2)["mixed"].after.margin is None


def test_results_survive_the_store_and_foreign_ones_do_not() -> None:
    result = random_result()
    again = DriftResult.from_arrays(result.arrays())
    assert again is not None and (again.scores == result.scores).all()
    assert DriftResult.from_arrays(None) is None
    assert DriftResult.from_arrays({**result.arrays(), "scores": result.scores[:2]}) is None
    assert DriftResult.from_arrays({"scores": result.scores}) is None
    absorbed = made_absorption({"running": [0.9, 0.9]}, [0.1, 0.2])
    assert Absorption.from_arrays(absorbed.arrays()) is not None
    assert Absorption.from_arrays({**absorbed.arrays(), "shares": np.array([0.1])}) is None
    assert absorbed.of("aucroc").shape == (2, len(WAYS)) and len(ABSORPTION_FIGURES) == 4


def with_lead(lead: float, seeds: int, noise: float = 0.0) -> list[DriftResult]:
    """Results in which batch statistics have a larger AUCROC than running ones by about the lead from batch 3 on."""
    results = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        anomalous = np.zeros((6, 100), dtype=bool)
        anomalous[:, :50] = True
        scores = np.tile(np.linspace(0, 1, 50), 2)[None, None].repeat(len(WAYS), 0).repeat(6, 1)
        scores[1, 3:, :50] += lead / 2 + noise * rng.normal()
        results.append(made_result(scores, anomalous))
    return results


@pytest.mark.parametrize(
    ("results", "words"),
    [
        (with_lead(0.3, 1), "One seed carries no interval"),
        (with_lead(0.3, 5, 0.01), "batch statistics are better by"),
        (with_lead(0.05, 5, 0.3), "no way that follows differs clearly"),
        # The interval excludes 0, but not after a correction for the four ways that were tried.
        (with_lead(0.3, 5, 0.15), "no way that follows differs clearly (batch statistics: +0.176 ± 0.134)"),
    ],
)
def test_the_headline_claims_what_the_interval_carries(results: list[DriftResult], words: str) -> None:
    sentence = headline(CONFIG, results)
    assert sentence.startswith("Under a sudden shift (mean, random direction, 1), running statistics go from AUCROC")
    assert words in sentence


def test_the_headline_speaks_of_one_retrained_network() -> None:
    results = with_lead(0.3, 5, 0.01)
    for result in results:
        result.scores[[1, -1]] = result.scores[[-1, 1]]
    retrained = make_drift_config(make_config(), batches=6, start=3, retrain_every=2)
    assert "; a retrained network is better by" in headline(retrained, results)
    assert "; a retrained network reaches" in headline(retrained, results[:1])


def test_the_headline_says_that_following_hurts() -> None:
    results = with_lead(-0.3, 5, 0.01)
    for result in results:
        result.scores[2:5] = result.scores[1]
    assert "following hurts" in headline(CONFIG, results)
    layer = make_drift_config(make_config(norm="layer"), batches=6, start=3, schedule="none")
    assert headline(layer, results).startswith("Without a shift") and "no statistics can follow" in headline(
        layer, results
    )


SHARES = [0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize(
    ("batch", "share"),
    [
        ([0.9, 0.9, 0.8, 0.7], 0.3),
        ([0.7, 0.9, 0.8, 0.7], 0.3),  # broken at all larger shares, too
        ([0.9, 0.9, 0.9, 0.9], None),
        ([0.8, 0.8, 0.8, 0.9], None),
        ([0.8, 0.8, 0.8, 0.8], 0.1),
    ],
)
def test_the_breaking_share_is_that_from_which_the_loss_stays(batch: list[float], share: float | None) -> None:
    absorptions = [made_absorption({"running": [0.9] * 4, "batch": batch}, SHARES)] * 3
    assert breaking_share(absorptions, "batch") == share
    assert breaking_share(absorptions, "running") is None
    said = absorption_sentence(CONFIG, absorptions)
    assert ("batch statistics never" if share is None else f"batch statistics from {share:.0%}") in said


def test_a_loss_within_its_interval_breaks_nothing() -> None:
    areas = [[0.9, 0.9, 0.9, last] for last in (0.9, 0.5, 0.89)]
    absorptions = [made_absorption({"running": [0.9] * 4, "batch": batch}, SHARES) for batch in areas]
    assert breaking_share(absorptions, "batch") is None
    assert breaking_share(absorptions[1:2], "batch") == 0.4

"""Ranking and crossover, on made figures."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.which.advice import advice, crossover_sentence
from anoonly_core.which.plan import plan_which
from anoonly_core.which.result import which_result
from anoonly_core.which.systems import SYSTEMS
from tests.core.which.made import THREE, noisy, plan_of, result_of, runs_of


def test_the_ranking_has_paired_differences_and_corrected_tests() -> None:
    result = result_of({"DeepSAD + AnoOnly": 0.8, "LogisticRegression": 0.79, "KNN": 0.2})
    best, second, last = result.ranking
    assert [rank.point.system for rank in result.ranking] == ["DeepSAD + AnoOnly", "LogisticRegression", "KNN"]
    for rank in (second, last):
        differences = [best.point.values[seed] - rank.point.values[seed] for seed in range(5)]
        assert rank.behind == pytest.approx(np.mean(differences))
        assert rank.p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
        assert rank.p_corrected == pytest.approx(min(1, 2 * rank.p))
        assert rank.margin == pytest.approx(margin_of_error(differences, 2))
        assert rank.is_tied == (rank.p_corrected >= 0.05)
        assert rank.is_tied == (abs(rank.behind) <= rank.margin), "test and interval agree"
    assert best.behind == 0 and best.is_tied and not last.is_tied
    assert last.kind == "unsupervised"


def test_the_best_system_is_seldom_ruled_out_by_chance() -> None:
    """Of eight systems of which one is truly best by a hair, that one is ruled out in at most 5 % of the cases."""
    names = tuple(itertools.islice(SYSTEMS, 8))
    plan = plan_which("digits_3", names, (5,), seeds=5)
    random = np.random.default_rng(0)
    ruled_out = 0
    for _ in range(400):
        values = random.normal(size=(8, 5)) * 0.05 + random.normal(size=5) * 0.1
        values[0] += 1e-6
        figures = {(name, seed): values[row, seed] for row, name in enumerate(names) for seed in range(5)}
        result = which_result(plan, runs_of(plan, lambda name, count, seed: figures[name, seed]))  # noqa: B023
        ruled_out += not next(rank for rank in result.ranking if rank.point.system == names[0]).is_tied
    assert ruled_out / 400 < 0.05


def test_unfinished_and_failed_runs_leave_the_rest_ranked() -> None:
    plan = plan_of()
    runs = runs_of(plan, noisy(dict.fromkeys(THREE, 0.5)))
    gone = [key for (system, count, seed), key in plan.keys.items() if system == "KNN" or (seed == 0 and count == 20)]
    failures = {plan.keys["KNN", 20, 0]: "No memory.", plan.keys["KNN", 20, 1]: "No memory."}
    result = which_result(plan, {key: run for key, run in runs.items() if key not in gone}, failures)
    assert [rank.point.system for rank in result.ranking] and len(result.ranking) == 2
    assert all(set(rank.point.values) == {1, 2, 3, 4} for rank in result.ranking)
    assert result.failures == ("KNN: No memory.",)
    assert result.finished == len(plan.configs) - len(gone)
    empty = which_result(plan, {})
    assert (empty.ranking, empty.curves, empty.crossover, advice(empty)) == ((), {}, None, "")


def test_the_lead_changes_where_the_sign_does() -> None:
    plan = plan_of()
    lead = {1: 0.2, 5: 0.05, 20: -0.1}

    def figure(system: str, count: int, seed: int) -> float:
        return 0.5 + 0.01 * seed + (lead[count] + 1e-3 * (seed % 2) if system == "DeepSAD + AnoOnly" else 0.0)

    result = which_result(plan, runs_of(plan, figure))
    crossover = result.crossover
    assert crossover is not None
    assert (crossover.anoonly, crossover.classifier) == ("DeepSAD + AnoOnly", "LogisticRegression")
    assert crossover.labels == (1, 5, 20) and crossover.between == (5, 20)
    assert crossover.differences == pytest.approx([value + 4e-4 for value in lead.values()])
    assert crossover.is_clear == (True, True, True)
    assert crossover_sentence(result) == (
        "DeepSAD + AnoOnly leads up to 5 labels, LogisticRegression from 20 on. "
        "Clear at 1 (+0.20), 5 (+0.05), 20 (-0.10) labels."
    )


def test_without_a_change_one_lies_above_everywhere() -> None:
    result = result_of({"DeepSAD + AnoOnly": 0.4, "DevNet + AnoOnly": 0.3, "LogisticRegression": 0.6})
    assert result.crossover is not None and result.crossover.anoonly == "DeepSAD + AnoOnly"
    assert result.crossover.between is None
    assert crossover_sentence(result).startswith("LogisticRegression lies above DeepSAD + AnoOnly at every number")
    assert crossover_sentence(result_of({"KNN": 0.5, "LogisticRegression": 0.5})) == ""

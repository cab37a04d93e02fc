"""Advice, on made figures."""

from __future__ import annotations

import itertools

import pytest

from anoonly_core.which.advice import ONE_SEED, advice
from anoonly_core.which.result import which_result
from anoonly_core.which.systems import SYSTEMS
from tests.core.which.made import THREE, noisy, plan_of, result_of, runs_of


def test_a_clear_winner_is_named_with_the_second() -> None:
    text = advice(result_of({"DeepSAD + AnoOnly": 0.9, "LogisticRegression": 0.6, "KNN": 0.2}, LogisticRegression=40.0))
    assert text.startswith("With 20 labeled anomalies DeepSAD + AnoOnly (AUCPR 0.89 ± 0.01) ranks first")
    assert "clearly ahead of LogisticRegression, which lies 0.29 ± 0.03 behind and is" not in text
    assert text.endswith("(5 seeds; paired t tests, corrected for 2 comparisons with the best.)")


def test_what_cannot_be_told_apart_is_said_with_the_faster_one() -> None:
    text = advice(
        result_of(
            {"DeepSAD + AnoOnly": 0.8, "LogisticRegression": 0.795, "KNN": 0.2}, DeepSAD=4.0, LogisticRegression=0.1
        )
    )
    assert "cannot be told apart; LogisticRegression is 40 times as fast as DeepSAD + AnoOnly." in text
    assert "KNN" not in text


def test_a_tie_with_a_detector_without_labels_says_that_labels_do_not_help() -> None:
    text = advice(result_of({"DeepSAD + AnoOnly": 0.5, "KNN": 0.5}, spread=0.05))
    assert "KNN uses no label at all, so labels do not show an effect yet." in text
    assert text.endswith("(5 seeds; paired t tests.)")


def test_a_wide_gap_that_is_not_clear_asks_for_more_seeds() -> None:
    text = advice(result_of({"DeepSAD + AnoOnly": 0.8, "LogisticRegression": 0.5}, spread=0.6))
    assert "cannot be told apart" in text and "More seeds may tell: " in text


def test_one_seed_and_one_system_claim_nothing() -> None:
    plan = plan_of(seeds=1)
    text = advice(which_result(plan, runs_of(plan, noisy(dict.fromkeys(THREE, 0.5)))))
    assert text.endswith(ONE_SEED) and "clearly" not in text
    alone = plan_of(("KNN",))
    assert "nothing to compare it with" in advice(which_result(alone, runs_of(alone, noisy({"KNN": 0.5}))))


@pytest.mark.parametrize("count", [4, 6, 12])
def test_of_many_tied_systems_three_are_named(count: int) -> None:
    names = tuple(itertools.islice(SYSTEMS, count))
    result = result_of(dict.fromkeys(names, 0.5))
    others = count - 3
    assert all(rank.is_tied for rank in result.ranking)
    assert f" and {others} other{'s' if others > 1 else ''} cannot be told apart" in advice(result)

"""The sentences and the table of Which method?."""

from __future__ import annotations

import pytest

from anoonly_core.which.advice import advice
from anoonly_core.which.plan import plan_which
from anoonly_core.which.result import which_result
from app.views.which.text import NOTHING_YET, conditions, curves_sentence, headline, ranking_table, seconds
from app.views.which.url import DEFAULT_CHOICE, WhichChoice
from tests.core.which.made import THREE, noisy, plan_of, runs_of

MEANS = dict(zip(THREE, (0.9, 0.5, 0.1), strict=True))


@pytest.mark.parametrize("finished", [0, 1, 7, 14, 15, 30, 45])
def test_the_advice_waits_for_the_ranking(finished: int) -> None:
    plan = plan_of()
    runs = dict(list(runs_of(plan, noisy(MEANS)).items())[:finished])
    result = which_result(plan, runs)
    text = headline(result, {})
    if not finished:
        assert text == NOTHING_YET
    elif finished < 15:
        assert text.endswith(f": {finished} of 15 runs.") and "DeepSAD + AnoOnly leads so far with AUCPR 0." in text
    else:
        assert text == advice(result)
    assert (curves_sentence(result) == "The curves grow as runs finish.") == (finished < 45)


@pytest.mark.parametrize("failed", ["KNN", "LogisticRegression", "DeepSAD + AnoOnly"])
def test_failed_runs_do_not_hold_the_advice_back(failed: str) -> None:
    plan = plan_of()
    failures = {key: "It failed." for (system, _, _), key in plan.keys.items() if system == failed}
    runs = {key: run for key, run in runs_of(plan, noisy(MEANS)).items() if key not in failures}
    result = which_result(plan, runs, failures)
    assert headline(result, failures) == advice(result) and failed not in advice(result)
    assert list(ranking_table(result)["place"])[-1] == "waiting"


def test_the_table_holds_the_ranking() -> None:
    result = which_result(plan_of(), runs_of(plan_of(), noisy(MEANS)))
    table = ranking_table(result)
    assert list(table["system"]) == list(THREE) and list(table["place"]) == ["best", "behind", "behind"]
    assert list(table["AUCPR"]) == [rank.point.mean for rank in result.ranking]
    assert list(table["behind the best"])[1:] == [rank.behind for rank in result.ranking[1:]]
    assert list(table["seeds"]) == [5, 5, 5]


@pytest.mark.parametrize(("value", "text"), [(0.0389, "0.039 s"), (0.5, "0.5 s"), (3.41, "3.4 s"), (34.2, "34 s")])
def test_seconds_have_two_digits(value: float, text: str) -> None:
    assert seconds(value) == text


def test_conditions_name_what_differs_from_the_defaults() -> None:
    plain = conditions(DEFAULT_CHOICE.plan())
    assert plain == (
        "digits_3 · 12 systems · 10 of 59 anomalies in training labeled · anomalies in the pool as found · seeds 0 to 4"
    )
    other = plan_which("digits_3", THREE, (5,), seeds=1, settings={"contamination": 0.0, "flipped_anomalies": 0.2})
    text = conditions(other)
    assert "clean pool" in text and text.endswith("seed 0 · share of anomalies labeled normal 20 %")


@pytest.mark.parametrize(("labels", "at"), [(1, 1), (3, 3), (50, 50), (59, 59), (100, 50)])
def test_a_number_beyond_the_data_set_becomes_the_largest_possible_one(labels: int, at: int) -> None:
    plan = WhichChoice("digits_3", THREE, labels, 2, 0, ()).plan()
    assert plan.labels == at and at in plan.counts and plan.possible == 59

"""Tests of the query rules: one contract for all, and what each prefers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anoonly_core.errors import InvalidInput
from anoonly_core.labeling.orders import order_by
from anoonly_core.labeling.rules import QUERY_RULES, Query, choose_rows


def query(seed: int = 0, rows: int = 200, **values: Any) -> Query:
    random = np.random.default_rng(3)
    scores = random.normal(size=rows)
    made = {
        "scores": scores,
        "features": random.normal(size=(rows, 4)),
        "candidates": np.arange(0, rows, 2),
        "random": np.random.default_rng(seed),
        "other_scores": random.normal(size=rows),
    }
    return Query(**{**made, **values})


@pytest.mark.parametrize("rule", QUERY_RULES)
@pytest.mark.parametrize("count", [0, 1, 2, 7, 99, 100, 300])
def test_a_rule_chooses_distinct_candidates_and_repeats_itself(rule: str, count: int) -> None:
    chosen = choose_rows(rule, query(), count)
    assert len(chosen) == len(set(chosen.tolist())) == min(count, 100)
    assert np.isin(chosen, query().candidates).all() and chosen.dtype.kind == "i"
    assert np.array_equal(choose_rows(rule, query(), count), chosen), "the random numbers decide"
    shuffled = query(candidates=np.arange(0, 200, 2)[::-1])
    assert np.array_equal(choose_rows(rule, shuffled, count), chosen)
    assert QUERY_RULES[rule].label and QUERY_RULES[rule].summary.endswith(".")


@pytest.mark.parametrize("rule", QUERY_RULES)
def test_a_rule_chooses_among_equal_rows(rule: str) -> None:
    same = query(scores=np.zeros(200), other_scores=np.zeros(200), features=np.zeros((200, 4)))
    assert len(set(choose_rows(rule, same, 50).tolist())) == 50


@pytest.mark.parametrize("mapped", [0, 3, 60])
def test_rows_without_features_are_chosen_by_their_score(mapped: int) -> None:
    features = np.full((200, 4), np.nan)
    features[: 2 * mapped] = 1 + np.arange(8 * mapped).reshape(-1, 4)
    chosen = choose_rows("diverse", query(features=features), 10)
    assert len(set(chosen.tolist())) == 10 and (chosen < 2 * mapped).sum() == min(mapped, 10)


def test_each_rule_prefers_what_its_name_says() -> None:
    asked = query()
    candidates = set(asked.candidates.tolist())
    order = [row for row in order_by(asked.scores).tolist() if row in candidates]
    assert choose_rows("highest", asked, 5).tolist() == order[:5]
    ranks = np.argsort(np.argsort(-asked.scores))
    assert (np.abs(ranks[choose_rows("uncertain", asked, 5)] - 20) < 12).all()
    agreed = query(other_scores=asked.scores.copy())
    agreed.other_scores[4] = 100 if asked.scores[4] < 1 else -100  # type: ignore[index]
    assert choose_rows("disagreement", agreed, 1).tolist() == [4]
    clusters = query(features=np.repeat(np.eye(4) * 100, 50, axis=0))
    assert len({row // 50 for row in choose_rows("diverse", clusters, 4).tolist()}) == 4
    mix = choose_rows("mix", asked, 8).tolist()
    assert mix[:4] == order[:4] and not set(mix[4:]) & set(order[:4])
    assert choose_rows("random", query(seed=1), 9).tolist() != choose_rows("random", query(seed=2), 9).tolist()


def test_unknown_rules_and_missing_models_are_refused_in_one_sentence() -> None:
    with pytest.raises(InvalidInput, match="no query rule called 'best': choose one of highest"):
        choose_rows("best", query(), 3)
    with pytest.raises(InvalidInput, match="compares two models"):
        choose_rows("disagreement", query(other_scores=None), 3)

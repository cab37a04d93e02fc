"""Tests of the budget curves: the truth answers, the test part stays unseen, and the curves come back from a CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anoonly_core.data.dataset import Dataset, Provenance, make_dataset
from anoonly_core.data.split import make_split
from anoonly_core.errors import InvalidConfig
from anoonly_core.labeling.budget import _Loop, _Part, at_most, simulate
from anoonly_core.labeling.budget_table import (
    ANOONLY,
    BASELINE,
    BudgetCurve,
    BudgetPlan,
    budget_points,
    curves_table,
    paired_points,
    read_curves,
    shipped_curves,
)
from anoonly_core.labeling.rules import QUERY_RULES

SETTINGS = {"dataset": "made", "epochs": 2}


def made(rows: int = 300, apart: float = 6.0) -> Dataset:
    """Make a table with one anomaly in ten rows, `apart` from the others in each column."""
    random = np.random.default_rng(0)
    y = (np.arange(rows) % 10 == 0).astype(np.int64)
    return make_dataset("made", random.normal(size=(rows, 4)) + apart * y[:, None], y, Provenance("made here", ""))


def test_each_rule_asks_for_training_rows_once_and_the_truth_answers() -> None:
    plan = BudgetPlan(SETTINGS, tuple(QUERY_RULES), (0, 1), rounds=2, batch=7)
    curves = simulate(made(), plan)
    assert len(curves) == 2 * len(QUERY_RULES) * 2
    for curve in curves:
        assert len(curve.found) == len(curve.aucpr) == 3 and curve.found[0] == 0
        assert list(curve.found) == sorted(curve.found) and curve.found[-1] <= 14
    found = {
        rule: [curve.found[-1] for curve in curves if (curve.rule, curve.system) == (rule, ANOONLY)]
        for rule in ("highest", "random")
    }
    assert min(found["highest"]) > 10 > max(found["random"]), "anomalies that are far away stand on top"
    assert [curve.found for curve in simulate(made(), plan)] == [curve.found for curve in curves]


def test_labels_enter_the_split_and_the_test_rows_stay() -> None:
    dataset = made()
    plan = BudgetPlan(SETTINGS, ("highest",), (3,), known=0)
    part = _Part(dataset, make_split(dataset, plan.config(BASELINE, 3)), 3)
    loop = _Loop(plan, part, BASELINE, "highest")
    assert loop.split is None and np.array_equal(loop.scores, part.forest_scores), "no anomaly is known yet"
    loop.asked = np.flatnonzero(np.isin(part.rows, part.rows[:25]))
    split = loop.split
    assert split is not None and split.known_normal is not None
    asked, y = part.rows[loop.asked], dataset.y[part.rows[loop.asked]]
    assert set(split.train[split.labeled]) == set(asked[y == 1])
    assert set(split.train[split.known_normal]) == set(asked[y == 0])
    assert np.array_equal(split.test, part.split.test) and not np.isin(asked, split.test).any()


def test_a_large_data_set_is_drawn_and_a_small_one_stays() -> None:
    dataset = made()
    assert at_most(dataset, 300) is dataset
    drawn = at_most(dataset, 120)
    assert drawn.rows == 120 and np.array_equal(drawn.X, at_most(dataset, 120).X)


def curve(system: str, seed: int, found: int, aucpr: float, dataset: str = "made") -> BudgetCurve:
    return BudgetCurve(dataset, system, "highest", seed, (0, found), (0.5, aucpr))


def test_points_average_seeds_or_data_sets_and_differences_are_paired(tmp_path: Path) -> None:
    curves = [curve(ANOONLY, seed, 4 + seed, 0.8 + seed / 10) for seed in range(2)]
    others = [curve(BASELINE, seed, 4, 0.6 + seed / 10) for seed in (1, 0)]
    first, last = budget_points(curves, 10)
    assert (first.labels, last.labels, last.found) == (0, 10, 4.5) and last.aucpr == pytest.approx(0.85)
    assert first.found_margin == 0 and last.aucpr_margin == pytest.approx(12.7062 * 0.05, rel=1e-4)
    pair = paired_points(curves, others, 10)[-1]
    assert pair.aucpr == pytest.approx(0.2) and pair.aucpr_margin == pytest.approx(0, abs=1e-9)
    two = budget_points([*curves, curve(ANOONLY, 0, 10, 0.4, "other")], 10)[-1]
    assert two.found == pytest.approx((4.5 + 10) / 2), "data sets weigh alike"
    path = tmp_path / "budget.csv"
    curves_table(curves).to_csv(path, index=False)
    assert read_curves(path) == curves


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rules": ("best",)}, "rules must be of highest"),
        ({"rules": ()}, "not an empty list"),
        ({"rounds": 0}, "rounds must be a whole number from 1 to 100, not 0"),
        ({"batch": 1001}, "batch must be"),
        ({"known": -1}, "known must be a whole number from 0"),
        ({"seeds": ()}, "seeds must be"),
        ({"settings": {"baseline": "REPEN"}}, "REPEN has no lambda_n"),
    ],
)
def test_an_impossible_plan_is_refused_in_one_sentence(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidConfig, match=words) as caught:
        BudgetPlan(**{"settings": SETTINGS, "rules": ("highest",), **changes})  # type: ignore[arg-type]
    assert str(caught.value).endswith(".")


def test_shipped_curves_are_whole() -> None:
    curves = shipped_curves()
    assert curves
    for name in {curve.dataset for curve in curves}:
        of_set = [curve for curve in curves if curve.dataset == name]
        assert len({(each.system, each.rule, each.seed) for each in of_set}) == len(of_set) == 2 * 5 * 5
        assert {len(each.found) for each in of_set} == {6}

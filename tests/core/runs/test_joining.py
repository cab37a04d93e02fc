"""Joined groups hold each run once, and train to the bits of their own data sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.dataset import Dataset
from anoonly_core.models import METHODS
from anoonly_core.results.result import RunResult
from anoonly_core.runs import joining as module
from anoonly_core.runs.joining import join_groups
from anoonly_core.runs.stacking import RunGroup, group_runs
from anoonly_core.runs.train_stack import train_stack
from tests.core.training.stacks import made_table

# Bundled names that stand for made tables: two have 7 columns, one has 5.
TABLES = {
    "digits_3": made_table(300),
    "digits_8": made_table(1200, seed=1),
    "breast_cancer": made_table(300, columns=5, seed=2),
}


def load(name: str) -> Dataset:
    return TABLES[name]


def groups_of(configs: dict[str, RunConfig]) -> list[RunGroup]:
    groups, errors = group_runs(configs, load)
    assert not errors
    return groups


def configs_on(*names: str, **settings: object) -> dict[str, RunConfig]:
    return {
        f"{name} {seed} {settings}": make_config(dataset=name, seed=seed, epochs=2, **settings)
        for name in names
        for seed in range(2)
    }


def names(group: RunGroup) -> set[str]:
    return {run.config.dataset for run in group.runs}


def test_groups_of_equal_shape_and_columns_are_joined() -> None:
    """DevNet draws as many steps from any table; the steps of DeepSAD are counted by the rows."""
    configs = configs_on(*TABLES, baseline="DevNet") | configs_on("digits_3", "digits_8", baseline="DeepSAD")
    joined = join_groups(groups_of(configs))
    found = sorted((group.runs[0].config.baseline, *sorted(names(group))) for group in joined)
    assert found == [
        ("DeepSAD", "digits_3"),
        ("DeepSAD", "digits_8"),
        ("DevNet", "breast_cancer"),
        ("DevNet", "digits_3", "digits_8"),
    ]
    assert sorted(run.key for group in joined for run in group.runs) == sorted(configs)


def test_groups_that_share_a_pretraining_share_their_table() -> None:
    configs = configs_on("digits_3", "digits_8", baseline="FEAWAD", norm="none")
    configs |= configs_on("digits_3", "digits_8", baseline="FEAWAD", norm="batch")
    one, other = join_groups(groups_of(configs))
    assert one.dataset is other.dataset
    splits = [{run.config.dataset: run.split for run in group.runs if run.config.seed == 0} for group in (one, other)]
    assert splits[0].keys() == splits[1].keys() == {"digits_3", "digits_8"}
    assert all(splits[0][name] is splits[1][name] for name in splits[0])


@pytest.mark.parametrize(("bound", "value"), [("MAX_TEST_ROWS", 50), ("MAX_BYTES", TABLES["digits_3"].X.nbytes)])
def test_large_data_sets_stay_alone(bound: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = groups_of(configs_on("digits_3", "digits_8", baseline="DevNet"))
    monkeypatch.setattr(module, bound, value)
    assert [names(group) for group in join_groups(groups)] == [{"digits_3"}, {"digits_8"}]


def test_a_table_with_missing_values_is_not_joined_to_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = TABLES["digits_8"]
    X = whole.X.copy()
    X[::9, 0] = np.nan
    monkeypatch.setitem(TABLES, "digits_8", replace(whole, X=X))
    assert len(join_groups(groups_of(configs_on("digits_3", "digits_8", baseline="DevNet")))) == 2


def test_the_smallest_stack_of_its_groups_bounds_a_joined_one() -> None:
    groups = groups_of(configs_on("digits_3", "digits_8", baseline="DevNet"))
    (joined,) = join_groups([replace(group, max_stack_runs=size) for group, size in zip(groups, (3, 5), strict=True)])
    assert joined.max_stack_runs == 3


@pytest.mark.parametrize("baseline", ["DevNet", "FEAWAD", "PReNet"])
def test_runs_of_a_joined_stack_have_the_bits_of_their_own(baseline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row numbers of results are those of their data set."""
    monkeypatch.setattr(METHODS["FEAWAD"], "pretraining_epochs", 2)
    groups = groups_of(configs_on("digits_3", "digits_8", baseline=baseline, norm="batch"))
    (joined,) = join_groups(groups)
    assert len(groups) == 2 and len(joined.runs) == 4
    together = dict(zip([run.key for run in joined.runs], trained(joined), strict=True))
    for group in groups:
        for expected in trained(group):
            found = together[expected.key]
            assert np.array_equal(found.scores, expected.scores) and found.metrics == expected.metrics
            assert np.array_equal(found.test_rows, expected.test_rows)
            assert np.array_equal(found.y_test, expected.y_test) and found.counts == expected.counts
            assert np.array_equal(found.sample.rows, expected.sample.rows)
            assert np.array_equal(found.sample.hidden, expected.sample.hidden)


def trained(group: RunGroup) -> list[RunResult]:
    outcomes = train_stack(group.dataset, group.runs, "cpu", lambda done, total: None)
    assert all(isinstance(outcome, RunResult) for outcome in outcomes)
    return outcomes  # type: ignore[return-value]

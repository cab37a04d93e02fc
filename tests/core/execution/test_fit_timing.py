"""The time of systems without epochs is predicted from fits of small samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anoonly_core.config import make_config
from anoonly_core.data.dataset import Dataset
from anoonly_core.errors import ComparatorMissing
from anoonly_core.execution import fit_timing
from anoonly_core.execution.fit_timing import LONG_S, SAMPLES, seconds_per_run
from anoonly_core.execution.planner import make_plan
from anoonly_core.models.rivals import ESTIMATORS, FOLDS
from anoonly_core.runs.stacking import RunGroup, group_runs
from tests.core.training.stacks import made_table

ROWS = 3000


def group_of(baseline: str, rows: int = ROWS, **settings: Any) -> RunGroup:
    config = make_config(dataset="made", baseline=baseline, protocol="leak_free", contamination="natural", **settings)
    groups, errors = group_runs({"key": config}, lambda name: made_table(rows))
    assert not errors
    return groups[0]


def test_the_time_grows_linearly_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_timing, "_time_fit", lambda group, rows: 0.1 + rows / 10_000)
    rows = len(group_of("KNN").runs[0].split.train)
    assert seconds_per_run(group_of("KNN")) == pytest.approx(0.1 + rows / 10_000)
    tuned = 0.1 + rows / 10_000 + FOLDS * len(ESTIMATORS["RandomForest"].candidates) * (0.1 + rows * 2 / 3 / 10_000)
    assert seconds_per_run(group_of("RandomForest", preset="tuned")) == pytest.approx(tuned)


def test_a_long_first_fit_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[int] = []
    monkeypatch.setattr(fit_timing, "_time_fit", lambda group, rows: fitted.append(rows) or 2 * LONG_S)
    group = group_of("KNN")
    assert seconds_per_run(group) == pytest.approx(2 * LONG_S * len(group.runs[0].split.train) / SAMPLES[0])
    assert fitted == [SAMPLES[0]] * 2  # the first of which loads modules


@pytest.mark.parametrize("rows", [100, 400])
def test_of_few_rows_no_more_are_fitted_than_there_are(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(fit_timing, "_time_fit", lambda group, fitted: fitted / 1000)
    group = group_of("KNN", rows)
    assert seconds_per_run(group) == pytest.approx(len(group.runs[0].split.train) / 1000)


def test_a_second_fit_that_is_faster_by_chance_does_not_shrink_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {SAMPLES[0]: 0.3, SAMPLES[1]: 0.2}
    monkeypatch.setattr(fit_timing, "_time_fit", lambda group, rows: times[rows])
    assert seconds_per_run(group_of("KNN")) == pytest.approx(0.2)


def test_a_system_without_its_package_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(group: RunGroup, rows: int) -> float:
        raise ComparatorMissing("PyOD is missing.")

    monkeypatch.setattr(fit_timing, "_time_fit", missing)
    assert seconds_per_run(group_of("ECOD")) == 0.0


@pytest.mark.parametrize(
    ("baseline", "preset"),
    [
        ("LogisticRegression", "default"),
        ("LogisticRegression", "tuned"),
        ("RandomForest", "tuned"),
        ("HistGradientBoosting", "default"),
        ("KNN", "default"),
    ],
)
def test_real_fits_are_timed(baseline: str, preset: str) -> None:
    group = group_of(baseline, 400, preset=preset, labeled_anomalies=2)
    before = group.runs[0].split.train.copy()
    assert seconds_per_run(group) > 0
    assert np.array_equal(group.runs[0].split.train, before)


def test_a_sample_keeps_the_shares_and_two_labeled_anomalies() -> None:
    split = group_of("KNN", labeled_anomalies=3).runs[0].split
    sample = fit_timing._sample(split, 0.1)
    assert sample.labeled.sum() == 2 and set(sample.train[sample.labeled]) <= set(split.train[split.labeled])
    assert len(sample.train) == pytest.approx(0.1 * len(split.train), abs=3)
    assert len(sample.test) == pytest.approx(0.1 * len(split.test), abs=1)
    assert set(sample.train) <= set(split.train) and set(sample.test) <= set(split.test)


def test_a_plan_counts_them_and_short_ones_keep_the_order_of_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"KNN": 0.01, "RandomForest": 0.9, "LogisticRegression": 30.0}
    monkeypatch.setattr(
        "anoonly_core.execution.planner.seconds_per_run", lambda group: seconds[group.runs[0].config.baseline]
    )
    configs = {
        f"{baseline} {seed}": make_config(baseline=baseline, seed=seed, contamination="natural")
        for baseline in ("KNN", "RandomForest")
        for seed in (0, 1)
    }
    configs["slow"] = make_config(baseline="LogisticRegression", seed=1, contamination="natural")

    def table(name: str) -> Dataset:
        return made_table(300)

    plan = make_plan(configs, 1, table)
    assert plan.seconds(1) == pytest.approx(2 * 0.01 + 2 * 0.9 + 30.0)
    order = [key for stack in plan.stacks for key in stack.configs]
    assert order == ["slow", "KNN 0", "RandomForest 0", "KNN 1", "RandomForest 1"]

"""A plan times each shape of run, and leaves no trace in the process."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.dataset import Dataset
from anoonly_core.execution import planner as module
from anoonly_core.execution.packing import Cost, StackCost
from anoonly_core.execution.planner import make_plan
from anoonly_core.models import METHODS
from anoonly_core.progress import Cancelled
from anoonly_core.results.keys import run_key
from anoonly_core.runs.run import run
from tests.core.training.stacks import made_table

LAMBDAS = (1.0, 0.1, 1e-3, 0.0)


def grid(seeds: int = 5, **settings: Any) -> dict[str, RunConfig]:
    configs = [make_config(lambda_n=value, seed=seed, **settings) for value in LAMBDAS for seed in range(seeds)]
    return {run_key(config): config for config in configs}


def table(name: str) -> Dataset:
    return made_table(300)


def test_an_impossible_run_is_a_failure() -> None:
    good, bad = make_config(epochs=1), make_config(epochs=1, labeled_ratio=1.0, contamination=0.2)
    plan = make_plan({"good": good, "bad": bad}, 2)
    assert [list(stack.configs) for stack in plan.stacks] == [["good"]]
    assert plan.failures["bad"].startswith("Every training anomaly is labeled")


@pytest.mark.parametrize("baseline", ["DeepSAD", "FEAWAD", "PReNet", "REPEN"])
def test_the_planned_time_is_that_of_the_timed_steps(monkeypatch: pytest.MonkeyPatch, baseline: str) -> None:
    """An epoch of pretraining takes 3 s, one of training 2 s, and each of the 25 evaluations 0.1 s."""
    monkeypatch.setattr(module, "_time_stack", lambda group, runs, device: ((3.0, 2.0), 0.1))
    for epochs in (100, 200):
        (stack,) = make_plan({"key": make_config(baseline=baseline, epochs=epochs)}, 2, table).stacks
        pretraining_s = 3.0 * BASELINES[baseline].pretraining_epochs
        assert stack.seconds == pytest.approx(pretraining_s + 2.0 * epochs + 0.1 * 25)


@pytest.mark.parametrize("baseline", ["DeepSAD", "FEAWAD", "PReNet", "REPEN"])
def test_planning_does_not_change_a_later_run(monkeypatch: pytest.MonkeyPatch, baseline: str) -> None:
    monkeypatch.setattr(METHODS["FEAWAD"], "pretraining_epochs", 2)
    config = make_config(baseline=baseline, epochs=2)
    before = run(config, "cpu")
    (stack,) = make_plan({"key": config}, 2).stacks
    assert 0 < stack.seconds < math.inf
    assert np.array_equal(run(config, "cpu").scores, before.scores)


def test_a_system_without_epochs_has_the_seconds_of_its_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "seconds_per_run", lambda group: 7.0)
    (stack,) = make_plan({"key": make_config(baseline="XGBOD")}, 2, table).stacks
    assert stack.seconds == 7.0


def test_planning_can_be_stopped() -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        make_plan(grid(), 2, table, check=stop)


def test_a_gpu_plan_counts_the_stacks_that_its_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = StackCost(Cost(0.0, 0.0), Cost(1.0 / 50, 0.1 / 50), 0.0)
    monkeypatch.setattr(module, "_measure_cost", lambda group, device: cost)
    monkeypatch.setattr(module, "max_runs_on_gpu", lambda gpu: lambda planned, columns: 8)
    (stack,) = make_plan(grid(), 1, table, device="cuda").stacks
    assert stack.seconds == pytest.approx(3 * 1.0 + 20 * 0.1)


def test_groups_of_one_shape_are_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[int] = []
    monkeypatch.setattr(module, "_time_stack", lambda group, runs, device: (timed.append(runs), ((0.0, 1.0), 0.0))[1])
    make_plan(grid(), 2, table)
    assert timed == [1, 4]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")
def test_a_failing_gpu_leaves_the_timing_to_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    (stack,) = make_plan({"key": make_config(epochs=2)}, 1, table, device="cuda").stacks
    assert list(stack.configs) == ["key"] and 0 < stack.seconds < 60
    assert "failed while its steps were timed" in caplog.text


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("baseline", ["DeepSAD", "FEAWAD", "PReNet"])
def test_steps_are_timed_on_the_gpu(baseline: str, caplog: pytest.LogCaptureFixture) -> None:
    (stack,) = make_plan(grid(baseline=baseline), 1, table, device="cuda").stacks
    assert 0 < stack.seconds < 60 and caplog.text == ""

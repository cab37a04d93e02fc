"""Plans: every run once, runs of one split together, no worker idle, and a time that is measured."""

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
from anoonly_core.execution.job import Cancelled
from anoonly_core.execution.plan import Plan, PlannedStack
from anoonly_core.execution.planner import make_plan
from anoonly_core.models import METHODS
from anoonly_core.results.keys import run_key
from anoonly_core.runs.run import run
from anoonly_core.runs.stacking import RunGroup, group_runs
from tests.core.training.stacks import made_table

LAMBDAS = (1.0, 0.1, 1e-3, 0.0)


def grid(seeds: int = 5, **settings: Any) -> dict[str, RunConfig]:
    configs = [make_config(lambda_n=value, seed=seed, **settings) for value in LAMBDAS for seed in range(seeds)]
    return {run_key(config): config for config in configs}


def table(name: str) -> Dataset:
    return made_table(300)


def cost_of(monkeypatch: pytest.MonkeyPatch, fixed: float, each: float, pretraining: float = 0.0) -> None:
    """Let a stack of R runs take fixed + each · R seconds, whatever this machine does."""
    epochs = 50
    cost = module._Cost((fixed / epochs, each / epochs), (0.0, pretraining / 100), 0.0)
    monkeypatch.setattr(module, "_cost", lambda group, device: cost)


def sizes(plan: Plan) -> list[int]:
    return [len(stack.configs) for stack in plan.stacks]


@pytest.mark.parametrize("workers", [1, 2, 3, 16])
@pytest.mark.parametrize(("fixed", "each"), [(0.001, 0.001), (1.0, 0.1), (0.1, 5.0), (0.0, 100.0)])
def test_every_run_stands_in_one_stack(
    monkeypatch: pytest.MonkeyPatch, workers: int, fixed: float, each: float
) -> None:
    cost_of(monkeypatch, fixed, each)
    configs = grid() | grid(baseline="DevNet") | grid(batch_size=32, seeds=2)
    plan = make_plan(configs, workers, table)
    planned = [key for stack in plan.stacks for key in stack.configs]
    assert sorted(planned) == sorted(configs) and plan.failures == {}
    for stack in plan.stacks:
        assert len(group_runs(stack.configs, table)[0]) == 1, "runs of one stack have one shape"
        assert stack.seconds == pytest.approx(fixed + each * len(stack.configs))


def test_runs_of_one_seed_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    cost_of(monkeypatch, fixed=1.0, each=3.0)
    plan = make_plan(grid(seeds=4), 2, table)
    assert sizes(plan) == [4, 4, 4, 4]
    for stack in plan.stacks:
        assert len({config.seed for config in stack.configs.values()}) == 1


def test_what_is_left_over_is_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    cost_of(monkeypatch, fixed=1.0, each=3.0)
    assert sizes(make_plan(grid(seeds=5), 2, table)) == [4, 4, 4, 4, 2, 2]


def test_cheap_runs_share_stacks_across_seeds_and_all_workers_work(monkeypatch: pytest.MonkeyPatch) -> None:
    cost_of(monkeypatch, fixed=1.0, each=0.05)
    assert sizes(make_plan(grid(seeds=10), 2, table)) == [20, 20]


def test_runs_that_share_a_pretraining_are_not_parted(monkeypatch: pytest.MonkeyPatch) -> None:
    cost_of(monkeypatch, fixed=1.0, each=30.0, pretraining=60.0)
    plan = make_plan(grid(seeds=3, baseline="FEAWAD", norm="batch"), 8, table)
    assert sizes(plan) == [4, 4, 4]
    assert plan.stacks[0].seconds == pytest.approx((1.0 + 4 * 30) * 30 / 50 + 60), "FEAWAD trains 30 epochs, not 50"


def test_long_stacks_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    cost_of(monkeypatch, fixed=0.5, each=40.0)
    assert max(sizes(make_plan(grid(), 2, table))) == 1


def test_a_stack_is_never_larger_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    cost_of(monkeypatch, fixed=100.0, each=0.1)
    group = group_runs(grid(), table)[0][0]
    monkeypatch.setattr(module, "group_runs", lambda *_: ([RunGroup(group.dataset, group.runs, 3)], {}))
    assert max(sizes(make_plan(grid(), 1, table))) == 3


def test_much_longer_stacks_come_first() -> None:
    stacks = [PlannedStack({str(s): make_config(seed=s)}, seconds) for s, seconds in enumerate([1.0, 1.1, 40.0, 0.9])]
    assert [stack.seconds for stack in module._longest_first(stacks)] == [40.0, 1.0, 1.1, 0.9]


def test_the_time_is_that_of_the_busiest_worker() -> None:
    stacks = tuple(PlannedStack({}, seconds) for seconds in (4.0, 3.0, 2.0))
    assert Plan(stacks, {}).seconds(1) == 9.0
    assert Plan(stacks, {}).seconds(2) == 5.0
    assert Plan(stacks, {}).seconds(5) == 4.0
    assert Plan((), {}).seconds(2) == 0.0


def test_a_run_that_cannot_be_had_is_a_sentence() -> None:
    good, bad = make_config(epochs=1), make_config(epochs=1, labeled_ratio=1.0, contamination=0.2)
    plan = make_plan({"good": good, "bad": bad}, 2)
    assert [list(stack.configs) for stack in plan.stacks] == [["good"]]
    assert plan.failures["bad"].startswith("Every training anomaly is labeled")


@pytest.mark.parametrize("baseline", ["DeepSAD", "FEAWAD", "PReNet", "REPEN"])
def test_the_time_is_the_measured_epochs_and_tests(monkeypatch: pytest.MonkeyPatch, baseline: str) -> None:
    """An epoch of pretraining takes 3 s here, one of training 2 s, a test of the rows 0.1 s: of them there are 25."""
    monkeypatch.setattr(module, "_probe", lambda group, runs, device: ((3.0, 2.0), 0.1))
    for epochs in (100, 200):
        (stack,) = make_plan({"key": make_config(baseline=baseline, epochs=epochs)}, 2, table).stacks
        before = 3.0 * BASELINES[baseline].pretraining_epochs
        assert stack.seconds == pytest.approx(before + 2.0 * epochs + 0.1 * 25)


@pytest.mark.parametrize("baseline", ["DeepSAD", "FEAWAD", "PReNet", "REPEN"])
def test_planning_measures_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch, baseline: str) -> None:
    monkeypatch.setattr(METHODS["FEAWAD"], "pretraining_epochs", 2)
    config = make_config(baseline=baseline, epochs=2)
    before = run(config, "cpu")
    (stack,) = make_plan({"key": config}, 2).stacks
    assert 0 < stack.seconds < math.inf
    assert np.array_equal(run(config, "cpu").scores, before.scores)


def test_what_has_no_epochs_is_not_timed() -> None:
    (stack,) = make_plan({"key": make_config(baseline="XGBOD")}, 2, table).stacks
    assert stack.seconds == 0.0


def test_planning_can_be_stopped() -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        make_plan(grid(), 2, table, check=stop)


def test_a_gpus_worker_gets_shapes_together_until_they_are_work_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    cost_of(monkeypatch, fixed=1.0, each=0.2)
    configs = grid() | grid(baseline="DevNet") | grid(batch_size=32) | grid(batch_size=64)
    plan = make_plan(configs, 1, table, device="cuda")
    assert sizes(plan) == [40, 40], "5 s a shape, WANTED_S at most"
    assert sorted(key for stack in plan.stacks for key in stack.configs) == sorted(configs)
    assert plan.seconds(1) == pytest.approx(21.0), "DevNet's runs have another norm at λ_n = 1, another shape"


def test_runs_that_a_gpu_trains_in_several_stacks_cost_their_fixed_part_several_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cost_of(monkeypatch, fixed=1.0, each=0.1)
    monkeypatch.setattr(module, "max_runs_on_gpu", lambda gpu: lambda planned, columns: 8)
    (stack,) = make_plan(grid(), 1, table, device="cuda").stacks
    assert stack.seconds == pytest.approx(3 * 1.0 + 20 * 0.1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")
def test_where_the_gpu_fails_the_cpu_is_timed(caplog: pytest.LogCaptureFixture) -> None:
    (stack,) = make_plan({"key": make_config(epochs=2)}, 1, table, device="cuda").stacks
    assert list(stack.configs) == ["key"] and 0 < stack.seconds < 60
    assert "failed while its steps were timed" in caplog.text


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("baseline", ["DeepSAD", "FEAWAD", "PReNet"])
def test_steps_are_timed_on_the_gpu(baseline: str, caplog: pytest.LogCaptureFixture) -> None:
    (stack,) = make_plan(grid(baseline=baseline), 1, table, device="cuda").stacks
    assert 0 < stack.seconds < 60 and caplog.text == ""

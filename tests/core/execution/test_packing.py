"""Packing puts every run into one stack, keeps runs of one split together, and leaves no worker idle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.dataset import Dataset
from anoonly_core.execution import packing
from anoonly_core.execution.packing import Cost, StackCost, pack_for_cores, pack_for_gpus
from anoonly_core.execution.plan import PlannedStack
from anoonly_core.results.keys import run_key
from anoonly_core.runs.stacking import RunGroup, group_runs
from tests.core.training.stacks import made_table

LAMBDAS = (1.0, 0.1, 1e-3, 0.0)
EPOCHS = 50


def grid(seeds: int = 5, **settings: Any) -> dict[str, RunConfig]:
    """Runs by key: four values of λ_n for each seed."""
    configs = [make_config(lambda_n=value, seed=seed, **settings) for value in LAMBDAS for seed in range(seeds)]
    return {run_key(config): config for config in configs}


def table(name: str) -> Dataset:
    return made_table(300)


def groups_of(configs: dict[str, RunConfig], max_stack_runs: int | None = None) -> list[RunGroup]:
    groups, errors = group_runs(configs, table)
    assert not errors
    return [replace(group, max_stack_runs=max_stack_runs or group.max_stack_runs) for group in groups]


def cost_of(fixed_s: float, per_run_s: float, pretraining_s: float = 0.0) -> StackCost:
    """The cost under which R runs of 50 epochs take fixed_s + per_run_s · R seconds."""
    return StackCost(Cost(0.0, pretraining_s / 100), Cost(fixed_s / EPOCHS, per_run_s / EPOCHS), 0.0)


def packed(groups: Sequence[RunGroup], workers: int, *cost: float) -> tuple[PlannedStack, ...]:
    return pack_for_cores(groups, [cost_of(*cost)] * len(groups), workers)


def sizes(stacks: Sequence[PlannedStack]) -> list[int]:
    return [len(stack.configs) for stack in stacks]


@pytest.mark.parametrize("workers", [1, 2, 3, 16])
@pytest.mark.parametrize(("fixed_s", "per_run_s"), [(0.001, 0.001), (1.0, 0.1), (0.1, 5.0), (0.0, 100.0)])
def test_every_run_is_in_one_stack(workers: int, fixed_s: float, per_run_s: float) -> None:
    configs = grid() | grid(baseline="DevNet") | grid(batch_size=32, seeds=2)
    stacks = packed(groups_of(configs), workers, fixed_s, per_run_s)
    assert sorted(key for stack in stacks for key in stack.configs) == sorted(configs)
    for stack in stacks:
        assert len(group_runs(stack.configs, table)[0]) == 1, "runs of one stack have one shape"
        assert stack.seconds == pytest.approx(fixed_s + per_run_s * len(stack.configs))


def test_runs_of_one_seed_stay_together() -> None:
    stacks = packed(groups_of(grid(seeds=4)), 2, 1.0, 3.0)
    assert sizes(stacks) == [4, 4, 4, 4]
    for stack in stacks:
        assert len({config.seed for config in stack.configs.values()}) == 1


def test_the_runs_of_the_last_round_are_shared_equally() -> None:
    assert sizes(packed(groups_of(grid(seeds=5)), 2, 1.0, 3.0)) == [4, 4, 4, 4, 2, 2]


def test_cheap_runs_share_stacks_across_seeds_and_no_worker_is_idle() -> None:
    assert sizes(packed(groups_of(grid(seeds=10)), 2, 1.0, 0.05)) == [20, 20]


def test_runs_that_share_a_pretraining_are_not_separated() -> None:
    stacks = packed(groups_of(grid(seeds=3, baseline="FEAWAD", norm="batch")), 8, 1.0, 30.0, 60.0)
    assert sizes(stacks) == [4, 4, 4]
    assert stacks[0].seconds == pytest.approx((1.0 + 4 * 30) * 30 / EPOCHS + 60), "FEAWAD trains 30 epochs, not 50"


def test_long_stacks_are_cut() -> None:
    assert max(sizes(packed(groups_of(grid()), 2, 0.5, 40.0))) == 1


def test_a_stack_never_exceeds_what_memory_allows() -> None:
    assert max(sizes(packed(groups_of(grid(), max_stack_runs=3), 1, 100.0, 0.1))) == 3


def test_much_longer_stacks_come_first_and_the_others_by_seed() -> None:
    stacks = [PlannedStack({str(s): make_config(seed=s)}, seconds) for s, seconds in enumerate([1.0, 1.1, 40.0, 0.9])]
    assert [stack.seconds for stack in packing._longest_first(stacks)] == [40.0, 1.0, 1.1, 0.9]
    groups = groups_of(grid(seeds=2, baseline="DevNet", norm="none") | grid(seeds=2, norm="none"))
    first, *_, last = pack_for_cores(groups, [cost_of(1.0, 1.0), cost_of(10.0, 10.0)], 4)
    assert first.seconds > last.seconds


def test_a_gpu_stack_joins_shapes_up_to_the_target_time() -> None:
    configs = grid() | grid(baseline="DevNet") | grid(batch_size=32) | grid(batch_size=64)
    groups = groups_of(configs)
    stacks = pack_for_gpus(groups, [cost_of(1.0, 0.2)] * len(groups))
    assert sizes(stacks) == [40, 40], "5 s per shape, at most 12 s per stack"
    assert sorted(key for stack in stacks for key in stack.configs) == sorted(configs)
    total_s = sum(stack.seconds for stack in stacks)
    assert total_s == pytest.approx(21.0), "DevNet has another norm at λ_n = 1, which is a shape of its own"


def test_a_gpu_stack_above_the_memory_limit_costs_its_fixed_part_several_times() -> None:
    (stack,) = pack_for_gpus(groups_of(grid(), max_stack_runs=8), [cost_of(1.0, 0.1)])
    assert stack.seconds == pytest.approx(3 * 1.0 + 20 * 0.1)


@pytest.mark.parametrize("gpus", [2, 3])
def test_several_gpus_get_stacks_of_about_equal_time(gpus: int) -> None:
    configs = grid(seeds=12) | grid(seeds=12, baseline="DevNet", norm="batch") | grid(seeds=12, batch_size=32)
    groups = groups_of(configs)
    stacks = pack_for_gpus(groups, [cost_of(0.1, 0.1)] * len(groups), gpus)
    assert sorted(key for stack in stacks for key in stack.configs) == sorted(configs)
    assert len(stacks) == gpus and stacks[0].seconds < 1.2 * stacks[-1].seconds


def test_a_group_whose_time_does_not_depend_on_its_runs_stays_on_one_gpu() -> None:
    groups = groups_of(grid() | grid(baseline="DevNet", norm="batch"))
    stacks = pack_for_gpus(groups, [cost_of(5.0, 0.01)] * len(groups), 2)
    assert sizes(stacks) == [20, 20]
    assert all(len({config.baseline for config in stack.configs.values()}) == 1 for stack in stacks)


def test_runs_that_share_a_pretraining_stay_on_one_gpu() -> None:
    """λ_n = 1 has no norm and λ_n = 0 batch norm, which are two groups."""
    configs = {
        run_key(config): config
        for config in (make_config(baseline="FEAWAD", seed=s, lambda_n=w) for s in range(4) for w in (1, 0))
    }
    groups = groups_of(configs)
    assert len(groups) == 2
    stacks = pack_for_gpus(groups, [cost_of(0.01, 0.1, 1.0)] * 2, 2)
    assert sizes(stacks) == [4, 4]
    seeds = [{config.seed for config in stack.configs.values()} for stack in stacks]
    assert not seeds[0] & seeds[1]

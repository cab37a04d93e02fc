"""Executing runs: worker processes that die, runs that fail, a consumer that stops, results as if undisturbed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anoonly_core.config import RunConfig, make_config
from anoonly_core.errors import EngineUnavailable, SplitImpossible
from anoonly_core.execution import executor as module
from anoonly_core.execution import tasks
from anoonly_core.execution.executor import ExecutionState, LocalEngine, execute, stored_runs
from anoonly_core.execution.job import JobProgress, start_trainer
from anoonly_core.execution.plan import Plan, PlannedStack
from anoonly_core.execution.pool import WorkerDied, WorkerPool
from anoonly_core.results.keys import run_key
from anoonly_core.results.store import Store
from anoonly_core.runs.gpu import NOTES, Fallback
from anoonly_core.runs.run import run_many

PATIENCE_S = 90.0


def keyed(*configs: RunConfig) -> dict[str, RunConfig]:
    return {run_key(config): config for config in configs}


def quick(**settings: Any) -> RunConfig:
    return make_config(**{"epochs": 2, **settings})


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerPool]:
    started = WorkerPool(2, start_trainer)
    yield started
    started.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.sqlite")


def collect(states: Iterator[ExecutionState]) -> tuple[set[str], dict[str, str]]:
    runs: set[str] = set()
    failures: dict[str, str] = {}
    for state in states:
        runs |= state.runs.keys()
        failures |= state.failures
    return runs, failures


# -- with real processes


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")
def test_a_sweep_for_a_gpu_that_fails_is_trained_on_the_cpu_and_says_so(workers: WorkerPool, store: Store) -> None:
    """To the end, in a process that was forked; the bits are the CPU's, and so are the keys in the store."""
    configs = keyed(*(quick(seed=seed, lambda_n=value) for seed in range(2) for value in (1, 0)))
    states = list(execute(configs, LocalEngine(workers, "NVIDIA Paper"), store))
    runs = {key: run for state in states for key, run in state.runs.items()}
    assert runs.keys() == configs.keys() == store.runs().keys()
    assert {state.note for state in states} == {"", NOTES[Fallback.FAILED]}
    for expected in run_many(list(configs.values()), "cpu"):
        found = store.get(expected.key)
        assert found is not None and np.array_equal(found.scores, expected.scores) and found.device == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_forked_process_trains_on_the_gpu(store: Store) -> None:
    one = WorkerPool(1, start_trainer)
    try:
        gpu = one.schedule(tasks.gpu_name).result()
        configs = keyed(*(quick(seed=seed, lambda_n=value) for seed in range(2) for value in (1, 0)))
        runs, failures = collect(execute(configs, LocalEngine(one, gpu), store))
    finally:
        one.close()
    assert runs == configs.keys() and failures == {}
    assert {run.device for run in store.runs().values()} == {"cuda"}
    assert stored_runs(store, configs, "cuda").keys() == configs.keys()


def test_where_there_is_no_gpu_a_worker_says_so(workers: WorkerPool) -> None:
    assert bool(workers.schedule(tasks.gpu_name).result()) == torch.cuda.is_available()


def test_the_gpus_runs_are_found_before_the_cpus_and_on_the_cpu_not_at_all(store: Store) -> None:
    first, second = quick(), quick(seed=1)
    on_cpu = run_many([first, second], "cpu")
    on_gpu = replace(on_cpu[0], key=run_key(first, "cuda"), device="cuda")
    for result in (*on_cpu[1:], on_gpu):
        store.put(result)
    configs = keyed(first, second)
    assert {key: run.device for key, run in stored_runs(store, configs, "cpu").items()} == {run_key(second): "cpu"}
    found = {key: run.device for key, run in stored_runs(store, configs, "cuda").items()}
    assert found == {run_key(first): "cuda", run_key(second): "cpu"}
    store.put(on_cpu[0])
    assert stored_runs(store, configs, "cuda")[run_key(first)].device == "cuda"


def test_runs_are_those_of_one_process_to_the_bit(workers: WorkerPool, store: Store) -> None:
    configs = [quick(seed=seed, lambda_n=value) for seed in range(3) for value in (1, 0)]
    configs += [quick(baseline="PReNet", seed=seed) for seed in range(2)]
    runs, failures = collect(execute(keyed(*configs), LocalEngine(workers), store))
    assert failures == {} and runs == set(keyed(*configs)) == set(store.runs())
    for expected in run_many(configs):
        found = store.get(expected.key)
        assert found is not None and np.array_equal(found.scores, expected.scores)
        assert found.metrics == expected.metrics


def test_a_run_that_cannot_be_is_a_sentence_and_the_others_finish(workers: WorkerPool, store: Store) -> None:
    good, bad, diverging = quick(), quick(labeled_ratio=1.0, contamination=0.2), quick(learning_rate=1.0, epochs=30)
    bad_key = run_key(bad)
    runs, failures = collect(execute(keyed(good, bad, diverging), LocalEngine(workers), store))
    assert run_key(good) in runs
    assert failures[bad_key].startswith("Every training anomaly is labeled")
    assert len(runs) + len(failures) == 3


def wait_for_epoch(states: Iterator[ExecutionState], workers: WorkerPool) -> None:
    """Let an execution go on until a stack is in its first epochs."""
    deadline = time.monotonic() + PATIENCE_S
    for _ in states:
        assert time.monotonic() < deadline
        # A plan reports no epochs, so what has progress is a stack.
        if any(task.progress is not None for task in list(workers._tasks.values())):
            return


def test_a_killed_worker_costs_only_its_unfinished_stack(workers: WorkerPool, store: Store) -> None:
    configs = keyed(*(make_config(seed=seed, epochs=60, lambda_n=value) for seed in range(2) for value in (1, 0)))
    states = execute(configs, LocalEngine(workers), store)
    wait_for_epoch(states, workers)
    os.kill(sorted(workers.processes())[0], signal.SIGKILL)
    runs, failures = collect(states)
    assert failures == {}
    assert set(store.runs()) == set(configs) >= runs
    undisturbed = {result.key: result for result in run_many(list(configs.values()))}
    for key, expected in undisturbed.items():
        found = store.get(key)
        assert found is not None and np.array_equal(found.scores, expected.scores)


def test_who_stops_listening_stops_the_training(workers: WorkerPool, store: Store) -> None:
    before = workers.processes()
    states = execute(keyed(*(make_config(seed=seed, epochs=5000) for seed in range(4))), LocalEngine(workers), store)
    wait_for_epoch(states, workers)
    states.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + PATIENCE_S
    while workers._tasks:
        assert time.monotonic() < deadline, "a stack trains on"
        time.sleep(0.05)
    assert workers.processes() == before, "a stack that stops by itself leaves its process warm"
    assert store.runs() == {}


def test_work_that_gives_way_waits_and_goes_on(workers: WorkerPool, store: Store) -> None:
    states = execute(keyed(make_config(epochs=100), make_config(epochs=101)), LocalEngine(workers), store)
    wait_for_epoch(states, workers)
    workers.pause_processes(workers.count)
    try:
        time.sleep(0.5)  # an epoch and more: whoever is in one ends it
        tasks = list(workers._tasks.values())
        held = [task.progress for task in tasks]
        time.sleep(1.0)
        assert [task.progress for task in tasks] == held, "it trains on where it should wait"
    finally:
        workers.pause_processes(0)
    runs, _ = collect(states)
    assert len(runs) == 2


# -- with made engines: what no real one does on demand


@dataclass(eq=False)
class Done:
    """Work that has ended, with a result or an error."""

    outcome: Callable[[], Any]
    progress: Any = None
    done: bool = True

    def result(self) -> Any:
        return self.outcome()


@dataclass
class Engine:
    """An engine that plans one stack of all runs and trains as it is told."""

    train_as: Callable[[dict[str, RunConfig]], Any]
    trained: list[int] = field(default_factory=list)
    slots: int = 2

    def plan(self, configs: dict[str, RunConfig]) -> Done:
        return Done(lambda: Plan((PlannedStack(configs, 1.0),), {}))

    def train(self, configs: dict[str, RunConfig]) -> Done:
        self.trained.append(len(configs))
        return Done(lambda: self.train_as(configs))

    def stop(self, work: Any) -> None:
        raise AssertionError("nothing is left to stop")


@pytest.fixture(autouse=True)
def no_waiting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "workers" not in request.fixturenames:
        monkeypatch.setattr(module, "POLL_S", 0.0)


def dies(configs: dict[str, RunConfig]) -> Any:
    raise WorkerDied


def test_a_stack_that_kills_is_halved_until_it_is_given_up(store: Store) -> None:
    engine = Engine(dies)
    configs = keyed(*(quick(seed=seed) for seed in range(5)))
    runs, failures = collect(execute(configs, engine, store))
    assert runs == set() and set(failures) == set(configs)
    assert all("want of memory" in sentence for sentence in failures.values())
    assert sorted(engine.trained, reverse=True) == [5, 3, 2, 2, *[1] * 10], "each is tried alone, twice"


def test_only_the_run_that_kills_is_given_up(store: Store) -> None:
    configs = keyed(*(quick(seed=seed) for seed in range(4)))
    deadly = list(configs)[2]

    def train(own: dict[str, RunConfig]) -> Any:
        if deadly in own:
            raise WorkerDied
        return [(key, SplitImpossible("made")) for key in own]

    _, failures = collect(execute(configs, Engine(train), store))
    assert [key for key, sentence in failures.items() if sentence != "made"] == [deadly]
    assert set(failures) == set(configs)


def test_an_engine_that_is_gone_ends_it_with_a_sentence(store: Store) -> None:
    def gone(configs: dict[str, RunConfig]) -> Any:
        raise EngineUnavailable("It is gone.")

    with pytest.raises(EngineUnavailable, match=r"It is gone\."):
        collect(execute(keyed(quick()), Engine(gone), store))


def test_an_unexpected_error_is_that_of_its_stack(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    _, failures = collect(execute(keyed(quick()), Engine(lambda configs: 1 / 0), store))
    assert list(failures.values()) == ["This run failed for a reason that the log tells (ZeroDivisionError)."]
    assert "ZeroDivisionError" in caplog.text


def test_a_store_that_cannot_be_written_loses_no_figures(tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite").mkdir()
    (result,) = run_many([quick()])
    states = list(
        execute(keyed(quick()), Engine(lambda configs: [(result.key, result)]), Store(tmp_path / "runs.sqlite"))
    )
    assert states[-1].runs[result.key].metrics == result.metrics.as_dict()
    assert "could not be kept" in states[-1].store_problem


def test_the_time_left_follows_how_long_stacks_really_take(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    clock, stack = module._Clock(), PlannedStack({}, 10.0)
    first, second = Done(list, done=False), Done(list, done=False)
    clock.start(first)
    clock.start(second)
    assert clock.left({first: stack, second: stack}, [stack], 2) == pytest.approx(20.0)
    second.progress = JobProgress(30, 40)
    assert clock.left({first: stack, second: stack}, [stack], 2) == pytest.approx(12.5)
    now[0] += 20.0
    clock.stop(first, stack)  # twice what was planned
    assert clock.left({second: stack}, [stack], 2) == pytest.approx(20.0)
    assert clock.left({}, [], 2) == 0.0

"""Execution gives the bits of one process, whichever worker dies, run fails or consumer stops."""

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
from anoonly_core.execution.death import WorkerDied
from anoonly_core.execution.executor import ExecutionState, LocalEngine, execute, stored_runs
from anoonly_core.execution.gpu_engine import GpuEngine
from anoonly_core.execution.job import JobProgress, start_trainer
from anoonly_core.execution.plan import Plan, PlannedStack
from anoonly_core.execution.pool import WorkerPool
from anoonly_core.results.keys import run_key
from anoonly_core.results.store import Store
from anoonly_core.runs.gpu import NOTES, Fallback
from anoonly_core.runs.run import run_many

TIMEOUT_S = 90.0


def keyed(*configs: RunConfig) -> dict[str, RunConfig]:
    return {run_key(config): config for config in configs}


def quick(**settings: Any) -> RunConfig:
    return make_config(**{"epochs": 2, **settings})


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    trainers = WorkerPool(2, start_trainer)
    yield trainers
    trainers.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.sqlite")


def collect(states: Iterator[ExecutionState]) -> tuple[set[str], dict[str, str]]:
    """Run an execution to its end; return the keys of its runs, and its failures."""
    runs: set[str] = set()
    failures: dict[str, str] = {}
    for state in states:
        runs |= state.runs.keys()
        failures |= state.failures
    return runs, failures


# -- with real processes


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")
def test_a_failing_gpu_leaves_the_sweep_to_the_cpu_with_a_note(pool: WorkerPool, store: Store) -> None:
    """The bits and the stored keys are those of the CPU."""
    configs = keyed(*(quick(seed=seed, lambda_n=value) for seed in range(2) for value in (1, 0)))
    states = list(execute(configs, GpuEngine([pool], ["NVIDIA Paper"]), store))
    runs = {key: run for state in states for key, run in state.runs.items()}
    assert runs.keys() == configs.keys() == store.runs().keys()
    assert {state.note for state in states} == {"", NOTES[Fallback.FAILED]}
    for expected in run_many(list(configs.values()), "cpu"):
        found = store.get(expected.key)
        assert found is not None and np.array_equal(found.scores, expected.scores) and found.device == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_forked_process_trains_on_the_gpu(store: Store) -> None:
    trainer = WorkerPool(1, start_trainer)
    try:
        gpus = trainer.schedule(tasks.gpu_names).result()
        configs = keyed(*(quick(seed=seed, lambda_n=value) for seed in range(2) for value in (1, 0)))
        runs, failures = collect(execute(configs, GpuEngine([trainer], [*gpus.values()][:1]), store))
    finally:
        trainer.close()
    assert runs == configs.keys() and failures == {}
    assert {run.device for run in store.runs().values()} == {"cuda"}
    assert stored_runs(store, configs, "cuda").keys() == configs.keys()


def test_a_worker_names_the_gpu_if_there_is_one(pool: WorkerPool) -> None:
    assert len(pool.schedule(tasks.gpu_names).result()) == torch.cuda.device_count()


def test_stored_runs_of_the_gpu_come_first_and_never_count_on_the_cpu(store: Store) -> None:
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


def test_runs_have_the_bits_of_one_process(pool: WorkerPool, store: Store) -> None:
    configs = [quick(seed=seed, lambda_n=value) for seed in range(3) for value in (1, 0)]
    configs += [quick(baseline="PReNet", seed=seed) for seed in range(2)]
    runs, failures = collect(execute(keyed(*configs), LocalEngine(pool), store))
    assert failures == {} and runs == set(keyed(*configs)) == set(store.runs())
    for expected in run_many(configs):
        found = store.get(expected.key)
        assert found is not None and np.array_equal(found.scores, expected.scores)
        assert found.metrics == expected.metrics


def test_an_impossible_run_is_a_failure_and_the_others_finish(pool: WorkerPool, store: Store) -> None:
    good, bad, diverging = quick(), quick(labeled_ratio=1.0, contamination=0.2), quick(learning_rate=1.0, epochs=30)
    bad_key = run_key(bad)
    runs, failures = collect(execute(keyed(good, bad, diverging), LocalEngine(pool), store))
    assert run_key(good) in runs
    assert failures[bad_key].startswith("Every training anomaly is labeled")
    assert len(runs) + len(failures) == 3


def wait_for_epoch(states: Iterator[ExecutionState], pool: WorkerPool) -> None:
    """Continue an execution until a stack reports its first epochs."""
    deadline = time.monotonic() + TIMEOUT_S
    for _ in states:
        assert time.monotonic() < deadline
        # A plan reports no progress, so a task with progress trains a stack.
        if any(task.progress is not None for task in list(pool._tasks.values())):
            return


def test_a_killed_worker_costs_only_its_unfinished_stack(pool: WorkerPool, store: Store) -> None:
    configs = keyed(*(make_config(seed=seed, epochs=60, lambda_n=value) for seed in range(2) for value in (1, 0)))
    states = execute(configs, LocalEngine(pool), store)
    wait_for_epoch(states, pool)
    os.kill(sorted(pool.processes())[0], signal.SIGKILL)
    runs, failures = collect(states)
    assert failures == {}
    assert set(store.runs()) == set(configs) >= runs
    undisturbed = {result.key: result for result in run_many(list(configs.values()))}
    for key, expected in undisturbed.items():
        found = store.get(key)
        assert found is not None and np.array_equal(found.scores, expected.scores)


def test_closing_the_iterator_stops_the_training(pool: WorkerPool, store: Store) -> None:
    configs = keyed(*(make_config(seed=seed, epochs=5000) for seed in range(4)))
    states = execute(configs, LocalEngine(pool), store)
    wait_for_epoch(states, pool)
    deadline = time.monotonic() + TIMEOUT_S
    while len(before := pool.processes()) < pool.count:  # one stack may train before the other worker has started
        assert time.monotonic() < deadline, "a worker did not start"
        time.sleep(0.05)
    states.close()  # type: ignore[attr-defined]
    while pool._tasks:
        assert time.monotonic() < deadline, "a stack still trains"
        time.sleep(0.05)
    assert pool.processes() == before, "a stack that stops by itself leaves its process running"
    assert store.runs() == {}


def test_paused_stacks_wait_and_resume(pool: WorkerPool, store: Store) -> None:
    states = execute(keyed(make_config(epochs=100), make_config(epochs=101)), LocalEngine(pool), store)
    wait_for_epoch(states, pool)
    pool.pause_processes(pool.count)
    try:
        time.sleep(0.5)  # more than an epoch, at whose end a stack pauses
        running = list(pool._tasks.values())
        paused = [task.progress for task in running]
        time.sleep(1.0)
        assert [task.progress for task in running] == paused, "a paused stack still trains"
    finally:
        pool.pause_processes(0)
    runs, _ = collect(states)
    assert len(runs) == 2


# -- with fake engines, which fail on demand


@dataclass(eq=False)
class FinishedWork:
    """Work that has ended with a result or an error."""

    outcome: Callable[[], Any]
    progress: Any = None
    done: bool = True

    def result(self) -> Any:
        return self.outcome()


@dataclass
class FakeEngine:
    """An engine that plans one stack of all runs and trains by a given function."""

    train_as: Callable[[dict[str, RunConfig]], Any]
    trained: list[int] = field(default_factory=list)
    slots: int = 2

    def plan(self, configs: dict[str, RunConfig]) -> FinishedWork:
        return FinishedWork(lambda: Plan((PlannedStack(configs, 1.0),), {}))

    def train(self, configs: dict[str, RunConfig]) -> FinishedWork:
        self.trained.append(len(configs))
        return FinishedWork(lambda: self.train_as(configs))

    def stop(self, work: Any) -> None:
        raise AssertionError("there is nothing to stop")


@pytest.fixture(autouse=True)
def no_polling_pause(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "pool" not in request.fixturenames:
        monkeypatch.setattr(module, "POLL_S", 0.0)


def die(configs: dict[str, RunConfig]) -> Any:
    raise WorkerDied("was killed by SIGKILL", "see the kernel log", "possibly out of memory")


def test_a_stack_that_kills_its_worker_is_halved_down_to_single_runs(store: Store) -> None:
    engine = FakeEngine(die)
    configs = keyed(*(quick(seed=seed) for seed in range(5)))
    runs, failures = collect(execute(configs, engine, store))
    assert runs == set() and set(failures) == set(configs)
    assert set(failures.values()) == {
        "The worker process was killed by SIGKILL on every attempt, possibly out of memory: see the kernel log."
    }
    assert sorted(engine.trained, reverse=True) == [5, 3, 2, 2, *[1] * 10], "each run is tried alone, twice"


def test_only_the_run_that_kills_its_worker_fails(store: Store) -> None:
    configs = keyed(*(quick(seed=seed) for seed in range(4)))
    deadly = list(configs)[2]

    def train(stack: dict[str, RunConfig]) -> Any:
        if deadly in stack:
            raise WorkerDied
        return [(key, SplitImpossible("fake")) for key in stack]

    _, failures = collect(execute(configs, FakeEngine(train), store))
    assert [key for key, sentence in failures.items() if sentence != "fake"] == [deadly]
    assert set(failures) == set(configs)


def test_an_unavailable_engine_ends_the_execution(store: Store) -> None:
    def vanish(configs: dict[str, RunConfig]) -> Any:
        raise EngineUnavailable("It is gone.")

    with pytest.raises(EngineUnavailable, match=r"It is gone\."):
        collect(execute(keyed(quick()), FakeEngine(vanish), store))


def test_an_unexpected_error_fails_its_stack_only(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    _, failures = collect(execute(keyed(quick()), FakeEngine(lambda configs: 1 / 0), store))
    assert list(failures.values()) == ["The run failed (ZeroDivisionError); see the log."]
    assert "ZeroDivisionError" in caplog.text


def test_results_survive_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite").mkdir()
    (result,) = run_many([quick()])
    states = list(
        execute(keyed(quick()), FakeEngine(lambda configs: [(result.key, result)]), Store(tmp_path / "runs.sqlite"))
    )
    assert states[-1].runs[result.key].metrics == result.metrics.as_dict()
    assert "could not be stored" in states[-1].store_problem


def test_the_time_left_follows_the_pace_of_finished_stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    clock, stack = module._Clock(), PlannedStack({}, 10.0)
    first, second = FinishedWork(list, done=False), FinishedWork(list, done=False)
    clock.start(first)
    clock.start(second)
    assert clock.seconds_left({first: stack, second: stack}, [stack], 2) == pytest.approx(20.0)
    second.progress = JobProgress(30, 40)
    assert clock.seconds_left({first: stack, second: stack}, [stack], 2) == pytest.approx(12.5)
    now[0] += 20.0
    clock.stop(first, stack)  # twice the planned time
    assert clock.seconds_left({second: stack}, [stack], 2) == pytest.approx(20.0)
    assert clock.seconds_left({}, [], 2) == 0.0

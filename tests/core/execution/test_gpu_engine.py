"""Each GPU has a process that sees it alone, and the others train the unfinished runs of one that fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anoonly_core.config import make_config
from anoonly_core.errors import GpuFailed
from anoonly_core.execution import tasks
from anoonly_core.execution.death import WorkerDied
from anoonly_core.execution.executor import execute
from anoonly_core.execution.gpu_engine import GpuEngine, gpu_phrase, start_gpu_workers
from anoonly_core.execution.plan import Plan, PlannedStack
from anoonly_core.execution.pool import Task
from anoonly_core.results.keys import run_key
from anoonly_core.results.store import Store
from anoonly_core.runs.gpu import NOTES, Fallback
from anoonly_core.runs.run import run_each, run_many

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")


class Workers:
    """In place of the process of one GPU: trains at once on the CPU, or fails as it is told to."""

    def __init__(self, error: Exception | None = None, lasting: bool = True) -> None:
        self.error, self.lasting = error, lasting
        self.trained: list[list[str]] = []
        self.fell_back: list[bool] = []

    def schedule(self, function: Any, *arguments: Any) -> Task:
        task = Task(0, Future())
        if function is tasks.plan_runs:
            configs, _slots, device = arguments
            assert device == "cuda"
            stacks = tuple(PlannedStack({key: config}, 1.0) for key, config in configs.items())
            task.future.set_result(Plan(stacks, {}))
            return task
        configs, device, falls_back = arguments
        assert (function, device) == (tasks.train_each, "cuda")
        self.fell_back.append(falls_back)
        error, self.error = self.error, self.error if self.lasting else None
        if error is not None and not (falls_back and isinstance(error, GpuFailed)):
            task.future.set_exception(error)
        else:
            self.trained.append(list(configs))
            task.future.set_result(list(run_each(configs, "cpu")))
        return task

    def stop(self, task: Task) -> None:
        task.stopped = True


def quick(count: int) -> dict[str, Any]:
    configs = [make_config(seed=seed, epochs=1) for seed in range(count)]
    return {run_key(config): config for config in configs}


def train_on(workers: list[Workers], count: int, folder: Path) -> tuple[set[str], dict[str, str]]:
    engine = GpuEngine(workers, ["NVIDIA Paper"] * len(workers))  # type: ignore[arg-type]
    runs: set[str] = set()
    failures: dict[str, str] = {}
    for state in execute(quick(count), engine, Store(folder / "runs.sqlite")):
        runs |= state.runs.keys()
        failures |= state.failures
    return runs, failures


def test_all_gpus_train(tmp_path: Path) -> None:
    workers = [Workers(), Workers(), Workers()]
    runs, failures = train_on(workers, 6, tmp_path)
    assert runs == quick(6).keys() and failures == {}
    assert [len(own.trained) for own in workers] == [2, 2, 2]
    assert not any(any(own.fell_back) for own in workers), "a failed GPU would leave its runs to another"


@pytest.mark.parametrize("error", [WorkerDied("was killed"), GpuFailed()])
@pytest.mark.parametrize("lasting", [True, False])
def test_the_others_train_the_unfinished_runs_of_a_gpu_that_fails(
    error: Exception, lasting: bool, tmp_path: Path
) -> None:
    workers = [Workers(), Workers(error, lasting), Workers()]
    runs, failures = train_on(workers, 5, tmp_path)
    assert runs == quick(5).keys() and failures == {}
    assert len(workers[1].fell_back) == 1 and workers[1].trained == [], "it gets no second stack"


def test_the_last_gpu_leaves_its_runs_to_the_cpu(tmp_path: Path) -> None:
    workers = [Workers(GpuFailed()), Workers(GpuFailed())]
    runs, failures = train_on(workers, 4, tmp_path)
    assert runs == quick(4).keys() and failures == {}
    assert [own.fell_back.count(True) for own in workers].count(0) == 1, "one GPU is in use until the end"


@pytest.mark.parametrize("count", [1, 4])
def test_a_stack_that_fails_on_every_gpu_costs_one_gpu_and_trains_on_the_cpu(count: int, tmp_path: Path) -> None:
    workers = [Workers(GpuFailed()) for _ in range(5)]
    runs, failures = train_on(workers, count, tmp_path)
    assert runs == quick(count).keys() and failures == {}
    assert any(any(own.fell_back) for own in workers)
    assert sum(False in own.fell_back for own in workers) <= count, "a GPU fails for each stack at most"


def test_the_last_process_that_always_dies_ends_with_a_sentence_a_run(tmp_path: Path) -> None:
    runs, failures = train_on([Workers(WorkerDied("was killed"))], 2, tmp_path)
    assert runs == set() and failures.keys() == quick(2).keys()
    assert set(failures.values()) == {"The worker process was killed on every attempt: try again."}


def test_work_is_stopped_where_it_runs() -> None:
    one, other = Workers(), Workers()
    engine = GpuEngine([one, other], ["a", "b"])  # type: ignore[list-item]
    work, planning = engine.train({}), engine.plan({})
    engine.stop(work)
    engine.stop(planning)
    assert work.workers is one and planning.workers is other
    assert work.task.stopped and planning.task.stopped


def test_names_of_gpus_are_counted() -> None:
    assert gpu_phrase([]) == "" and gpu_phrase(["NVIDIA H200"]) == "NVIDIA H200"
    assert gpu_phrase(["NVIDIA H200", "NVIDIA L4", "NVIDIA H200"]) == "2 × NVIDIA H200, NVIDIA L4"


# -- with real processes


@pytest.fixture
def two() -> Iterator[list[Any]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(closing(own)) for own in start_gpu_workers({"7": "NVIDIA Paper", "8": "NVIDIA Paper"})
        ]


def test_each_process_sees_its_gpu_alone(two: list[Any]) -> None:
    assert [own.schedule(os.getenv, "CUDA_VISIBLE_DEVICES").result() for own in two] == ["7", "8"]
    assert os.environ.get("CUDA_VISIBLE_DEVICES") != "7", "this process keeps its own"


@no_gpu
def test_two_gpus_that_cannot_be_used_leave_the_sweep_to_the_cpu(two: list[Any], tmp_path: Path) -> None:
    """The first failure retires a GPU, the second leaves its runs to the process that is left."""
    configs, store = quick(4), Store(tmp_path / "runs.sqlite")
    states = list(execute(configs, GpuEngine(two, ["NVIDIA Paper"] * 2), store))
    assert {key for state in states for key in state.runs} == configs.keys()
    assert not any(state.failures for state in states)
    assert {state.note for state in states} == {"", NOTES[Fallback.FAILED]}
    for expected in run_many(list(configs.values()), "cpu"):
        found = store.get(expected.key)
        assert found is not None and np.array_equal(found.scores, expected.scores)

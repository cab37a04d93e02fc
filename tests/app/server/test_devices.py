"""Who trains this server's sweeps: its GPU, where a trainer says that there is one, else its cores."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from anoonly_core.config import make_config
from anoonly_core.execution import gpu_engine, tasks
from anoonly_core.execution.death import WorkerDied
from anoonly_core.execution.executor import LocalEngine
from anoonly_core.execution.pool import Task
from anoonly_core.progress import Cancelled
from app.server import devices as module
from app.server.devices import Devices

ONE = {"0": "NVIDIA Paper"}


class Pool:
    """In place of worker processes: notes what is asked, and answers when it is told to."""

    def __init__(
        self,
        count: int = 1,
        initializer: Any = None,
        on_demand: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.count, self.asked, self.closed, self.environment = count, [], False, environment  # type: ignore[var-annotated]
        self.future: Future[Any] = Future()
        self.giving_way = 0

    def schedule(self, function: Any, *arguments: Any) -> Task:
        self.asked.append((function, arguments))
        return Task(1, self.future)

    def pause_processes(self, processes: int) -> None:
        self.giving_way = processes

    def close(self) -> None:
        self.closed = True


class JobsOfPaper:
    def __init__(self) -> None:
        self.trainers, self.cores, self.is_small = Pool(4), 4, False

    def busy(self) -> int:
        return 3


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "WorkerPool", Pool)
    monkeypatch.setattr(gpu_engine, "WorkerPool", Pool)
    return JobsOfPaper()


def test_a_trainer_is_asked_once_and_until_then_nothing_is_known(jobs: Any) -> None:
    machine = Devices(jobs)
    assert machine.gpus() is None and machine.gpus() is None and machine.device() == "cpu"
    assert machine.gpu_phrase([make_config()]) == ""
    assert jobs.trainers.asked == [(tasks.gpu_names, ())]
    jobs.trainers.future.set_result(ONE)
    assert (machine.gpus(), machine.gpus(wait=True), machine.device()) == (ONE, ONE, "cuda")
    assert len(jobs.trainers.asked) == 1
    one, other = make_config(), make_config(baseline="XGBOD")
    assert machine.gpu_phrase([other, one]) == "this machine's NVIDIA Paper"
    assert machine.gpu_phrase([other]) == "", "which a GPU does not train"


@pytest.mark.parametrize(
    ("gpus", "name"),
    [({"0": "NVIDIA Paper"}, "NVIDIA Paper"), ({"1": "NVIDIA Paper", "3": "NVIDIA Paper"}, "2 × NVIDIA Paper")],
)
def test_a_process_a_gpu_plans_and_trains_and_waits_for_nobody(jobs: Any, gpus: dict[str, str], name: str) -> None:
    jobs.trainers.future.set_result(gpus)
    machine = Devices(jobs)
    engine = machine.engine()
    assert (engine.device, engine.slots, engine.name) == ("cuda", len(gpus), name)
    assert machine.gpu_phrase([make_config()]) == f"this machine's {name}"
    work = [engine.train({}) for _ in gpus]
    workers: list[Any] = [one.workers for one in work]  # type: ignore[union-attr]
    assert [own.environment for own in workers] == [{"CUDA_VISIBLE_DEVICES": entry} for entry in gpus]
    assert machine.planning_pool(gpus) is workers[0]
    assert machine.engine().train({}).workers is workers[0], "the processes stay"  # type: ignore[union-attr]
    machine.pause_processes(2)
    assert {own.giving_way for own in workers} == {0}
    machine.close()
    assert all(own.closed for own in workers)


def test_without_a_gpu_there_is_a_process_a_core_which_gives_way(jobs: Any) -> None:
    jobs.trainers.future.set_result({})
    machine = Devices(jobs)
    assert machine.planning_pool({}) is jobs.trainers
    engine = machine.engine()
    assert isinstance(engine, LocalEngine)
    assert (engine.device, engine.slots, engine.name) == ("cpu", 4, "4 workers")
    assert engine.pool is not jobs.trainers and engine.pool.giving_way == 3  # type: ignore[attr-defined]
    machine.close()
    assert engine.pool.closed  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [WorkerDied(), Cancelled(), RuntimeError("CUDA driver")])
def test_a_gpu_that_cannot_be_asked_for_is_none(jobs: Any, error: Exception) -> None:
    jobs.trainers.future.set_exception(error)
    machine = Devices(jobs)
    assert machine.gpus() == {} and machine.engine().device == "cpu"
    jobs.trainers.future = Future()
    jobs.trainers.future.set_result(ONE)
    assert machine.gpus() == ONE, "another trainer was asked"

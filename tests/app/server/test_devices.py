"""Who trains this server's sweeps: its GPU, where a trainer says that there is one, else its cores."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from anoonly_core.config import make_config
from anoonly_core.execution import tasks
from anoonly_core.execution.death import WorkerDied
from anoonly_core.execution.pool import Task
from anoonly_core.progress import Cancelled
from app.server import devices as module
from app.server.devices import Devices


class Pool:
    """In place of worker processes: notes what is asked, and answers when it is told to."""

    def __init__(self, count: int = 1, initializer: Any = None, on_demand: bool = False) -> None:
        self.count, self.asked, self.closed = count, [], False  # type: ignore[var-annotated]
        self.future: Future[str] = Future()
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
    return JobsOfPaper()


def test_a_trainer_is_asked_once_and_until_then_nothing_is_known(jobs: Any) -> None:
    machine = Devices(jobs)
    assert machine.gpu() is None and machine.gpu() is None and machine.device() == "cpu"
    assert machine.gpu_phrase([make_config()]) == ""
    assert jobs.trainers.asked == [(tasks.gpu_name, ())]
    jobs.trainers.future.set_result("NVIDIA Paper")
    assert (machine.gpu(), machine.gpu(wait=True), machine.device()) == ("NVIDIA Paper", "NVIDIA Paper", "cuda")
    assert len(jobs.trainers.asked) == 1
    one, other = make_config(), make_config(baseline="XGBOD")
    assert machine.gpu_phrase([other, one]) == "this machine's NVIDIA Paper"
    assert machine.gpu_phrase([other]) == "", "which a GPU does not train"


def test_one_process_owns_the_gpu_plans_and_trains_and_waits_for_nobody(jobs: Any) -> None:
    jobs.trainers.future.set_result("NVIDIA Paper")
    machine = Devices(jobs)
    engine = machine.engine()
    assert (engine.device, engine.slots, engine.name) == ("cuda", 1, "NVIDIA Paper")
    assert machine.planning_pool("NVIDIA Paper") is engine.pool is machine.engine().pool
    machine.pause_processes(2)
    assert engine.pool.giving_way == 0  # type: ignore[attr-defined]
    machine.close()
    assert engine.pool.closed  # type: ignore[attr-defined]


def test_without_a_gpu_there_is_a_process_a_core_which_gives_way(jobs: Any) -> None:
    jobs.trainers.future.set_result("")
    machine = Devices(jobs)
    assert machine.planning_pool("") is jobs.trainers
    engine = machine.engine()
    assert (engine.device, engine.slots, engine.name) == ("cpu", 4, "4 workers")
    assert engine.pool is not jobs.trainers and engine.pool.giving_way == 3  # type: ignore[attr-defined]
    machine.close()
    assert engine.pool.closed  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [WorkerDied(), Cancelled(), RuntimeError("CUDA driver")])
def test_a_gpu_that_cannot_be_asked_for_is_none(jobs: Any, error: Exception) -> None:
    jobs.trainers.future.set_exception(error)
    machine = Devices(jobs)
    assert machine.gpu() == "" and machine.engine().device == "cpu"
    jobs.trainers.future = Future()
    jobs.trainers.future.set_result("NVIDIA Paper")
    assert machine.gpu() == "NVIDIA Paper", "another trainer was asked"

"""Worker processes that die at any moment: what they were at has an end, and what others are at goes on."""

from __future__ import annotations

import gc
import importlib
import logging
import operator
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial, partialmethod
from pathlib import Path
from pickle import PicklingError

import pytest

from anoonly_core.execution.job import Cancelled
from anoonly_core.execution.pool import Task, WorkerDied, WorkerPool

PATIENCE_S = 90.0


def start_lightly(*beginning: object) -> None:
    """A process that begins with nothing, at once."""


def start_never(*beginning: object) -> None:
    os._exit(1)


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


@pytest.fixture
def make_workers() -> Iterator[Callable[..., WorkerPool]]:
    made: list[WorkerPool] = []

    def make(
        count: int, initializer: Callable[..., None] = start_lightly, warm: Callable[[], object] | None = None
    ) -> WorkerPool:
        made.append(WorkerPool(count, initializer, warm))
        return made[-1]

    yield make
    for workers in made:
        workers.close()


def kill_one(workers: WorkerPool, choose: random.Random) -> None:
    if processes := sorted(workers.processes()):
        os.kill(choose.choice(processes), signal.SIGKILL)


# What each call returns grows to some megabytes: a pipe holds 64 KiB of it, so that many die while they send.
@pytest.mark.parametrize("size", [10, 20_000])
def test_every_call_ends_whoever_is_killed_when(make_workers: Callable[..., WorkerPool], size: int) -> None:
    workers, choose = make_workers(2), random.Random(size)
    tasks: list[Task] = []
    for _ in range(40):
        tasks += [workers.schedule(operator.mul, b"x" * size) for _ in range(5)]
        time.sleep(choose.random() * 0.02)
        kill_one(workers, choose)
    wait_for(lambda: all(task.done for task in tasks), "the end of every call")
    died = sum(isinstance(task.future.exception(), WorkerDied) for task in tasks)
    assert died <= 40, "a death costs the call that its process was at, and no other"
    for task in tasks:
        if task.future.exception() is None:
            assert task.result() == b"x" * size * task.number
    assert workers.schedule(operator.add, 1).result() == len(tasks) + 2


def test_a_process_that_died_before_its_call_costs_nothing(make_workers: Callable[..., WorkerPool]) -> None:
    workers = make_workers(1)
    for _ in range(20):
        workers.schedule(operator.add, 1).result()
        (process,) = workers.processes()
        os.kill(process, signal.SIGKILL)
        workers.schedule(operator.add, 1).result()


def write_and_die(number: int, path: Path) -> None:
    with path.open("a") as file:
        file.write("made\n")
    os._exit(0)


def test_a_call_that_was_begun_is_not_made_again(make_workers: Callable[..., WorkerPool], tmp_path: Path) -> None:
    workers = make_workers(1)
    first, second = workers.schedule(write_and_die, tmp_path / "made"), workers.schedule(operator.add, 1)
    with pytest.raises(WorkerDied):
        first.result()
    assert second.result() == 3
    assert (tmp_path / "made").read_text() == "made\n"


def test_processes_that_cannot_begin_are_said_to_have_died(make_workers: Callable[..., WorkerPool]) -> None:
    with pytest.raises(WorkerDied, match="end before they begin"):
        make_workers(1, start_never).schedule(operator.add, 1).result()


def test_a_stopped_call_that_does_not_listen_loses_its_process(make_workers: Callable[..., WorkerPool]) -> None:
    workers = make_workers(1)
    workers.schedule(operator.add, 1).result()
    before = workers.processes()
    deaf, waiting = workers.schedule(sleep, 600.0), workers.schedule(sleep, 600.0)
    next_one = workers.schedule(operator.add, 1)
    wait_for(lambda: deaf.running, "its beginning")
    workers.stop(waiting)
    workers.stop(deaf)
    assert next_one.result() == next_one.number + 1
    assert workers.processes() != before
    for task in (deaf, waiting):
        with pytest.raises(Cancelled):
            task.result()


def sleep(number: int, seconds: float) -> None:
    time.sleep(seconds)


def test_what_a_call_raises_comes_back_with_where_it_was_raised(make_workers: Callable[..., WorkerPool]) -> None:
    workers = make_workers(1)
    workers.schedule(operator.add, 1).result()
    before = workers.processes()
    with pytest.raises(ZeroDivisionError) as raised:
        workers.schedule(operator.truediv, 0).result()
    assert "Traceback" in raised.value.__notes__[0]
    with pytest.raises(RuntimeError, match="cannot be sent"):
        workers.schedule(make_lock).result()
    with pytest.raises((AttributeError, PicklingError)):
        workers.schedule(lambda number: number).result()
    with pytest.raises(ImportError):
        workers.schedule(operator.add, Unreadable()).result()
    assert workers.schedule(operator.add, 1).result() and workers.processes() == before


class Unreadable:
    """Can be sent, and not read where it comes."""

    def __reduce__(self) -> tuple[object, ...]:
        return importlib.import_module, ("anoonly_core.of_another_version",)


def make_lock(number: int) -> object:
    return threading.Lock()


def test_close_ends_what_is_under_way_and_what_waits(make_workers: Callable[..., WorkerPool]) -> None:
    workers = make_workers(1)
    tasks = [workers.schedule(sleep, 600.0) for _ in range(3)]
    wait_for(lambda: tasks[0].running, "its beginning")
    workers.close()
    assert workers.processes() == set()
    for task in tasks:
        with pytest.raises(Cancelled):
            task.result()
    with pytest.raises(RuntimeError, match="closed"):
        workers.schedule(operator.add, 1)


def test_a_process_that_is_killed_while_idle_is_replaced_though_nobody_asks(
    make_workers: Callable[..., WorkerPool], caplog: pytest.LogCaptureFixture
) -> None:
    workers = make_workers(2)
    wait_for(lambda: len(workers.processes()) == 2, "both")
    before = workers.processes()
    with caplog.at_level(logging.WARNING):
        os.kill(min(before), signal.SIGKILL)
        wait_for(lambda: len(workers.processes() - before) == 1 and len(workers.processes()) == 2, "its replacement")
    assert not caplog.records


def test_each_process_warms_itself_once_when_it_has_nothing_to_do(
    make_workers: Callable[..., WorkerPool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anoonly_core.execution.pool.WARM_AFTER_S", 0.1)
    workers = make_workers(2, warm=partial(write_when, tmp_path))
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2, "both")
    assert {int(path.name) for path in tmp_path.iterdir()} == workers.processes()
    (began, ended), (began_then, _) = sorted(tuple(map(float, path.read_text().split())) for path in tmp_path.iterdir())
    assert began < ended <= began_then, "one after the other, so that the other can be asked"
    os.kill(min(workers.processes()), signal.SIGKILL)
    wait_for(lambda: len(list(tmp_path.iterdir())) == 3, "its replacement")
    time.sleep(1.5)
    assert len(list(tmp_path.iterdir())) == 3


def write_when(folder: Path) -> None:
    begun = time.monotonic()
    time.sleep(0.2)
    (folder / str(os.getpid())).write_text(f"{begun} {time.monotonic()}")


def test_a_process_that_cannot_warm_itself_goes_on(
    make_workers: Callable[..., WorkerPool], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("anoonly_core.execution.pool.WARM_AFTER_S", 0.1)
    workers = make_workers(1, warm=partial(operator.truediv, 1, 0))
    wait_for(lambda: "ZeroDivisionError" in caplog.text, "the warning")
    assert workers.schedule(operator.add, 1).result() == 2
    time.sleep(1.5)
    assert caplog.text.count("ZeroDivisionError") == 1, "tried once in a process"


def test_a_process_that_cannot_be_started_is_said_and_tried_again(
    make_workers: Callable[..., WorkerPool], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("anoonly_core.execution.process.WorkerProcess.start", partialmethod(fail))
        workers = make_workers(1)
        with pytest.raises(MemoryError):
            workers.schedule(operator.add, 1).result()
        wait_for(lambda: "MemoryError" in caplog.text, "the warning")
    assert workers.schedule(operator.add, 1).result() == 3


def fail(process: object) -> None:
    raise MemoryError


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux are the processes forked from one that has torch")
def test_a_collection_of_garbage_leaves_the_loaded_memory_shared(make_workers: Callable[..., WorkerPool]) -> None:
    shared, own_then = make_workers(1).schedule(collect_garbage).result()
    assert shared > 50, "what was loaded before the fork"
    assert own_then < shared / 4


def collect_garbage(task: int) -> tuple[float, float]:
    """The anonymous memory that this process shares, in MB, and how much more is its own after a collection."""
    before, own = megabytes("Anonymous"), megabytes("Private_Dirty")
    gc.collect()
    return before - own, megabytes("Private_Dirty") - own


def megabytes(kind: str) -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024

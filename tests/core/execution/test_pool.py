"""A worker that dies at any moment loses only its current task; every task ends, and the pool replaces the worker."""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import operator
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial, partialmethod
from pathlib import Path
from pickle import PicklingError

import pytest

from anoonly_core.execution.death import WorkerDied
from anoonly_core.execution.job import Signal, report_progress
from anoonly_core.execution.pool import Task, WorkerPool
from anoonly_core.execution.start_method import context
from anoonly_core.progress import Cancelled

TIMEOUT_S = 90.0


def start_empty() -> None:
    """Start a process that needs no libraries."""


def fail_to_start() -> None:
    os._exit(1)


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"timed out waiting for {what}"
        time.sleep(0.01)


@pytest.fixture
def make_pool() -> Iterator[Callable[..., WorkerPool]]:
    pools: list[WorkerPool] = []

    def make(
        count: int,
        initializer: Callable[[], None] = start_empty,
        warm: Callable[[], object] | None = None,
        spares: int = 0,
        on_demand: bool = False,
    ) -> WorkerPool:
        pools.append(WorkerPool(count, initializer, warm, spares, on_demand))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def kill_one(pool: WorkerPool, choose: random.Random) -> None:
    """Kill a random process of the pool, if it has not just been collected."""
    if processes := sorted(pool.processes()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(choose.choice(processes), signal.SIGKILL)


# The values grow to megabytes, while a pipe holds 64 KiB: many processes die while they send.
@pytest.mark.parametrize("size", [10, 20_000])
def test_every_task_ends_whenever_workers_are_killed(make_pool: Callable[..., WorkerPool], size: int) -> None:
    pool, choose = make_pool(2), random.Random(size)
    tasks: list[Task] = []
    for _ in range(40):
        tasks += [pool.schedule(operator.mul, b"x" * size, len(tasks) + number) for number in range(1, 6)]
        time.sleep(choose.random() * 0.02)
        kill_one(pool, choose)
    wait_for(lambda: all(task.done for task in tasks), "the end of every task")
    died = sum(isinstance(task.future.exception(), WorkerDied) for task in tasks)
    assert died <= 40, "each killed worker loses one task at most"
    for task in tasks:
        if task.future.exception() is None:
            assert task.result() == b"x" * size * task.number
    assert pool.schedule(operator.add, 1, 2).result() == 3


def test_a_worker_killed_while_idle_loses_no_task(make_pool: Callable[..., WorkerPool]) -> None:
    pool = make_pool(1)
    for _ in range(20):
        pool.schedule(operator.add, 1, 2).result()
        (process,) = pool.processes()
        os.kill(process, signal.SIGKILL)
        pool.schedule(operator.add, 1, 2).result()


def write_and_die(path: Path) -> None:
    with path.open("a") as file:
        file.write("made\n")
    os._exit(0)


def test_a_task_that_has_begun_is_not_repeated(make_pool: Callable[..., WorkerPool], tmp_path: Path) -> None:
    pool = make_pool(1)
    first, second = pool.schedule(write_and_die, tmp_path / "made"), pool.schedule(operator.add, 1, 2)
    with pytest.raises(WorkerDied):
        first.result()
    assert second.result() == 3
    assert (tmp_path / "made").read_text() == "made\n"


def test_workers_that_die_while_they_start_are_reported(make_pool: Callable[..., WorkerPool]) -> None:
    with pytest.raises(WorkerDied, match="exited with code 1"):
        make_pool(1, fail_to_start).schedule(operator.add, 1, 2).result()


def test_a_stopped_task_that_never_checks_is_killed(make_pool: Callable[..., WorkerPool]) -> None:
    pool = make_pool(1)
    pool.schedule(operator.add, 1, 2).result()
    before = pool.processes()
    running, queued = pool.schedule(time.sleep, 600.0), pool.schedule(time.sleep, 600.0)
    following = pool.schedule(operator.add, 1, 2)
    wait_for(lambda: running.running, "the first task to begin")
    pool.stop(queued)
    pool.stop(running)
    assert following.result() == 3
    assert pool.processes() != before
    for task in (running, queued):
        with pytest.raises(Cancelled):
            task.result()


def test_an_error_arrives_with_the_traceback_of_the_worker(make_pool: Callable[..., WorkerPool]) -> None:
    pool = make_pool(1)
    pool.schedule(operator.add, 1, 2).result()
    before = pool.processes()
    with pytest.raises(ZeroDivisionError) as raised:
        pool.schedule(operator.truediv, 1, 0).result()
    assert "Traceback" in raised.value.__notes__[0]
    with pytest.raises(RuntimeError, match="cannot be sent"):
        pool.schedule(threading.Lock).result()
    with pytest.raises((AttributeError, PicklingError)):
        pool.schedule(lambda: 0).result()
    with pytest.raises(ImportError):
        pool.schedule(operator.add, 1, Unreadable()).result()
    assert pool.schedule(operator.add, 1, 2).result() == 3 and pool.processes() == before


class Unreadable:
    """Can be pickled, but not unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return importlib.import_module, ("anoonly_core.of_another_version",)


def test_close_cancels_running_and_queued_tasks(make_pool: Callable[..., WorkerPool]) -> None:
    pool = make_pool(1)
    tasks = [pool.schedule(time.sleep, 600.0) for _ in range(3)]
    wait_for(lambda: tasks[0].running, "the first task to begin")
    pool.close()
    assert pool.processes() == set()
    for task in tasks:
        with pytest.raises(Cancelled):
            task.result()
    with pytest.raises(RuntimeError, match="closed"):
        pool.schedule(operator.add, 1, 2)


def test_a_worker_killed_while_idle_is_replaced_without_a_task(
    make_pool: Callable[..., WorkerPool], caplog: pytest.LogCaptureFixture
) -> None:
    pool = make_pool(2)
    wait_for(lambda: len(pool.processes()) == 2, "both workers")
    before = pool.processes()
    with caplog.at_level(logging.WARNING):
        os.kill(min(before), signal.SIGKILL)
        wait_for(lambda: len(pool.processes() - before) == 1 and len(pool.processes()) == 2, "its replacement")
    assert not caplog.records


def test_each_idle_worker_is_warmed_once(
    make_pool: Callable[..., WorkerPool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anoonly_core.execution.pool.WARM_AFTER_S", 0.1)
    pool = make_pool(2, warm=partial(write_times, tmp_path))
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2, "both workers")
    assert {int(path.name) for path in tmp_path.iterdir()} == pool.processes()
    (_, first_end), (second_begin, _) = sorted(
        tuple(map(float, path.read_text().split())) for path in tmp_path.iterdir()
    )
    assert first_end <= second_begin, "one at a time, so that the other can take a task"
    os.kill(min(pool.processes()), signal.SIGKILL)
    wait_for(lambda: len(list(tmp_path.iterdir())) == 3, "its replacement")
    time.sleep(1.5)
    assert len(list(tmp_path.iterdir())) == 3


def write_times(folder: Path) -> None:
    begun = time.monotonic()
    time.sleep(0.2)
    (folder / str(os.getpid())).write_text(f"{begun} {time.monotonic()}")


def test_a_worker_that_fails_to_warm_takes_tasks(
    make_pool: Callable[..., WorkerPool], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("anoonly_core.execution.pool.WARM_AFTER_S", 0.1)
    pool = make_pool(1, warm=partial(operator.truediv, 1, 0))
    wait_for(lambda: "ZeroDivisionError" in caplog.text, "the warning")
    assert pool.schedule(operator.add, 1, 2).result() == 3
    time.sleep(1.5)
    assert caplog.text.count("ZeroDivisionError") == 1, "tried once per process"


def test_a_worker_that_cannot_be_started_is_logged_and_tried_again(
    make_pool: Callable[..., WorkerPool], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("anoonly_core.execution.process.WorkerProcess.start", partialmethod(fail))
        pool = make_pool(1)
        with pytest.raises(MemoryError):
            pool.schedule(operator.add, 1, 2).result()
        wait_for(lambda: "MemoryError" in caplog.text, "the warning")
    assert pool.schedule(operator.add, 1, 2).result() == 3


def fail(process: object) -> None:
    raise MemoryError


def test_a_garbage_collection_leaves_the_inherited_memory_shared() -> None:
    if context().get_start_method() != "forkserver":  # asked here, since workers import this module
        pytest.skip("spawned workers inherit no memory")
    # In a process of its own, since the server that forks the workers begins with the first pool of a process.
    script = (
        "from anoonly_core.execution.pool import WorkerPool\n"
        "from tests.core.execution.test_pool import collect_garbage, start_empty\n"
        "pool = WorkerPool(1, start_empty)\n"
        "print(*pool.schedule(collect_garbage).result())\n"
        "pool.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True)
    shared, copied = map(float, done.stdout.split())
    assert shared > 50, "the libraries that were imported before the fork"
    assert copied < shared / 4


def collect_garbage() -> tuple[float, float]:
    """Return the MB of anonymous memory that this process shares, and the MB that a collection copies."""
    private = megabytes("Private_Dirty")
    shared = megabytes("Anonymous") - private
    gc.collect()
    return shared, megabytes("Private_Dirty") - private


def megabytes(kind: str) -> float:
    """Read one kind of this process's memory from the kernel."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024


def write_epochs(path: Path, seconds: float) -> int:
    """Count epochs into a file for some seconds, and return how often the task was begun before."""
    begun = path.read_text().count("begun") if path.exists() else 0
    with path.open("a") as file:
        file.write("begun\n")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        report_progress(1, 2)
        time.sleep(0.005)
    return begun


@pytest.mark.parametrize("others", [111, 1023, 1024, 1025, 2500])
def test_others_tasks_never_stop_or_pause_an_old_one(
    make_pool: Callable[..., WorkerPool], tmp_path: Path, others: int
) -> None:
    """One task lives while others are scheduled, stopped and finished beside it, as by a slider that is moved."""
    pool = make_pool(2)
    old = pool.schedule(write_epochs, tmp_path / "old", 600.0)
    wait_for(lambda: old.progress, "its first epoch")
    for number in range(others):
        pool.stop(pool.schedule(operator.add, number, 0))
    waiting = [pool.schedule(operator.add, number, 1) for number in range(others)]
    assert [task.result() for task in waiting] == list(range(1, others + 1))
    assert not old.done and not old.stopped
    old.progress = None
    wait_for(lambda: old.progress, "a further epoch")
    assert (tmp_path / "old").read_text() == "begun\n"
    pool.stop(old)
    with pytest.raises(Cancelled):
        old.result()


@pytest.mark.parametrize("choice", range(5))
def test_only_the_stopped_tasks_of_many_are_stopped(make_pool: Callable[..., WorkerPool], choice: int) -> None:
    pool, choose = make_pool(2), random.Random(choice)
    pool.pause_processes(choose.choice([0, 1]))
    tasks = [pool.schedule(operator.mul, number, 2) for number in range(1500)]
    stopped = {number for number in choose.sample(range(1500), 400) if not tasks[number].running}
    for number in stopped:
        pool.stop(tasks[number])
    finished = {number for number, task in enumerate(tasks) if not isinstance(task.future.exception(), Cancelled)}
    assert finished >= set(range(1500)) - stopped
    assert all(tasks[number].result() == 2 * number for number in finished)


@pytest.mark.parametrize(("long_tasks", "others"), [(20, 1), (20, 4), (3, 2), (100, 3), (1, 4)])
def test_long_tasks_of_one_owner_delay_no_other_owner(
    make_pool: Callable[..., WorkerPool], tmp_path: Path, long_tasks: int, others: int
) -> None:
    """Others' tasks run in spare processes while the long ones take turns with them."""
    pool = make_pool(1, spares=4)
    long = [
        pool.schedule(write_epochs, tmp_path / f"long {number}", 600.0, owners=["busy"]) for number in range(long_tasks)
    ]
    wait_for(lambda: long[0].progress, "the first epoch of a long task")
    short = [
        pool.schedule(write_epochs, tmp_path / f"short {number}", 0.1, owners=[f"visitor {number}"])
        for number in range(others)
    ]
    assert [task.result() for task in short] == [0] * others
    assert sum(task.running for task in long) == 1 and not any(task.done for task in long)
    long[0].progress = None
    wait_for(lambda: long[0].progress, "the long task to go on")
    assert [pool.ahead(task) for task in long] == list(range(long_tasks))


def test_no_more_tasks_run_at_a_time_than_there_are_processes_without_the_spares(
    make_pool: Callable[..., WorkerPool], tmp_path: Path
) -> None:
    pool = make_pool(2, spares=3)
    tasks = [
        pool.schedule(write_epochs, tmp_path / str(number), 600.0, owners=[f"visitor {number}"]) for number in range(5)
    ]
    wait_for(lambda: all(task.progress for task in tasks), "every visitor to have a turn")
    for _ in range(50):
        with pool._lock:
            assert list(pool._signals).count(Signal.RUN) == 2
        time.sleep(0.01)


def test_processes_on_demand_live_while_they_work(
    make_pool: Callable[..., WorkerPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anoonly_core.execution.pool.IDLE_END_S", 0.1)
    monkeypatch.setattr("anoonly_core.execution.pool.WARM_AFTER_S", 0.0)
    pool = make_pool(2, warm=fail_to_start, on_demand=True)
    time.sleep(0.3)
    assert pool.processes() == set(), "no task has come"
    for number in range(3):
        assert pool.schedule(operator.add, number, 2).result() == number + 2
        wait_for(lambda: not pool.processes(), "the end of the process")
    with_death = pool.schedule(os._exit, 1)
    assert isinstance(with_death.future.exception(), WorkerDied)
    assert pool.schedule(operator.add, 1, 2).result() == 3


def test_a_spare_process_ends_when_it_is_not_needed(
    make_pool: Callable[..., WorkerPool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anoonly_core.execution.pool.IDLE_END_S", 0.1)
    pool = make_pool(1, spares=2)
    long = pool.schedule(write_epochs, tmp_path / "long", 600.0, owners=["busy"])
    wait_for(lambda: long.progress, "the long task")
    assert len(pool.processes()) == 1
    assert pool.schedule(operator.add, 1, 2, owners=["other"]).result() == 3
    wait_for(lambda: len(pool.processes()) == 1, "the end of the spare process")
    assert pool.schedule(operator.add, 1, 2, owners=["other"]).result() == 3

"""The reason of a worker's death reaches the caller: signal, exit code, failed set-up or failed start."""

from __future__ import annotations

import errno
import operator
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from anoonly_core.config import make_config
from anoonly_core.errors import EngineUnavailable, InvalidConfig
from anoonly_core.execution import start_method, tasks
from anoonly_core.execution.death import WorkerDied, died_of, start_failure
from anoonly_core.execution.executor import LocalEngine, execute
from anoonly_core.execution.pool import WorkerPool
from anoonly_core.results.keys import run_key
from anoonly_core.results.store import Store
from tests.core.execution.deaths import die_by, raise_error, read_address_zero, start_empty

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")

KILLED = "The worker process was killed by SIGKILL, possibly out of memory: see the kernel log, then try again."


@contextmanager
def pool_of_one(initializer: Callable[[], None] = start_empty) -> Iterator[WorkerPool]:
    pool = WorkerPool(1, initializer)
    try:
        yield pool
    finally:
        pool.close()


@pytest.mark.parametrize(
    ("death", "arguments", "sentence"),
    [
        (die_by, (signal.SIGKILL,), KILLED),
        (die_by, (signal.SIGTERM,), "The worker process was ended by SIGTERM: try again."),
        (die_by, (signal.SIGSEGV,), "The worker process crashed with SIGSEGV: see the log, then try again."),
        (read_address_zero, (), "The worker process crashed with SIGSEGV: see the log, then try again."),
        (os.abort, (), "The worker process crashed with SIGABRT: see the log, then try again."),
        (die_by, (signal.SIGALRM,), "The worker process was ended by SIGALRM: try again."),
        (os._exit, (3,), "The worker process exited with code 3: see the log, then try again."),
        (os._exit, (0,), "The worker process exited with code 0: see the log, then try again."),
    ],
)
def test_a_death_during_a_call_is_named(death: Callable[..., None], arguments: tuple[Any, ...], sentence: str) -> None:
    with pool_of_one() as pool:
        with pytest.raises(WorkerDied) as died:
            pool.schedule(death, *arguments).result()
        assert str(died.value) == sentence
        assert pool.schedule(operator.add, 1, 2).result() == 3, "another process takes the next task"


@pytest.mark.parametrize(
    ("death", "sentence"),
    [
        (partial(die_by, signal.SIGKILL), KILLED),
        (partial(die_by, signal.SIGTERM), "The worker process was ended by SIGTERM: try again."),
        (partial(os._exit, 3), "The worker process exited with code 3: see the log, then try again."),
        (
            partial(raise_error, ImportError("No module named 'torch'")),
            "The worker process could not be set up (ImportError: No module named 'torch'): "
            "see the log, then try again.",
        ),
        (
            partial(raise_error, InvalidConfig("A setting is wrong.")),
            "The worker process could not be set up (A setting is wrong): see the log, then try again.",
        ),
        (
            partial(raise_error, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
            "The worker process could not be set up (No space left on device): see the log, then try again.",
        ),
        (
            partial(raise_error, SystemExit(4)),
            "The worker process could not be set up (SystemExit: 4): see the log, then try again.",
        ),
    ],
)
def test_a_death_before_the_first_call_is_named(death: Callable[[], None], sentence: str) -> None:
    with pool_of_one(death) as pool, pytest.raises(WorkerDied) as died:
        pool.schedule(operator.add, 1, 2).result()
    assert str(died.value) == sentence


def test_a_failed_set_up_carries_the_traceback_as_a_note() -> None:
    with pool_of_one(partial(raise_error, ValueError("odd"))) as pool, pytest.raises(WorkerDied) as died:
        pool.schedule(operator.add, 1, 2).result()
    assert "in raise_error" in died.value.__notes__[0]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EAGAIN, "Resource temporarily unavailable"),
        (errno.ENOMEM, "Cannot allocate memory"),
        (errno.EMFILE, "Too many open files"),
        (errno.ENFILE, "Too many open files in system"),
        (errno.EACCES, "Permission denied"),
    ],
)
def test_a_process_that_cannot_be_started_is_named(monkeypatch: pytest.MonkeyPatch, number: int, reason: str) -> None:
    def refuse(process: object) -> None:
        raise OSError(number, os.strerror(number))

    with pool_of_one() as pool:
        pool.schedule(operator.add, 1, 2).result()
        monkeypatch.setattr(start_method.context().Process, "start", refuse)
        with pytest.raises(WorkerDied):
            pool.schedule(os._exit, 1).result()
        with pytest.raises(WorkerDied) as died:
            pool.schedule(operator.add, 1, 2).result()
    assert str(died.value) == (
        f"The worker process could not be started ({reason}): free memory or processes, then try again."
    )


@pytest.mark.parametrize(
    ("exit_code", "sentence"),
    [
        (None, "The worker process stopped answering: try again."),
        (1, "The worker process exited with code 1: see the log, then try again."),
        (0xC0000005, "The worker process exited with code 0xc0000005: see the log, then try again."),
        (-signal.SIGKILL, KILLED),
        (-signal.SIGBUS, "The worker process crashed with SIGBUS: see the log, then try again."),
        (-signal.SIGXCPU, "The worker process was ended by SIGXCPU: try again."),
        (-40, "The worker process was ended by signal 40: try again."),
    ],
)
def test_an_exit_code_becomes_a_sentence(exit_code: int | None, sentence: str) -> None:
    died = WorkerDied(*died_of(exit_code))
    assert died.sentence() == sentence == str(pickle.loads(pickle.dumps(died)))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EOFError(), "EOFError"),
        (ValueError("two\nlines."), "ValueError: two lines"),
        (OSError("without a number"), "without a number"),
        (EngineUnavailable("It is gone."), "It is gone"),
        (RuntimeError("x" * 500), "RuntimeError: " + "x" * 186),
    ],
)
def test_an_error_becomes_a_reason(error: BaseException, reason: str) -> None:
    assert start_failure(error) == reason


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (
            signal.SIGKILL,
            "The worker process was killed by SIGKILL on every attempt, possibly out of memory: "
            "see the kernel log, then try again.",
        ),
        (signal.SIGTERM, "The worker process was ended by SIGTERM on every attempt: try again."),
    ],
)
def test_the_last_death_of_a_run_is_its_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    config = make_config(epochs=1)
    with pool_of_one() as pool:
        plan = pool.schedule(tasks.plan_runs, {run_key(config): config}, 1).result()
        engine = LocalEngine(pool)
        monkeypatch.setattr(engine, "plan", lambda configs: pool.schedule(partial(operator.pos, Answer(plan))))
        monkeypatch.setattr(engine, "train", lambda configs: pool.schedule(die_by, number))
        states = list(execute({run_key(config): config}, engine, Store(tmp_path / "runs.sqlite")))
    assert {key: failure for state in states for key, failure in state.failures.items()} == {run_key(config): sentence}


class Answer:
    """Hold a value that the unary plus returns."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __pos__(self) -> object:
        return self.value


def test_workers_that_die_while_they_plan_make_the_engine_unavailable(tmp_path: Path) -> None:
    config = make_config(epochs=1)
    with pool_of_one(partial(os._exit, 7)) as pool, pytest.raises(EngineUnavailable) as unavailable:
        list(execute({run_key(config): config}, LocalEngine(pool), Store(tmp_path / "runs.sqlite")))
    assert str(unavailable.value) == (
        "The worker process exited with code 7 on every attempt: see the log, then try again."
    )

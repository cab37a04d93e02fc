"""A Dask cluster whose scheduler and workers are started as documented, from environments of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from anoonly_core.version import __version__
from tests.package.conftest import SCRIPTS, Environment, make_environment

PATIENCE_S = 120.0
SWEEP = ("--dataset", "digits_3", "--epochs", "12", "--lambda-n", "1,1e-1,1e-2,1e-3,1e-4,1e-5,1e-6,0", "--seeds", "5")
Start = Callable[..., "subprocess.Popen[str]"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the test kills a process group")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program of an environment in a folder of its own; all are killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def begin(environment: Environment, *arguments: str) -> subprocess.Popen[str]:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        variables = environment.variables() | {"ANOONLY_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [str(environment.python), *arguments],
            cwd=folder,
            env=variables,
            stdout=(folder / "out").open("w"),
            stderr=(folder / "err").open("w"),
            start_new_session=True,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def bare(tmp_path: Path) -> Environment:
    """An environment with Dask and without this package."""
    return make_environment(tmp_path / "bare")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dask(part: str, *arguments: str) -> tuple[str, ...]:
    """The arguments of Python for `dask scheduler` or `dask worker`."""
    return ("-m", f"distributed.cli.dask_{part}", *arguments)


def read(tmp_path: Path, number: int, name: str = "err") -> str:
    return (tmp_path / str(number) / name).read_text()


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def start_cluster(
    start: Start, tmp_path: Path, scheduler: Environment, *workers: Environment
) -> tuple[str, list[subprocess.Popen[str]]]:
    """Start a scheduler and workers; return the address and the workers once all are connected."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    start(scheduler, *dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"))
    wait_for(lambda: "Scheduler at" in read(tmp_path, 0), "the scheduler")
    processes = []
    for number, worker in enumerate(workers, start=1):
        processes.append(start(worker, *dask("worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny")))
        wait_for(lambda number=number: "Registered to" in read(tmp_path, number), "a worker")
    return address, processes


def test_a_sweep_survives_the_death_of_a_worker(installed: Environment, start: Start, tmp_path: Path) -> None:
    address, (first_worker, _) = start_cluster(start, tmp_path, installed, installed, installed)
    anoonly = str(installed.folder / SCRIPTS / "anoonly")
    sweep = start(installed, anoonly, "sweep", *SWEEP, "--cluster", address, "--json")
    wait_for(lambda: "on 2 workers" in read(tmp_path, 3) or sweep.poll() is not None, "the estimate")
    assert sweep.poll() is None, read(tmp_path, 3)
    os.killpg(first_worker.pid, signal.SIGKILL)
    sweep.wait(PATIENCE_S)
    assert sweep.returncode == 0, read(tmp_path, 3)
    report = json.loads(read(tmp_path, 3, "out"))
    assert [point["runs"] for point in report["points"]] == [5] * 8
    assert not [failure for point in report["points"] for failure in point["failures"]]
    assert "Traceback" not in read(tmp_path, 3)


@pytest.mark.parametrize("without", ["worker", "scheduler"])
def test_a_member_without_the_package_is_named(
    installed: Environment, bare: Environment, start: Start, tmp_path: Path, without: str
) -> None:
    members = (bare, installed) if without == "scheduler" else (installed, bare)
    address, _ = start_cluster(start, tmp_path, *members)
    done = subprocess.run(
        [str(installed.python), "-m", "anoonly_core", "sweep", "--cluster", address],
        cwd=tmp_path,
        env=installed.variables(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = done.stderr.splitlines()
    member = r"worker tcp://127\.0\.0\.1:\d+" if without == "worker" else "scheduler"
    assert re.fullmatch(rf"The {member} lacks this package: install its wheel there, .*\.", sentence), done.stderr
    assert f"anoonly-{__version__}-py3-none-any.whl" in sentence

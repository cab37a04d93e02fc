"""The installed package in odd surroundings: a HOME without access, other locales, IPv6, a port that is taken."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.browser.server import Server, has_ipv6
from tests.package.conftest import SCRIPTS, Environment
from tests.soak.visitor import Visitor

RUN = ("-m", "anoonly_core", "run", "--dataset", "breast_cancer", "--epochs", "1", "--seeds", "2", "--json")
PATIENCE_S = 300.0
# Turkish has the comma of German numbers, and an i whose capital is not I.
TURKISH = {"LC_ALL": "tr_TR.UTF-8", "LANGUAGE": "tr", "TZ": "Asia/Kathmandu"}
READ_ONLY = "/sys" if Path("/sys").is_dir() else "/"  # where not even root can make a file


@pytest.fixture(scope="module")
def usual(installed: Environment) -> dict[str, object]:
    return metrics(installed.run(*RUN))


def metrics(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    return {"mean": report["mean"], "config": [run["config"] for run in report["runs"]]}


@pytest.mark.parametrize(
    "variables",
    [  # several independent variables in one process, since each process takes seconds to start
        {"HOME": "/dev/null/home", "XDG_CACHE_HOME": "", "ANOONLY_CACHE": "", "TMPDIR": "/dev/null/tmp"}
        | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        TURKISH | {"ANOONLY_START_METHOD": "spawn"},
    ],
    ids=["no home, no temporary folder, C", "spawn, Turkish"],
)
def test_a_run_gives_the_same_figures(
    installed: Environment, usual: dict[str, object], variables: dict[str, str], tmp_path: Path
) -> None:
    fresh = {"ANOONLY_CACHE": str(tmp_path / "cache")} | variables  # so that nothing comes from a store
    done = installed.run(*RUN, **fresh)
    assert metrics(done) == usual
    assert "Traceback" not in done.stderr


@contextmanager
def serving(installed: Environment, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [str(installed.folder / SCRIPTS / "anoonly"), "app", *arguments],
        cwd=installed.folder,
        env=installed.variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@pytest.mark.skipif(os.name == "nt", reason="the server of the tests is a process group")
def test_the_page_is_served_from_the_wheel(installed: Environment) -> None:
    """The folder of the wheel has spaces and letters beyond ASCII, too."""
    variables = installed.variables() | TURKISH | {"HOME": READ_ONLY, "XDG_CACHE_HOME": "", "ANOONLY_CACHE": ""}
    server = Server(
        installed.folder,
        environment=variables,
        command=("-m", "anoonly_core", "app"),
        folder=installed.folder,
        python=installed.python,
        address="::1" if has_ipv6() else None,
    )
    try:
        server.wait_until_healthy()
        with Visitor(server.port, host=server.host) as visitor:
            visitor.open()
            visitor.wait_for("AUCPR")
            assert not visitor.broken
    finally:
        server.stop()


def test_a_taken_port_is_one_sentence(installed: Environment) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with serving(installed, "--server.port", port, "--server.address", "127.0.0.1") as server:
            out, _ = server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 1
    assert f"ort {port} is " in out and "Traceback" not in out, out

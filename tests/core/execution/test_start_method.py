"""Workers start where the fork server cannot: spawn on request, and with a long or missing temporary folder."""

from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from anoonly_core.errors import InvalidConfig
from anoonly_core.execution import start_method

ROOT = Path(__file__).parents[3]
LINUX = sys.platform == "linux"
DEFAULT = "forkserver" if LINUX else "spawn"
SCRIPT = """
import operator
from multiprocessing.context import BaseContext
from anoonly_core.execution import start_method
from anoonly_core.execution.pool import WorkerPool
start_method.SHORT_FOLDERS = {short!r}
from tests.core.execution.test_pool import start_empty
BaseContext.set_forkserver_preload = lambda context, modules: None  # which takes seconds
pool = WorkerPool(1, start_empty)
print(pool.schedule(operator.add, 1, 2).result(), start_method.context().get_start_method())
pool.close()
"""


def start_in(folder: Path | str, short: tuple[str, ...] = start_method.SHORT_FOLDERS, **environment: str) -> str:
    """Start a pool with this TMPDIR in a fresh process; return what it prints."""
    told = {**os.environ, "ANOONLY_START_METHOD": "", "TMPDIR": str(folder), **environment}
    script = SCRIPT.format(short=short)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not LINUX, reason="the fork server starts on Linux only")
@pytest.mark.parametrize("length", [60, 80, 100, 150, 250])
def test_a_long_temporary_folder_leaves_the_fork_server_running(tmp_path: Path, length: int) -> None:
    folder = tmp_path / ("t" * max(1, length - len(str(tmp_path)) - 1))
    folder.mkdir()
    assert start_in(folder) == "3 forkserver"
    assert list(folder.glob("pymp-*")) == []


@pytest.mark.parametrize(
    "name", ["t" * 150, "ä" * 75, "with blanks " * 12, "deep/" * 40], ids=["long", "bytes", "blanks", "deep"]
)
def test_without_a_short_temporary_folder_workers_are_spawned(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    assert start_in(folder, short=()) == "3 spawn"
    assert start_in(folder, short=("/nonexistent", "/proc")) == "3 spawn"


def test_an_absent_temporary_folder_is_replaced(tmp_path: Path) -> None:
    assert start_in(tmp_path / "absent") == f"3 {DEFAULT}"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_variable_sets_the_start_method(tmp_path: Path, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    assert start_in("/tmp", ANOONLY_START_METHOD=method) == f"3 {method}"


@pytest.mark.parametrize("method", ["", "spawn"])
def test_an_empty_variable_is_the_default(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setenv("ANOONLY_START_METHOD", method)
    assert start_method.context().get_start_method() == (method or DEFAULT)


@pytest.mark.parametrize("method", ["fork", "Spawn", "thread", " spawn", "1"])
def test_an_unknown_start_method_is_an_error(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setenv("ANOONLY_START_METHOD", method)
    with pytest.raises(InvalidConfig, match="ANOONLY_START_METHOD must be spawn"):
        start_method.context()


def test_make_test_spawn_has_every_test_that_starts_workers() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", "")
    (listed,) = re.findall(r"^SPAWNED := (.*)$", makefile, re.MULTILINE)
    paths = [ROOT / path for path in listed.split()]
    assert all(path.exists() for path in paths)
    start = re.compile(r"WorkerPool\(|execution\.start_method|import start_method|\bmake_jobs\b|cli\.main import main")
    starting = {path for path in (ROOT / "tests").rglob("test_*.py") if start.search(path.read_text("utf-8"))}
    assert len(starting) > 20
    apart = {
        ROOT / "tests" / name for name in ("browser", "docs", "test_architecture.py")
    }  # they start none themselves
    assert {path for path in starting if not {path, *path.parents} & {*paths, *apart}} == set()

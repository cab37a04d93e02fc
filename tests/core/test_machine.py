"""The cores, memory and priority of a process: affinity, cgroups of both versions, and systems without them."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from anoonly_core import machine
from anoonly_core.execution import job
from anoonly_core.execution.pool import WorkerPool

ROOT = Path(__file__).parents[2]
GROUPS = {"v2": "0::/pod/app\n", "v1": "5:memory:/pod/app\n4:cpu,cpuacct:/pod/app\n0::/\n"}


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty tree of cgroups, and a machine of 64 cores."""
    monkeypatch.setattr(machine, "CGROUP_ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "PROCESS_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(64)), raising=False)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("version", "files", "cores"),
    [
        ("v2", {"pod/app/cpu.max": "200000 100000\n"}, 2),
        ("v2", {"pod/app/cpu.max": "150000 100000\n"}, 2),
        ("v2", {"pod/app/cpu.max": "50000 100000\n"}, 1),
        ("v2", {"pod/app/cpu.max": "max 100000\n"}, 64),
        ("v2", {"pod/app/cpu.max": "max 100000\n", "pod/cpu.max": "300000 100000\n"}, 3),
        ("v2", {"pod/app/cpu.max": "nonsense\n"}, 64),
        ("v2", {}, 64),
        (
            "v1",
            {"cpu,cpuacct/pod/app/cpu.cfs_quota_us": "400000\n", "cpu,cpuacct/pod/app/cpu.cfs_period_us": "100000\n"},
            4,
        ),
        ("v1", {"cpu/pod/app/cpu.cfs_quota_us": "100000\n", "cpu/pod/app/cpu.cfs_period_us": "100000\n"}, 1),
        ("v1", {"cpu/pod/app/cpu.cfs_quota_us": "-1\n", "cpu/pod/app/cpu.cfs_period_us": "100000\n"}, 64),
    ],
)
def test_a_quota_bounds_the_cores(cgroups: Path, version: str, files: dict[str, str], cores: int) -> None:
    write(cgroups / "groups", GROUPS[version])
    for name, text in files.items():
        write(cgroups / "cgroup" / name, text)
    assert machine.cores() == cores


def test_the_affinity_bounds_the_cores(cgroups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {3, 5}, raising=False)
    assert machine.cores() == 2


def test_a_system_without_affinity_and_cgroups_has_its_cores(cgroups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    assert machine.cores() == 64
    assert machine.memory_limit() is None


@pytest.mark.parametrize(
    ("version", "files", "limit"),
    [
        ("v2", {"pod/app/memory.max": "1073741824\n"}, 2**30),
        ("v2", {"pod/app/memory.max": "max\n", "pod/memory.max": "536870912\n"}, 2**29),
        ("v2", {"pod/app/memory.max": "max\n"}, None),
        ("v1", {"memory/pod/app/memory.limit_in_bytes": "2147483648\n"}, 2**31),
        ("v1", {"memory/pod/app/memory.limit_in_bytes": "9223372036854771712\n"}, None),
    ],
)
def test_the_smallest_memory_limit_counts(
    cgroups: Path, version: str, files: dict[str, str], limit: int | None
) -> None:
    write(cgroups / "groups", GROUPS[version])
    for name, text in files.items():
        write(cgroups / "cgroup" / name, text)
    assert machine.memory_limit() == limit


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity")
def test_a_real_process_on_one_core_counts_one() -> None:
    script = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nfrom anoonly_core.machine import cores\n"
    )
    done = subprocess.run([sys.executable, "-c", f"{script}print(cores())"], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize(
    ("installed", "limit", "memory"),
    [(2**34, None, 2**34), (2**34, 2**30, 2**30), (2**30, 2**34, 2**30), (None, None, 2**33), (None, 2**30, 2**30)],
)
def test_the_memory_is_the_smaller_of_machine_and_container(
    installed: int | None, limit: int | None, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sysconf(name: str) -> int:
        if installed is None:
            raise ValueError("unrecognized configuration name")
        return {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": installed // 4096}[name]

    monkeypatch.setattr("os.sysconf", sysconf)
    monkeypatch.setattr(machine, "memory_limit", lambda: limit)
    assert machine.memory() == memory


@pytest.mark.parametrize(
    ("cores", "memory", "small"),
    [(1, 2**34, True), (2, 2**30, True), (2, 2 * 10**9, True), (2, 2**31, False), (1, 2**29, True), (64, 2**38, False)],
)
def test_one_core_or_little_memory_makes_a_small_machine(
    cores: int, memory: int, small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: cores)
    monkeypatch.setattr(machine, "memory", lambda: memory)
    assert machine.is_small() is small


# -- what macOS and Windows lack

ABSENT_ON_WINDOWS = {  # of os, signal, socket and time, as far as they could be of use here
    *("chown", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getgroups", "getloadavg"),
    *("getpgid", "getpgrp", "getpriority", "getsid", "getuid", "initgroups", "killpg", "lchown", "lockf", "mkfifo"),
    *("mknod", "nice", "openpty", "pathconf", "pread", "pwrite", "sched_getaffinity", "sched_setaffinity"),
    *("sched_yield", "sendfile", "setpgid", "setpriority", "setsid", "setuid", "statvfs", "sync", "sysconf"),
    *("ttyname", "uname", "wait3", "wait4", "waitid", "memfd_create", "posix_fadvise", "posix_fallocate"),
    *("posix_spawn", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_SYNC", "SIGALRM", "SIGCHLD"),
    *("SIGHUP", "SIGKILL", "SIGQUIT", "SIGSTOP", "SIGUSR1", "SIGUSR2", "alarm", "pause", "pthread_kill"),
    *("pthread_sigmask", "setitimer", "sigwait", "AF_UNIX", "SO_REUSEPORT", "clock_gettime", "tzset"),
    *("add_signal_handler", "register_at_fork"),
}
MODULES_ABSENT_ON_WINDOWS = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
SOURCES = [path for folder in ("anoonly_core", "app") for path in sorted((ROOT / folder).rglob("*.py"))]


def unguarded(source: str) -> set[str]:
    """Return the names in a module that Windows lacks and that nothing guards.

    A guard is `hasattr`, an AttributeError that is caught, or a function that asks for the platform first.
    """
    tree = ast.parse(source)
    by_platform = {
        inner
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        if any(
            isinstance(node, ast.If) and re.search(r"os\.name|sys\.platform", ast.unparse(node.test))
            for node in ast.walk(function)
        )
        for inner in ast.walk(function)
    }
    caught = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.Try) and any("AttributeError" in ast.dump(handler) for handler in node.handlers)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    asked = {
        node.args[1].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr") and len(node.args) > 1
        if isinstance(node.args[1], ast.Constant)
    }
    named = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node not in caught
        and getattr(node.value, "id", "") in ("os", "signal", "socket", "time", "loop")
    }
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in by_platform
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        if name in MODULES_ABSENT_ON_WINDOWS
    }
    return ((named & ABSENT_ON_WINDOWS) - asked) | {name for name in imported if name}


def test_no_module_needs_what_windows_lacks() -> None:
    needed = {path.relative_to(ROOT).as_posix(): unguarded(path.read_text("utf-8")) for path in SOURCES}
    assert len(needed) > 400
    assert {path: names for path, names in needed.items() if names} == {}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import os\nos.nice(5)", {"nice"}),
        ("import os\nif hasattr(os, 'nice'):\n    os.nice(5)", set()),
        ("try:\n    os.sysconf('')\nexcept (AttributeError, OSError):\n    pass", set()),
        ("try:\n    os.sysconf('')\nexcept OSError:\n    pass", {"sysconf"}),
        ("import fcntl", {"fcntl"}),
        ("from resource import getrusage", {"resource"}),
        ("def f():\n    if os.name == 'nt':\n        return\n    import fcntl", set()),
        ("def f():\n    if os.name == 'nt':\n        return\ndef g():\n    import fcntl", {"fcntl"}),
        ("def f():\n    import os\n    os.killpg(1, signal.SIGKILL)", {"killpg", "SIGKILL"}),
        ("import os\nos.getpid()", set()),
    ],
)
def test_the_check_of_modules_finds_what_windows_lacks(source: str, names: set[str]) -> None:
    assert unguarded(source) == names


@pytest.mark.parametrize("niceness", [1, 5, 9, 10, 19])
def test_the_priority_is_lowered_by_nice(monkeypatch: pytest.MonkeyPatch, niceness: int) -> None:
    calls: list[int] = []
    monkeypatch.setattr("os.nice", calls.append, raising=False)
    machine.lower_priority(niceness)
    assert calls == [niceness]


@pytest.mark.parametrize("error", [PermissionError(), OSError("seccomp")])
def test_a_refused_priority_is_no_error(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def refuse(niceness: int) -> None:
        raise error

    monkeypatch.setattr("os.nice", refuse, raising=False)
    machine.lower_priority(5)


@pytest.mark.parametrize(
    ("niceness", "priority_class"), [(1, 0x4000), (5, 0x4000), (9, 0x4000), (10, 0x40), (19, 0x40)]
)
def test_windows_gets_a_priority_class(monkeypatch: pytest.MonkeyPatch, niceness: int, priority_class: int) -> None:
    kernel = MagicMock()
    monkeypatch.delattr("os.nice", raising=False)
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr("ctypes.windll", MagicMock(kernel32=kernel), raising=False)
    machine.lower_priority(niceness)
    kernel.SetPriorityClass.assert_called_once_with(kernel.GetCurrentProcess.return_value, priority_class)


WITHOUT_POSIX = """
import os
for name in ("nice", "sched_getaffinity", "killpg", "setsid", "getloadavg"):
    if hasattr(os, name):
        delattr(os, name)
from anoonly_core.execution import job
job.attach(print, [0], dict(os.environ))
for start in (job.start_projector, job.start_trainer):
    start()
    print("ready")
"""


def test_projectors_and_trainers_start_without_posix_calls() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_POSIX], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "ready\nready\n", done.stderr


def test_a_worker_is_ended_before_the_server_when_memory_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "OOM_SCORE", tmp_path / "oom_score_adj")
    machine.yield_memory()
    assert int((tmp_path / "oom_score_adj").read_text()) > 0


@pytest.mark.parametrize("place", ["a folder", "absent/oom_score_adj"])
def test_a_system_without_a_score_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    (tmp_path / "a folder").mkdir()
    monkeypatch.setattr(machine, "OOM_SCORE", tmp_path / place)
    machine.yield_memory()


@pytest.mark.skipif(not machine.OOM_SCORE.exists(), reason="this system has no such score")
@pytest.mark.parametrize("start", [job.start_trainer, job.start_projector, job.start_reader])
def test_every_kind_of_worker_yields_memory(start: Callable[[], None]) -> None:
    """In a worker process, which the start changes."""
    pool = WorkerPool(1, start)
    try:
        score = pool.schedule(Path.read_text, Path("/proc/self/oom_score_adj")).result()
    finally:
        pool.close()
    assert int(score) == machine.VICTIM_SCORE

"""The cores and the memory that a process may use: affinity and cgroups of both versions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anoonly_core import machine

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

"""The cores, the memory and the priority of this process; a container has fewer cores and less memory than its host."""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = [
    "SMALL_MEMORY",
    "cores",
    "is_small",
    "limit_address_space",
    "lower_priority",
    "memory",
    "memory_limit",
    "yield_memory",
]

CGROUP_ROOT = Path("/sys/fs/cgroup")
PROCESS_CGROUPS = Path("/proc/self/cgroup")
OOM_SCORE = Path("/proc/self/oom_score_adj")
VICTIM_SCORE = 500  # as if half of the memory were added to the size of the process; a server has 0
ASSUMED_MEMORY = 8 * 2**30  # where the system does not say
SMALL_MEMORY = 2 * 2**30
UNKNOWN_ADDRESS_SPACE = 4 * 2**30  # of a process where the system does not tell
STATM = Path("/proc/self/statm")
BELOW_NORMAL_PRIORITY_CLASS, IDLE_PRIORITY_CLASS = 0x4000, 0x40  # of Windows
IDLE_NICENESS = 10
UNLIMITED_BYTES = 2**60  # cgroup v1 writes a number near 2**63 where no limit is set


def cores() -> int:
    """Count the cores that this process may use.

    Returns
    -------
    int
        The smallest of the machine's cores, the process's CPU affinity and the cgroup's CPU quota, rounded up;
        at least 1.
    """
    available = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        available = min(available, len(os.sched_getaffinity(0)))
    quotas = [quota for folder in _cgroup_folders("cpu") if (quota := _cpu_quota(folder)) is not None]
    return max(1, min([available, *(int(-(-quota // 1)) for quota in quotas)]))


def memory() -> int:
    """Return the bytes of memory that this process may use: those of the machine, or fewer in a container."""
    limit = memory_limit()
    try:
        installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        installed = ASSUMED_MEMORY
    return installed if limit is None else min(limit, installed)


def memory_limit() -> int | None:
    """Return the memory limit of the cgroup of this process in bytes; None if there is none."""
    limits = [
        limit
        for folder in _cgroup_folders("memory")
        for name in ("memory.max", "memory.limit_in_bytes")
        if (limit := _number(folder / name)) is not None and limit < UNLIMITED_BYTES
    ]
    return min(limits, default=None)


def is_small() -> bool:
    """Return True if this machine has one core or less than 2 GiB: too little for several processes with PyTorch."""
    return cores() == 1 or memory() < SMALL_MEMORY


def lower_priority(niceness: int) -> None:
    """Lower the scheduling priority of this process; do nothing where the system refuses or offers no way.

    Parameters
    ----------
    niceness
        Steps of POSIX `nice`, from 1 to 19. On Windows, 10 or more is the idle class and less is below normal.
    """
    if hasattr(os, "nice"):
        with suppress(OSError):  # a sandbox may refuse it
            os.nice(niceness)
    elif sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        kernel.GetCurrentProcess.restype = ctypes.c_void_p  # a handle has 64 bits
        kernel.SetPriorityClass.argtypes = (ctypes.c_void_p, ctypes.c_uint)
        idle = niceness >= IDLE_NICENESS
        kernel.SetPriorityClass(
            kernel.GetCurrentProcess(), IDLE_PRIORITY_CLASS if idle else BELOW_NORMAL_PRIORITY_CLASS
        )


def yield_memory() -> None:
    """Make Linux end this process before others when memory runs out; do nothing elsewhere or if refused.

    The kernel ends the process with the highest score. A worker can be replaced, and the server cannot.
    """
    with suppress(OSError):
        OOM_SCORE.write_text(str(VICTIM_SCORE), encoding="ascii")


def limit_address_space(room: int) -> None:
    """Limit the address space of this process for good: its present size plus `room` bytes; not on Windows."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _address_space() + room
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _address_space() -> int:
    """Return the bytes of address space that this process takes now."""
    try:
        pages = int(STATM.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):  # macOS, which does not enforce the limit
        return UNKNOWN_ADDRESS_SPACE
    return pages * mmap.PAGESIZE


def _cgroup_folders(controller: str) -> Iterator[Path]:
    """Yield the cgroup folders that bound this process, from the innermost to the root, for cgroup v2 and v1.

    `controller` is "cpu" or "memory".
    """
    try:
        lines = PROCESS_CGROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = CGROUP_ROOT / controllers if controllers else CGROUP_ROOT
        if not root.is_dir():
            root = CGROUP_ROOT / controller
        folder = root / path.lstrip("/")
        yield from (parent for parent in (folder, *folder.parents) if parent.is_relative_to(root))


def _cpu_quota(folder: Path) -> float | None:
    """Return the CPU quota in a cgroup folder, in cores; None if there is none."""
    with suppress(OSError, ValueError):  # absent with cgroup v1
        quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        return None if quota == "max" else int(quota) / int(period)
    quota_us, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota_us / period_us if quota_us is not None and quota_us > 0 and period_us else None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # absent, or the word "max"
        return None

"""Memory and CPU time of a process, from Linux's /proc."""

from __future__ import annotations

import os
import re
from pathlib import Path


def forget_peak(process: int | str = "self") -> None:
    """Reset the peak memory of a process to its current memory."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def peak_bytes(process: int | str = "self") -> int:
    """Return the peak resident memory in bytes since the start or `forget_peak`."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def processor_seconds(process: int | str = "self") -> float:
    """Return the CPU time of a process in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

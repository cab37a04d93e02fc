"""What a process has taken of memory and of the processor, from Linux's /proc."""

from __future__ import annotations

import os
import re
from pathlib import Path


def forget_peak(process: int | str = "self") -> None:
    """Let a process's peak begin anew, at what it takes now."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def peak_bytes(process: int | str = "self") -> int:
    """The most resident memory that a process has had since its start or forget_peak."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def processor_seconds(process: int | str = "self") -> float:
    """The processor time that a process has used since its start."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

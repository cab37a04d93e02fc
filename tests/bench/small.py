"""Peak memory and time to the first figure of a server with few cores and little memory.

    python -m tests.bench.small [--megabytes 1024] [--cores 1]

The limit of memory is a cgroup that is made for the server and removed afterwards, which needs root on Linux.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser.server import Server
from tests.soak.load import PROJECTING
from tests.soak.session import Late
from tests.soak.visitor import Visitor

ROOT = Path("/sys/fs/cgroup")
# Enters the cgroup and the cores, then becomes the server.
ENTER = (
    "import os, sys\n"
    "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
    "os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(sys.argv[2])])\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'app', *sys.argv[3:]])\n"
)


@contextmanager
def memory_cgroup(limit: int) -> Iterator[Path]:
    """Make a cgroup inside that of this process with a limit in bytes, and remove it."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    v1 = next((path for _, controllers, path in lines if "memory" in controllers.split(",")), None)
    base = ROOT / "memory" / v1.lstrip("/") if v1 is not None else ROOT / lines[-1][2].lstrip("/")
    folder = base / f"anoonly-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / ("memory.limit_in_bytes" if v1 is not None else "memory.max")).write_text(str(limit))
        yield folder
    finally:
        deadline = time.monotonic() + 20
        while folder.exists() and time.monotonic() < deadline:
            try:
                folder.rmdir()
            except OSError:  # a process is still ending
                time.sleep(0.2)


def resident(group: Path) -> tuple[int, int]:
    """Return the number of processes in a cgroup, and their memory in bytes with shared pages counted once."""
    total, count = 0, 0
    for process in (group / "cgroup.procs").read_text().split():
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue
        count += 1
        total += 1024 * next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return count, total


def peak(group: Path) -> int:
    """Return the most memory that the cgroup has held, in bytes, with the file cache."""
    v1 = group / "memory.max_usage_in_bytes"
    return int((v1 if v1.exists() else group / "memory.peak").read_text())


def measure(megabytes: int, cores: int) -> None:
    """Start a server within the limits, visit Compare as one visitor would, and print one line per step."""
    with memory_cgroup(megabytes << 20) as group, tempfile.TemporaryDirectory() as cache:
        begun = time.monotonic()
        server = Server(Path(cache), command=("-c", ENTER, str(group / "cgroup.procs"), str(cores)))

        def report(step: str, since: float) -> None:
            seconds = time.monotonic() - since
            processes, bytes_ = resident(group)
            print(
                f"{step:32} {seconds:7.1f} s  {processes:2} processes  {bytes_ >> 20:5} MB  peak {peak(group) >> 20} MB"
            )

        try:
            server.wait_until_healthy()
            report("server answers", begun)
            visitor = Visitor(server.port, patience_s=150)
            visitor.open("compare")
            visitor.wait_for("AUCPR")
            visitor.wait_until_idle()
            report("first figures of Compare", begun)
            for step, parameters in (
                ("five seeds, 20 epochs", {"epochs": 20}),
                ("five seeds, 50 epochs", {"epochs": 50}),
                ("t-SNE of both runs", {"epochs": 50, "projection": "t-SNE"}),
                ("UMAP of both runs", {"epochs": 50, "projection": "UMAP"}),
            ):
                moved = time.monotonic()
                visitor.open("compare", parameters)
                visitor.wait_for("AUCPR")
                visitor.wait(lambda: visitor.idle and not busy(visitor), "the end of the work")
                report(step, moved)
                time.sleep(2)
            print(f"errors on the page: {visitor.broken or visitor.alerts or 'none'}")
            if "Small server" in visitor.text:
                print(next(text for text in visitor.texts if "Small server" in text))
            visitor.close()
        except Late as late:
            print(f"{late}\n{server.log.read_text(errors='replace')[-3000:]}")
        finally:
            server.stop()


def busy(visitor: Visitor) -> bool:
    """Tell whether the page still waits for runs or projections."""
    return any(word in visitor.text for word in (PROJECTING, "more seeds are training", "Waiting:"))


def main() -> None:
    """Read the limits and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--cores", type=int, default=1)
    options = parser.parse_args()
    measure(options.megabytes, options.cores)


if __name__ == "__main__":
    main()

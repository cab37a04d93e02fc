"""What the product holds under: `make soak` prints what it met, and fails where it should not be so."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.browser.server import Server
from tests.soak.inputs import check_inputs
from tests.soak.load import LoadReport, put_under_load

MOST_SHELL_S = 1.0
MOST_GROWTH = 1.10
# Each returns the lines of a Markdown table, and whether all that was promised was kept.
Part = Callable[[argparse.Namespace], tuple[list[str], bool]]


def main() -> int:
    """Run the parts that are asked for and print their tables; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; load if none is given")
    parser.add_argument("--sessions", type=int, default=20, help="load: how many people at once")
    parser.add_argument("--seconds", type=float, default=300.0, help="load: for how long")
    parser.add_argument("--share", type=float, default=1.0, help="inputs: of the cases that are usual")
    asked = parser.parse_args()
    if unknown := [part for part in asked.parts if part not in PARTS]:
        parser.error(f"PART must be some of {', '.join(PARTS)}, not {unknown[0]!r}")
    all_kept = True
    for part in asked.parts or ["load"]:
        rows, kept = PARTS[part](asked)
        print(f"## {part}\n\n" + "\n".join(rows) + "\n", flush=True)
        all_kept = all_kept and kept
    return 0 if all_kept else 1


def put_load(asked: argparse.Namespace) -> tuple[list[str], bool]:
    """Many sessions at once on one server, and what they met."""
    with tempfile.TemporaryDirectory(prefix="anoonly-") as folder:
        server = Server(Path(folder))
        try:
            server.wait_until_healthy()
            report = put_under_load(server, Path(folder), asked.sessions, asked.seconds)
        finally:
            server.stop()
    for error in report.errors[:20]:
        print(error, file=sys.stderr)
    found = table(report)
    lines = [
        f"| {what} | {promised} | {measured} | {'yes' if kept else 'no'} |" for what, promised, measured, kept in found
    ]
    return ["| what | promised | measured | kept |", "|---|---|---|---|", *lines], all(kept for *_, kept in found)


PARTS: dict[str, Part] = {"load": put_load, "inputs": check_inputs}


def table(report: LoadReport) -> list[tuple[str, str, str, bool]]:
    """What was promised of the load and what came out."""
    shell, figures = statistics.median(report.shell), statistics.median(report.figures)
    return [
        ("movements", "", f"{report.movements} of {report.sessions} sessions in {report.seconds:.0f} s", True),
        ("errors", "none", str(len(report.errors)), not report.errors),
        ("sessions that saw another's table", "none", str(len(report.saw_another_s)), not report.saw_another_s),
        (
            "runs trained twice",
            "none",
            f"{len(report.trained_twice)} of {report.trained}",
            not report.trained_twice,
        ),
        (
            "the page's shell, p95",
            f"{MOST_SHELL_S:.0f} s",
            f"{report.shell_p95:.2f} s (median {shell:.2f} s)",
            report.shell_p95 <= MOST_SHELL_S,
        ),
        ("the figures, median", "", f"{figures:.2f} s", True),
        (
            "movements that saw their place in the queue",
            "some",
            str(report.waited_in_queue),
            report.waited_in_queue > 0,
        ),
        (
            "memory at the end against that after a minute",
            f"at most {MOST_GROWTH:.2f} times",
            f"{report.memory_ratio:.2f} times ({report.memory_at_the_end:.0f} MB)",
            report.memory_ratio <= MOST_GROWTH,
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())

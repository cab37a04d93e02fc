"""Promises of the load test, compared with measurements."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from tests.browser.server import Server
from tests.soak.closing import Closed, close_tabs
from tests.soak.load import LoadReport, put_under_load, warm_up

__all__ = ["Row", "check_load", "promises"]

MAX_SHELL_S = 1.0
MAX_GROWTH = 1.10
# Quantity, promise, measurement, and True if the promise is kept.
Row = tuple[str, str, str, bool]


def check_load(asked: argparse.Namespace) -> tuple[list[str], bool]:
    """Run the load test, then the test of closed tabs; return a Markdown table and True if all promises hold."""
    with tempfile.TemporaryDirectory(prefix="anoonly-") as folder:
        server = Server(Path(folder))
        try:
            server.wait_until_healthy()
            warm_up(server)
            report = put_under_load(server, Path(folder), asked.sessions, asked.seconds, asked.browsers)
            closed = close_tabs(server)
        finally:
            server.stop()
    for error in report.errors[:20]:
        print(error, file=sys.stderr)
    rows = [*promises(report), closing(closed)]
    lines = ["| what | promised | measured | kept |", "|---|---|---|---|"]
    lines += [
        f"| {what} | {promised} | {measured} | {'yes' if kept else 'no'} |" for what, promised, measured, kept in rows
    ]
    return lines, all(kept for *_, kept in rows)


def promises(report: LoadReport) -> list[Row]:
    """Return the rows of the load test."""
    middle = statistics.median
    shell, figures = middle(report.shell), middle(report.figures)
    done = report.movements + len(report.figures_in_browsers)
    rows: list[Row] = [
        (
            "movements",
            "",
            f"{report.movements} of {report.sessions - report.browsers} sessions in {report.seconds:.0f} s",
            True,
        ),
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
            f"{MAX_SHELL_S:.0f} s",
            f"{report.shell_p95:.2f} s (median {shell:.2f} s)",
            report.shell_p95 <= MAX_SHELL_S,
        ),
        ("the whole page, median", "", f"{figures:.2f} s", True),
        (
            "CPU time per movement, of server and workers",
            "",
            f"{report.cpu_of_server / done:.2f} s, {report.cpu_of_workers / done:.2f} s",
            True,
        ),
        (
            "movements that showed a queue position",
            "some",
            str(report.waited_in_queue),
            report.waited_in_queue > 0,
        ),
        ("downloads made on a click", "", str(report.downloads), True),
        (
            "memory at the end against one minute",
            f"at most {MAX_GROWTH:.2f} times",
            f"{report.memory_ratio:.2f} times ({report.memory_at_the_end:.0f} MB)",
            report.memory_ratio <= MAX_GROWTH,
        ),
        (
            "memory in MB, of server and workers",
            "",
            " → ".join(" ".join(f"{size:.0f}" for size in sizes) for sizes in report.memory_by_process),
            True,
        ),
    ]
    if report.figures_in_browsers:
        seen = f"{middle(report.figures_in_browsers):.2f} s ({len(report.figures_in_browsers)} movements)"
        rows.append(("the whole page in a real browser, median", "", seen, True))
    return rows


def closing(closed: Closed) -> Row:
    """Return the row of the test of closed tabs."""
    measured = f"charts after {closed.beside_s:.1f} s, with {closed.left_s:.0f} s of work ahead; "
    measured += f"idle {closed.idle_s:.0f} s after the tabs were closed"
    return (
        "a visitor beside long jobs, then closed tabs",
        "served; canceled",
        measured,
        closed.is_served and closed.is_freed,
    )

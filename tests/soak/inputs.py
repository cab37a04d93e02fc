"""Fuzz tests: invalid input for every parameter of the pages and every option of the commands."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.soak.tally import Tally, rows_of

__all__ = ["check_inputs"]

MAX_REPORTED = 20  # failures on stderr
PAGE_CASES, COMMAND_CASES = 90, 130  # of each page, of each command
TRAINED_CASES = 6  # of each command that can train in a moment
SERVER_CASES = 30


def check_inputs(asked: argparse.Namespace) -> tuple[list[str], bool]:
    """Open the addresses of 16 pages, and run 8 commands in a second process at the same time."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as beside:
        commands = beside.submit(_commands, asked.share)
        tallies = [*_pages(asked.share), *commands.result()]
    bad = [(tally.what, own) for tally in tallies for own in tally.bad]
    for what, own in bad[:MAX_REPORTED]:
        print(f"{what}: {own.kind}: {own.case[:400]}\n    {own.said[-1500:]}", file=sys.stderr)
    return rows_of(tallies), not bad


def _commands(share: float) -> list[Tally]:
    from tests.soak.inputs_cli import fuzz_commands

    with tempfile.TemporaryDirectory(prefix="anoonly-") as folder:
        return fuzz_commands(Path(folder), _of(COMMAND_CASES, share), _of(TRAINED_CASES, share))


def _pages(share: float) -> list[Tally]:
    with tempfile.TemporaryDirectory(prefix="anoonly-") as folder:
        os.environ |= {"ANOONLY_CACHE": folder, "ANOONLY_MIRROR": "http://127.0.0.1:9"}
        from app.server.jobs import server_jobs
        from tests.soak.inputs_page import fuzz_pages
        from tests.soak.inputs_server import fuzz_server

        try:
            tallies = fuzz_pages(_of(PAGE_CASES, share))
        finally:
            server_jobs().close()
        return [*tallies, fuzz_server(_of(SERVER_CASES, share))]


def _of(cases: int, share: float) -> int:
    return max(1, round(cases * share))

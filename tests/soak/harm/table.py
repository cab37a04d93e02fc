"""Table of what one visitor tried and what the others got."""

from __future__ import annotations

import argparse
import sys

from tests.soak.harm import HARMS, MAX_WAIT_S, run_harms

__all__ = ["check_harm"]

MAX_CHARACTERS = 2000  # of a failure on stderr


def check_harm(asked: argparse.Namespace) -> tuple[list[str], bool]:
    """Try the chosen attacks, or all; return a Markdown table and True if the others were served each time."""
    lines = [
        "| tried by one visitor | what came of it | peak of the server, MB | peak of a worker, MB "
        f"| others' Compare, at most {MAX_WAIT_S:.0f} s | kept |",
        "|---|---|--:|--:|---|---|",
    ]
    kept = True
    for outcome in run_harms([name for name in asked.only if name in HARMS]):
        waits = outcome.others_s
        waited = f"{max(waits):.1f} s at most, {len(waits)} visits" if waits else "nothing"
        lines.append(
            f"| {outcome.name} | {outcome.got or 'broken off'} | {outcome.server_mb:.0f} | {outcome.worker_mb:.0f} "
            f"| {waited} | {'yes' if outcome.ok else 'no'} |"
        )
        print(lines[-1], file=sys.stderr, flush=True)
        for wrong in outcome.wrong:
            print(f"{outcome.name}: {wrong[:MAX_CHARACTERS]}", file=sys.stderr, flush=True)
        kept = kept and outcome.ok
    return lines, kept

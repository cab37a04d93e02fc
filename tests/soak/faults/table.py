"""Table of the outcomes of all faults."""

from __future__ import annotations

import argparse
import sys

from tests.soak.faults import FAULTS, run_faults

__all__ = ["check_faults"]

MAX_CHARACTERS = 2000  # of a failure on stderr


def check_faults(asked: argparse.Namespace) -> tuple[list[str], bool]:
    """Run the chosen faults, or all; return a Markdown table and True if all held."""
    lines = ["| fault | seen | next run works | stored before | kept to the byte | seconds | held |"]
    lines.append("|---|---|---|---|---|---|---|")
    kept = True
    for outcome in run_faults([name for name in asked.only if name in FAULTS]):
        seen = outcome.seen.replace("|", "\\|").replace("\n", " ")
        lines.append(
            f"| {outcome.name} | {seen} | {_yes(outcome.works)} | {outcome.before} | {outcome.kept} "
            f"| {outcome.seconds:.0f} | {_yes(outcome.ok)} |"
        )
        print(f"{outcome.name}: {'held' if outcome.ok else 'broken'}", file=sys.stderr, flush=True)
        for wrong in outcome.wrong:
            print(f"{outcome.name}: {wrong[:MAX_CHARACTERS]}", file=sys.stderr, flush=True)
        kept = kept and outcome.ok
    return lines, kept


def _yes(kept: bool) -> str:
    return "yes" if kept else "no"

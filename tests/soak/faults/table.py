"""The table of faults: what each ended in."""

from __future__ import annotations

import argparse
import sys

from tests.soak.faults import meet

__all__ = ["check_faults"]

TOLD = 2000  # letters of what went wrong, on stderr


def check_faults(asked: argparse.Namespace) -> tuple[list[str], bool]:
    """Meet the faults that are asked for, all if none is."""
    lines = ["| fault | seen | next run works | stored before | kept to the byte | seconds | held |"]
    lines.append("|---|---|---|---|---|---|---|")
    kept = True
    for outcome in meet(asked.only):
        seen = outcome.seen.replace("|", "\\|").replace("\n", " ")
        lines.append(
            f"| {outcome.name} | {seen} | {_yes(outcome.works)} | {outcome.before} | {outcome.kept} "
            f"| {outcome.seconds:.0f} | {_yes(outcome.ok)} |"
        )
        print(f"{outcome.name}: {'held' if outcome.ok else 'broken'}", file=sys.stderr, flush=True)
        for wrong in outcome.wrong:
            print(f"{outcome.name}: {wrong[:TOLD]}", file=sys.stderr, flush=True)
        kept = kept and outcome.ok
    return lines, kept


def _yes(kept: bool) -> str:
    return "yes" if kept else "no"

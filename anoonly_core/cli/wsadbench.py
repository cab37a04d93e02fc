"""The command `wsadbench`: mean figures of result files of WSADBench, its own and those of our runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from anoonly_core.cli.options import check_path
from anoonly_core.results.summary import RunSummary
from anoonly_core.results.wsadbench import CONDITIONS, mean_table, read_lines, to_line, write_lines

__all__ = ["add_option", "add_parser", "check_option", "write_runs"]

# Names of the conditions in the heading of a table.
HEADINGS = {
    "rla": "rla",
    "eln": "eln",
    "ru": "ru",
    "flip_normal_ratio": "flip normal",
    "flip_abnormal_ratio": "flip abnormal",
    "target_for_unlabeled": "unlabeled",
    "is_cleanlab": "cleanlab",
}


def add_parser(commands: Any) -> None:
    """Add the command `wsadbench` and its options to the subparsers."""
    parser = commands.add_parser("wsadbench", help="compare models in result files of WSADBench")
    parser.add_argument("files", metavar="FILE", nargs="+", help="a .jsonl file of WSADBench, or of --wsadbench")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_wsadbench)


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add the option --wsadbench, which adds the runs of a command to a result file."""
    parser.add_argument("--wsadbench", metavar="FILE", help="add the runs to a .jsonl file in the form of WSADBench")


def check_option(options: argparse.Namespace) -> Path | None:
    """Return the path of --wsadbench, None if not given; raise InvalidConfig or BadDataFile if it cannot be used."""
    if options.wsadbench is None:
        return None
    path = check_path("--wsadbench", options.wsadbench)
    if path.exists():
        read_lines(path)
    return path


def write_runs(path: Path | None, runs: Iterable[RunSummary]) -> None:
    """Add runs to the result file, unless the path is None."""
    if path is not None:
        write_lines(path, map(to_line, runs))


def _wsadbench(options: argparse.Namespace) -> None:
    lines = [line for name in options.files for line in read_lines(Path(name))]
    table = mean_table(lines)
    failed = sum(line.aucpr is None for line in lines)
    report = {"lines": len(lines), "failed": failed, "models": _records(table)}
    print(json.dumps(report, indent=1) if options.json else _as_text(table, len(lines), failed))


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of the table with None for a missing number."""
    records = table.to_dict("records")
    return [{str(name): None if pd.isna(value) else value for name, value in row.items()} for row in records]


def _as_text(table: pd.DataFrame, lines: int, failed: int) -> str:
    """Format one table for each set of conditions, with these in the heading."""
    text = [f"{lines} results" + (f", {failed} of them failed" if failed else "")]
    heading = [", ".join(f"{HEADINGS[name]} {row[name]}" for name in CONDITIONS) for row in table.to_dict("records")]
    for conditions, group in table.groupby(heading, sort=False):  # by text, in which 1 and 1.0 differ
        text += ["", str(conditions)]
        text.append(f"{'model':32}  {'sets':>4}  {'runs':>5}  {'AUCROC':>7}  {'AUCPR':>7}  {'rank':>5}  {'fit, s':>7}")
        for row in _records(group):
            rank = "" if row["rank"] is None else f"{row['rank']:.2f}"
            fit = "" if row["fit_time"] is None else f"{row['fit_time']:.2f}"
            figures = f"{row['aucroc']:7.4f}  {row['aucpr']:7.4f}  {rank:>5}  {fit:>7}"
            text.append(f"{row['model']:32}  {row['datasets']:4}  {row['runs']:5}  {figures}")
    return "\n".join(text)

"""The command `datasets`: list every data set."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from anoonly_core.data.catalogue import DATASETS

__all__ = ["add_parser"]

FACT_WIDTHS = {"rows": 6, "columns": 4, "anomalies": 5}


def add_parser(commands: Any) -> None:
    """Add the command `datasets` and its options to the subparsers."""
    datasets = commands.add_parser("datasets", help="list all data sets")
    datasets.add_argument("--json", action="store_true", help="print one JSON array")
    datasets.set_defaults(command=_datasets)


def _datasets(options: argparse.Namespace) -> None:
    rows: list[dict[str, Any]] = [
        {"name": entry.name, "family": entry.family, "bundled": entry.bundled, "at_hand": entry.is_local()}
        | asdict(entry.known_facts())
        for entry in DATASETS.values()
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        state = "bundled" if row["bundled"] else "at hand" if row["at_hand"] else "to fetch"
        facts = [f"{'?' if row[name] is None else row[name]:>{width}} {name}" for name, width in FACT_WIDTHS.items()]
        print(f"{row['name']:36} {row['family']:16} {'  '.join(facts)}  {state}")

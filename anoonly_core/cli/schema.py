"""The command `schema`: print the JSON Schema of what a command prints with --json."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

__all__ = ["COMMANDS", "add_parser", "load_schema"]

FOLDER = Path(__file__).parent / "schemas"
COMMANDS = (
    "datasets",
    "drift",
    "features",
    "fetch",
    "fit",
    "label",
    "purify",
    "reproduce",
    "run",
    "score",
    "sweep",
    "which",
    "wsadbench",
    "zero-shot",
)


def add_parser(commands: Any) -> None:
    """Add the command `schema` and its options to the subparsers."""
    parser = commands.add_parser("schema", help="print the JSON Schema of what a command prints with --json")
    parser.add_argument("name", metavar="COMMAND", choices=COMMANDS, help=", ".join(COMMANDS))
    parser.set_defaults(command=_schema)


def load_schema(command: str) -> dict[str, Any]:
    """Return the JSON Schema of the output of a command with --json; `command` is one of COMMANDS."""
    schema: dict[str, Any] = json.loads((FOLDER / f"{command}.json").read_text(encoding="utf-8"))
    return schema


def _schema(options: argparse.Namespace) -> None:
    print(json.dumps(load_schema(options.name), indent=1))

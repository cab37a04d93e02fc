"""Parser of the command line: errors in one sentence with a suggestion, and help with defaults and examples."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from typing import NoReturn

from anoonly_core.errors import did_you_mean

__all__ = ["EXAMPLES", "Parser"]

LONGEST_WORD = 80  # characters of an unknown argument that an error quotes
_CHOICES = re.compile(r"invalid choice: '(.*)' \(choose from (.*)\)", re.DOTALL)
_UNKNOWN = "unrecognized arguments: "

# Arguments of one example of each command.
EXAMPLES: Mapping[str, str] = {
    "datasets": "--json",
    "fetch": "CIFAR10_0",
    "run": "--dataset digits_8 --anomaly-only --seeds 5",
    "sweep": "--dataset digits_3 --lambda-n 1,1e-2,0 --seeds 5 --out sweep.csv",
    "which": "digits_3 --labels 10",
    "wsadbench": "ours.jsonl DevNet_results.jsonl",
    "zero-shot": "--held-out 7,8,9",
    "drift": "--dataset digits_3 --shift mean --seeds 5 --absorption",
    "purify": "--dataset digits_only_3 --contamination 0.2 --seeds 5",
    "features": "photos --encoder resnet18 --out photos.npz --anomaly broken",
    "fit": "'rows.csv?label=class&anomaly=fraud' --anomaly-only --out detector.safetensors",
    "score": "detector.safetensors rows.csv --top 20 --sort",
    "label": "digits_3 --rules highest,mix,random --seeds 3",
    "reproduce": "table1 --out tables",
    "app": "--server.port 8502",
    "schema": "run",
    "completion": "bash",
}


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help formatter that adds the default of an option whose help does not name it, and keeps examples on one line."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        words = action.help or ""
        is_stated = action.default not in (None, argparse.SUPPRESS, []) and action.nargs != 0
        return f"{words}; default: %(default)s" if is_stated and "default" not in words else words


class Parser(argparse.ArgumentParser):
    """Argument parser that reports an error as one sentence on stderr, without usage, and exits with code 2."""

    def __init__(self, **settings: object) -> None:
        super().__init__(formatter_class=_Formatter, **settings)  # type: ignore[arg-type]

    def add_example(self, arguments: str) -> None:
        """Add an example of the command, given by its arguments, below the help."""
        self.epilog = f"Example: {self.prog} {arguments}".replace("%", "%%")

    def error(self, message: str) -> NoReturn:
        """Print a wrong argument in one line, with a suggestion, and exit."""
        line = " ".join(self._suggested(message).splitlines())
        text = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
        text = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: f"{word[0][: LONGEST_WORD - 3]}...", text)
        print(f"{text[0].upper()}{text[1:]}; see `{self.prog} --help`.", file=sys.stderr)
        raise SystemExit(2)

    def _suggested(self, message: str) -> str:
        """Return the message of an error with the words that may be meant by an unknown command, value or option."""
        if found := _CHOICES.search(message):
            return message + did_you_mean(found[1], re.findall(r"[\w-]+", found[2])).removesuffix("?")
        if message.startswith(_UNKNOWN):
            options = [name for action in self._actions for name in action.option_strings]
            unknown, *_ = re.split(r"[\s=]", message.removeprefix(_UNKNOWN).lstrip())
            hint = did_you_mean(unknown, options).removesuffix("?")
            return message + hint if unknown.startswith("-") else message
        return message

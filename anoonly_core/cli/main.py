"""The command line; exit code 0: done, 2: bad input with one sentence on stderr, 130: interrupted."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from anoonly_core.cli import datasets, fetch, purify, reproduce, run, score, sweep, zero_shot
from anoonly_core.errors import AnoOnlyError
from anoonly_core.version import __version__

__all__ = ["main"]

LONGEST_WORD = 80  # characters of an unknown argument that an error quotes


class _Parser(argparse.ArgumentParser):
    """An argument parser that prints one sentence on stderr instead of usage and error."""

    def error(self, message: str) -> NoReturn:
        line = " ".join(message.splitlines())
        text = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
        text = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: f"{word[0][: LONGEST_WORD - 3]}...", text)
        print(f"{text[0].upper()}{text[1:]}; see `{self.prog} --help`.", file=sys.stderr)
        raise SystemExit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after the program name; those of this process if None.

    Returns
    -------
    int
        The exit code.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every console has λ and ±
    options = _parser().parse_args(arguments)
    try:
        command: Callable[[argparse.Namespace], None] = options.command
        command(options)
        sys.stdout.flush()
    except AnoOnlyError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print(str(stopped) or "Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `... | head` has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m anoonly_core",
        description="Run and check AnoOnly, semi-supervised anomaly detection (arXiv 2305.18798).",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    datasets.add_parser(commands)
    fetch.add_parser(commands)
    run.add_parser(commands)
    sweep.add_parser(commands)
    zero_shot.add_parser(commands)
    purify.add_parser(commands)
    score.add_parser(commands)
    reproduce.add_parser(commands)
    return parser

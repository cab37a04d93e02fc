# PYTHON_ARGCOMPLETE_OK
"""The command line; exit code 0: done, 2: bad input with one sentence on stderr, 130: interrupted."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stderr
from pathlib import Path

from anoonly_core.cli import (
    app,
    completion,
    datasets,
    drift,
    features,
    fetch,
    fit,
    label,
    purify,
    reproduce,
    run,
    schema,
    score,
    sweep,
    which,
    wsadbench,
    zero_shot,
)
from anoonly_core.cli.parser import EXAMPLES, Parser
from anoonly_core.errors import AnoOnlyError
from anoonly_core.version import __version__

__all__ = ["main"]

QUIET = "print the result and errors only: neither progress nor notes"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command of the command line, printing its result and errors.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after the program name; those of this process if None.

    Returns
    -------
    int
        The exit code: 0 if done, also for the help that is printed without words, 2 for an AnoOnlyError, 130 if
        interrupted.

    Raises
    ------
    SystemExit
        If the words cannot be parsed, with code 2, or after printing a help text.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every console has λ and ±
    parser = _parser()
    completion.complete(parser)
    if not (sys.argv[1:] if arguments is None else arguments):
        parser.print_help()
        return 0
    options, further = parser.parse_known_args(arguments)
    if further and not options.takes_further_words:
        options.parser.error(f"unrecognized arguments: {' '.join(word.strip() or repr(word) for word in further)}")
    options.further_words = further
    try:
        command: Callable[[argparse.Namespace], None] = options.command
        with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere) if options.quiet else nullcontext():
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
    parser = Parser(
        prog="anoonly" if Path(sys.argv[0]).stem == "anoonly" else "python -m anoonly_core",
        description="Run and check AnoOnly, semi-supervised anomaly detection (arXiv 2305.18798).",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("-q", "--quiet", action="store_true", help=QUIET)
    parser.set_defaults(takes_further_words=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    datasets.add_parser(commands)
    fetch.add_parser(commands)
    run.add_parser(commands)
    sweep.add_parser(commands)
    which.add_parser(commands)
    wsadbench.add_parser(commands)
    zero_shot.add_parser(commands)
    drift.add_parser(commands)
    purify.add_parser(commands)
    features.add_parser(commands)
    fit.add_parser(commands)
    score.add_parser(commands)
    label.add_parser(commands)
    reproduce.add_parser(commands)
    app.add_parser(commands)
    schema.add_parser(commands)
    completion.add_parser(commands)
    for name, command in commands.choices.items():
        command.add_argument("-q", "--quiet", action="store_true", default=argparse.SUPPRESS, help=QUIET)
        command.set_defaults(parser=command)
        command.add_example(EXAMPLES[name])
    parser.add_example(f"run {EXAMPLES['run']}")
    return parser

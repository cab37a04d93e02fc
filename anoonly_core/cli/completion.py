"""The command `completion`, and the words that a shell completes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from typing import Any, get_args

from anoonly_core.baselines import BASELINES, NORM_LABELS, PRESETS
from anoonly_core.cli.weak_supervision import QUESTION
from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import DATASETS
from anoonly_core.features.encoders.registry import ENCODERS
from anoonly_core.runs.device import DEVICES
from anoonly_core.sweeps.presets import SWEEP_PRESETS

__all__ = ["add_parser", "complete"]

SHELLS = ("bash", "zsh", "fish", "powershell")
# Values by the destination of an option; options that name a file complete file names.
VALUES: dict[str, Callable[[], Iterable[str]]] = {
    "baseline": lambda: BASELINES,
    "dataset": lambda: DATASETS,
    "device": lambda: DEVICES,
    "encoder": lambda: ENCODERS,
    "norm": lambda: NORM_LABELS,
    "preset": lambda: PRESETS,
    "protocol": lambda: get_args(RunConfig.model_fields["protocol"].annotation),
    "question": lambda: (*SWEEP_PRESETS, QUESTION),
}


def add_parser(commands: Any) -> None:
    """Add the command `completion` and its options to the subparsers."""
    parser = commands.add_parser("completion", help="print code for a shell that completes commands and options")
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}")
    parser.set_defaults(command=_completion)


def complete(parser: argparse.ArgumentParser) -> None:
    """Print the possible next words and exit, if a shell has called this program for completion; else do nothing.

    The shell says so by the environment variable _ARGCOMPLETE.
    """
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete

    for action in _actions(parser):
        if action.dest in VALUES:
            action.completer = _completer(VALUES[action.dest])  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser)


def _actions(parser: argparse.ArgumentParser) -> Iterable[argparse.Action]:
    """Yield the options and arguments of a parser and of its commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from command._actions
        else:
            yield action


def _completer(values: Callable[[], Iterable[str]]) -> Callable[..., list[str]]:
    def complete(prefix: str, **context: Any) -> list[str]:
        return [value for value in values() if value.startswith(prefix)]

    return complete


def _completion(options: argparse.Namespace) -> None:
    from argcomplete.shell_integration import shellcode

    print(shellcode(["anoonly"], True, options.shell))

"""A run or a sweep as something to take away: a command line, or a Python script of six lines."""

from __future__ import annotations

import shlex
from typing import Any

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.sweep import PUBLISHED, Sweep

__all__ = ["command_line", "python_script", "sweep_command"]

# Said even where they are the defaults, so that a recipe names what it is about.
ALWAYS_SAID = ("dataset", "baseline")


def command_line(config: RunConfig) -> str:
    """The command that trains this run, quoted for a POSIX shell; what is filled in anyway is left out."""
    return _joined("run", _said(config))


def sweep_command(sweep: Sweep) -> str:
    """The command that trains this sweep, quoted for a POSIX shell."""
    said = {"dataset": "digits_3", **{name: value for name, value in sweep.settings.items() if value is not None}}
    for axis in sweep.axes:
        said[axis.name] = ",".join(PUBLISHED if value is None else str(value) for value in axis.values)
    if "lambda_n" not in said and any(BASELINES[own.baseline].has("lambda_n") for own in sweep.configs.values()):
        said["lambda_n"] = 1.0  # the command would else train with and without
    return _joined("sweep", {**said, "seeds": sweep.seeds})


def _joined(command: str, settings: dict[str, Any]) -> str:
    words = ["python", "-m", "anoonly_core", command]
    for name, value in settings.items():
        option, text = f"--{name.replace('_', '-')}", str(value)
        # A file called -x.csv would be taken for an option of its own.
        words += [f"{option}={text}"] if text.startswith("-") else [option, text]
    return shlex.join(words)


def python_script(config: RunConfig) -> str:
    """Six lines of Python that train this run and print its metrics."""
    settings = ", ".join(f"{name}={value!r}" for name, value in _said(config).items())
    return (
        "from anoonly_core.config import make_config\n"
        "from anoonly_core.run import run\n"
        "\n"
        f"config = make_config({settings})\n"
        "result = run(config)\n"
        "print(result.metrics.as_dict())\n"
    )


def _said(config: RunConfig) -> dict[str, Any]:
    """The settings that make_config would not fill in by itself, and ALWAYS_SAID."""
    return {
        name: value
        for name, value in config.model_dump().items()
        if name in ALWAYS_SAID or (value is not None and config.with_(**{name: None}) != config)
    }

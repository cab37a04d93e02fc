"""A mechanism of a user, loaded from a Python file that a command names; the page never loads one."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from anoonly_core.data.tables.files import printable
from anoonly_core.errors import InvalidConfig
from anoonly_core.models.feature_losses import FeatureLoss
from anoonly_core.models.norms import register_norm
from anoonly_core.models.statistics_norms import StatisticsNorm
from anoonly_core.weak_supervision.contract import failed_checks

__all__ = ["checked_plugin", "load_plugin"]

MODULE = "anoonly_plugin"


def load_plugin(path: str | os.PathLike[str]) -> str:
    """Execute a file, register the mechanism that it defines for the rest of the process, and return its name.

    Parameters
    ----------
    path : str or path
        A Python file with one class that derives from StatisticsNorm or FeatureLoss and has a `mechanism`.

    Raises
    ------
    InvalidConfig
        With one sentence, if the file cannot be read or executed, or does not define one valid mechanism.
    """
    module = _executed(Path(path))
    shown = printable(os.fspath(path))
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, StatisticsNorm | FeatureLoss)
        and value.__module__ == module.__name__
        and hasattr(value, "mechanism")
    ]
    if len(classes) != 1:
        raise InvalidConfig(
            f"{shown} must define one class with a mechanism, derived from StatisticsNorm or FeatureLoss, "
            f"not {len(classes)}."
        )
    try:
        register_norm(classes[0])
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidConfig(f"The mechanism of {shown} cannot be registered: {_in_one_line(error)}.") from error
    return classes[0].mechanism.name


def checked_plugin(path: str | os.PathLike[str]) -> str:
    """Load a plug-in as `load_plugin` does and run the contract checks on it; return its name.

    Raises
    ------
    InvalidConfig
        With one sentence, as `load_plugin`, or about the first check that fails.
    """
    name = load_plugin(path)
    for check, problem in failed_checks(name).items():
        raise InvalidConfig(f"{printable(os.fspath(path))} fails the check “{check}”: {problem.rstrip('.')}.")
    return name


def _executed(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None or spec.loader is None:
        raise InvalidConfig(f"--plugin must name a Python file (.py), not {printable(path.name)[-60:]!r}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module  # dataclasses and pickle look a class's module up there
    try:
        spec.loader.exec_module(module)
    except OSError as error:
        raise InvalidConfig(f"{printable(os.fspath(path))} cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # whatever the file raises
        raise InvalidConfig(
            f"{printable(os.fspath(path))} cannot be loaded: {type(error).__name__}: {_in_one_line(error)}."
        ) from error
    return module


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")

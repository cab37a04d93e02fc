"""Import of the classes of other packages that are systems here."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from anoonly_core.baselines import BASELINES
from anoonly_core.errors import ComparatorMissing
from anoonly_core.extras import install_command

__all__ = ["import_implementation"]


def import_implementation(baseline: str) -> Any:
    """Import and return the class that implements a system of another package, given by name.

    Raises
    ------
    ComparatorMissing
        If its package, or another one that this needs, is not installed.
    """
    module, _, name = BASELINES[baseline].implementation.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except ImportError as error:
        package = (error.name or module).partition(".")[0]
        raise ComparatorMissing(
            f"{baseline} needs the package {package}, which is optional: {install_command(BASELINES[baseline].extra)}."
        ) from error

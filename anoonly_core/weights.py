"""Weights that a user has: where the file of a system lies, and its identity in the keys of runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from anoonly_core.baselines import BASELINES
from anoonly_core.errors import BadModelFile, ComparatorMissing
from anoonly_core.files import file_state

__all__ = ["find_weights", "usable_weights", "weights_identity"]


def find_weights(baseline: str) -> Path:
    """Return the file of weights that the environment names for a system, given by name.

    Raises
    ------
    ComparatorMissing
        If the environment names none, or no file is there.
    """
    variable = BASELINES[baseline].weights
    path = _named_file(variable)
    if path is None:
        raise ComparatorMissing(
            f"{baseline} needs pretrained weights, and none are downloaded: set {variable} to the file of a checkpoint."
        )
    if not path.is_file():
        raise ComparatorMissing(f"{variable} names {str(path)!r}, which is no file: set it to that of a checkpoint.")
    return path


@contextmanager
def usable_weights(baseline: str) -> Iterator[None]:
    """Context for fitting a system with its weights; errors of its package become a BadModelFile of one sentence."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # of a foreign package: a wrong file can raise any
        words = str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".") or type(error).__name__
        named = f"the weights that {BASELINES[baseline].weights} names"
        raise BadModelFile(f"{baseline} could not be fitted with {named} ({words}).") from error


def weights_identity(baseline: str) -> str:
    """Return the SHA-256, hexadecimal, of the weights of a system; "" without a readable file, or if it has none."""
    path = _named_file(BASELINES[baseline].weights)
    try:
        return "" if path is None else _sha256(path, file_state(path))
    except OSError:
        return ""


def _named_file(variable: str) -> Path | None:
    configured = os.environ.get(variable, "") if variable else ""
    return Path(configured).expanduser() if configured else None


@lru_cache(maxsize=8)
def _sha256(path: Path, state: str) -> str:
    """Hash a file; `state` is its `file_state`, so that a replaced file is read again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

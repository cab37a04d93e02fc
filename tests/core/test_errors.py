"""Errors come home from a worker process whole."""

from __future__ import annotations

import pickle

import pytest

from anoonly_core import errors

CLASSES = [name for name in errors.__all__ if isinstance(getattr(errors, name), type)]
ARGUMENTS = {"OpenChoices": ("table", ("the label is open: say label=", "say dates=parts"), "table.csv?label=y")}


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_keeps_its_sentence_through_a_pickle(name: str) -> None:
    kind = getattr(errors, name)
    whole = kind(*ARGUMENTS.get(name, ("What went wrong.",)))
    for error in (whole, *([kind()] if name == "TrainingDiverged" else [])):
        read = pickle.loads(pickle.dumps(error))
        assert type(read) is kind and str(read) == str(error) != ""

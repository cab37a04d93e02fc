"""Errors come home from a worker process whole."""

from __future__ import annotations

import pickle

import pytest

from anoonly_core import errors


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_keeps_its_sentence_through_a_pickle(name: str) -> None:
    kind = getattr(errors, name)
    for error in (kind("What went wrong."), *([kind()] if name == "TrainingDiverged" else [])):
        read = pickle.loads(pickle.dumps(error))
        assert type(read) is kind and str(read) == str(error) != ""

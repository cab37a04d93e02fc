"""Detectors of change find a sudden change soon, none in a stream that stays, and say which package is missing."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from anoonly_core.drift.detectors import DETECTORS, SIGNALS, find_changes, signal
from anoonly_core.drift.ways import WAYS
from anoonly_core.errors import ExtraMissing, InvalidConfig
from tests.core.drift.made import made_result


def stream(jump: float, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(30, 64))
    values[12:] += jump
    return values


def test_adwin_finds_a_change_within_two_batches() -> None:
    for seed in range(5):
        changes = find_changes(stream(2.0, seed))
        assert changes and changes[0] in (12, 13)


@pytest.mark.parametrize("detector", DETECTORS)
def test_every_detector_finds_a_large_change_after_it_happens(detector: str) -> None:
    changes = find_changes(stream(20.0), detector)
    assert changes and changes[0] in (12, 13)
    assert list(changes) == sorted(set(changes))


def test_a_stream_that_stays_has_few_changes() -> None:
    assert sum(len(find_changes(stream(0.0, seed))) for seed in range(10)) <= 1


@pytest.mark.parametrize("detector", DETECTORS)
def test_an_empty_stream_has_none(detector: str) -> None:
    assert find_changes(np.empty((0, 0)), detector) == ()


def test_signals_are_scores_and_flags() -> None:
    scores = np.random.default_rng(0).random((len(WAYS), 3, 8))
    result = made_result(scores, np.zeros((3, 8), dtype=bool))
    assert set(SIGNALS) == {"scores", "alarms"}
    np.testing.assert_allclose(signal(result, 2), scores[2], rtol=1e-6)
    assert (signal(result, 2, "alarms") == (scores[2] > 0.5)).all()


def test_an_unknown_detector_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="detector must be one of adwin, page_hinkley, not 'x'"):
        find_changes(np.zeros((1, 1)), "x")


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "river.drift", None)
    with pytest.raises(ExtraMissing, match=r"A detector of change needs packages .*requirements-drift\.txt"):
        find_changes(np.zeros((1, 1)))

"""Fits with equal seeds give equal bits, independent of anything else in the process."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone

from anoonly_core.models import METHODS
from anoonly_core.models.model import BLOCK_ROWS
from tests.core.detector.detectors import detector, table

pytestmark = pytest.mark.usefixtures("short_pretraining")


# Randomness


@pytest.mark.parametrize("baseline", METHODS)
def test_the_same_random_state_gives_the_same_bits(baseline: str) -> None:
    X, y = table()
    once = detector(baseline).fit(X, y)
    again = clone(once).fit(X, y)
    assert np.array_equal(once.decision_scores_, again.decision_scores_)
    assert np.array_equal(once.decision_scores_, again.fit(X, y).decision_scores_)
    assert not np.array_equal(once.decision_scores_, detector(baseline, random_state=1).fit(X, y).decision_scores_)


def test_without_random_state_each_fit_differs() -> None:
    X, y = table()
    fits = [detector(random_state=None).fit(X, y) for _ in range(2)]
    assert not np.array_equal(fits[0].decision_scores_, fits[1].decision_scores_)
    repeated = detector(random_state=fits[0].config_["seed"]).fit(X, y)
    assert np.array_equal(repeated.decision_scores_, fits[0].decision_scores_)


def test_seeds_are_drawn_from_a_random_state_object() -> None:
    X, y = table()
    state = np.random.RandomState(5)
    shared = detector(random_state=state)
    first = shared.fit(X, y).decision_scores_
    assert not np.array_equal(shared.fit(X, y).decision_scores_, first)
    assert np.array_equal(detector(random_state=np.random.RandomState(5)).fit(X, y).decision_scores_, first)
    assert np.array_equal(
        detector(random_state=np.int64(3)).fit(X, y).decision_scores_,
        detector(random_state=3).fit(X, y).decision_scores_,
    )


# Other work in the process


def test_threads_do_not_disturb_each_other() -> None:
    X, y = table()
    kinds = [(name, seed) for seed in range(2) for name in METHODS]

    def scores(kind: tuple[str, int]) -> np.ndarray:
        return detector(kind[0], random_state=kind[1]).fit(X, y).decision_function(X)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(scores, kinds))
    assert all(np.array_equal(scores(kind), found) for kind, found in zip(kinds, together, strict=True))


def test_threads_can_score_with_one_detector_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread starts while another is scoring, and continues after it has finished."""
    X, y = table(rows=BLOCK_ROWS + 50)
    fitted = detector().fit(X, y)
    alone = fitted.decision_function(X)
    original = METHODS["DeepSAD"].score
    second_began, first_done = threading.Event(), threading.Event()
    found: list[np.ndarray] = []
    second = threading.Thread(target=lambda: found.append(fitted.decision_function(X)))

    def score(self, x):  # type: ignore[no-untyped-def]
        if threading.current_thread() is second:
            second_began.set()
            assert first_done.wait(10)
        elif not second_began.is_set():
            second.start()
            assert second_began.wait(10)
        return original(self, x)

    monkeypatch.setattr(METHODS["DeepSAD"], "score", score)
    assert np.array_equal(fitted.decision_function(X), alone)
    first_done.set()
    second.join()
    assert np.array_equal(found[0], alone)


def test_global_state_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    def state() -> list[Any]:
        return [
            torch.get_rng_state().tolist(),
            repr(np.random.get_state()),
            random.getstate(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.are_deterministic_algorithms_enabled(),
        ]

    def forbidden(threads: int) -> None:
        raise AssertionError("the number of threads is the user's")

    monkeypatch.setattr(torch, "set_num_threads", forbidden)
    X, y = table()
    before = state()
    for baseline in METHODS:
        detector(baseline, random_state=None).fit(X, y).predict(X)
    assert state() == before

"""Training on a GPU agrees with a CPU: each epoch from equal weights, in float64, up to rounding."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from anoonly_core.models import METHODS
from anoonly_core.training.stack import Stack
from tests.bench.lockstep import EpochDifference, in_double, lockstep
from tests.core.training.stacks import HEADS_NORMS_AND_A_RATE_THAT_FALLS, configs_of, made_split, made_table

ROUNDINGS = 1e-7  # of the spread of a run's scores: what roundings of 2e-16 may have grown to after an epoch's steps


def stack_on(device: str, **settings: Any) -> Stack:
    dataset = made_table()
    return in_double(Stack(dataset, configs_of(3, **settings), [made_split(dataset)] * 3, device))


def apart(one: Stack, other: Stack) -> list[EpochDifference]:
    return list(lockstep(one, other))


@pytest.fixture(autouse=True)
def short_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS["FEAWAD"], "pretraining_epochs", 3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize(("baseline", "norm", "preset"), HEADS_NORMS_AND_A_RATE_THAT_FALLS)
def test_an_epoch_on_a_gpu_agrees_with_one_on_a_cpu(baseline: str, norm: str | None, preset: str) -> None:
    settings = {"baseline": baseline, "norm": norm, "preset": preset}
    for epoch in apart(stack_on("cpu", **settings), stack_on("cuda", **settings)):
        assert epoch.difference < ROUNDINGS, epoch


def test_two_stacks_on_one_device_stay_equal() -> None:
    found = apart(stack_on("cpu", baseline="FEAWAD"), stack_on("cpu", baseline="FEAWAD"))
    assert found == [EpochDifference(True, epoch, 0.0) for epoch in (1, 2, 3)] + [
        EpochDifference(False, epoch, 0.0) for epoch in (1, 2, 3)
    ]


@pytest.mark.parametrize("other", [{"learning_rate": 1.001e-4}, {"batch_size": 15}])
def test_an_epoch_that_differs_is_detected(other: dict[str, Any]) -> None:
    own = {"baseline": "FEAWAD", "learning_rate": 1e-4}
    found = apart(stack_on("cpu", **own), stack_on("cpu", **own | other))
    training = [epoch for epoch in found if not epoch.pretraining]
    assert len(training) == 3 and all(epoch.difference > ROUNDINGS for epoch in training)

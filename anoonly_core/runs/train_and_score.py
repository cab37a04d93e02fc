"""Train many networks in stacks and score rows with each: the engine of cleaning and labeling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import numpy as np
from torch import Tensor

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split
from anoonly_core.errors import TrainingDiverged
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.progress import Report
from anoonly_core.runs.stacking import PlannedRun, max_runs_on_cpu
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack, shape_key

__all__ = ["SCORING_METHODS", "ScoringMethod", "TrainingTask", "train_and_score"]


Score = Callable[[Stack], Callable[[Tensor], Tensor]]


@dataclass(frozen=True)
class ScoringMethod:
    """How a network comes to its scores: whether it trains beyond what comes before, and what it says of rows."""

    trains: bool
    score: Score


_FINAL = ScoringMethod(True, lambda stack: stack.head.score)
SCORING_METHODS: Mapping[str, ScoringMethod] = MappingProxyType(
    {
        "same": _FINAL,
        "svdd": _FINAL,
        "autoencoder": ScoringMethod(False, lambda stack: cast(FEAWAD, stack.head).reconstruction_error),
    }
)


@dataclass(frozen=True, eq=False)
class TrainingTask:
    """One network to be trained on a split's training rows, and the rows of the data set that it then scores."""

    dataset: Dataset
    config: RunConfig
    split: Split
    rows: np.ndarray
    way: ScoringMethod = _FINAL


def train_and_score(trainings: Sequence[TrainingTask], report: Report = lambda done, total: None) -> list[np.ndarray]:
    """Train each network, those of one shape as one stack, and score its rows; float32 [len(rows)] each.

    report: called after every epoch with the epochs done and all of them. Raises TrainingDiverged.
    """
    stacks = list(_stacks(trainings))
    total = sum(_epochs(trainings[stack[0]]) for stack in stacks)
    found: dict[int, np.ndarray] = {}
    done = 0
    for places in stacks:
        for number in _fit(own := [trainings[place] for place in places], into := list[np.ndarray]()):
            report(done + number, total)
        done += _epochs(own[0])
        found |= zip(places, into, strict=True)
    if not all(np.isfinite(scores).all() for scores in found.values()):
        raise TrainingDiverged
    return [found[place] for place in range(len(trainings))]


def _fit(own: Sequence[TrainingTask], into: list[np.ndarray]) -> Iterator[int]:
    """Train one stack, yielding the number of each epoch, pretraining counted in; its scores go `into` the list."""
    way, before = own[0].way, BASELINES[own[0].config.baseline].pretraining_epochs
    stack = Stack(own[0].dataset, [one.config for one in own], [one.split for one in own])
    yield from pretrain(stack)
    if way.trains:
        for snapshot in train(stack):
            yield before + snapshot.epoch
    into += stack.map_rows(way.score(stack), [one.rows for one in own])


def _epochs(training: TrainingTask) -> int:
    epochs = training.config.epochs if training.way.trains else 0
    assert epochs is not None
    return BASELINES[training.config.baseline].pretraining_epochs + epochs


def _stacks(trainings: Sequence[TrainingTask]) -> Iterator[list[int]]:
    """Places of the trainings that go together: equal shapes, bounded memory."""
    grouped: dict[object, list[int]] = {}
    for place, one in enumerate(trainings):
        grouped.setdefault((one.way, shape_key(one.config, one.split)), []).append(place)
    for places in grouped.values():
        first = trainings[places[0]]
        most = max_runs_on_cpu(PlannedRun("", first.config, first.split), first.dataset.columns)
        yield from (places[begin : begin + most] for begin in range(0, len(places), most))

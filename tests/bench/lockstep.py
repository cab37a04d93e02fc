"""Two stacks of the same runs on two devices, epoch by epoch from the same weights: do both do the same?

Over many epochs two devices part, however right both are: training makes much of a rounding. In float64 and
set to the same weights before each epoch, what an epoch does has to be the same but for roundings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack

__all__ = ["Apart", "in_double", "lockstep"]


@dataclass(frozen=True)
class Apart:
    """How far both lie apart after an epoch: the largest difference of a test score, by the spread of its run's.

    Of pretraining it is the reconstruction error's, which is then the score.
    """

    pretraining: bool
    epoch: int
    difference: float


def in_double(stack: Stack) -> Stack:
    """Convert an untrained stack to float64 and return it."""
    stack.rows = replace(stack.rows, X=stack.rows.X.double())
    stack.head.double()
    stack.head.lambda_n = stack.head.lambda_n.double()
    return stack


def lockstep(one: Stack, other: Stack) -> Iterator[Apart]:
    """Train two float64 stacks; after each epoch compare them and copy the weights of the first to the second."""
    _follow(one, other)  # what was prepared in float32, DeepSAD's center, is the same to its roundings alone
    for epoch, _ in zip(pretrain(one, use_cache=False), pretrain(other, use_cache=False), strict=True):
        yield Apart(True, epoch, _difference(one, other, "reconstruction_error"))
        _follow(one, other)
    for snapshot, _ in zip(train(one), train(other), strict=True):
        yield Apart(False, snapshot.epoch, _difference(one, other, "score"))
        _follow(one, other)


def _follow(one: Stack, other: Stack) -> None:
    for value, own in zip(one.head.state_dict().values(), other.head.state_dict().values(), strict=True):
        own.copy_(value)


def _difference(one: Stack, other: Stack, scored_by: str) -> float:
    largest = 0.0
    for first, second in zip(_scores(one, scored_by), _scores(other, scored_by), strict=True):
        largest = max(largest, float((first - second).abs().max() / first.std()))
    return largest


@torch.no_grad()
def _scores(stack: Stack, scored_by: str) -> torch.Tensor:
    """Return the scores of all runs for the test rows of the first run, [R, rows]."""
    was_training = stack.head.training
    stack.head.eval()
    rows = [stack.scale(run, stack.splits[0].test).double() for run in range(len(stack.configs))]
    scores: torch.Tensor = getattr(stack.head, scored_by)(torch.stack(rows)).cpu()
    stack.head.train(was_training)
    return scores

"""Comparison of two devices, epoch by epoch from equal weights.

Over many epochs two devices diverge, since training amplifies roundings. In float64 and with equal weights before each
epoch, one epoch must give equal results up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack

__all__ = ["EpochDifference", "in_double", "lockstep"]


@dataclass(frozen=True)
class EpochDifference:
    """Largest difference of a test score after an epoch, in standard deviations of the run's scores.

    In pretraining the score is the reconstruction error.
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


def lockstep(one: Stack, other: Stack) -> Iterator[EpochDifference]:
    """Train two float64 stacks; after each epoch compare them and copy the weights of the first to the second."""
    _follow(one, other)  # DeepSAD's center, computed in float32, differs by roundings
    for epoch, _ in zip(pretrain(one, use_cache=False), pretrain(other, use_cache=False), strict=True):
        yield EpochDifference(True, epoch, _difference(one, other, "reconstruction_error"))
        _follow(one, other)
    for snapshot, _ in zip(train(one), train(other), strict=True):
        yield EpochDifference(False, snapshot.epoch, _difference(one, other, "score"))
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

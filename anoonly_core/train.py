"""The one training loop: a stack of runs, one snapshot per epoch."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from anoonly_core.optimisation import laid_out, take_step
from anoonly_core.pretrained import keep, recall
from anoonly_core.stack import Stack

__all__ = ["Snapshot", "pretrain", "seconds_an_epoch", "train", "train_step_by_step"]

TIMED_STEPS = 5
Steps = Generator[torch.Tensor, None, "Snapshot"]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What one epoch did, for each of the stack's R runs.

    epoch counts from 1. loss_normal, loss_anomaly: the epoch's means of L_N (before λ_n) and L_A
    [R]. labelled_share: labelled anomalies among the rows of the epoch's batches [R];
    batches_without_anomaly: the share of batches that held none [R].
    """

    epoch: int
    loss_normal: np.ndarray
    loss_anomaly: np.ndarray
    labelled_share: np.ndarray
    batches_without_anomaly: np.ndarray


def pretrain(stack: Stack, remember: bool = True) -> Iterator[int]:
    """Whatever the head learns before `train`: yields the number of each epoch, from 1, after it.

    What this process has pretrained before is taken from there, and nothing is yielded; remember:
    whether to look there, and to keep what is learnt now.
    """
    pretraining = stack.pretraining
    if pretraining is None:
        return
    parameters: list[torch.Tensor] = [p for group in pretraining.optimiser.param_groups for p in group["params"]]
    if remember and (known := recall(stack.pretraining_keys)) is not None:
        for run, kept in enumerate(known):
            stack.spared_seconds += kept.seconds
            _take_over(parameters, run, kept.parameters)
        return
    keys = stack.pretraining_keys
    distinct = list(dict.fromkeys(keys))
    if remember and len(distinct) < len(keys):  # runs that differ in λ_n alone begin with the same: learn it once
        part = stack.part([keys.index(key) for key in distinct])
        yield from pretrain(part)
        assert part.pretraining is not None
        learnt = [p for group in part.pretraining.optimiser.param_groups for p in group["params"]]
        for run, key in enumerate(keys):
            _take_over(parameters, run, [parameter.detach()[distinct.index(key)] for parameter in learnt])
        return
    begun = time.perf_counter()
    draws = stack.draw_epochs(pretraining)
    ones = torch.ones_like(stack.head.lambda_n)
    with laid_out(pretraining.optimiser):
        for epoch in range(1, pretraining.epochs + 1):
            stack.head.train()
            for indices in next(draws):
                take_step(pretraining.optimiser, [(pretraining.loss(stack.gather(indices)), ones)])
            yield epoch
    if remember:
        share = (time.perf_counter() - begun) / len(stack.configs)
        for run, key in enumerate(stack.pretraining_keys):
            keep(key, [parameter.detach()[run].clone() for parameter in parameters], share)


def _take_over(parameters: Sequence[torch.Tensor], run: int, values: Sequence[torch.Tensor]) -> None:
    for parameter, value in zip(parameters, values, strict=True):
        parameter.data[run] = value


def seconds_an_epoch(stack: Stack) -> tuple[float, float]:
    """What an epoch of pretraining, if any, and one of training take here, measured over a few steps of a new stack."""
    seconds = []
    if (pretraining := stack.pretraining) is not None:
        with laid_out(pretraining.optimiser):
            batches = next(stack.draw_epochs(pretraining))
            ones = torch.ones_like(stack.head.lambda_n)

            def pretrain_on(indices: torch.Tensor) -> None:
                take_step(pretraining.optimiser, [(pretraining.loss(stack.gather(indices)), ones)])

            seconds.append(_timed(pretrain_on, batches))
    optimiser = stack.head.optimiser(1e-9)
    with laid_out(optimiser):
        batches = next(stack.draw_epochs())
        seconds.append(_timed(lambda indices: _through(_train_epoch(stack, optimiser, 1, indices[None])), batches))
    return (0.0, seconds[0]) if len(seconds) == 1 else (seconds[0], seconds[1])


def _timed(step: Callable[[torch.Tensor], object], batches: torch.Tensor) -> float:
    """Seconds that all steps would take, from the median of a few after the first."""
    taken = []
    for indices in itertools.islice(itertools.cycle(batches), 1 + TIMED_STEPS):
        begun = time.perf_counter()
        step(indices)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[1:]) * len(batches)


def train(stack: Stack) -> Iterator[Snapshot]:
    """Train a stack, yielding a snapshot after each epoch; stop iterating and it has stopped.

    Minimises λ_n · L_N + L_A for each run (P eq. 7), plus the norm's own penalty where it has one
    (P eq. 5), all divided by the batch size. Between two snapshots the caller may score with the
    stack. A head that has a pretraining wants `pretrain` before.
    """
    for steps in _epochs(stack):
        yield _through(steps)


def train_step_by_step(stack: Stack) -> Iterator[torch.Tensor]:
    """The same training, yielding after each step its batch: indices into stack.rows.X [R, rows]."""
    for steps in _epochs(stack):
        yield from steps


def _epochs(stack: Stack) -> Iterator[Steps]:
    """The steps of each epoch, to be gone through before the next."""
    head = stack.head
    epochs, first_rate = stack.configs[0].epochs, stack.configs[0].learning_rate
    assert epochs is not None and first_rate is not None
    optimiser = head.optimiser(first_rate)
    draws = stack.draw_epochs()
    for norm in head.norms():
        norm.take_penalty()  # of whatever was computed before
    with laid_out(optimiser):
        for epoch in range(1, epochs + 1):
            for group in optimiser.param_groups:
                group["lr"] = head.learning_rate(first_rate, epoch, epochs)
            yield _train_epoch(stack, optimiser, epoch, next(draws))


def _through(steps: Steps) -> Snapshot:
    """Take all steps of an epoch."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            snapshot: Snapshot = end.value
            return snapshot


def _train_epoch(stack: Stack, optimiser: torch.optim.Optimizer, epoch: int, batches: torch.Tensor) -> Steps:
    """Yields after each step its batch, and returns what the epoch did."""
    head = stack.head.train()
    norms = list(head.norms())
    labelled = stack.rows.labelled[batches]
    size = batches.shape[2]
    ones = torch.ones_like(head.lambda_n)
    by_batch = ones * (head.rows_an_item / size)
    losses = ones.new_empty(2, len(batches), len(ones))
    for step in range(len(batches)):  # not over all of them unbound, each of which takes more than its indices
        normal, anomaly = head.losses(stack.gather(batches[step]), labelled[step])
        terms = [(normal, head.lambda_n), (anomaly, ones)]
        terms += [(penalty, by_batch) for norm in norms if (penalty := norm.take_penalty()) is not None]
        take_step(optimiser, terms)
        losses[0, step], losses[1, step] = normal.detach(), anomaly.detach()
        yield batches[step]
    mean_normal, mean_anomaly = (own.mean(dim=0).cpu().numpy() for own in losses)
    per_batch = labelled.sum(dim=2).cpu().numpy()
    return Snapshot(
        epoch=epoch,
        loss_normal=mean_normal,
        loss_anomaly=mean_anomaly,
        labelled_share=per_batch.mean(axis=0) / size,
        batches_without_anomaly=(per_batch == 0).mean(axis=0),
    )

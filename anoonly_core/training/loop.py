"""The one training loop: a stack of runs, one snapshot per epoch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from anoonly_core.models import Pretraining
from anoonly_core.training.cuda_graph import BatchBuffer, RepeatStep, step_repeater
from anoonly_core.training.optimizer import prepared_optimizer, set_learning_rate, take_step
from anoonly_core.training.pretraining_cache import add_to_cache, find_cached
from anoonly_core.training.stack import Stack

__all__ = ["Snapshot", "pretrain", "seconds_per_epoch", "train", "train_step_by_step"]

UNTIMED_STEPS, TIMED_STEPS = 2, 5  # the first ones make what the others need
Steps = Generator[torch.Tensor, None, "Snapshot"]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What one epoch did, for each of the stack's R runs; a GPU is waited for where a figure is asked for, not before.

    epoch counts from 1. losses: the epoch's means of L_N and L_A [2, R]; labeled: labeled anomalies
    in each batch [steps, R]; rows: those of a batch.
    """

    epoch: int
    losses: torch.Tensor
    labeled: torch.Tensor
    rows: int

    @property
    def loss_normal(self) -> np.ndarray:
        """The epoch's mean of L_N, before λ_n [R]."""
        mean: np.ndarray = self._losses[0]
        return mean

    @property
    def loss_anomaly(self) -> np.ndarray:
        """The epoch's mean of L_A [R]."""
        mean: np.ndarray = self._losses[1]
        return mean

    @property
    def labelled_share(self) -> np.ndarray:
        """Labeled anomalies among the rows of the epoch's batches [R]."""
        share: np.ndarray = self._labeled.mean(axis=0) / self.rows
        return share

    @property
    def batches_without_anomaly(self) -> np.ndarray:
        """The share of batches that held none [R]."""
        share: np.ndarray = (self._labeled == 0).mean(axis=0)
        return share

    @cached_property
    def _losses(self) -> np.ndarray:
        return self.losses.cpu().numpy()

    @cached_property
    def _labeled(self) -> np.ndarray:
        return self.labeled.cpu().numpy()


def pretrain(stack: Stack, use_cache: bool = True) -> Iterator[int]:
    """Whatever the head learns before `train`: yields the number of each epoch, from 1, after it.

    What this process has pretrained before is taken from there, and nothing is yielded; remember:
    whether to look there, and to keep what is learned now.
    """
    pretraining = stack.pretraining
    if pretraining is None:
        return
    parameters: list[torch.Tensor] = [p for group in pretraining.optimizer.param_groups for p in group["params"]]
    if use_cache and (known := find_cached(stack.pretraining_keys)) is not None:
        for run, kept in enumerate(known):
            stack.cached_pretraining_seconds += kept.seconds
            _take_over(parameters, run, kept.parameters)
        if stack.device.type == "cuda":
            torch.cuda.current_stream().synchronize()  # else another stack may drop them before they were read
        return
    keys = stack.pretraining_keys
    distinct = list(dict.fromkeys(keys))
    if use_cache and len(distinct) < len(keys):  # runs that differ in λ_n alone begin with the same: learn it once
        part = stack.part([keys.index(key) for key in distinct])
        yield from pretrain(part)
        assert part.pretraining is not None
        learned = [p for group in part.pretraining.optimizer.param_groups for p in group["params"]]
        for run, key in enumerate(keys):
            _take_over(parameters, run, [parameter.detach()[distinct.index(key)] for parameter in learned])
        return
    begun = time.perf_counter()
    draws = stack.draw_epochs(pretraining)
    with step_repeater(stack.device) as repeat, prepared_optimizer(pretraining.optimizer):
        step: _Step | None = None
        for epoch in range(1, pretraining.epochs + 1):
            stack.head.train()
            drawn = next(draws)
            step = step or _PretrainingStep(stack, repeat, pretraining, drawn)
            step.begin(drawn)
            for _ in range(len(drawn)):
                step.take()
            yield epoch
        # Within, at whose end a GPU is waited for: another stack's queue of work there may read them at once.
        learned_by = [[parameter.detach()[run].clone() for parameter in parameters] for run in range(len(keys))]
    if use_cache:
        share = (time.perf_counter() - begun) / len(keys)
        for key, own in zip(keys, learned_by, strict=True):
            add_to_cache(key, own, share)


def _take_over(parameters: Sequence[torch.Tensor], run: int, values: Sequence[torch.Tensor]) -> None:
    for parameter, value in zip(parameters, values, strict=True):
        parameter.data[run] = value


def seconds_per_epoch(stack: Stack) -> tuple[float, float]:
    """What an epoch of pretraining, if any, and one of training take here, measured over a few steps of a new stack."""
    seconds = [0.0]
    if (pretraining := stack.pretraining) is not None:
        with step_repeater(stack.device) as repeat, prepared_optimizer(pretraining.optimizer):
            batches = next(stack.draw_epochs(pretraining))
            seconds[0] = _timed(_PretrainingStep(stack, repeat, pretraining, batches), batches)
    optimizer = stack.head.train().optimizer(1e-9)
    with step_repeater(stack.device) as repeat, prepared_optimizer(optimizer):
        batches = next(stack.draw_epochs())
        seconds.append(_timed(_TrainingStep(stack, repeat, optimizer, batches), batches))
    return seconds[0], seconds[1]


def _timed(step: _Step, batches: torch.Tensor) -> float:
    """Seconds that all steps would take, from the median of a few after those that are slower."""
    taken = []
    for number in range(UNTIMED_STEPS + TIMED_STEPS):
        if number % len(batches) == 0:
            step.begin(batches)
        begun = time.perf_counter()
        step.take()
        if batches.is_cuda:
            torch.cuda.current_stream().synchronize()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[UNTIMED_STEPS:]) * len(batches)


def train(stack: Stack) -> Iterator[Snapshot]:
    """Train a stack, yielding a snapshot after each epoch; stop iterating and it has stopped.

    Minimizes λ_n · L_N + L_A for each run (P eq. 7), plus the norm's own penalty where it has one
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
    optimizer = head.optimizer(first_rate)
    rates = [head.learning_rate(first_rate, epoch, epochs) for epoch in range(1, epochs + 1)]
    draws = stack.draw_epochs()
    for norm in head.norms():
        norm.take_penalty()  # of whatever was computed before
    with step_repeater(stack.device) as repeat, prepared_optimizer(optimizer, varies=len(set(rates)) > 1):
        step: _TrainingStep | None = None
        for epoch, rate in enumerate(rates, start=1):
            set_learning_rate(optimizer, rate)
            drawn = next(draws)
            step = step or _TrainingStep(stack, repeat, optimizer, drawn)
            yield _train_epoch(stack, step, epoch, drawn)


def _through(steps: Steps) -> Snapshot:
    """Take all steps of an epoch."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            snapshot: Snapshot = end.value
            return snapshot


def _train_epoch(stack: Stack, step: _TrainingStep, epoch: int, drawn: torch.Tensor) -> Steps:
    """Yields after each step its batch, and returns what the epoch did."""
    stack.head.train()
    step.begin(drawn)
    for number in range(len(drawn)):  # not over all of them unbound, each of which takes more than its indices
        step.take()
        yield drawn[number]
    return Snapshot(epoch, step.losses.mean(dim=1), step.labeled.sum(dim=2), drawn.shape[2])


class _Step:
    """One step of an optimizer as a function of tensors that stay where they are, see `captured`."""

    def __init__(
        self, stack: Stack, repeat: RepeatStep, optimizer: torch.optim.Optimizer, batches: torch.Tensor
    ) -> None:
        self.stack, self.optimizer = stack, optimizer
        self.batches = BatchBuffer(batches)
        self.ones = torch.ones_like(stack.head.lambda_n)
        self._repeat = repeat

    def begin(self, drawn: torch.Tensor) -> None:
        """Begin an epoch with these batches [steps, R, rows]."""
        self.batches.fill(drawn)

    def take(self) -> None:
        """Take the step with the batch that comes next."""
        self._repeat(self._take)

    def _take(self) -> None:
        take_step(self.optimizer, self._terms(self.batches.of(self.batches.indices)))
        self.batches.place += 1

    def _terms(self, indices: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Each run's losses [R] with their weights [R], for a batch [R, rows]."""
        raise NotImplementedError


class _PretrainingStep(_Step):
    def __init__(self, stack: Stack, repeat: RepeatStep, pretraining: Pretraining, batches: torch.Tensor) -> None:
        super().__init__(stack, repeat, pretraining.optimizer, batches)
        self.loss = pretraining.loss

    def _terms(self, indices: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [(self.loss(self.stack.gather(indices)), self.ones)]


class _TrainingStep(_Step):
    """labeled: the labeled anomalies in the epoch's batches, bool [steps, R, rows]; losses: [2, steps, R]."""

    def __init__(
        self, stack: Stack, repeat: RepeatStep, optimizer: torch.optim.Optimizer, batches: torch.Tensor
    ) -> None:
        super().__init__(stack, repeat, optimizer, batches)
        self.labeled = torch.empty_like(batches, dtype=torch.bool)
        self.losses = self.ones.new_empty(2, len(batches), len(self.ones))
        self.norms = list(stack.head.norms())
        self.by_batch = self.ones * (stack.head.rows_per_item / batches.shape[2])

    def begin(self, drawn: torch.Tensor) -> None:
        super().begin(drawn)
        self.labeled.copy_(self.stack.rows.labeled[drawn])

    def _terms(self, indices: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        head, place = self.stack.head, self.batches.place
        normal, anomaly = head.losses(self.stack.gather(indices), self.batches.of(self.labeled))
        self.losses.index_copy_(1, place, torch.stack([normal.detach(), anomaly.detach()])[:, None])
        penalties = [penalty for norm in self.norms if (penalty := norm.take_penalty()) is not None]
        return [(normal, head.lambda_n), (anomaly, self.ones), *((own, self.by_batch) for own in penalties)]

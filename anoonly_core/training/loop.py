"""The training loop: train a stack of runs and report each epoch or each step."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from anoonly_core.training.cuda_graph import step_repeater
from anoonly_core.training.optimizer import prepared_optimizer, set_learning_rate
from anoonly_core.training.stack import Stack
from anoonly_core.training.steps import TrainingStep

__all__ = ["Snapshot", "train", "train_step_by_step"]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Losses and batch composition of one epoch of a stack of R runs.

    The tensors stay on the device of the stack; reading a property copies them and synchronizes a GPU.

    Attributes
    ----------
    epoch
        Number of the epoch, from 1.
    losses
        Mean L_N and mean L_A over the steps of the epoch, [2, R].
    labeled
        Number of labeled anomalies in each batch, int64 [steps, R].
    rows
        Rows in a batch.
    """

    epoch: int
    losses: torch.Tensor
    labeled: torch.Tensor
    rows: int

    @property
    def loss_normal(self) -> np.ndarray:
        """Mean of L_N over the epoch, before the factor λ_n, float32 [R]."""
        mean: np.ndarray = self._losses[0]
        return mean

    @property
    def loss_anomaly(self) -> np.ndarray:
        """Mean of L_A over the epoch, float32 [R]."""
        mean: np.ndarray = self._losses[1]
        return mean

    @property
    def labelled_share(self) -> np.ndarray:
        """Share of labeled anomalies among all rows of the batches, float64 [R]."""
        share: np.ndarray = self._labeled.mean(axis=0) / self.rows
        return share

    @property
    def batches_without_anomaly(self) -> np.ndarray:
        """Share of batches without a labeled anomaly, float64 [R]."""
        share: np.ndarray = (self._labeled == 0).mean(axis=0)
        return share

    @cached_property
    def _losses(self) -> np.ndarray:
        return self.losses.cpu().numpy()

    @cached_property
    def _labeled(self) -> np.ndarray:
        return self.labeled.cpu().numpy()


def train(stack: Stack) -> Iterator[Snapshot]:
    """Train a stack in place and yield a snapshot after each epoch.

    Minimizes λ_n · L_N + L_A for each run, plus the penalty of the norm where it has one. All terms
    are divided by the batch size. The caller may score with the stack between two snapshots.
    Training stops when the caller stops iterating.

    Parameters
    ----------
    stack
        A stack whose head is prepared and, where it has a pretraining, pretrained.

    Yields
    ------
    Snapshot
        One for each of the `epochs` of the configs.

    Source: paper eq. 5 and 7; docs/methods.md § 1.
    """
    with closing(_train(stack)) as events:
        for event in events:
            if isinstance(event, Snapshot):
                yield event


def train_step_by_step(stack: Stack) -> Iterator[torch.Tensor]:
    """Train a stack of R runs in place as `train` does, and yield after each step instead of each epoch.

    Hooks of the layers are called: all gradients come from autograd, with equal bits.

    Yields
    ------
    torch.Tensor
        The batch of the step: indices into `stack.rows.X`, int64 [R, rows].
    """
    with closing(_train(stack, calls_hooks=True)) as events:
        for event in events:
            if not isinstance(event, Snapshot):
                yield event


def _train(stack: Stack, calls_hooks: bool = False) -> Generator[torch.Tensor | Snapshot, None, None]:
    """Train a stack in place; yield the batch, int64 [R, rows], after each step, and a snapshot after each epoch.

    `calls_hooks` is True to call the hooks of the layers.
    """
    head = stack.head
    epochs, first_rate = stack.configs[0].epochs, stack.configs[0].learning_rate
    assert epochs is not None and first_rate is not None
    optimizer = head.optimizer(first_rate)
    rates = [head.learning_rate(first_rate, epoch, epochs) for epoch in range(1, epochs + 1)]
    drawn = stack.draw_epochs()
    for norm in head.norms():
        norm.take_penalty()  # left by forward passes before training
    with step_repeater(stack.device) as repeat, prepared_optimizer(optimizer, rate_varies=len(set(rates)) > 1):
        step: TrainingStep | None = None
        for epoch, rate in enumerate(rates, start=1):
            set_learning_rate(optimizer, rate)
            batches = next(drawn)
            step = step or TrainingStep(stack, repeat, optimizer, batches, calls_hooks)
            head.train()
            step.begin(batches)
            for number in range(len(batches)):  # unbinding all batches first costs more than indexing
                step.take()
                yield batches[number]
            yield Snapshot(epoch, step.losses.mean(dim=1), step.labeled.sum(dim=2), batches.shape[2])

"""One optimizer step of pretraining or training, written so that a CUDA graph can replay it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch

from anoonly_core.models import Pretraining
from anoonly_core.training.cuda_graph import BatchBuffer, RepeatStep
from anoonly_core.training.optimizer import take_step
from anoonly_core.training.stack import Stack

__all__ = ["OptimizerStep", "PretrainingStep", "TrainingStep"]

Terms = list[tuple[torch.Tensor, torch.Tensor]]


class OptimizerStep(ABC):
    """An optimizer step of all runs of a stack, which reads and writes fixed tensors only, as `step_repeater` requires.

    Parameters
    ----------
    stack
        The runs to train. All of them take the step together.
    repeat
        Runs the step, or replays its CUDA graph.
    optimizer
        Updates the parameters; must be within `prepared_optimizer`.
    batches
        An epoch of batches, int64 [steps, R, rows]; it sets the shapes, its values are not used.
    """

    def __init__(
        self, stack: Stack, repeat: RepeatStep, optimizer: torch.optim.Optimizer, batches: torch.Tensor
    ) -> None:
        self.stack, self.optimizer = stack, optimizer
        self.buffer = BatchBuffer(batches)
        self.ones = torch.ones_like(stack.head.lambda_n)
        self._repeat = repeat

    def begin(self, batches: torch.Tensor) -> None:
        """Begin an epoch: copy its batches, int64 [steps, R, rows], and make the first one the next."""
        self.buffer.fill(batches)

    def take(self) -> None:
        """Update the parameters of all runs with the next batch of the epoch, and advance to the batch after it."""
        self._repeat(self._take)

    def _take(self) -> None:
        take_step(self.optimizer, self._terms(self.buffer.current(self.buffer.indices)))
        self.buffer.cursor += 1

    @abstractmethod
    def _terms(self, indices: torch.Tensor) -> Terms:
        """Compute the losses of a batch of row indices, int64 [R, rows]; return each loss [R] with its weight [R]."""


class PretrainingStep(OptimizerStep):
    """An optimizer step of all runs of a stack down the loss of their pretraining."""

    def __init__(self, stack: Stack, repeat: RepeatStep, pretraining: Pretraining, batches: torch.Tensor) -> None:
        super().__init__(stack, repeat, pretraining.optimizer, batches)
        self.loss = pretraining.loss

    def _terms(self, indices: torch.Tensor) -> Terms:
        return [(self.loss(self.stack.gather(indices)), self.ones)]


class TrainingStep(OptimizerStep):
    """An optimizer step of all runs of a stack down λ_n · L_N + L_A plus the penalties of the norms.

    Source: paper eq. 5 and 7; docs/methods.md § 1.

    Attributes
    ----------
    labeled
        Mask of the labeled anomalies in the batches of the epoch, bool [steps, R, rows].
    losses
        L_N and L_A of the steps taken in the epoch, float32 [2, steps, R].
    """

    def __init__(
        self, stack: Stack, repeat: RepeatStep, optimizer: torch.optim.Optimizer, batches: torch.Tensor
    ) -> None:
        super().__init__(stack, repeat, optimizer, batches)
        self.labeled = torch.empty_like(batches, dtype=torch.bool)
        self.losses = self.ones.new_empty(2, len(batches), len(self.ones))
        self.norms = list(stack.head.norms())
        self.penalty_weight = self.ones * (stack.head.rows_per_item / batches.shape[2])

    def begin(self, batches: torch.Tensor) -> None:
        super().begin(batches)
        self.labeled.copy_(self.stack.rows.labeled[batches])

    def _terms(self, indices: torch.Tensor) -> Terms:
        head = self.stack.head
        normal, anomaly = head.losses(self.stack.gather(indices), self.buffer.current(self.labeled))
        both = torch.stack([normal.detach(), anomaly.detach()])
        self.losses.index_copy_(1, self.buffer.cursor, both[:, None])
        penalties = [penalty for norm in self.norms if (penalty := norm.take_penalty()) is not None]
        return [
            (normal, head.lambda_n),
            (anomaly, self.ones),
            *((penalty, self.penalty_weight) for penalty in penalties),
        ]

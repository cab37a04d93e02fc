"""One optimizer step of pretraining or training, written so that a CUDA graph can replay it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch

from anoonly_core.models import Head, ItemHead, Pretraining
from anoonly_core.models.score_head import ScoreHead, ScorePass, WeightedCosts
from anoonly_core.training.cuda_graph import CAPTURES, BatchBuffer, RepeatStep
from anoonly_core.training.optimizer import differentiate
from anoonly_core.training.stack import Stack

__all__ = ["OptimizerStep", "PretrainingStep", "TrainingStep", "weighted_losses"]

Terms = list[tuple[torch.Tensor, torch.Tensor]]


def weighted_losses(
    head: Head, x: torch.Tensor, labeled: torch.Tensor, known_normal: torch.Tensor | None = None
) -> Terms:
    """Compute the losses of a batch and their weights: λ_n · L_N + L_A, in which known normal rows weigh 1 in L_N.

    Parameters
    ----------
    head
        The R networks.
    x
        Scaled rows, float32 [R, b, columns].
    labeled
        Mask of the labeled anomalies, bool [R, b].
    known_normal
        Mask of the rows known to be normal, bool [R, b]; None gives all rows of the pool the weight λ_n.

    Returns
    -------
    list of (loss [R], weight [R])
        L_N with weight λ_n, L_A with weight 1, and with `known_normal` the part of L_N on such items with weight
        1 − λ_n, so that their weights add up to 1.

    Source: paper eq. 7; docs/methods.md § 1 and 3.
    """
    ones = torch.ones_like(head.lambda_n)
    if known_normal is None or not isinstance(head, ItemHead):
        normal, anomaly = head.losses(x, labeled)
        return [(normal, head.lambda_n), (anomaly, ones)]
    of_pool, of_anomalies = head.item_losses(x, labeled)
    known = torch.where(head.known_items(known_normal), of_pool, of_pool.new_zeros(()))
    return [
        (head.mean(of_pool), head.lambda_n),
        (head.mean(of_anomalies), ones),
        (head.mean(known), ones - head.lambda_n),
    ]


def _may_skip_autograd(stack: Stack) -> bool:
    """Return True on a CPU, unless steps are captured: the gradients of a step may then come from passes."""
    return stack.device.type == "cpu" and stack.device.type not in CAPTURES


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
        self._differentiate(self.stack.gather(self.buffer.current(self.buffer.indices)))
        self.optimizer.step()
        self.buffer.cursor += 1

    @abstractmethod
    def _differentiate(self, x: torch.Tensor) -> None:
        """Overwrite the gradients of the parameters by those of the rows of a batch, [R, rows, columns]."""


class PretrainingStep(OptimizerStep):
    """An optimizer step of all runs of a stack down the loss of their pretraining, on a CPU without autograd."""

    def __init__(self, stack: Stack, repeat: RepeatStep, pretraining: Pretraining, batches: torch.Tensor) -> None:
        super().__init__(stack, repeat, pretraining.optimizer, batches)
        self.loss = pretraining.loss
        self._by_hand = pretraining.bind(stack.gather(batches[0])) if _may_skip_autograd(stack) else None

    def _differentiate(self, x: torch.Tensor) -> None:
        if self._by_hand is not None:
            self._by_hand()
        else:
            differentiate(self.optimizer, [(self.loss(x), self.ones)])


class TrainingStep(OptimizerStep):
    """An optimizer step of all runs of a stack down the weighted losses plus the penalties of the norms.

    On a CPU the gradients of a `ScoreHead` come from its passes, without autograd, if its layers have them. A step that
    is captured takes autograd, whose tensors keep their addresses.

    Parameters
    ----------
    stack, repeat, optimizer, batches
        As in `OptimizerStep`.
    calls_hooks
        True to call the hooks of the layers, which takes autograd.

    Source: paper eq. 5 and 7; docs/methods.md § 1.

    Attributes
    ----------
    labeled
        Mask of the labeled anomalies in the batches of the epoch, bool [steps, R, rows].
    known_normal
        Mask of the rows known to be normal in the same batches; None if they weigh as the pool.
    losses
        L_N and L_A of the steps taken in the epoch, float32 [2, steps, R].
    """

    def __init__(
        self,
        stack: Stack,
        repeat: RepeatStep,
        optimizer: torch.optim.Optimizer,
        batches: torch.Tensor,
        calls_hooks: bool = False,
    ) -> None:
        super().__init__(stack, repeat, optimizer, batches)
        self.labeled = torch.empty_like(batches, dtype=torch.bool)
        self.known_normal = None if stack.rows.known_normal is None else torch.empty_like(self.labeled)
        self.losses = self.ones.new_empty(2, len(batches), len(self.ones))
        self.norms = list(stack.head.norms())
        self.penalty_weight = self.ones * (stack.head.rows_per_item / batches.shape[2])
        self._by_hand: WeightedCosts | None = None
        self._passes: ScorePass | None = None
        if isinstance(stack.head, ScoreHead) and _may_skip_autograd(stack) and not calls_hooks:
            self._passes = stack.head.bind(stack.gather(batches[0]))

    def begin(self, batches: torch.Tensor) -> None:
        super().begin(batches)
        self.labeled.copy_(self.stack.rows.labeled[batches])
        if self.known_normal is not None and self.stack.rows.known_normal is not None:
            self.known_normal.copy_(self.stack.rows.known_normal[batches])
        if self._passes is not None and isinstance(self.stack.head, ScoreHead):
            self._by_hand = WeightedCosts(self.stack.head, self._passes, self.labeled, self.known_normal)

    def _differentiate(self, x: torch.Tensor) -> None:
        if self._by_hand is not None:
            losses = self._by_hand.differentiate(int(self.buffer.cursor))
        else:
            losses = self._differentiate_by_autograd(x)
        self.losses.index_copy_(1, self.buffer.cursor, losses[:, None])

    def _differentiate_by_autograd(self, x: torch.Tensor) -> torch.Tensor:
        """Overwrite the gradients as `_differentiate` does, of any head and norm; return L_N and L_A, [2, R]."""
        labeled = self.buffer.current(self.labeled)
        known = None if self.known_normal is None else self.buffer.current(self.known_normal)
        terms = weighted_losses(self.stack.head, x, labeled, known)
        penalties = [penalty for norm in self.norms if (penalty := norm.take_penalty()) is not None]
        differentiate(self.optimizer, [*terms, *((penalty, self.penalty_weight) for penalty in penalties)])
        return torch.stack([loss.detach() for loss, _ in terms[:2]])

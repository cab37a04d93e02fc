"""Base class of the heads whose items each have one score, with their losses and gradients without autograd."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

import torch
from torch import Tensor

from anoonly_core.models.model import ItemHead
from anoonly_core.models.passes import Buffer, can_pass

__all__ = ["ScoreHead", "ScorePass", "WeightedCosts"]


class ScorePass(Protocol):
    """Pass from the rows of a batch, in fixed memory, to the scores of its items.

    Attributes
    ----------
    scores
        Scores of the items [R, items], which `forward` computes, and the gradient that `backward` begins with.
    """

    scores: Buffer

    def forward(self) -> None:
        """Compute the scores of the rows that the memory holds."""

    def backward(self) -> None:
        """Overwrite the gradients of all parameters."""


class ScoreHead(ItemHead):
    """Base class of the heads in which the losses of an item depend on its score only."""

    def item_losses(self, x: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return the summands of L_N and L_A, [R, items] each.

        Parameters
        ----------
        x
            Scaled rows [R, b, columns].
        labeled
            Mask of the labeled anomalies, bool [R, b].
        """
        cost = self.costs(self.item_scores(x, labeled), labeled)
        anomalous, zero = self.anomalous_items(labeled), cost.new_zeros(())
        return torch.where(anomalous, zero, cost), torch.where(anomalous, cost, zero)

    def item_scores(self, x: Tensor, labeled: Tensor) -> Tensor:
        """Return the score of each item of a batch, [R, items].

        Parameters
        ----------
        x
            Scaled rows [R, b, columns].
        labeled
            Mask of the labeled anomalies, bool [R, b], for the norms.
        """
        return self.score(x, labeled)

    @abstractmethod
    def costs(self, scores: Tensor, labeled: Tensor) -> Tensor:
        """Return the cost of each item, [R, items]: a summand of L_A if it has a labeled anomaly, else of L_N.

        Parameters
        ----------
        scores
            Scores of the items [R, items].
        labeled
            Mask of the labeled anomalies among the rows of the batch, bool [R, b].
        """

    @abstractmethod
    def cost_gradients(self, scores: Tensor, labeled: Tensor, weight: Tensor) -> Tensor:
        """Return the derivative of the weighted cost of each item by its score, [R, items].

        Parameters
        ----------
        scores
            Scores of the items [R, items].
        labeled
            Mask of the labeled anomalies among the rows of the batch, bool [R, b].
        weight
            Weight of the cost of each item [R, items].
        """

    def anomalous_items(self, labeled: Tensor) -> Tensor:
        """Return the mask of the items with a labeled anomaly, bool [R, items].

        `labeled` is the mask of the labeled anomalies of a batch, bool [R, b].
        """
        return labeled.reshape(len(labeled), self.rows_per_item, -1).any(dim=1)

    def bind(self, x: Tensor) -> ScorePass | None:
        """Return a pass over the rows of a batch, or None if a layer has none, so that autograd must be used.

        Parameters
        ----------
        x
            Memory of the rows of each batch [R or D, b, columns], on a CPU. The parameters must have gradients, and
            neither may change its memory.
        """
        return self._bind(Buffer(x, None)) if can_pass(map(self.chain, self.parts)) else None

    @abstractmethod
    def _bind(self, x: Buffer) -> ScorePass:
        """Return a pass over the rows of a batch, given that each layer has one."""


class WeightedCosts:
    """Losses of the batches of an epoch and their gradients: λ_n · L_N + L_A, without autograd.

    Known normal rows weigh 1 in L_N.

    Parameters
    ----------
    head
        The R networks.
    passes
        A pass of the head over the rows of a batch.
    labeled
        Mask of the labeled anomalies in the batches, bool [steps, R, b].
    known_normal
        Mask of the rows known to be normal, bool [steps, R, b]; None gives all rows of the pool the weight λ_n.

    Source: paper eq. 7; docs/methods.md § 1 and 3.
    """

    def __init__(self, head: ScoreHead, passes: ScorePass, labeled: Tensor, known_normal: Tensor | None) -> None:
        self._head, self._passes, self._labeled = head, passes, labeled
        shape = (*labeled.shape[:2], -1)
        anomalous = head.anomalous_items(labeled.flatten(0, 1)).view(shape)
        self._of_each_loss = torch.stack([~anomalous, anomalous], dim=1)
        self._items = torch.tensor(float(anomalous.shape[2]))  # a number would be copied into a tensor at each division
        ones = torch.ones_like(head.lambda_n)
        of_anomalies, of_pool, more_if_known = (
            weight[:, None] / self._items for weight in (ones, head.lambda_n, ones - head.lambda_n)
        )
        self._weight = torch.where(anomalous, of_anomalies, of_pool)
        if known_normal is not None:
            known = head.known_items(known_normal.flatten(0, 1)).view(shape)
            self._weight = torch.where(known, self._weight + more_if_known, self._weight)
        self._zero = self._weight.new_zeros(())

    def differentiate(self, step: int) -> Tensor:
        """Overwrite the gradients of all parameters by those of a batch, whose rows are in the memory of the passes.

        Parameters
        ----------
        step
            Number of the batch in the epoch, from 0.

        Returns
        -------
        Tensor
            L_N and L_A of the batch, [2, R].
        """
        labeled, scores = self._labeled[step], self._passes.scores
        self._passes.forward()
        cost = self._head.costs(scores.value, labeled)
        losses = torch.where(self._of_each_loss[step], cost, self._zero).sum(dim=2).div_(self._items)
        scores.upstream.copy_(self._head.cost_gradients(scores.value, labeled, self._weight[step]))
        self._passes.backward()
        return losses

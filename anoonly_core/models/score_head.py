"""Base class of the heads whose items each have one score, with their losses and gradients without autograd."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

import torch
from torch import Tensor

from anoonly_core.models.layers import Chain
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
        return self.costs(self.item_scores(x, labeled), labeled)

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
    def costs(self, scores: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return the summands of L_N and L_A, [R, items] each.

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
        """Return the mask of the items with a labeled anomaly, bool [R, items], whose cost belongs to L_A.

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

    def chain(self, part: str) -> Chain:
        """Return a part of the network by name."""
        chain = self.parts[part]
        assert isinstance(chain, Chain)
        return chain

    @abstractmethod
    def _bind(self, x: Buffer) -> ScorePass:
        """Return a pass over the rows of a batch, given that each layer has one."""


class WeightedCosts:
    """Losses of the items of a batch and their gradients: λ_n · L_N + L_A, without autograd.

    Known normal rows weigh 1 in L_N.

    Parameters
    ----------
    head
        The R networks.
    passes
        A pass of the head over the rows of a batch.

    Source: paper eq. 7; docs/methods.md § 1 and 3.
    """

    def __init__(self, head: ScoreHead, passes: ScorePass) -> None:
        self._head, self._passes = head, passes
        items = passes.scores.value.shape[1]
        ones = torch.ones_like(head.lambda_n)
        self._of_anomalies, self._of_pool = (weight[:, None] / items for weight in (ones, head.lambda_n))
        self._more_if_known = (ones - head.lambda_n)[:, None] / items

    def differentiate(self, labeled: Tensor, known_normal: Tensor | None) -> tuple[Tensor, Tensor]:
        """Overwrite the gradients of all parameters by those of a batch, and return L_N and L_A, [R] each.

        Parameters
        ----------
        labeled
            Mask of the labeled anomalies, bool [R, b].
        known_normal
            Mask of the rows known to be normal, bool [R, b]; None gives all rows of the pool the weight λ_n.
        """
        head, scores = self._head, self._passes.scores
        self._passes.forward()
        normal, anomaly = head.costs(scores.value, labeled)
        weight = torch.where(head.anomalous_items(labeled), self._of_anomalies, self._of_pool)
        if known_normal is not None:
            weight = torch.where(head.known_items(known_normal), weight + self._more_if_known, weight)
        scores.upstream.copy_(head.cost_gradients(scores.value, labeled, weight))
        self._passes.backward()
        return head.mean(normal), head.mean(anomaly)

"""RoSAS (Xu et al., Information Processing & Management 2023): continuous labels by mixing rows."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from anoonly_core.baselines import BASELINES
from anoonly_core.models.layers import map_runs
from anoonly_core.models.model import Head
from anoonly_core.models.samplers import draw_rows

__all__ = ["RoSAS", "mixing_weights"]


class RoSAS(Head):
    """Score F(x) whose tanh is −1 for the pool, 1 for labeled anomalies, and in between for mixtures of rows.

    Source: docs/methods.md § 8.
    """

    name: ClassVar[str] = "RoSAS"
    rows_per_item: ClassVar[int] = 6
    steps: ClassVar[int] = BASELINES["RoSAS"].steps
    margin = 1.0
    weight_decay = 1e-4
    distance_eps = 1e-6  # added to each difference, as torch.nn.TripletMarginLoss does

    def optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=learning_rate, weight_decay=self.weight_decay, fused=True)

    def draw_epoch(self, labeled: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw triplets of two pool rows and a labeled anomaly, with replacement, and a partner for each row.

        The partners are the rows of the batch in random order.
        """
        anomalies, pool = torch.nonzero(labeled)[:, 0], torch.nonzero(~labeled)[:, 0]
        triplets = torch.cat(
            [draw_rows(rows, self.steps, batch_size, generator) for rows in (pool, pool, anomalies)], 1
        )
        orders = torch.stack([torch.randperm(triplets.shape[1], generator=generator) for _ in range(self.steps)])
        return torch.cat([triplets, triplets.gather(1, orders)], dim=1)

    def losses(self, x: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each run, [R], and zeros, [R]: half the triplet loss, and half of both of the mixtures.

        The tanh of a mixture should equal the mixture of the labels −1 and 1, and that of the tanh of both rows.

        Parameters
        ----------
        x
            Scaled rows [R, 6b, columns]: b pool rows, b others, b labeled anomalies, and the 3b partners.
        labeled
            Mask of the labeled anomalies, bool [R, 6b].
        """
        count = x.shape[1] // 2
        weight = mixing_weights(count // 3, x.device).to(x.dtype).repeat(3)
        features = self.hidden(torch.cat([x, _mixed(x, weight[:, None])], dim=1))
        scores = map_runs(torch.tanh, self._logit(features))
        labels = labeled.to(scores.dtype) * 2 - 1
        mixture = scores[:, 2 * count :]
        expected = (_mixed(labels, weight), _mixed(scores[:, : 2 * count], weight))
        errors = [functional.smooth_l1_loss(mixture, value, reduction="none").mean(dim=1) for value in expected]
        loss = (self._triplet_loss(features[:, :count]) + errors[0] + errors[1]) / 2
        return loss, torch.zeros_like(loss)

    def _triplet_loss(self, features: Tensor) -> Tensor:
        """Return the mean of max(0, margin + near − far), [R], for features [R, 3b, 128] of triplets.

        Near is the distance of the two pool rows, far that of the first one to the anomaly.
        """
        example, similar, anomaly = features.chunk(3, dim=1)
        near, far = ((example - other + self.distance_eps).square().sum(dim=2).sqrt() for other in (similar, anomaly))
        return functional.relu(self.margin + near - far).mean(dim=1)

    def _logit(self, features: Tensor) -> Tensor:
        logit: Tensor = self.parts["score"](features)
        return logit.squeeze(2)

    def score(self, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        """Return F [R, rows] of the scaled rows x [R, rows, columns].

        Its tanh, which is trained, has the same order, but one value for all rows far from 0.
        """
        return self._logit(self.hidden(x))


def mixing_weights(count: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the weights of the rows in their mixtures: mid-quantiles of Beta(1/2, 1/2), float32 [count].

    The authors draw them. Rows and partners are drawn, so that equal weights in each batch mix other rows.
    """
    return (torch.arange(count, device=device).add(0.5) * (math.pi / 2 / count)).sin().square()


def _mixed(values: Tensor, weight: Tensor) -> Tensor:
    """Mix the first half of the values [R, 2n, ...] with the second half, their partners: [R, n, ...]."""
    first, partner = values.chunk(2, dim=1)
    return weight * first + (1 - weight) * partner

"""DevNet (Pang et al., KDD 2019) as the paper uses it (appendix B)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from anoonly_core.baselines import BASELINES
from anoonly_core.models.model import ItemHead
from anoonly_core.models.samplers import balanced_batches

__all__ = ["DevNet"]


class DevNet(ItemHead):
    """DevNet: the score F(x) of one hidden layer is near 0 for the pool, at least a = 5 for labeled anomalies.

    The original standardizes F by the mean and deviation of 5000 draws from N(0, 1). These are nearly
    0 and 1, and the paper leaves them out.

    Source: paper appendix B; docs/methods.md § 2.
    """

    name: ClassVar[str] = "DevNet"
    shares_rows: ClassVar[bool] = True
    first_weights: ClassVar[str] = "glorot_uniform"  # the published code is written in Keras
    norm_eps: ClassVar[float] = 1e-3
    norm_momentum: ClassVar[float] = 0.01
    steps: ClassVar[int] = BASELINES["DevNet"].steps
    margin = 5.0
    l2 = 0.01

    def optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        hidden_weight, *others = self.parameters()  # penalty 0.01·‖w‖² on the weights of the hidden layer only
        groups: list[dict[str, Any]] = [
            {"params": [hidden_weight], "weight_decay": 2 * self.l2},
            {"params": others},
        ]
        return torch.optim.RMSprop(groups, lr=learning_rate, alpha=0.9, eps=1e-7)

    def draw_epoch(self, labeled: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        return balanced_batches(labeled, batch_size, self.steps, generator)

    def item_losses(self, x: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return |F| of each pool row and max(0, a − F) of each labeled anomaly, [R, b] each.

        The published code has no hinge: |a − F| at λ_n > 0, and a − F, which has no lower bound, at λ_n = 0.
        `x` has the scaled rows [R, b, columns], `labeled` the mask of the labeled anomalies, bool [R, b]. Source: paper
        appendix B.
        """
        score = self.score(x, labeled)
        shortfall = self.margin - score
        if self.preset == "published_code":
            cost = torch.where(self.lambda_n[:, None] == 0, shortfall, shortfall.abs())
        else:
            cost = functional.relu(shortfall)
        zero = score.new_zeros(())
        return torch.where(labeled, zero, score.abs()), torch.where(labeled, cost, zero)

    def score(self, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        score: Tensor = self.parts["score"](self.hidden(x, labeled))
        return score.squeeze(2)

"""DevNet (Pang et al., KDD 2019) as the paper uses it (appendix B)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from anoonly_core.baselines import BASELINES
from anoonly_core.models.passes import Buffer, ChainPass
from anoonly_core.models.samplers import balanced_batches
from anoonly_core.models.score_head import ScoreHead, ScorePass

__all__ = ["DevNet"]


class DevNet(ScoreHead):
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

    def costs(self, scores: Tensor, labeled: Tensor) -> Tensor:
        """Return |F| of each pool row and max(0, a − F) of each labeled anomaly, [R, b].

        The published code has no hinge: |a − F| at λ_n > 0, and a − F, which has no lower bound, at λ_n = 0.
        `scores` are F [R, b], `labeled` is the mask of the labeled anomalies, bool [R, b]. Source: paper appendix B.
        """
        shortfall = self.margin - scores
        if self.preset == "published_code":
            cost = torch.where(self.lambda_n[:, None] == 0, shortfall, shortfall.abs())
        else:
            cost = functional.relu(shortfall)
        return torch.where(labeled, cost, scores.abs())

    def cost_gradients(self, scores: Tensor, labeled: Tensor, weight: Tensor) -> Tensor:
        shortfall = self.margin - scores
        if self.preset == "published_code":
            slope = torch.where(self.lambda_n[:, None] == 0, shortfall.new_ones(()), shortfall.sgn())
        else:
            slope = (shortfall > 0).to(scores.dtype)
        return weight * torch.where(labeled, -slope, scores.sgn())

    def _bind(self, x: Buffer) -> ScorePass:
        return _LastLayerPass(self, x)

    def score(self, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        score: Tensor = self.parts["score"](self.hidden(x, labeled))
        return score.squeeze(2)


class _LastLayerPass:
    """Pass from rows to the output of the last layer."""

    def __init__(self, head: DevNet, x: Buffer) -> None:
        self._score = ChainPass((head.chain("features"), head.chain("score")), x)
        output = self._score.output
        self.scores = Buffer(output.value[:, :, 0], output.upstream[:, :, 0])

    def forward(self) -> None:
        self._score.forward()

    def backward(self) -> None:
        self._score.backward()

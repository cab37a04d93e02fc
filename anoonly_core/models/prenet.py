"""PReNet (Pang et al., KDD 2023) as the paper uses it (appendix B)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from anoonly_core.baselines import BASELINES
from anoonly_core.models.model import TrainingRows
from anoonly_core.models.passes import Buffer, ChainPass
from anoonly_core.models.samplers import draw_rows
from anoonly_core.models.score_head import ScoreHead, ScorePass

__all__ = ["PReNet"]


class PReNet(ScoreHead):
    """PReNet: the score of a pair of rows is 0, 4 or 8 for none, one or two labeled anomalies in it.

    The score of a row is its mean over pairs with 30 labeled anomalies and 30 pool rows. A pair's
    score is linear in the features of both rows, so the mean needs only the mean partner features.

    Attributes
    ----------
    partners_anomaly, partners_pool
        Labeled anomalies and pool rows that all rows are paired with, float32 [R, 30, columns].

    Source: paper appendix B; docs/methods.md § 2.
    """

    name: ClassVar[str] = "PReNet"
    shares_rows: ClassVar[bool] = True
    rows_per_item: ClassVar[int] = 2
    steps: ClassVar[int] = BASELINES["PReNet"].steps
    weight_decay = 1e-2
    last_learning_rate = 1e-5
    targets = (8.0, 4.0, 0.0)  # of two labeled anomalies, of one and a pool row, of two pool rows
    partner_count = 30
    partners_anomaly: Tensor
    partners_pool: Tensor

    def __init__(self, runs: int, columns: int, norm: str | None, preset: str) -> None:
        super().__init__(runs, columns, norm, preset)
        for name in ("partners_anomaly", "partners_pool"):
            self.register_buffer(name, torch.zeros(runs, self.partner_count, columns))

    def prepare(self, rows: TrainingRows, generators: Sequence[torch.Generator]) -> None:
        """Draw the 30 labeled anomalies and 30 pool rows of each run that rows are paired with to score them.

        Draws are with replacement, from the scaled training rows `rows` and by one generator per run.
        """
        for run, generator in enumerate(generators):
            X, labeled = rows.of_run(run)
            mask = labeled.cpu()
            for partners, candidates in ((self.partners_anomaly, mask), (self.partners_pool, ~mask)):
                chosen = draw_rows(torch.nonzero(candidates)[:, 0], 1, self.partner_count, generator)[0]
                partners[run] = X[chosen.to(X.device)]

    def optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(self.parameters(), lr=learning_rate, weight_decay=self.weight_decay)

    def learning_rate(self, first: float, epoch: int, epochs: int) -> float:
        """Return the learning rate of an epoch, from 1: constant in the paper, a cosine to 1e-5 in the published code.

        `first` is the rate of the first of `epochs` epochs.
        """
        if self.preset == "paper":
            return first
        falling = (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2
        return self.last_learning_rate + (first - self.last_learning_rate) * falling

    def draw_epoch(self, labeled: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw the pairs of an epoch for one run, with replacement.

        A quarter are two labeled anomalies, a quarter a labeled anomaly and a pool row, half two pool rows. `labeled`
        is the mask of the labeled anomalies among the training rows, bool [n]; `batch_size` the pairs of a batch.
        Returns row indices, int64 [steps, 2 · batch_size]: first the left rows of all pairs, then the right ones.
        """
        anomalies, pool = torch.nonzero(labeled)[:, 0], torch.nonzero(~labeled)[:, 0]
        quarter = batch_size // 4
        rest = batch_size - 2 * quarter
        left = [(anomalies, quarter), (anomalies, quarter), (pool, rest)]
        right = [(anomalies, quarter), (pool, quarter), (pool, rest)]
        return torch.cat([draw_rows(rows, self.steps, count, generator) for rows, count in left + right], dim=1)

    def item_scores(self, x: Tensor, labeled: Tensor) -> Tensor:
        """Return the scores of the pairs of a batch, [R, pairs].

        `x` has the scaled rows [R, b, columns], first the left rows of all pairs, then the right ones; `labeled` is the
        mask of the labeled anomalies, bool [R, b].
        """
        pairs = x.shape[1] // 2
        # Two forward passes, as in the published code: batch statistics come from one side at a time.
        return self._pair_score(
            self.hidden(x[:, :pairs], labeled[:, :pairs]), self.hidden(x[:, pairs:], labeled[:, pairs:])
        )

    def costs(self, scores: Tensor, labeled: Tensor) -> Tensor:
        """Return the absolute errors of the scores of pairs, [R, pairs]; those of two pool rows belong to L_N.

        `scores` are those of the pairs [R, pairs], `labeled` is the mask of the labeled anomalies among their rows,
        bool [R, 2 · pairs]. Source: paper appendix B.
        """
        return (scores - self._targets(scores, labeled)).abs()

    def cost_gradients(self, scores: Tensor, labeled: Tensor, weight: Tensor) -> Tensor:
        return weight * (scores - self._targets(scores, labeled)).sgn()

    def _targets(self, scores: Tensor, labeled: Tensor) -> Tensor:
        """Return the scores that pairs should have, [R, pairs], from `labeled`, bool [R, 2 · pairs]."""
        left, right = labeled.chunk(2, dim=1)
        both, one, none = (scores.new_full((), target) for target in self.targets)
        return torch.where(left & right, both, torch.where(left | right, one, none))

    def _bind(self, x: Buffer) -> ScorePass:
        return _PairPass(self, x)

    def _pair_score(self, left: Tensor, right: Tensor) -> Tensor:
        score: Tensor = self.parts["score"](torch.cat([left, right], dim=2))
        return score.squeeze(2)

    def score(self, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        """Return the mean over partners a and u of F(a, x) + F(x, u), [R, rows], for scaled rows x [R, rows, columns].

        The partners a are labeled anomalies, the partners u pool rows. `labeled` is the mask of the labeled anomalies
        among the rows, bool [R, rows], for the norms; None if none is labeled.
        """
        features = self.hidden(x, labeled)
        anomaly = self.hidden(self.partners_anomaly).mean(dim=1, keepdim=True).expand_as(features)
        pool = self.hidden(self.partners_pool).mean(dim=1, keepdim=True).expand_as(features)
        return self._pair_score(anomaly, features) + self._pair_score(features, pool)


class _PairPass:
    """Pass from the left and right rows of pairs to the scores of the pairs."""

    def __init__(self, head: PReNet, x: Buffer) -> None:
        left, right = x.value.chunk(2, dim=1)
        features = [head.chain("features")]
        self._sides = [ChainPass(features, Buffer(left, None)), ChainPass(features, Buffer(right, None), adds=True)]
        outputs = [side.output.value for side in self._sides]
        self._joined = Buffer.like(torch.cat(outputs, dim=2))
        self._score = ChainPass([head.chain("score")], self._joined)
        output = self._score.output
        self.scores = Buffer(output.value[:, :, 0], output.upstream[:, :, 0])

    def forward(self) -> None:
        for side in self._sides:
            side.forward()
        torch.cat([side.output.value for side in self._sides], dim=2, out=self._joined.value)
        self._score.forward()

    def backward(self) -> None:
        self._score.backward()
        for side, gradient in zip(self._sides, self._joined.upstream.chunk(2, dim=2), strict=True):
            side.output.upstream.copy_(gradient)
            side.backward()

"""nnPU (Kiryo et al., NeurIPS 2017): classification of labeled anomalies against a pool that holds some, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from anoonly_core.models.devnet import DevNet
from anoonly_core.models.layers import map_runs
from anoonly_core.models.score_head import ScorePass

__all__ = ["NNPU"]


class NNPU(DevNet):
    """nnPU: the score F(x) minimizes the non-negative risk of positive and unlabeled rows, with the sigmoid loss.

    Attributes
    ----------
    is_balanced
        True if both classes weigh a half, False for the weights of Kiryo et al., which find no rare anomalies.
    prior
        Assumed anomalous share π of the pool of each run, float32 [R].

    Source: Kiryo et al. 2017, eq. 6 and algorithm 1; Su et al. 2021 for the class weights; docs/methods.md § 8.
    """

    name: ClassVar[str] = "nnPU"
    default_prior = 0.05
    is_balanced = True
    prior: Tensor

    def __init__(self, runs: int, columns: int, norm: str | None, preset: str) -> None:
        super().__init__(runs, columns, norm, preset)
        self.register_buffer("prior", torch.full((runs,), self.default_prior))

    def assume_contamination(self, shares: Sequence[float | None]) -> None:
        self.prior = torch.tensor([self.default_prior if share is None else share for share in shares])

    def bind(self, x: Tensor) -> ScorePass | None:
        """Return None: the clipped risk is no sum over items."""
        return None

    def losses(self, x: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return the non-negative risk of each run, [R], and zeros, [R].

        With the mean losses R⁺ and R⁻ of a set of rows taken as anomalies and as normal, the risk is
        w⁺ R⁺(anomalies) + w⁻ max(0, R⁻(pool) − π R⁻(anomalies)). Balanced, w⁺ = 1/2 and w⁻ = 1/2 / (1 − π);
        as Kiryo et al. print it, w⁺ = π and w⁻ = 1. Where the difference is negative, the gradient of this
        batch climbs it (algorithm 1 with β = 0 and γ = 1).

        Parameters
        ----------
        x
            Scaled rows [R, b, columns].
        labeled
            Mask of the labeled anomalies, bool [R, b]; the others are the pool.
        """
        as_normal = map_runs(torch.sigmoid, self.score(x, labeled))  # the loss of each row taken as normal
        pool = _mean(as_normal, ~labeled)
        anomalies = _mean(as_normal, labeled)
        missed = _mean(1 - as_normal, labeled)
        positive, negative = self.prior * missed, pool - self.prior * anomalies
        if self.is_balanced:
            positive, negative = missed / 2, negative / (2 * (1 - self.prior))
        # The value of the clipped risk, with the gradient that climbs the negative part.
        corrected = positive.detach() + (negative.detach() - negative)
        loss = torch.where(negative < 0, corrected, positive + negative)
        return loss, torch.zeros_like(loss)


def _mean(values: Tensor, rows: Tensor) -> Tensor:
    """Return the mean of values [R, b] over the rows of a mask [R, b], for each run [R]; 0 if there are none."""
    return torch.where(rows, values, values.new_zeros(())).sum(dim=1) / rows.sum(dim=1).clamp(min=1)

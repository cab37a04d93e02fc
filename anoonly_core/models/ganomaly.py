"""GANomaly (Akcay et al., ACCV 2018) on feature vectors, as in ADBench."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from anoonly_core.models.layers import map_runs
from anoonly_core.models.model import Head
from anoonly_core.models.samplers import full_batches, shuffled_batches

__all__ = ["GANomaly"]


class GANomaly(Head):
    """GANomaly: generator (encoder, decoder, second encoder) and judge; the score is the distance of both codes.

    Two things differ from ADBench. The pool is shuffled. Judge and generator step at the same time, so
    the generator meets the judge before its step; in ADBench the judge steps first.

    Source: docs/methods.md § 8.
    """

    name: ClassVar[str] = "GANomaly"
    momentum = 0.7

    def optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=learning_rate, momentum=self.momentum)

    @classmethod
    def batch_shape(cls, rows: int, labeled: int, batch_size: int) -> tuple[int, int]:
        return full_batches(rows - labeled, batch_size)

    def draw_epoch(self, labeled: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw the batches of an epoch for one run: all pool rows, shuffled; labeled anomalies are left out.

        `labeled` is the mask of the labeled anomalies among the training rows, bool [n]. Returns row indices, int64
        [steps, rows of a batch].
        """
        pool = torch.nonzero(~labeled)[:, 0]
        return pool[shuffled_batches(len(pool), batch_size, generator)]

    def losses(self, x: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of the losses of judge and generator for each run, [R], and zeros, [R].

        The judge minimizes its cross-entropy. The generator minimizes the mean of three errors: of the
        features of the judge, of the reconstruction and of the code. `x` has scaled pool rows [R, b, columns].
        """
        code, reconstruction, second_code = self._codes(x)
        judge = (self._judge_loss(x, False) + self._judge_loss(reconstruction.detach(), True)) / 2
        features = self.parts["judge's features"]
        adversarial = (features(reconstruction, frozen=True) - features(x, frozen=True)).square().mean(dim=(1, 2))
        contextual = (x - reconstruction).abs().mean(dim=(1, 2))
        encoding = (code - second_code).abs().mean(dim=(1, 2))
        loss = judge + (adversarial + contextual + encoding) / 3
        return loss, torch.zeros_like(loss)

    def _codes(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        code = self.parts["encoder"](x)
        reconstruction = self.parts["decoder"](code)
        return code, reconstruction, self.parts["second encoder"](reconstruction)

    def _judge_loss(self, rows: Tensor, reconstructed: bool) -> Tensor:
        """Return the mean cross-entropy of the judge for each run, [R], over rows [R, b, columns].

        `reconstructed` is True if all rows are reconstructions, False if none is.
        """
        logits: Tensor = self.parts["judge"](self.parts["judge's features"](rows)).squeeze(2)
        return map_runs(functional.softplus, -logits if reconstructed else logits).mean(dim=1)

    def hidden(self, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        code: Tensor = self.parts["encoder"](x)
        return code

    def score(self, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        code, _, second_code = self._codes(x)
        return (code - second_code).abs().sum(dim=2)

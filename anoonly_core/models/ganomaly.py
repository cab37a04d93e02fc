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
    """Encoder, decoder and encoder again, against a judge; the score is the distance of the two codes.

    Two things differ from ADBench's. The pool is shuffled. Judge and generator step together, each
    down its own loss: the generator meets the judge of the step before, where theirs meets the one
    that has just stepped.
    """

    name: ClassVar[str] = "GANomaly"
    momentum = 0.7

    def optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=learning_rate, momentum=self.momentum)

    @classmethod
    def batch_shape(cls, rows: int, labeled: int, batch_size: int) -> tuple[int, int]:
        return full_batches(rows - labeled, batch_size)

    def draw_epoch(self, labeled: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        """The pool's rows, shuffled; no labeled anomaly is ever seen."""
        pool = torch.nonzero(~labeled)[:, 0]
        return pool[shuffled_batches(len(pool), batch_size, generator)]

    def losses(self, x: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """The judge's cross-entropy, and the generator's mean of three: what the judge sees, the row, the code."""
        code, reconstruction, second_code = self._codes(x)
        judge = (self._called_made(x, False) + self._called_made(reconstruction.detach(), True)) / 2
        seen = self.parts["judge's features"]
        adversarial = (seen(reconstruction, frozen=True) - seen(x, frozen=True)).square().mean(dim=(1, 2))
        contextual = (x - reconstruction).abs().mean(dim=(1, 2))
        encoding = (code - second_code).abs().mean(dim=(1, 2))
        loss = judge + (adversarial + contextual + encoding) / 3
        return loss, torch.zeros_like(loss)

    def _codes(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        code = self.parts["encoder"](x)
        reconstruction = self.parts["decoder"](code)
        return code, reconstruction, self.parts["second encoder"](reconstruction)

    def _called_made(self, rows: Tensor, made: bool) -> Tensor:
        """The judge's cross-entropy over rows that are, or are not, reconstructions [R]."""
        said: Tensor = self.parts["judge"](self.parts["judge's features"](rows)).squeeze(2)
        return map_runs(functional.softplus, -said if made else said).mean(dim=1)

    def hidden(self, x: Tensor) -> Tensor:
        code: Tensor = self.parts["encoder"](x)
        return code

    def score(self, x: Tensor) -> Tensor:
        code, _, second_code = self._codes(x)
        return (code - second_code).abs().sum(dim=2)

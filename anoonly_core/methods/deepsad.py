"""DeepSAD (Ruff et al., ICLR 2020) as the paper uses it (P appendix B)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from anoonly_core.methods.batches import shuffled_batches
from anoonly_core.methods.head import Head, TrainingRows

__all__ = ["DeepSAD"]


class DeepSAD(Head):
    """Maps a row to a few numbers and scores it by their squared distance to a fixed centre."""

    name: ClassVar[str] = "DeepSAD"
    norm_eps: ClassVar[float] = 1e-4
    weight_decay = 1e-6
    score_eps = 1e-6
    centre_margin = 0.1
    centre: Tensor

    def __init__(self, runs: int, columns: int, norm: str | None, preset: str) -> None:
        super().__init__(runs, columns, norm, preset)
        *_, last = self.parts["code"].parameters()
        self.register_buffer("centre", torch.zeros(runs, 1, last.shape[2]))

    @torch.no_grad()
    def prepare(self, rows: TrainingRows, generators: Sequence[torch.Generator]) -> None:
        """Fix each run's centre: the untrained network's mean output over the training rows, off zero."""
        outputs = self.row_by_row(self.code, [rows.of_run(run)[0] for run in range(len(rows.sizes))])
        mean = torch.stack([output.mean(dim=0, keepdim=True) for output in outputs])
        pushed = torch.where(mean < 0, -self.centre_margin, self.centre_margin)
        self.centre.copy_(torch.where(mean.abs() < self.centre_margin, pushed, mean))

    def optimiser(self, learning_rate: float) -> torch.optim.Optimizer:
        decay = self.weight_decay
        return torch.optim.Adam(self.parameters(), lr=learning_rate, weight_decay=decay, fused=True)

    def draw_epoch(self, labelled: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        return shuffled_batches(len(labelled), batch_size, generator)

    def losses(self, x: Tensor, labelled: Tensor) -> tuple[Tensor, Tensor]:
        """P appendix B: L_N = Σ score over the pool, L_A = Σ 1/(score + 1e-6) over the labelled anomalies."""
        score = self.score(x)
        zero = score.new_zeros(())
        normal = torch.where(labelled, zero, score).sum(dim=1)
        anomaly = torch.where(labelled, (score + self.score_eps).reciprocal(), zero).sum(dim=1)
        return normal / x.shape[1], anomaly / x.shape[1]

    def code(self, x: Tensor) -> Tensor:
        """The network's output f(x) [R, rows, code]."""
        output: Tensor = self.parts["code"](self.hidden(x))
        return output

    def score(self, x: Tensor) -> Tensor:
        return (self.code(x) - self.centre).square().sum(dim=2)

"""DeepSAD (Ruff et al., ICLR 2020) as the paper uses it (P appendix B)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from anoonly_core.layers import NORMS, StackedLinear
from anoonly_core.methods.batches import shuffled_batches
from anoonly_core.methods.head import Head, TrainingRows

__all__ = ["DeepSAD"]


class DeepSAD(Head):
    """Maps a row to a few numbers and scores it by their squared distance to a fixed centre.

    columns → 128 → norm → leaky ReLU → 64 → norm → leaky ReLU → 32 in the preset `paper`; the
    published code builds 100, 20 and 10 instead. No biases: with one, the network could place
    every row on the centre and ignore its input.
    """

    name: ClassVar[str] = "DeepSAD"
    weight_decay: ClassVar[float] = 1e-6
    widths: ClassVar = {"paper": (128, 64, 32), "published_code": (100, 20, 10)}
    norm_eps = 1e-4
    score_eps = 1e-6
    centre_margin = 0.1
    centre: Tensor

    def __init__(self, runs: int, columns: int, norm: str, preset: str) -> None:
        super().__init__(runs, columns, norm, preset)
        first, second, code = self.widths[preset]
        self.linear_1 = StackedLinear(runs, columns, first, bias=False)
        self.norm_1 = NORMS[norm](runs, first, self.norm_eps)
        self.linear_2 = StackedLinear(runs, first, second, bias=False)
        self.norm_2 = NORMS[norm](runs, second, self.norm_eps)
        self.linear_3 = StackedLinear(runs, second, code, bias=False)
        self.register_buffer("centre", torch.zeros(runs, 1, code))

    @torch.no_grad()
    def prepare(self, rows: TrainingRows) -> None:
        """Fix each run's centre: the untrained network's mean output over the training rows, off zero."""
        self.eval()
        outputs = self.row_by_row(self.code, [rows.of_run(run)[0] for run in range(len(rows.sizes))])
        mean = torch.stack([output.mean(dim=0, keepdim=True) for output in outputs])
        pushed = torch.where(mean < 0, -self.centre_margin, self.centre_margin)
        self.centre.copy_(torch.where(mean.abs() < self.centre_margin, pushed, mean))

    def optimiser(self, learning_rate: float) -> torch.optim.Optimizer:
        # On a CPU the fused step rounds a tensor's last weights otherwise, and which ones those are depends on R.
        return torch.optim.Adam(
            self.parameters(),
            lr=learning_rate,
            weight_decay=self.weight_decay,
            fused=self.centre.is_cuda,
            foreach=None if self.centre.is_cuda else False,
        )

    def draw_epoch(self, labelled: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        return shuffled_batches(len(labelled), batch_size, generator)

    def losses(self, x: Tensor, labelled: Tensor) -> tuple[Tensor, Tensor]:
        """P appendix B: L_N = Σ score over the pool, L_A = Σ 1/(score + 1e-6) over the labelled anomalies."""
        score = self.score(x)
        zero = score.new_zeros(())
        normal = torch.where(labelled, zero, score).sum(dim=1)
        anomaly = torch.where(labelled, (score + self.score_eps).reciprocal(), zero).sum(dim=1)
        return normal / x.shape[1], anomaly / x.shape[1]

    def hidden(self, x: Tensor) -> Tensor:
        h = functional.leaky_relu(self.norm_1(self.linear_1(x)))
        return functional.leaky_relu(self.norm_2(self.linear_2(h)))

    def code(self, x: Tensor) -> Tensor:
        """The network's output f(x) [R, rows, code]."""
        output: Tensor = self.linear_3(self.hidden(x))
        return output

    def score(self, x: Tensor) -> Tensor:
        return (self.code(x) - self.centre).square().sum(dim=2)

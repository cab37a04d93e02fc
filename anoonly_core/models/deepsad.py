"""DeepSAD (Ruff et al., ICLR 2020) as the paper uses it (appendix B)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from anoonly_core.models.model import BLOCK_ROWS, TrainingRows
from anoonly_core.models.passes import Buffer, ChainPass
from anoonly_core.models.samplers import shuffled_batches
from anoonly_core.models.score_head import ScoreHead, ScorePass

__all__ = ["DeepSAD"]

BLOCKS_PER_SPAN = 16
COLUMNS_AT_ONCE = 32
GPU_ROWS = 512


class DeepSAD(ScoreHead):
    """DeepSAD: the score F(x) = ‖f(x) − c‖² is the squared distance of the code of a row to a fixed center c.

    Attributes
    ----------
    center
        The center c of each run, float32 [R, 1, code].

    Source: paper appendix B; docs/methods.md § 2.
    """

    name: ClassVar[str] = "DeepSAD"
    shares_rows: ClassVar[bool] = True
    norm_eps: ClassVar[float] = 1e-4
    weight_decay = 1e-6
    score_eps = 1e-6
    center_margin = 0.1
    center: Tensor

    def __init__(self, runs: int, columns: int, norm: str | None, preset: str) -> None:
        super().__init__(runs, columns, norm, preset)
        *_, last = self.parts["code"].parameters()
        self.register_buffer("center", torch.zeros(runs, 1, last.shape[2]))

    @torch.no_grad()
    def prepare(self, rows: TrainingRows, generators: Sequence[torch.Generator]) -> None:
        """Set the center of each run to the mean code of its training rows under the first weights.

        Components within ±0.1 are moved to ±0.1. The generators are not used.
        """
        if rows.X.is_cuda:
            mean = self._mean_on_gpu(rows)
        else:
            mean = self._mean_code([rows.of_run(run)[0] for run in range(len(rows.sizes))])
        pushed = torch.where(mean < 0, -self.center_margin, self.center_margin)
        self.center.copy_(torch.where(mean.abs() < self.center_margin, pushed, mean))

    def _mean_code(self, rows: Sequence[Tensor]) -> Tensor:
        """Compute the mean code of the rows of each run, [R, 1, code], without storing the codes of all rows.

        Sums are taken over blocks of 256 rows and spans of 16 blocks. PyTorch adds up the columns of a
        tensor of at most 2^19 rows in that order, 32 columns at a time, so the bits are equal.

        Parameters
        ----------
        rows
            For each run r, scaled rows [n_r, columns].
        """
        width = self.center.shape[2]
        if width % COLUMNS_AT_ONCE:
            return torch.stack([output.mean(dim=0, keepdim=True) for output in self.map_rows(self.code, rows)])
        spans, blocks, rest = self.center.new_zeros(3, len(rows), 1, width)
        for number, outputs in enumerate(self.map_blocks(self.code, rows)):
            for run, x in enumerate(rows):
                block = outputs[run, : max(0, len(x) - number * BLOCK_ROWS)].sum(dim=0)
                if len(x) < (number + 1) * BLOCK_ROWS:
                    rest[run] += block
                    continue
                blocks[run] += block
                if (number + 1) % BLOCKS_PER_SPAN == 0:
                    spans[run] += blocks[run]
                    blocks[run] = 0
        sizes = torch.tensor([len(x) for x in rows], device=rest.device)
        mean: Tensor = (rest + blocks + spans) / sizes[:, None, None]
        return mean

    def _mean_on_gpu(self, rows: TrainingRows) -> Tensor:
        """Compute the mean code of the training rows of each run on a GPU, [R, 1, code].

        All runs are computed at once, with sums in float64.
        """
        first = rows.first.to(rows.X.device)[:, None]
        sizes = torch.tensor(rows.sizes, device=rows.X.device)[:, None]
        total = self.center.new_zeros(self.center.shape, dtype=torch.float64)
        was_training = self.training
        self.eval()
        for begin in range(0, max(rows.sizes), GPU_ROWS):
            positions = torch.arange(begin, min(begin + GPU_ROWS, max(rows.sizes)), device=rows.X.device)
            x = rows.X[first + positions.minimum(sizes - 1)]
            outputs = torch.where((positions < sizes)[..., None], self.code(x), 0)
            total += outputs.sum(dim=1, keepdim=True, dtype=torch.float64)
        self.train(was_training)
        return (total / sizes[..., None]).to(self.center.dtype)

    def optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        decay = self.weight_decay
        return torch.optim.Adam(self.parameters(), lr=learning_rate, weight_decay=decay, fused=True)

    def draw_epoch(self, labeled: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        return shuffled_batches(len(labeled), batch_size, generator)

    def costs(self, scores: Tensor, labeled: Tensor) -> Tensor:
        """Return the score of each pool row and 1/(score + 1e-6) of each labeled anomaly, [R, b].

        `scores` are those of the rows [R, b], `labeled` is the mask of the labeled anomalies, bool [R, b]. Source:
        paper appendix B.
        """
        return torch.where(labeled, (scores + self.score_eps).reciprocal(), scores)

    def cost_gradients(self, scores: Tensor, labeled: Tensor, weight: Tensor) -> Tensor:
        inverse = (scores + self.score_eps).reciprocal()
        return torch.where(labeled, weight * -(inverse * inverse), weight)

    def _bind(self, x: Buffer) -> ScorePass:
        return _DistancePass(self, x)

    def code(self, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        """Return the codes f(x) of scaled rows x [R, rows, columns], [R, rows, code].

        `labeled` is the mask of the labeled anomalies, bool [R, rows], or None if none is labeled; only norms that
        treat these rows differently use it.
        """
        output: Tensor = self.parts["code"](self.hidden(x, labeled))
        return output

    def score(self, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        return (self.code(x, labeled) - self.center).square().sum(dim=2)


class _DistancePass:
    """Pass from rows to the squared distances of their codes to the center."""

    def __init__(self, head: DeepSAD, x: Buffer) -> None:
        self._code = ChainPass((head.chain("features"), head.chain("code")), x)
        self._center = head.center
        code = self._code.output
        self._difference = torch.empty_like(code.value)
        self.scores = Buffer.like(code.value[:, :, 0])

    def forward(self) -> None:
        self._code.forward()
        code, squares = self._code.output.value, self._code.output.upstream
        torch.sub(code, self._center, out=self._difference)
        torch.mul(self._difference, self._difference, out=squares)
        torch.sum(squares, dim=2, out=self.scores.value)

    def backward(self) -> None:
        torch.mul(self._difference, 2, out=self._code.output.upstream).mul_(self.scores.upstream[:, :, None])
        self._code.backward()

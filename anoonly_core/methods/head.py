"""What every head is to the training loop: a stacked network with two losses, its batches and a score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from anoonly_core.layers import Norm, StackedLinear

__all__ = ["Head", "TrainingRows"]

BLOCK_ROWS = 256


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The training rows of a stack of R runs.

    X: float32 [rows, columns], scaled; runs with the same split share their rows.
    first: int64 [R], where each run's rows begin in X. sizes: how many each run has.
    labelled: bool [rows], the labelled anomalies.
    """

    X: Tensor
    labelled: Tensor
    first: Tensor
    sizes: tuple[int, ...]

    def of_run(self, run: int) -> tuple[Tensor, Tensor]:
        """Run `run`'s rows [n, columns] and their labelled mask [n]."""
        begin = int(self.first[run])
        return self.X[begin : begin + self.sizes[run]], self.labelled[begin : begin + self.sizes[run]]


class Head(nn.Module, ABC):
    """R networks of one published head, with the run axis first in every tensor.

    A head is built from (runs, columns, norm, preset), then initialised and prepared, then trained
    by `train.train`, which calls `draw_epoch` and `losses`; `score` and `hidden` work in eval mode.
    """

    name: ClassVar[str]
    weight_decay: ClassVar[float] = 0.0

    @abstractmethod
    def __init__(self, runs: int, columns: int, norm: str, preset: str) -> None:
        super().__init__()

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Draw run r's weights from generators[r], layer by layer, the same whatever the norm is."""
        for module in self.modules():
            if isinstance(module, StackedLinear):
                module.initialise(generators)

    def prepare(self, rows: TrainingRows) -> None:
        """Whatever happens once between the first weights and the first step."""

    @abstractmethod
    def optimiser(self, learning_rate: float) -> torch.optim.Optimizer:
        """The published optimiser over all R runs' parameters."""

    @abstractmethod
    def draw_epoch(self, labelled: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        """One run's batches for one epoch: row indices int64 [steps, batch], labelled bool [n]."""

    @abstractmethod
    def losses(self, x: Tensor, labelled: Tensor) -> tuple[Tensor, Tensor]:
        """L_N and L_A of each run [R], both over the batch size; x [R, b, columns], labelled bool [R, b]."""

    @abstractmethod
    def hidden(self, x: Tensor) -> Tensor:
        """The features before the last layer [R, rows, features]."""

    @abstractmethod
    def score(self, x: Tensor) -> Tensor:
        """Anomaly scores [R, rows], higher is more anomalous."""

    @torch.no_grad()
    def row_by_row(self, function: Callable[[Tensor], Tensor], rows: Sequence[Tensor]) -> list[Tensor]:
        """`function` (such as self.score) of each run's own rows [n_r, columns], in eval mode.

        Rows go through in blocks of one fixed shape, so that a row's result does not depend on how
        many other rows or runs there are. Returns one tensor [n_r, ...] a run.
        """
        was_training = self.training
        self.eval()
        most = max(len(x) for x in rows)
        results = []
        for begin in range(0, most, BLOCK_ROWS):
            block = rows[0].new_zeros(len(rows), BLOCK_ROWS, rows[0].shape[1])
            for run, x in enumerate(rows):
                part = x[begin : begin + BLOCK_ROWS]
                block[run, : len(part)] = part
            results.append(function(block))
        self.train(was_training)
        joined = torch.cat(results, dim=1)
        return [joined[run, : len(x)] for run, x in enumerate(rows)]

    def norms(self) -> Iterator[Norm]:
        """The places where a norm stands, input side first."""
        return (module for module in self.modules() if isinstance(module, Norm))

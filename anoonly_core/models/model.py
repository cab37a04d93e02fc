"""What every head is to the training loop: a stacked network with two losses, its batches and a score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from anoonly_core.baselines import BASELINES
from anoonly_core.models.layers import Chain, StackedLinear
from anoonly_core.models.norms import Norm
from anoonly_core.models.samplers import full_batches

__all__ = ["BLOCK_ROWS", "Head", "Pretraining", "TrainingRows"]

BLOCK_ROWS = 256


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The training rows of a stack of R runs.

    X: float32 [rows, columns], scaled; runs with the same split share their rows.
    first: int64 [R], where each run's rows begin in X. sizes: how many each run has.
    labeled: bool [rows], the labeled anomalies.
    """

    X: Tensor
    labeled: Tensor
    first: Tensor
    sizes: tuple[int, ...]

    def of_run(self, run: int) -> tuple[Tensor, Tensor]:
        """Run `run`'s rows [n, columns] and their labeled mask [n]."""
        begin = int(self.first[run])
        return self.X[begin : begin + self.sizes[run]], self.labeled[begin : begin + self.sizes[run]]


@dataclass(frozen=True)
class Pretraining:
    """What a head learns before its own training begins: so many epochs of its own batches and loss.

    draw: labeled bool [n], batch size, generator -> row indices int64 [steps, batch].
    loss: x [R, batch, columns] -> each run's loss [R].
    """

    epochs: int
    optimizer: torch.optim.Optimizer
    draw: Callable[[Tensor, int, torch.Generator], Tensor]
    loss: Callable[[Tensor], Tensor]


class Head(nn.Module, ABC):
    """R networks of one published system, with the run axis first in every tensor.

    A head is built from (runs, columns, norm, preset), then initialized and prepared, then trained
    by `train.pretrain` and `train.train`, which call `draw_epoch` and `losses`; `score` and `hidden`
    work in eval mode. Its network is the one that `baselines` describes.

    lambda_n: float32 [R], each run's; 1 for a comparator. steps: batches an epoch, 0 where it is a
    pass over the rows. rows_an_item: how many rows make one item of a batch: 2 where it is a pair.
    shares_rows: whether x in `losses` may be there once for several neighboring runs, because it
    goes into linear layers alone.
    """

    name: ClassVar[str]
    steps: ClassVar[int] = 0
    rows_per_item: ClassVar[int] = 1
    shares_rows: ClassVar[bool] = False
    first_weights: ClassVar[str] = "uniform"
    norm_eps: ClassVar[float] = 1e-5
    norm_momentum: ClassVar[float] = 0.1
    lambda_n: Tensor

    def __init__(self, runs: int, columns: int, norm: str | None, preset: str) -> None:
        super().__init__()
        self.preset = preset
        network = BASELINES[self.name].network
        assert network is not None
        parts = network(columns, preset)
        # A comparator's network has no norm to choose.
        norms = (norm or "none", self.norm_eps, self.norm_momentum)
        self.parts = nn.ModuleDict({name: Chain(runs, part, *norms) for name, part in parts.items()})
        self.register_buffer("lambda_n", torch.ones(runs))

    def initialize(self, generators: Sequence[torch.Generator], like: Sequence[int] | None = None) -> None:
        """Draw run r's weights from generators[r], layer by layer, the same whatever the norm is.

        like: for each run the first one that begins with the same weights, which are drawn once.
        """
        for module in self.modules():
            if isinstance(module, StackedLinear):
                module.initialize(generators, self.first_weights, like)

    def prepare(self, rows: TrainingRows, generators: Sequence[torch.Generator]) -> None:
        """Whatever happens once between the first weights and the first step."""

    def pretraining(self) -> Pretraining | None:
        """What is learned before the training itself, if anything."""
        return None

    @abstractmethod
    def optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        """The published optimizer over all R runs' parameters."""

    def learning_rate(self, first: float, epoch: int, epochs: int) -> float:
        """The learning rate in this epoch, which counts from 1."""
        return first

    @classmethod
    def batch_shape(cls, rows: int, labeled: int, batch_size: int) -> tuple[int, int]:
        """Steps an epoch and rows a batch, for so many training rows of which so many are labeled."""
        return (cls.steps, cls.rows_per_item * batch_size) if cls.steps else full_batches(rows, batch_size)

    @abstractmethod
    def draw_epoch(self, labeled: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        """One run's batches for one epoch: row indices int64 [steps, rows], labeled bool [n].

        Where an item is a pair, the first rows of all items stand before the second ones.
        """

    @abstractmethod
    def losses(self, x: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """L_N and L_A of each run [R], both over the batch size; x [R, b, columns], labeled bool [R, b].

        A comparator has one loss, its own; it stands first.
        """

    def hidden(self, x: Tensor) -> Tensor:
        """The features before the last layer [R, rows, features]."""
        features: Tensor = self.parts["features"](x)
        return features

    @abstractmethod
    def score(self, x: Tensor) -> Tensor:
        """Anomaly scores [R, rows], higher is more anomalous."""

    def map_rows(self, function: Callable[[Tensor], Tensor], rows: Sequence[Tensor]) -> list[Tensor]:
        """`function` (such as self.score) of each run's own rows [n_r, columns], see `block_by_block`.

        Returns one tensor [n_r, ...] a run.
        """
        most = max(len(x) for x in rows)
        joined: Tensor | None = None
        for number, results in enumerate(self.map_blocks(function, rows)):
            if joined is None:
                joined = results.new_empty(len(rows), most, *results.shape[2:])
            here = joined[:, number * BLOCK_ROWS :][:, :BLOCK_ROWS]
            here.copy_(results[:, : here.shape[1]])
        assert joined is not None
        return [joined[run, : len(x)] for run, x in enumerate(rows)]

    @torch.no_grad()
    def map_blocks(self, function: Callable[[Tensor], Tensor], rows: Sequence[Tensor]) -> Iterator[Tensor]:
        """`function` of each run's own rows [n_r, columns], in eval mode: [R, BLOCK_ROWS, ...] at a time.

        Rows go through in blocks of one fixed shape, so that a row's result does not depend on how
        many other rows or runs there are; a run's last block is filled up with zeros. `function` must
        not keep its argument, whose memory is used again.
        """
        was_training = self.training
        self.eval()
        distinct = rows[:1] if all(x is rows[0] for x in rows) else rows
        most = max(len(x) for x in rows)
        block = rows[0].new_empty(len(distinct), BLOCK_ROWS, rows[0].shape[1])
        try:
            for begin in range(0, most, BLOCK_ROWS):
                for own, x in zip(block, distinct, strict=True):
                    part = x[begin : begin + BLOCK_ROWS]
                    own[: len(part)] = part
                    own[len(part) :] = 0
                yield function(block.expand(len(rows), -1, -1))
        finally:
            self.train(was_training)

    def norms(self) -> Iterator[Norm]:
        """The places where a norm stands, input side first."""
        return (module for module in self.modules() if isinstance(module, Norm))

"""Base class of the heads: a stacked network with two losses, batches and a score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from anoonly_core.baselines import BASELINES
from anoonly_core.models.layers import Chain, StackedLinear
from anoonly_core.models.norm import Norm
from anoonly_core.models.norms import BatchNorm
from anoonly_core.models.samplers import full_batches

__all__ = ["BLOCK_ROWS", "Head", "ItemHead", "Pretraining", "TrainingRows"]

BLOCK_ROWS = 256


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Scaled training rows of a stack of R runs; runs with the same split share their rows.

    Attributes
    ----------
    X
        Scaled rows of all splits, float32 [rows, columns].
    labeled
        Mask of the labeled anomalies, bool [rows].
    first
        Index in X of the first row of each run, int64 [R].
    sizes
        Number of training rows of each run.
    known_normal
        Mask of the rows known to be normal, bool [rows]; None if no run gives them another weight than the pool.
    """

    X: Tensor
    labeled: Tensor
    first: Tensor
    sizes: tuple[int, ...]
    known_normal: Tensor | None = None

    def of_run(self, run: int) -> tuple[Tensor, Tensor]:
        """Return the rows [n, columns] and the labeled mask [n] of the run with this index, as views."""
        begin = int(self.first[run])
        return self.X[begin : begin + self.sizes[run]], self.labeled[begin : begin + self.sizes[run]]


@dataclass(frozen=True)
class Pretraining:
    """Pretraining of a head, with its own loss, batches and optimizer.

    Attributes
    ----------
    epochs
        Number of epochs.
    optimizer
        Holds the parameters that the pretraining changes.
    draw
        Draws an epoch: labeled bool [n], batch size and generator to row indices int64 [steps, batch].
    loss
        Maps x [R, batch, columns] to the loss of each run [R].
    bind
        Takes the memory of the rows of each batch, [R, batch, columns], on a CPU. Returns a function that overwrites
        the gradients by those of the loss of these rows, with the bits of autograd; the parameters must have
        gradients, and neither may change its memory.
    """

    epochs: int
    optimizer: torch.optim.Optimizer
    draw: Callable[[Tensor, int, torch.Generator], Tensor]
    loss: Callable[[Tensor], Tensor]
    bind: Callable[[Tensor], Callable[[], None]]


class Head(nn.Module, ABC):
    """Base class of the heads: R networks of one published system, with a leading run axis in every tensor.

    Call `initialize` and `prepare` once before training. The training loop calls `draw_epoch` and
    `losses`; call `score` and `hidden` in eval mode. `baselines` describes the network.

    Parameters
    ----------
    runs
        Number of runs R.
    columns
        Features of a row.
    norm
        A name in NORMS; None for a comparator.
    preset
        A preset of the system, such as "paper" or "published_code".

    Attributes
    ----------
    lambda_n
        Weight λ_n of each run, float32 [R]; 1 for a comparator.
    steps
        Batches in an epoch; 0 if an epoch is one pass over the rows.
    rows_per_item
        Rows in one item of a batch: 2 for pairs, 3 for triplets.
    shares_rows
        True if x in `losses` may be [D, b, columns] for D groups of neighboring runs. This needs a
        head that passes x to linear layers only.

    Source: paper eq. 1, 3, 7; docs/methods.md § 1 and 2.
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
        """Draw the first weights of all linear layers; they do not depend on the norm.

        Parameters
        ----------
        generators
            One per run; run r draws from generators[r].
        like
            For each run, the first run with the same weights, from which they are copied; None draws all.
        """
        for module in self.modules():
            if isinstance(module, StackedLinear):
                module.initialize(generators, self.first_weights, like)

    def assume_contamination(self, shares: Sequence[float | None]) -> None:
        """Set the assumed share of anomalies in the pool of each run, 0 to 1, None if unknown; called before `prepare`.

        Only a head that corrects its loss for hidden anomalies uses the shares.
        """

    def prepare(self, rows: TrainingRows, generators: Sequence[torch.Generator]) -> None:
        """Compute buffers that depend on the training rows and the first weights, such as a center.

        Called once before training. The base class has none.

        Parameters
        ----------
        rows
            Scaled training rows of all runs.
        generators
            One per run, on the CPU.
        """

    def pretraining(self) -> Pretraining | None:
        """Return a new pretraining of all runs, not started yet; None if the head has none."""
        return None

    @abstractmethod
    def optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        """Return a new optimizer as published for the system, over the parameters of all runs."""

    def learning_rate(self, first: float, epoch: int, epochs: int) -> float:
        """Return the learning rate of an epoch.

        Parameters
        ----------
        first
            Learning rate of the first epoch.
        epoch, epochs
            Number of the epoch, from 1, and of all epochs.
        """
        return first

    @classmethod
    def batch_shape(cls, rows: int, labeled: int, batch_size: int) -> tuple[int, int]:
        """Return the number of steps of an epoch, and the number of rows of a batch.

        Parameters
        ----------
        rows
            Number of training rows, labeled ones included.
        labeled
            Number of labeled anomalies among them.
        batch_size
            Items in a batch.
        """
        return (cls.steps, cls.rows_per_item * batch_size) if cls.steps else full_batches(rows, batch_size)

    @abstractmethod
    def draw_epoch(self, labeled: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw the random batches of one epoch for one run.

        Parameters
        ----------
        labeled
            Mask of the labeled anomalies among the training rows, bool [n].
        batch_size
            Items in a batch.
        generator
            Generator of the run, on the CPU.

        Returns
        -------
        Tensor
            Row indices, int64 [steps, rows_per_item · items]. The first rows of all items come
            first, then the second rows, then the third.
        """

    @abstractmethod
    def losses(self, x: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the loss on the pool and the loss on the labeled anomalies of a batch, for each run.

        Parameters
        ----------
        x
            Scaled rows, float32 [R, b, columns].
        labeled
            Mask of the labeled anomalies, bool [R, b].

        Returns
        -------
        loss_normal, loss_anomaly
            L_N and L_A [R], both divided by the batch size, so that a batch without a labeled
            anomaly has L_A = 0. A comparator returns its one loss first, and zeros.

        Source: docs/methods.md § 1.
        """

    def chain(self, part: str) -> Chain:
        """Return a part of the network by name."""
        chain = self.parts[part]
        assert isinstance(chain, Chain)
        return chain

    def hidden(self, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        """Return the features in front of the last layer, [R, rows, features].

        Parameters
        ----------
        x
            Scaled rows [R, rows, columns].
        labeled
            Mask of the labeled anomalies, bool [R, rows]; norms may use it in training mode. None if none is labeled.
        """
        features: Tensor = self.parts["features"](x, labeled=labeled)
        return features

    @abstractmethod
    def score(self, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        """Return anomaly scores [R, rows]; higher is more anomalous.

        Parameters
        ----------
        x
            Scaled rows [R, rows, columns].
        labeled
            Mask of the labeled anomalies, bool [R, rows]; norms may use it in training mode. None if none is labeled.
        """

    def map_rows(self, function: Callable[[Tensor], Tensor], rows: Sequence[Tensor]) -> list[Tensor]:
        """Apply a function such as `score` to the rows of each run, in eval mode and without gradients.

        Parameters
        ----------
        function
            Maps x [R, 256, columns] to [R, 256, ...], row by row; must not keep x, whose memory is used again.
        rows
            For each run r, scaled rows, float32 [n_r, columns].

        Returns
        -------
        list of Tensor
            For each run, the results [n_r, ...].
        """
        longest = max(len(x) for x in rows)
        joined: Tensor | None = None
        for number, results in enumerate(self.map_blocks(function, rows)):
            if joined is None:
                joined = results.new_empty(len(rows), longest, *results.shape[2:])
            block = joined[:, number * BLOCK_ROWS :][:, :BLOCK_ROWS]
            block.copy_(results[:, : block.shape[1]])
        assert joined is not None
        return [joined[run, : len(x)] for run, x in enumerate(rows)]

    @torch.no_grad()
    def map_blocks(self, function: Callable[[Tensor], Tensor], rows: Sequence[Tensor]) -> Iterator[Tensor]:
        """Apply a function to the rows of each run, and yield the results of 256 rows at a time, [R, 256, ...].

        All blocks have one shape, so that the result of a row does not depend on the number of rows
        and runs. The last block of a run is filled up with zeros.

        Parameters
        ----------
        function
            Maps x [R, 256, columns] to [R, 256, ...], row by row; must not keep x, since all blocks use the same
            memory.
        rows
            For each run r, scaled rows, float32 [n_r, columns].
        """
        was_training = self.training
        self.eval()
        distinct = rows[:1] if all(x is rows[0] for x in rows) else rows
        longest = max(len(x) for x in rows)
        block = rows[0].new_empty(len(distinct), BLOCK_ROWS, rows[0].shape[1])
        try:
            for begin in range(0, longest, BLOCK_ROWS):
                for out, x in zip(block, distinct, strict=True):
                    part = x[begin : begin + BLOCK_ROWS]
                    out[: len(part)] = part
                    out[len(part) :] = 0
                yield function(block.expand(len(rows), -1, -1))
        finally:
            self.train(was_training)

    def norms(self) -> Iterator[Norm]:
        """Return an iterator over the norms of the network, input side first."""
        return (module for module in self.modules() if isinstance(module, Norm))

    def set_strengths(self, strengths: Sequence[float]) -> None:
        """Set the strength of all norms of each run; called before the head is moved to a device.

        Raise TypeError if the norms have no dial.
        """
        for norm in self.norms():
            norm.set_strengths(strengths)

    def scale_gradients(self, shares: Tensor, places: Sequence[str]) -> None:
        """Set the shares of the parts of its gradient that the batch norms of the network let through.

        Parameters
        ----------
        shares
            Shares of each run, [R, 3] as in `normalize`; other norms are unchanged.
        places
            "all", "first" or "last" for each run: the batch norms that its shares hold for.
        """
        norms = [norm for norm in self.norms() if isinstance(norm, BatchNorm)]
        for number, norm in enumerate(norms):
            here = {"all", *(["first"] if number == 0 else []), *(["last"] if number == len(norms) - 1 else [])}
            holds = torch.tensor([place in here for place in places], device="cpu")
            norm.gradient_shares = torch.where(holds[:, None], shares, torch.ones_like(shares))


class ItemHead(Head):
    """Base class of the heads with a weight λ_n: both losses are sums over the items of a batch.

    Each item belongs to one of the two losses, so that single items of L_N can have another weight than λ_n.
    """

    @abstractmethod
    def item_losses(self, x: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the two losses of each item of a batch, [R, items] each.

        Parameters
        ----------
        x
            Scaled rows, float32 [R, b, columns].
        labeled
            Mask of the labeled anomalies, bool [R, b].

        Returns
        -------
        loss_normal, loss_anomaly
            Summands of L_N and L_A; of each item one of them is 0.
        """

    def losses(self, x: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        normal, anomaly = self.item_losses(x, labeled)
        return self.mean(normal), self.mean(anomaly)

    @staticmethod
    def mean(items: Tensor) -> Tensor:
        """Return the loss of each run, [R]: the sum of the losses of its items [R, items], divided by their number."""
        return items.sum(dim=1) / items.shape[1]

    def known_items(self, known_normal: Tensor) -> Tensor:
        """Return the mask of the items of which all rows are known to be normal, bool [R, items].

        `known_normal` is the mask of such rows in a batch, bool [R, b].
        """
        return known_normal.reshape(len(known_normal), self.rows_per_item, -1).all(dim=1)

"""The one training loop: a stack of runs, one snapshot per epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split
from anoonly_core.methods import METHODS, Head, TrainingRows
from anoonly_core.streams import derived_seed

__all__ = ["Snapshot", "Stack", "shape_key", "train"]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What one epoch did, for each of the stack's R runs.

    epoch counts from 1. loss_normal, loss_anomaly: the epoch's means of L_N (before λ_n) and L_A
    [R]. labelled_share: labelled anomalies among the rows of the epoch's batches [R];
    batches_without_anomaly: the share of batches that held none [R].
    """

    epoch: int
    loss_normal: np.ndarray
    loss_anomaly: np.ndarray
    labelled_share: np.ndarray
    batches_without_anomaly: np.ndarray


def shape_key(config: RunConfig, split: Split) -> tuple[object, ...]:
    """Runs with equal keys can train as one stack."""
    size = min(config.batch_size, len(split.train))
    steps = len(split.train) // size
    same = ("dataset", "baseline", "preset", "norm", "epochs", "learning_rate")
    return (*(getattr(config, name) for name in same), size, steps)


class Stack:
    """R runs on one data set whose shapes agree: their rows, their networks, their generators.

    Building it initialises and prepares the networks, each from its own run's streams.
    """

    def __init__(
        self, dataset: Dataset, configs: Sequence[RunConfig], splits: Sequence[Split], device: str = "cpu"
    ) -> None:
        if len({shape_key(config, split) for config, split in zip(configs, splits, strict=True)}) != 1:
            raise ValueError("runs of different shapes cannot train as one stack")
        self.dataset = dataset
        self.configs = tuple(configs)
        self.splits = tuple(splits)
        self.device = torch.device(device)
        self.rows = self._training_rows()
        first = configs[0]
        head = METHODS[first.baseline](len(configs), dataset.columns, first.norm, first.preset)
        head.initialise(self._generators("weights"))
        self.head: Head = head.to(self.device)
        self.head.prepare(self.rows)
        self.lambda_n = torch.tensor([config.lambda_n for config in configs], device=self.device)

    def scale(self, run: int, rows: np.ndarray) -> torch.Tensor:
        """Rows of the data set as run `run` sees them, float32 [len(rows), columns]."""
        split = self.splits[run]
        return torch.from_numpy((self.dataset.X[rows] - split.minimum) / split.scale).to(self.device)

    def scores(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Each run's anomaly scores of its own rows of the data set, float32 [len(rows[r])]."""
        scaled = [self.scale(run, own) for run, own in enumerate(rows)]
        return [scores.cpu().numpy() for scores in self.head.row_by_row(self.head.score, scaled)]

    def hidden(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Each run's features before the last layer for its own rows, float32 [len(rows[r]), features]."""
        scaled = [self.scale(run, own) for run, own in enumerate(rows)]
        return [hidden.cpu().numpy() for hidden in self.head.row_by_row(self.head.hidden, scaled)]

    def _training_rows(self) -> TrainingRows:
        begins: dict[int, int] = {}
        parts, labelled, total = [], [], 0
        for run, split in enumerate(self.splits):
            if id(split) not in begins:
                begins[id(split)] = total
                parts.append(self.scale(run, split.train))
                labelled.append(torch.from_numpy(split.labelled))
                total += len(split.train)
        return TrainingRows(
            X=torch.cat(parts) if len(parts) > 1 else parts[0],
            labelled=torch.cat(labelled).to(self.device),
            first=torch.tensor([begins[id(split)] for split in self.splits]),
            sizes=tuple(len(split.train) for split in self.splits),
        )

    def _generators(self, purpose: str) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(derived_seed(config.seed, purpose)) for config in self.configs]

    def draw_epochs(self) -> Iterator[torch.Tensor]:
        """The batches of each epoch as indices into self.rows.X, int64 [steps, R, batch]."""
        generators = self._generators("batches")
        labelled = [torch.from_numpy(split.labelled) for split in self.splits]
        size = self.configs[0].batch_size
        while True:
            epoch = [
                self.head.draw_epoch(own, size, generator) + begin
                for own, generator, begin in zip(labelled, generators, self.rows.first, strict=True)
            ]
            yield torch.stack(epoch, dim=1).to(self.device)


def train(stack: Stack) -> Iterator[Snapshot]:
    """Train a stack, yielding a snapshot after each epoch; stop iterating and it has stopped.

    Minimises λ_n · L_N + L_A for each run (P eq. 7), plus the norm's own penalty where it has one
    (P eq. 5), all divided by the batch size. Between two snapshots the caller may score with the
    stack.
    """
    head, rows = stack.head, stack.rows
    optimiser = head.optimiser(stack.configs[0].learning_rate)
    norms = list(head.norms())
    draws = stack.draw_epochs()
    for epoch in range(1, stack.configs[0].epochs + 1):
        batches = next(draws)
        steps, runs, size = batches.shape
        labelled = rows.labelled[batches]
        losses = torch.zeros(2, runs, device=stack.device)
        head.train()
        for indices, marks in zip(batches, labelled, strict=True):
            x = rows.X.index_select(0, indices.view(-1)).view(runs, size, -1)
            loss_normal, loss_anomaly = head.losses(x, marks)
            loss = torch.dot(stack.lambda_n, loss_normal) + loss_anomaly.sum()
            for norm in norms:
                if norm.penalty is not None:
                    loss = loss + norm.penalty.sum() / size
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses[0] += loss_normal.detach()
            losses[1] += loss_anomaly.detach()
        mean_losses = (losses / steps).cpu().numpy()
        per_batch = labelled.sum(dim=2).cpu().numpy()
        yield Snapshot(
            epoch=epoch,
            loss_normal=mean_losses[0],
            loss_anomaly=mean_losses[1],
            labelled_share=per_batch.mean(axis=0) / size,
            batches_without_anomaly=(per_batch == 0).mean(axis=0),
        )

"""The one training loop: a stack of runs, one snapshot per epoch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split
from anoonly_core.methods import METHODS, Head, Pretraining, TrainingRows
from anoonly_core.pretrained import keep, pretraining_key, recall
from anoonly_core.streams import derived_seed

__all__ = ["Snapshot", "Stack", "pretrain", "shape_key", "train"]

VECTOR = 64  # values, more than any CPU takes at once


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
    labelled = int(split.labelled.sum())
    assert config.batch_size is not None
    shape = METHODS[config.baseline].batch_shape(len(split.train), labelled, config.batch_size)
    same = ("dataset", "baseline", "preset", "norm", "epochs", "learning_rate", "batch_size")
    return (*(getattr(config, name) for name in same), *shape)


class Stack:
    """R runs on one data set whose shapes agree: their rows, their networks, their generators.

    Building it initialises and prepares the networks, each from its own run's streams.
    spared_seconds: what pretrainings took that were kept from earlier stacks.
    """

    spared_seconds = 0.0

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
        self._gathered = self.rows.X.new_empty(0)  # used again at each step: fresh memory costs as much as the copy
        first = configs[0]
        head = METHODS[first.baseline](len(configs), dataset.columns, first.norm, first.preset)
        head.initialise(self._generators("weights"))
        head.lambda_n = torch.tensor([1.0 if config.lambda_n is None else config.lambda_n for config in configs])
        self.head: Head = head.to(self.device)
        self.head.prepare(self.rows, self._generators("preparation"))

    @cached_property
    def pretraining(self) -> Pretraining | None:
        """What its head learns before `train`, if anything."""
        return self.head.pretraining()

    @cached_property
    def pretraining_keys(self) -> list[str]:
        """What each run's pretraining is kept under."""
        epochs, dtype = self.pretraining.epochs if self.pretraining else 0, self.rows.X.dtype
        return [
            pretraining_key(self.dataset, config, split, epochs, self.device, dtype)
            for config, split in zip(self.configs, self.splits, strict=True)
        ]

    @property
    def pretraining_epochs(self) -> int:
        """How many epochs `pretrain` will take: none where there is nothing to learn or it was learnt before."""
        if self.pretraining is None or recall(self.pretraining_keys) is not None:
            return 0
        return self.pretraining.epochs

    def scale(self, run: int, rows: np.ndarray) -> torch.Tensor:
        """Rows of the data set as run `run` sees them, float32 [len(rows), columns]."""
        return torch.from_numpy(self.splits[run].scaled(self.dataset, rows)).to(self.device)

    def scores(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Each run's anomaly scores of its own rows of the data set, float32 [len(rows[r])]."""
        return [scores.cpu().numpy() for scores in self.head.row_by_row(self.head.score, self._scaled(rows))]

    def hidden(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Each run's features before the last layer for its own rows, float32 [len(rows[r]), features]."""
        return [hidden.cpu().numpy() for hidden in self.head.row_by_row(self.head.hidden, self._scaled(rows))]

    def _scaled(self, rows: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """Each run's own rows as it sees them; one tensor for runs that share split and rows."""
        seen: dict[tuple[int, int], torch.Tensor] = {}
        for run, (split, own) in enumerate(zip(self.splits, rows, strict=True)):
            if (id(split), id(own)) not in seen:
                seen[id(split), id(own)] = self.scale(run, own)
        return [seen[id(split), id(own)] for split, own in zip(self.splits, rows, strict=True)]

    def _training_rows(self) -> TrainingRows:
        distinct = list({id(split): split for split in self.splits}.values())
        begins, total = {}, 0
        for split in distinct:
            begins[id(split)] = total
            total += len(split.train)
        X = np.empty((total, self.dataset.columns), dtype=np.float32)
        for split in distinct:
            own = X[begins[id(split)] :][: len(split.train)]
            split.scaled(self.dataset, split.train, out=own)
        return TrainingRows(
            X=torch.from_numpy(X).to(self.device),
            labelled=torch.from_numpy(np.concatenate([split.labelled for split in distinct])).to(self.device),
            first=torch.tensor([begins[id(split)] for split in self.splits]),
            sizes=tuple(len(split.train) for split in self.splits),
        )

    def _generators(self, purpose: str) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(derived_seed(config.seed, purpose)) for config in self.configs]

    def draw_epochs(self, pretraining: Pretraining | None = None) -> Iterator[torch.Tensor]:
        """The batches of each epoch, or of each one before: indices into self.rows.X, int64 [steps, R, rows]."""
        draw = self.head.draw_epoch if pretraining is None else pretraining.draw
        generators = self._generators("batches" if pretraining is None else "pretraining")
        runs = range(1 if self._share_batches else len(self.configs))
        labelled = [torch.from_numpy(split.labelled) for split in self.splits]
        size = self.configs[0].batch_size
        assert size is not None
        while True:
            epoch = [draw(labelled[run], size, generators[run]) + self.rows.first[run] for run in runs]
            yield torch.stack(epoch, dim=1).to(self.device).expand(-1, len(self.configs), -1)

    @cached_property
    def _share_batches(self) -> bool:
        """Whether all runs have the same seed and split, and with them the same rows in each batch."""
        streams = {(config.seed, id(split)) for config, split in zip(self.configs, self.splits, strict=True)}
        return len(streams) == 1

    def gather(self, indices: torch.Tensor) -> torch.Tensor:
        """One step's rows [R, rows, columns] for its indices [R, rows]; valid until the next step."""
        indices = indices[:1] if self._share_batches else indices
        shape = (*indices.shape, self.dataset.columns)
        if self._gathered.shape != shape:
            self._gathered = self.rows.X.new_empty(shape)
        torch.index_select(self.rows.X, 0, indices.reshape(-1), out=self._gathered.view(-1, shape[2]))
        return self._gathered.expand(len(self.configs), -1, -1)


def pretrain(stack: Stack, remember: bool = True) -> Iterator[int]:
    """Whatever the head learns before `train`: yields the number of each epoch, from 1, after it.

    What this process has pretrained before is taken from there, and nothing is yielded; remember:
    whether to look there, and to keep what is learnt now.
    """
    pretraining = stack.pretraining
    if pretraining is None:
        return
    parameters: list[torch.Tensor] = [p for group in pretraining.optimiser.param_groups for p in group["params"]]
    if remember and (known := recall(stack.pretraining_keys)) is not None:
        for run, kept in enumerate(known):
            stack.spared_seconds += kept.seconds
            for parameter, value in zip(parameters, kept.parameters, strict=True):
                parameter.data[run] = value
        return
    begun = time.perf_counter()
    draws = stack.draw_epochs(pretraining)
    ones = torch.ones_like(stack.head.lambda_n)
    with _laid_out(pretraining.optimiser):
        for epoch in range(1, pretraining.epochs + 1):
            stack.head.train()
            for indices in next(draws):
                _step(pretraining.optimiser, [(pretraining.loss(stack.gather(indices)), ones)])
            yield epoch
    if remember:
        share = (time.perf_counter() - begun) / len(stack.configs)
        for run, key in enumerate(stack.pretraining_keys):
            keep(key, [parameter.detach()[run].clone() for parameter in parameters], share)


def train(stack: Stack) -> Iterator[Snapshot]:
    """Train a stack, yielding a snapshot after each epoch; stop iterating and it has stopped.

    Minimises λ_n · L_N + L_A for each run (P eq. 7), plus the norm's own penalty where it has one
    (P eq. 5), all divided by the batch size. Between two snapshots the caller may score with the
    stack. A head that has a pretraining wants `pretrain` before.
    """
    head = stack.head
    epochs, first_rate = stack.configs[0].epochs, stack.configs[0].learning_rate
    assert epochs is not None and first_rate is not None
    optimiser = head.optimiser(first_rate)
    draws = stack.draw_epochs()
    for norm in head.norms():
        norm.take_penalty()  # of whatever was computed before
    with _laid_out(optimiser):
        for epoch in range(1, epochs + 1):
            for group in optimiser.param_groups:
                group["lr"] = head.learning_rate(first_rate, epoch, epochs)
            yield _train_epoch(stack, optimiser, epoch, next(draws))


def _train_epoch(stack: Stack, optimiser: torch.optim.Optimizer, epoch: int, batches: torch.Tensor) -> Snapshot:
    head = stack.head.train()
    norms = list(head.norms())
    labelled = stack.rows.labelled[batches]
    size = batches.shape[2]
    ones = torch.ones_like(head.lambda_n)
    by_batch = ones * (head.rows_an_item / size)
    losses: list[tuple[torch.Tensor, torch.Tensor]] = []
    for indices, marks in zip(batches, labelled, strict=True):
        normal, anomaly = head.losses(stack.gather(indices), marks)
        terms = [(normal, head.lambda_n), (anomaly, ones)]
        terms += [(penalty, by_batch) for norm in norms if (penalty := norm.take_penalty()) is not None]
        _step(optimiser, terms)
        losses.append((normal.detach(), anomaly.detach()))
    mean_normal, mean_anomaly = (torch.stack(own).mean(dim=0).cpu().numpy() for own in zip(*losses, strict=True))
    per_batch = labelled.sum(dim=2).cpu().numpy()
    return Snapshot(
        epoch=epoch,
        loss_normal=mean_normal,
        loss_anomaly=mean_anomaly,
        labelled_share=per_batch.mean(axis=0) / size,
        batches_without_anomaly=(per_batch == 0).mean(axis=0),
    )


def _step(optimiser: torch.optim.Optimizer, terms: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """One step down the sum of the terms, each run's loss [R] times its weight [R]."""
    for group in optimiser.param_groups:
        for flat in group["params"]:
            flat.grad.zero_()
    trainable = [(loss, weight) for loss, weight in terms if loss.requires_grad]
    losses, weights = zip(*trainable, strict=True)
    torch.autograd.backward(losses, weights)
    optimiser.step()


@contextmanager
def _laid_out(optimiser: torch.optim.Optimizer) -> Iterator[None]:
    """Lay each group's parameters, and their gradients, in one tensor: one update in place of many small ones.

    It is filled up to whole vectors: a CPU rounds a tensor's last few values otherwise, and which
    ones those are would depend on R. Afterwards each parameter has memory of its own again.
    """
    laid_out: list[tuple[torch.Tensor, torch.Tensor]] = []
    groups = [(group, group["params"]) for group in optimiser.param_groups]
    for group, parameters in groups:
        sizes = [parameter.numel() for parameter in parameters]
        filling = parameters[0].new_zeros(-sum(sizes) % VECTOR)
        flat = torch.nn.Parameter(torch.cat([*(parameter.detach().reshape(-1) for parameter in parameters), filling]))
        flat.grad = torch.zeros_like(flat)
        values, gradients = (torch.split(own, [*sizes, len(filling)])[:-1] for own in (flat.detach(), flat.grad))
        for parameter, value, gradient in zip(parameters, values, gradients, strict=True):
            parameter.data, parameter.grad = value.view_as(parameter), gradient.view_as(parameter)
            laid_out.append((parameter, value))
        group["params"] = [flat]
    try:
        yield
    finally:
        for group, parameters in groups:
            group["params"] = parameters
        for parameter, value in laid_out:
            if parameter.data_ptr() == value.data_ptr():  # else a later training has laid it out anew
                parameter.data, parameter.grad = parameter.detach().clone(), None

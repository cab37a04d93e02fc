"""R runs that train as one: their training rows, networks and random generators."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split
from anoonly_core.models import METHODS, Head, Pretraining, TrainingRows
from anoonly_core.models.model import BLOCK_ROWS
from anoonly_core.rng import derived_seed
from anoonly_core.training.gpu_rows import GpuRows
from anoonly_core.training.pretraining_cache import find_cached, pretraining_key
from anoonly_core.training.thread_pool import run_in_threads

__all__ = ["Stack", "shape_key"]

SCALED_ROWS = 32 * BLOCK_ROWS  # a multiple of the block size, so that results do not depend on it


def shape_key(config: RunConfig, split: Split) -> tuple[object, ...]:
    """Return a key of a run and its split that is equal for runs on one data set that can train as one stack."""
    labeled = int(split.labeled.sum())
    assert config.batch_size is not None
    shape = METHODS[config.baseline].batch_shape(len(split.train), labeled, config.batch_size)
    same = ("baseline", "preset", "norm", "epochs", "learning_rate", "batch_size")
    return (*(getattr(config, name) for name in same), *shape)


class Stack:
    """R runs on one data set that train together, as one network with a leading run axis.

    Construction scales the training rows, draws the first weights and prepares the head. Each run
    uses random generators of its own, so its result does not depend on the other runs.

    Parameters
    ----------
    dataset
        Data set of all runs.
    configs
        One per run, with equal `shape_key`.
    splits
        One per run; runs that share a Split object share their rows.
    device
        "cpu" or "cuda".

    Attributes
    ----------
    head
        The R networks.
    rows
        Scaled training rows of all distinct splits.
    cached_pretraining_seconds
        Sum of the seconds that the pretrainings taken from the cache took when they were trained.

    Raises
    ------
    ValueError
        If the shapes of the runs differ.
    """

    cached_pretraining_seconds = 0.0

    def __init__(
        self, dataset: Dataset, configs: Sequence[RunConfig], splits: Sequence[Split], device: str = "cpu"
    ) -> None:
        if len({shape_key(config, split) for config, split in zip(configs, splits, strict=True)}) != 1:
            raise ValueError("runs of different shapes cannot train as one stack")
        self.dataset = dataset
        self.configs = tuple(configs)
        self.splits = tuple(splits)
        self.device = torch.device(device)
        self._gpu = GpuRows(dataset, splits, self.device) if self.device.type == "cuda" else None
        self.rows = self._training_rows()
        self._gathered = self.rows.X.new_empty(0)  # reused at each step: allocating costs as much as copying
        first = configs[0]
        head = METHODS[first.baseline](len(configs), dataset.columns, first.norm, first.preset)
        seeds = [config.seed for config in configs]
        head.initialize(self._generators("weights"), [seeds.index(seed) for seed in seeds])
        head.lambda_n = torch.tensor([1.0 if config.lambda_n is None else config.lambda_n for config in configs])
        head.assume_contamination(
            [None if config.contamination == "natural" else config.contamination for config in configs]
        )
        strengths = [config.strength for config in configs if config.strength is not None]
        if strengths:  # of all runs or of none: they have the same norm
            head.set_strengths(strengths)
        shares = torch.tensor([config.gradient_shares for config in configs])
        if bool((shares != 1).any()):
            head.scale_gradients(shares, [config.grad_place for config in configs])
        self.head: Head = head.to(self.device)
        self.head.prepare(self.rows, self._generators("preparation"))

    @cached_property
    def pretraining(self) -> Pretraining | None:
        """Epochs, optimizer, batches and loss of the pretraining of all runs; None if the head has none. Made once."""
        return self.head.pretraining()

    @cached_property
    def pretraining_keys(self) -> list[str]:
        """Cache key of the pretraining of each run, in the order of the runs."""
        epochs, dtype = self.pretraining.epochs if self.pretraining else 0, self.rows.X.dtype
        return [
            pretraining_key(self.dataset, config, split, epochs, self.device, dtype)
            for config, split in zip(self.configs, self.splits, strict=True)
        ]

    @property
    def pretraining_epochs(self) -> int:
        """Number of epochs that `pretrain` will take: 0 without a pretraining or if all runs are cached."""
        if self.pretraining is None or find_cached(self.pretraining_keys) is not None:
            return 0
        return self.pretraining.epochs

    def subset(self, runs: Sequence[int]) -> Stack:
        """Return a new, untrained stack of some of the runs, given by index, in the same precision."""
        part = Stack(self.dataset, [self.configs[r] for r in runs], [self.splits[r] for r in runs], str(self.device))
        part.rows = replace(part.rows, X=part.rows.X.to(self.rows.X.dtype))
        part.head.to(self.rows.X.dtype)
        return part

    def scale(self, run: int, rows: np.ndarray) -> torch.Tensor:
        """Return rows of the data set, scaled for one run, float32 [len(rows), columns] on the device.

        `run` is the index of the run, `rows` are indices into the data set, int64.
        """
        return torch.from_numpy(self.splits[run].scaled(self.dataset, rows)).to(self.device)

    def scores(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Score rows of the data set with each run; block until a GPU has finished.

        Parameters
        ----------
        rows
            For each run r, row indices in the data set, int64 [n_r].

        Returns
        -------
        list of ndarray
            For each run, anomaly scores, float32 [n_r]; higher is more anomalous.
        """
        return self.map_rows(self.head.score, rows)

    def hidden(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the hidden features of each run, the inputs of its last layer, float32 [n_r, features].

        Parameters
        ----------
        rows
            For each run r, row indices in the data set, int64 [n_r].
        """
        return self.map_rows(self.head.hidden, rows)

    def map_rows(
        self, function: Callable[[torch.Tensor], torch.Tensor], rows: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Apply a function to scaled rows of the data set for each run, in eval mode and without gradients.

        Parameters
        ----------
        function
            Maps scaled rows [R, b, columns] to [R, b, ...], row by row.
        rows
            For each run r, row indices in the data set, int64 [n_r].

        Returns
        -------
        list of ndarray
            For each run, the results [n_r, ...].
        """
        if self._gpu is not None:
            padded = self.map_rows_on_gpu(function, rows).cpu().numpy()
            return [results[: len(positions)].copy() for results, positions in zip(padded, rows, strict=True)]
        parts = []
        for begin in range(0, max(len(positions) for positions in rows), SCALED_ROWS):
            scaled = self._scaled(rows, slice(begin, begin + SCALED_ROWS))
            parts.append([results.cpu().numpy() for results in self.head.map_rows(function, scaled)])
        return [np.concatenate(results) for results in zip(*parts, strict=True)]

    def map_rows_on_gpu(
        self, function: Callable[[torch.Tensor], torch.Tensor], rows: Sequence[np.ndarray]
    ) -> torch.Tensor:
        """Apply a function to scaled rows as `map_rows` does, and leave the results [R, max n_r, ...] on the GPU.

        Returns before the GPU has finished. Runs with fewer rows are padded, see `GpuRows.map_rows`.
        """
        assert self._gpu is not None
        was_training = self.head.training
        self.head.eval()
        try:
            return self._gpu.map_rows(function, self.splits, rows)
        finally:
            self.head.train(was_training)

    def _scaled(self, rows: Sequence[np.ndarray], part: slice) -> list[torch.Tensor]:
        """Return the rows of each run scaled, for the slice `part` of its row indices, one tensor [b, columns] per run.

        Runs that share split and rows get the same tensor.
        """
        scaled: dict[tuple[int, int], torch.Tensor] = {}
        for run, (split, positions) in enumerate(zip(self.splits, rows, strict=True)):
            if (id(split), id(positions)) not in scaled:
                scaled[id(split), id(positions)] = self.scale(run, positions[part])
        return [scaled[id(split), id(positions)] for split, positions in zip(self.splits, rows, strict=True)]

    def _training_rows(self) -> TrainingRows:
        distinct = list({id(split): split for split in self.splits}.values())
        begins, total = {}, 0
        for split in distinct:
            begins[id(split)] = total
            total += len(split.train)
        X = torch.empty(total, self.dataset.columns, device=self.device)
        for split in distinct:
            out = X[begins[id(split)] :][: len(split.train)]
            if self._gpu is not None:
                self._gpu.scale_into(out, split, split.train)
            else:
                split.scaled(self.dataset, split.train, out=out.numpy())
        weighs = any(
            config.lambda_n is not None and config.lambda_n < 1 and split.known_normal is not None
            for config, split in zip(self.configs, self.splits, strict=True)
        )
        known = torch.from_numpy(np.concatenate([split.is_known_normal for split in distinct])) if weighs else None
        return TrainingRows(
            X=X,
            labeled=torch.from_numpy(np.concatenate([split.labeled for split in distinct])).to(self.device),
            first=torch.tensor([begins[id(split)] for split in self.splits]),
            sizes=tuple(len(split.train) for split in self.splits),
            known_normal=None if known is None else known.to(self.device),
        )

    def _generators(self, purpose: str) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(derived_seed(config.seed, purpose)) for config in self.configs]

    def draw_epochs(self, pretraining: Pretraining | None = None) -> Iterator[torch.Tensor]:
        """Yield the random batches of one epoch after another, without end.

        Each call begins with the first epoch again. On a GPU the copy to the device is asynchronous.

        Parameters
        ----------
        pretraining
            Draw the batches of this pretraining; None for those of the training.

        Yields
        ------
        torch.Tensor
            Indices into `rows.X`, int64 [steps, R, rows of a batch].
        """
        draw = self.head.draw_epoch if pretraining is None else pretraining.draw
        generators = self._generators("batches" if pretraining is None else "pretraining")
        runs = range(0, len(self.configs), self._sharing_runs)
        labeled = [torch.from_numpy(split.labeled) for split in self.splits]
        size = self.configs[0].batch_size
        assert size is not None

        on_gpu = self.device.type == "cuda"

        def epoch() -> torch.Tensor:
            first = draw(labeled[0], size, generators[0])
            batches = first.new_empty(len(first), len(runs), first.shape[1], pin_memory=on_gpu)
            torch.add(first, self.rows.first[0], out=batches[:, 0])

            def fill(columns: Sequence[int]) -> None:
                for column in columns:
                    run = runs[column]
                    drawn = draw(labeled[run], size, generators[run])
                    torch.add(drawn, self.rows.first[run], out=batches[:, column])

            others = range(1, len(runs))
            run_in_threads(fill, others) if on_gpu else fill(others)
            each = batches.to(self.device, non_blocking=on_gpu)[:, :, None].expand(-1, -1, self._sharing_runs, -1)
            return each.reshape(len(batches), len(self.configs), -1)

        while True:
            yield epoch()

    @cached_property
    def _sharing_runs(self) -> int:
        """Number of neighboring runs that have equal seed and split, and so equal batches; 1 if this number varies."""
        streams = [(config.seed, id(split)) for config, split in zip(self.configs, self.splits, strict=True)]
        lengths = {len(list(equal)) for _, equal in itertools.groupby(streams)}
        return lengths.pop() if len(lengths) == 1 else 1

    def gather(self, indices: torch.Tensor) -> torch.Tensor:
        """Copy the training rows of the batch of one step into a buffer that the next call overwrites, and return it.

        Parameters
        ----------
        indices
            Indices into `rows.X`, int64 [R, b].

        Returns
        -------
        torch.Tensor
            Rows [R, b, columns]. If the head allows it on a CPU, neighboring runs with equal batches
            share theirs: [D, b, columns] where D divides R.
        """
        shares = self.head.shares_rows and self.device.type == "cpu"  # batched products on a GPU need all R
        stride = self._sharing_runs if shares or self._sharing_runs == len(self.configs) else 1
        indices = indices[::stride]
        shape = (*indices.shape, self.dataset.columns)
        if self._gathered.shape != shape:
            self._gathered = self.rows.X.new_empty(shape)
        torch.index_select(self.rows.X, 0, indices.reshape(-1), out=self._gathered.view(-1, shape[2]))
        return self._gathered.expand(len(self.configs), -1, -1) if len(indices) == 1 else self._gathered

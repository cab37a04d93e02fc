"""R runs that train as one: their rows, their networks, their generators."""

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

SCALED_ROWS = 32 * BLOCK_ROWS  # whole blocks, so that cutting changes no result


def shape_key(config: RunConfig, split: Split) -> tuple[object, ...]:
    """Runs with equal keys can train as one stack."""
    labeled = int(split.labeled.sum())
    assert config.batch_size is not None
    shape = METHODS[config.baseline].batch_shape(len(split.train), labeled, config.batch_size)
    same = ("dataset", "baseline", "preset", "norm", "epochs", "learning_rate", "batch_size")
    return (*(getattr(config, name) for name in same), *shape)


class Stack:
    """R runs on one data set whose shapes agree: their rows, their networks, their generators.

    Building it initializes and prepares the networks, each from its own run's streams.
    spared_seconds: what pretrainings took that were kept from earlier stacks.
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
        self._gathered = self.rows.X.new_empty(0)  # used again at each step: fresh memory costs as much as the copy
        first = configs[0]
        head = METHODS[first.baseline](len(configs), dataset.columns, first.norm, first.preset)
        seeds = [config.seed for config in configs]
        head.initialize(self._generators("weights"), [seeds.index(seed) for seed in seeds])
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
        """How many epochs `pretrain` will take: none where there is nothing to learn or it was learned before."""
        if self.pretraining is None or find_cached(self.pretraining_keys) is not None:
            return 0
        return self.pretraining.epochs

    def subset(self, runs: Sequence[int]) -> Stack:
        """A stack of some of its runs, as they were before any training, in the same precision."""
        part = Stack(self.dataset, [self.configs[r] for r in runs], [self.splits[r] for r in runs], str(self.device))
        part.rows = replace(part.rows, X=part.rows.X.to(self.rows.X.dtype))
        part.head.to(self.rows.X.dtype)
        return part

    def scale(self, run: int, rows: np.ndarray) -> torch.Tensor:
        """Rows of the data set as run `run` sees them, float32 [len(rows), columns]."""
        return torch.from_numpy(self.splits[run].scaled(self.dataset, rows)).to(self.device)

    def scores(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Each run's anomaly scores of its own rows of the data set, float32 [len(rows[r])]."""
        return self.map_rows(self.head.score, rows)

    def hidden(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Each run's features before the last layer for its own rows, float32 [len(rows[r]), features]."""
        return self.map_rows(self.head.hidden, rows)

    def map_rows(
        self, function: Callable[[torch.Tensor], torch.Tensor], rows: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """`function` of x [R, rows, columns] for each run's own rows of the data set, scaled a part at a time."""
        if self._gpu is not None:
            joined = self.on_gpu(function, rows).cpu().numpy()
            return [found[: len(own)].copy() for found, own in zip(joined, rows, strict=True)]
        parts = []
        for begin in range(0, max(len(own) for own in rows), SCALED_ROWS):
            scaled = self._scaled(rows, slice(begin, begin + SCALED_ROWS))
            parts.append([part.cpu().numpy() for part in self.head.map_rows(function, scaled)])
        return [np.concatenate(own) for own in zip(*parts, strict=True)]

    def on_gpu(self, function: Callable[[torch.Tensor], torch.Tensor], rows: Sequence[np.ndarray]) -> torch.Tensor:
        """The same of a stack on a GPU, left there: [R, most rows, ...], see CardRows.in_blocks."""
        assert self._gpu is not None
        was_training = self.head.training
        self.head.eval()
        try:
            return self._gpu.in_blocks(function, self.splits, rows)
        finally:
            self.head.train(was_training)

    def _scaled(self, rows: Sequence[np.ndarray], part: slice) -> list[torch.Tensor]:
        """A part of each run's own rows as it sees them; one tensor for runs that share split and rows."""
        seen: dict[tuple[int, int], torch.Tensor] = {}
        for run, (split, own) in enumerate(zip(self.splits, rows, strict=True)):
            if (id(split), id(own)) not in seen:
                seen[id(split), id(own)] = self.scale(run, own[part])
        return [seen[id(split), id(own)] for split, own in zip(self.splits, rows, strict=True)]

    def _training_rows(self) -> TrainingRows:
        distinct = list({id(split): split for split in self.splits}.values())
        begins, total = {}, 0
        for split in distinct:
            begins[id(split)] = total
            total += len(split.train)
        X = torch.empty(total, self.dataset.columns, device=self.device)
        for split in distinct:
            own = X[begins[id(split)] :][: len(split.train)]
            if self._gpu is not None:
                self._gpu.scaled_into(own, split, split.train)
            else:
                split.scaled(self.dataset, split.train, out=own.numpy())
        return TrainingRows(
            X=X,
            labeled=torch.from_numpy(np.concatenate([split.labeled for split in distinct])).to(self.device),
            first=torch.tensor([begins[id(split)] for split in self.splits]),
            sizes=tuple(len(split.train) for split in self.splits),
        )

    def _generators(self, purpose: str) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(derived_seed(config.seed, purpose)) for config in self.configs]

    def draw_epochs(self, pretraining: Pretraining | None = None) -> Iterator[torch.Tensor]:
        """The batches of each epoch, or of each one before: indices into self.rows.X, int64 [steps, R, rows]."""
        draw = self.head.draw_epoch if pretraining is None else pretraining.draw
        generators = self._generators("batches" if pretraining is None else "pretraining")
        runs = range(0, len(self.configs), self._alike)
        labeled = [torch.from_numpy(split.labeled) for split in self.splits]
        size = self.configs[0].batch_size
        assert size is not None

        on_gpu = self.device.type == "cuda"

        def epoch() -> torch.Tensor:
            first = draw(labeled[0], size, generators[0])
            batches = first.new_empty(len(first), len(runs), first.shape[1], pin_memory=on_gpu)
            torch.add(first, self.rows.first[0], out=batches[:, 0])

            def fill(places: Sequence[int]) -> None:
                for place in places:
                    run = runs[place]
                    drawn = draw(labeled[run], size, generators[run])
                    torch.add(drawn, self.rows.first[run], out=batches[:, place])

            others = range(1, len(runs))
            run_in_threads(fill, others) if on_gpu else fill(others)
            each = batches.to(self.device, non_blocking=on_gpu)[:, :, None].expand(-1, -1, self._alike, -1)
            return each.reshape(len(batches), len(self.configs), -1)

        while True:
            yield epoch()

    @cached_property
    def _alike(self) -> int:
        """How many neighboring runs have the same seed and split, and with them the same rows in each batch."""
        streams = [(config.seed, id(split)) for config, split in zip(self.configs, self.splits, strict=True)]
        lengths = {len(list(own)) for _, own in itertools.groupby(streams)}
        return lengths.pop() if len(lengths) == 1 else 1

    def gather(self, indices: torch.Tensor) -> torch.Tensor:
        """One step's rows for its indices [R, rows]: [R, rows, columns]; valid until the next step.

        Where neighboring runs see the same rows and the head allows for it, they are there once for
        these: [D, rows, columns].
        """
        shares = self.head.shares_rows and self.device.type == "cpu"  # a GPU's batched product wants them side by side
        once = self._alike if shares or self._alike == len(self.configs) else 1
        indices = indices[::once]
        shape = (*indices.shape, self.dataset.columns)
        if self._gathered.shape != shape:
            self._gathered = self.rows.X.new_empty(shape)
        torch.index_select(self.rows.X, 0, indices.reshape(-1), out=self._gathered.view(-1, shape[2]))
        return self._gathered.expand(len(self.configs), -1, -1) if len(indices) == 1 else self._gathered

"""GPU benchmarks: the heads at R = 1, 40 and 400 against the hardware limit, and 600 runs from files to metrics."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from anoonly_core.baselines import BASELINES
from anoonly_core.baselines.network import Linear
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.catalogue import DATASETS, load_cached, resolve
from anoonly_core.data.dataset import Dataset, Provenance, make_dataset
from anoonly_core.data.split import Split, make_split
from anoonly_core.models import METHODS
from anoonly_core.results.keys import run_key
from anoonly_core.results.result import RunResult
from anoonly_core.runs.run import run_each
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack

DATASET = "CIFAR10_0"
HEADS = ("DeepSAD", "DevNet", "FEAWAD", "PReNet")
LAMBDAS = (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 0.0)
TITLES = f"{'head':8} {'R':>5} {'seconds':>9} {'steps':>7} {'arithmetic':>11} {'bytes':>7} {'ratio':>6} {'peak GiB':>9}"
SIZES = {1: (1, 1), 40: (8, 5), 400: (8, 50)}  # R: so many λ_n, so many seeds
FAMILIES = ("CV_by_ResNet18", "NLP_by_BERT")
# Rows of the files of Table 1 where the manifest has none: those of ADBench, of 20news a guess.
ROWS = {
    "CIFAR10": 5263,
    "FashionMNIST": 6315,
    "MNIST-C": 10000,
    "SVHN": 5208,
    "MVTec-AD": 350,
    "20news": 2000,
    "agnews": 10000,
}
MOMENTS = {"DeepSAD": 2, "DevNet": 1, "FEAWAD": 2, "PReNet": 1}  # that the optimizer keeps of each parameter


@dataclass(frozen=True)
class Ceilings:
    """Measured limits of the GPU: float32 operations per second and bytes per second."""

    operations: float
    bytes: float


def ceilings() -> Ceilings:
    """Measure the limits with a product of two 8192 × 8192 matrices and a copy of 2 GiB."""
    a, b = (torch.rand(8192, 8192, device="cuda") for _ in range(2))
    product = torch.empty_like(a)
    seconds = _median(lambda: torch.mm(a, b, out=product))
    source = torch.rand(2**29, device="cuda")
    target = torch.empty_like(source)
    copied = _median(lambda: target.copy_(source))
    return Ceilings(2 * 8192**3 / seconds, 2 * source.nbytes / copied)


def _median(work: Callable[[], object], times: int = 7) -> float:
    work()
    taken = []
    for _ in range(times):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        work()
        torch.cuda.synchronize()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def floor(config: RunConfig, split: Split, columns: int, runs: int, seeds: int, most: Ceilings) -> tuple[float, float]:
    """Compute the seconds that the arithmetic and the bytes of a training take at the limits, with pretraining.

    Arithmetic: the products forward, of the weights' gradients, and of the inputs' but for the first
    layer's. Bytes: each parameter and each moment read and written once a step, each batch's rows
    read once.
    """
    head = METHODS[config.baseline]
    assert config.batch_size is not None and config.epochs is not None
    steps, rows = head.batch_shape(len(split.train), int(split.labeled.sum()), config.batch_size)
    parts = BASELINES[config.baseline].network(columns, config.preset)  # type: ignore[misc]
    operations, values = _of_step(parts, range(len(parts)), rows, head.rows_per_item)
    moved = 4 * (runs * 2 * values * (1 + MOMENTS[config.baseline]) + seeds * rows * columns)
    times = config.epochs * steps
    arithmetic, memory = runs * operations * times, moved * times
    if epochs := BASELINES[config.baseline].pretraining_epochs:
        operations, values = _of_step(parts, range(2), rows, 1)  # encoder and decoder
        arithmetic += seeds * operations * epochs * head.steps
        memory += 4 * seeds * (2 * values * 3 + rows * columns) * epochs * head.steps
    return arithmetic / most.operations, memory / most.bytes


def _of_step(parts: Any, chosen: Iterable[int], rows: int, rows_per_item: int) -> tuple[float, int]:
    operations, values = 0.0, 0
    for place in chosen:
        part = list(parts.values())[place]
        taken = rows if place == 0 else rows // rows_per_item
        for step, width in zip(part.layers, part.widths(), strict=False):
            if isinstance(step, Linear):
                operations += 2 * taken * width * step.outputs * (3 if values else 2)
                values += width * step.outputs
    return operations, values


def seconds_of(dataset: Dataset, configs: list[RunConfig], splits: list[Split]) -> tuple[float, float]:
    """Measure a training on the GPU; return seconds in total, with setup and CUDA graphs, and of the steps alone."""
    torch.cuda.synchronize()
    begun = time.perf_counter()
    stack = Stack(dataset, configs, splits, "cuda")
    torch.cuda.synchronize()
    built = time.perf_counter()
    for _ in pretrain(stack, use_cache=len(configs) > 1):
        pass
    for _ in train(stack):
        pass
    torch.cuda.synchronize()
    done = time.perf_counter()
    return done - begun, done - built


def of_sizes(baseline: str, sizes: Iterable[int], most: Ceilings, repeats: int = 3) -> list[dict[str, Any]]:
    """Return one row per number of runs: seconds and their ratio to the limit."""
    dataset, found = load_cached(DATASET), []
    for runs in sizes:
        weights, seeds = SIZES[runs]
        pairs = itertools.product(range(seeds), LAMBDAS[:weights])
        configs = [make_config(dataset=DATASET, baseline=baseline, seed=s, lambda_n=w, norm="batch") for s, w in pairs]
        split_of = {seed: make_split(dataset, make_config(dataset=DATASET, seed=seed)) for seed in range(seeds)}
        splits = [split_of[config.seed] for config in configs]
        taken = []
        for _ in range(repeats):
            _forget_pretrained()
            taken.append(seconds_of(dataset, configs, splits))
        arithmetic, memory = floor(configs[0], splits[0], dataset.columns, runs, seeds, most)
        whole, steps = (statistics.median(column) for column in zip(*taken, strict=True))
        row = {"head": baseline, "runs": runs, "seconds": whole, "steps": steps, "arithmetic": arithmetic}
        found.append(row | {"bytes": memory, "ratio": whole / max(arithmetic, memory)})
        peak = torch.cuda.max_memory_allocated() / 2**30
        torch.cuda.reset_peak_memory_stats()
        floors = f"{arithmetic:11.3f} {memory:7.3f} {found[-1]['ratio']:6.1f}"
        print(f"{baseline:8} {runs:5} {whole:9.3f} {steps:7.3f} {floors} {peak:9.2f}", flush=True)
    return found


def _forget_pretrained() -> None:
    from anoonly_core.training import pretraining_cache

    pretraining_cache._cache.clear()
    pretraining_cache._gpu_cache().clear()


def table_files() -> list[str]:
    """Return the ResNet-18 and BERT files on this machine."""
    return [name for name, entry in DATASETS.items() if entry.family in FAMILIES and entry.is_local()]


def made_files() -> dict[str, Dataset]:
    """Make tables of random numbers, one anomaly in twenty, of about the sizes of Table 1's 74 files, by name."""
    made = {}
    for number, (name, entry) in enumerate(DATASETS.items()):
        if entry.family in FAMILIES:
            facts, random = entry.known_facts(), np.random.default_rng(number)
            rows = facts.rows or ROWS[name.partition("_")[0]]
            y = (np.arange(rows) % 20 == 0).astype(np.int64)
            X = random.standard_normal((rows, facts.columns or 512), dtype=np.float32) + y[:, None]
            made[name] = make_dataset(name, X, y, Provenance("made here", ""))
    return made


def table_configs(
    heads: Iterable[str] = HEADS, seeds: Iterable[int] = range(5), files: Iterable[str] | None = None
) -> dict[str, RunConfig]:
    """Return the configurations of these heads at λ_n 1 and 0 on each file, by key; all files here by default."""
    grid = itertools.product(table_files() if files is None else files, heads, (1.0, 0.0), seeds)
    configs = [
        make_config(dataset=name, baseline=head, lambda_n=weight, seed=seed, contamination=0)
        for name, head, weight, seed in grid
    ]
    return {run_key(config, "cuda"): config for config in configs}


def whole_table(
    configs: dict[str, RunConfig], made: Mapping[str, Dataset] | None = None
) -> tuple[float, dict[str, RunResult]]:
    """Return the seconds from files on disk, or from these made tables, to metrics, and the results."""
    _forget_pretrained()
    loaded: dict[str, Dataset] = {}

    def read(name: str) -> Dataset:  # within what is timed, each file once
        if name not in loaded:
            loaded[name] = resolve(name).load() if made is None else made[name]
        return loaded[name]

    begun = time.perf_counter()
    results = dict(run_each(configs, "cuda", load=read))
    seconds = time.perf_counter() - begun
    failed = [outcome for outcome in results.values() if not isinstance(outcome, RunResult)]
    assert not failed, failed[0]
    return seconds, {key: own for key, own in results.items() if isinstance(own, RunResult)}

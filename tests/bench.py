"""make bench: speed as ratios, each pair measured side by side in one process.

DeepSAD on 3500 rows of 512 features, 50 epochs, batches of 128: seconds per run, alone and in a
stack of 8, against the bare matrix products of the same shapes. Ratios, because seconds are the
machine's.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from anoonly_core.config import make_config
from anoonly_core.data.dataset import Provenance, make_dataset
from anoonly_core.data.split import Split
from anoonly_core.methods.deepsad import DeepSAD
from anoonly_core.train import Stack, train

ROWS, COLUMNS, BATCH, EPOCHS = 3500, 512, 128, 50
STEPS = EPOCHS * (ROWS // BATCH)
REPEATS = 3


def training(runs: int) -> Callable[[], None]:
    """A whole training of a stack, its first weights and batches included."""
    random = np.random.default_rng(0)
    labels = (random.random(ROWS) < 0.05).astype(np.int64)
    dataset = make_dataset("bench", random.random((ROWS, COLUMNS)), labels, Provenance("made here", ""))
    rows = np.arange(ROWS)
    minimum, scale = np.zeros(COLUMNS, np.float32), np.ones(COLUMNS, np.float32)
    split = Split(rows, labels.astype(bool) & (random.random(ROWS) < 0.1), rows[:1], minimum, scale, {})
    configs = [make_config(lambda_n=0.0, seed=seed, epochs=EPOCHS, batch_size=BATCH) for seed in range(runs)]

    def once() -> None:
        for _ in train(Stack(dataset, configs, [split] * runs)):
            pass

    return once


def matrix_products(runs: int) -> Callable[[], None]:
    """The products of as many steps: forward, weight gradients, and input gradients but the first."""
    widths = (COLUMNS, *DeepSAD.widths["paper"])
    shapes = list(itertools.pairwise(widths))
    inputs = [torch.rand(runs, BATCH, a) for a, _ in shapes]
    weights = [torch.rand(runs, a, b) for a, b in shapes]
    upstream = [torch.rand(runs, BATCH, b) for _, b in shapes]

    def once() -> None:
        for _ in range(STEPS):
            for layer, (x, weight, gradient) in enumerate(zip(inputs, weights, upstream, strict=True)):
                torch.bmm(x, weight)
                torch.bmm(x.mT, gradient)
                if layer:
                    torch.bmm(gradient, weight.mT)

    return once


def seconds(function: Callable[[], None]) -> float:
    """Wall-clock seconds of one call."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def main() -> None:
    """Print the table; medians over interleaved repeats."""
    print(
        f"DeepSAD, {ROWS} x {COLUMNS}, {EPOCHS} epochs, batch {BATCH}: seconds per run, one thread, median of {REPEATS}"
    )
    print(f"{'runs':>5} {'training':>9} {'products':>9} {'ratio':>6}")
    torch.set_num_threads(1)  # as in the page's workers
    for runs in (1, 8):
        trained, bare = training(runs), matrix_products(runs)
        trained(), bare()
        pairs = [(seconds(trained) / runs, seconds(bare) / runs) for _ in range(REPEATS)]
        mine, floor = (statistics.median(side) for side in zip(*pairs, strict=True))
        print(f"{runs:5} {mine:9.2f} {floor:9.2f} {statistics.median(a / b for a, b in pairs):6.2f}", flush=True)


if __name__ == "__main__":
    main()

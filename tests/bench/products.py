"""Training time compared with the bare matrix products of its shapes, in one process and one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from anoonly_core.baselines import BASELINES
from anoonly_core.baselines.network import Linear
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.split import Split
from anoonly_core.models import METHODS
from tests.bench.made import REPEATS, Table, timed, training

BATCH, EPOCHS = 128, 50


def matrix_products(config: RunConfig, split: Split, columns: int, runs: int) -> Callable[[], None]:
    """Return a function with the products of a training: forward, weight gradients, input gradients but the first."""
    head, network = METHODS[config.baseline], BASELINES[config.baseline].network
    assert network is not None and config.batch_size is not None and config.epochs is not None
    steps, rows = head.batch_shape(len(split.train), int(split.labeled.sum()), config.batch_size)
    shapes = []
    for place, part in enumerate(network(columns, config.preset).values()):
        taken = rows if place == 0 else rows // head.rows_per_item  # features of both rows of a pair, one score
        widths = zip(part.layers, part.widths(), strict=False)
        shapes += [(taken, width, step.outputs) for step, width in widths if isinstance(step, Linear)]
    inputs = [torch.rand(runs, n, a) for n, a, _ in shapes]
    weights = [torch.rand(runs, a, b) for _, a, b in shapes]
    upstream = [torch.rand(runs, n, b) for n, _, b in shapes]

    def once() -> None:
        for _ in range(config.epochs * steps):
            for layer, (x, weight, gradient) in enumerate(zip(inputs, weights, upstream, strict=True)):
                torch.bmm(x, weight)
                torch.bmm(x.mT, gradient)
                if layer:
                    torch.bmm(gradient, weight.mT)

    return once


def products_in_worker(config: RunConfig, split: Split, columns: int, runs: int) -> float:
    """Measure the seconds per run of the bare products; called in a worker process."""
    once = matrix_products(config, split, columns, runs)
    begun = time.perf_counter()
    once()
    return (time.perf_counter() - begun) / runs


def over_the_products(table: Table) -> None:
    """Print the table."""
    config = make_config(lambda_n=0.0, epochs=EPOCHS, batch_size=BATCH)
    print(f"DeepSAD, {table.dataset.X.shape}, {EPOCHS} epochs, batch {BATCH}: seconds a run")
    print(f"{'runs':>5} {'training':>9} {'products':>9} {'ratio':>6}")
    for runs in (1, 8):
        trained = training(table, runs, lambda_n=0.0, epochs=EPOCHS, batch_size=BATCH)
        bare = matrix_products(config, table.split, table.dataset.columns, runs)
        pairs = [(timed(trained) / runs, timed(bare) / runs) for _ in range(REPEATS)]
        mine, floor = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{runs:5} {mine:9.2f} {floor:9.2f} {ratio:6.2f}", flush=True)

"""make bench: speed as ratios, each pair measured side by side in one process, on one thread.

Two tables. The cost of DeepSAD's training over the bare matrix products of its shapes; and seconds
a run of each head beside DeepOD's (and PyOD's DevNet) on the same rows, with the same batch size,
number of steps and hidden width; FEAWAD's pretraining, which DeepOD's does not have, is left out.
Ratios, because seconds are the machine's.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from deepod.models import tabular as deepod
from pyod.models.devnet import DevNet as PyODDevNet

from anoonly_core.baselines import BASELINES
from anoonly_core.config import make_config
from anoonly_core.data.dataset import Dataset, Provenance, make_dataset
from anoonly_core.data.split import Split
from anoonly_core.stack import Stack
from anoonly_core.train import train

BATCH, EPOCHS = 128, 50
REPEATS = 2


@dataclass(frozen=True)
class Table:
    """Rows in 0 … 1, 5 % of them anomalies, a tenth of those labelled."""

    dataset: Dataset
    split: Split

    @property
    def labels(self) -> np.ndarray:
        """1 for labelled anomalies."""
        return self.split.labelled.astype(np.int64)


def made(rows: int, columns: int) -> Table:
    """A table of this size; all of its rows train."""
    random = np.random.default_rng(0)
    y = (random.random(rows) < 0.05).astype(np.int64)
    dataset = make_dataset("bench", random.random((rows, columns)), y, Provenance("made here", ""))
    minimum, scale = np.zeros(columns, np.float32), np.ones(columns, np.float32)
    labelled = y.astype(bool) & (random.random(rows) < 0.1)
    return Table(dataset, Split(np.arange(rows), labelled, np.arange(1), minimum, scale, {}))


def training(table: Table, runs: int, **settings: Any) -> Callable[[], None]:
    """A whole training of a stack, its first weights and batches included, a pretraining left out."""
    configs = [make_config(seed=seed, **settings) for seed in range(runs)]

    def once() -> None:
        for _ in train(Stack(table.dataset, configs, [table.split] * runs)):
            pass

    return once


# -- over the bare products ---------------------------------------------------------------------


def matrix_products(table: Table, runs: int) -> Callable[[], None]:
    """The products of as many steps: forward, weight gradients, and input gradients but the first."""
    network = BASELINES["DeepSAD"].network
    assert network is not None
    parts = network(table.dataset.columns, "paper").values()
    widths = [width for width, _ in itertools.groupby(w for part in parts for w in part.widths())]
    shapes = list(itertools.pairwise(widths))
    inputs = [torch.rand(runs, BATCH, a) for a, _ in shapes]
    weights = [torch.rand(runs, a, b) for a, b in shapes]
    upstream = [torch.rand(runs, BATCH, b) for _, b in shapes]

    def once() -> None:
        for _ in range(EPOCHS * (table.dataset.rows // BATCH)):
            for layer, (x, weight, gradient) in enumerate(zip(inputs, weights, upstream, strict=True)):
                torch.bmm(x, weight)
                torch.bmm(x.mT, gradient)
                if layer:
                    torch.bmm(gradient, weight.mT)

    return once


def over_the_products(table: Table) -> None:
    """Print the first table."""
    print(f"DeepSAD, {table.dataset.X.shape}, {EPOCHS} epochs, batch {BATCH}: seconds a run")
    print(f"{'runs':>5} {'training':>9} {'products':>9} {'ratio':>6}")
    for runs in (1, 8):
        trained = training(table, runs, lambda_n=0.0, epochs=EPOCHS, batch_size=BATCH)
        bare = matrix_products(table, runs)
        pairs = [(timed(trained) / runs, timed(bare) / runs) for _ in range(REPEATS)]
        mine, floor = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{runs:5} {mine:9.2f} {floor:9.2f} {ratio:6.2f}", flush=True)


# -- beside other libraries ---------------------------------------------------------------------


@dataclass(frozen=True)
class Rival:
    """Another library's head, its network as near to ours as it lets itself be set.

    stack: how many runs of ours train together for the second figure. train: table, steps, batch
    size -> as many steps of as many rows as ours takes.
    """

    name: str
    baseline: str
    stack: int
    train: Callable[[Table, int, int], None]


def _deepod(model: Any, **settings: Any) -> Callable[[Table, int, int], None]:
    def trained(table: Table, steps: int, batch_size: int) -> None:
        own = dict(settings)
        per_epoch = own.pop("steps_an_epoch", None) or table.dataset.rows // batch_size
        detector = model(epochs=steps // per_epoch, batch_size=batch_size, device="cpu", verbose=0, **own)
        detector.n_samples, detector.n_features = table.dataset.X.shape
        detector.train_data, detector.train_label = table.dataset.X, table.labels
        prepared = detector.training_prepare(table.dataset.X, table.labels)
        detector.train_loader, detector.net, detector.criterion = prepared
        detector._training()  # its fit would also score all rows

    return trained


def _pyod_devnet(table: Table, steps: int, batch_size: int) -> None:
    an_epoch = -(-table.dataset.rows // batch_size)
    PyODDevNet(epochs=round(steps / an_epoch), batch_size=batch_size).fit(table.dataset.X, table.labels)


RIVALS = (
    Rival("DeepOD", "DeepSAD", 10, _deepod(deepod.DeepSAD, hidden_dims="128,64", rep_dim=32, act="LeakyReLU")),
    Rival("DeepOD", "DevNet", 40, _deepod(deepod.DevNet, hidden_dims="20", bias=True)),
    Rival("PyOD", "DevNet", 40, _pyod_devnet),
    Rival("DeepOD", "PReNet", 10, _deepod(deepod.PReNet, hidden_dims="20", rep_dim=20, act="ReLU")),
    # One batch an epoch, whatever it is told. It has no pretraining and no layer of all columns.
    Rival("DeepOD", "FEAWAD", 2, _deepod(deepod.FeaWAD, hidden_dims="128", rep_dim=64, steps_an_epoch=1)),
)


def beside_others(table: Table) -> None:
    """Print the second table."""
    print(f"\nEach head with its published settings, {table.dataset.X.shape}: seconds a run, alone and in a stack")
    print(f"{'head':8} {'steps':>5} {'alone':>7} {'stacked':>13} {'theirs':>7} {'faster alone':>13} {'stacked':>8}")
    for rival in RIVALS:
        config = make_config(baseline=rival.baseline)
        assert config.epochs is not None and config.batch_size is not None
        stack = Stack(table.dataset, [config], [table.split])
        steps = config.epochs * len(next(stack.draw_epochs()))
        ours = [(training(table, runs, baseline=rival.baseline), runs) for runs in (1, rival.stack)]
        times = []
        for _ in range(REPEATS):
            with contextlib.redirect_stdout(io.StringIO()):
                theirs = timed(rival.train, table, steps, config.batch_size)
            times.append((*(timed(once) / runs for once, runs in ours), theirs))
        alone, stacked, other = (statistics.median(column) for column in zip(*times, strict=True))
        faster = [statistics.median(t[2] / t[column] for t in times) for column in (0, 1)]
        of = f"{stacked:.2f} of {rival.stack}"
        figures = f"{alone:7.2f} {of:>13} {other:7.2f} {faster[0]:12.1f}x {faster[1]:7.1f}x"
        print(f"{rival.baseline:8} {steps:5} {figures}  ({rival.name})", flush=True)


def timed(function: Callable[..., None], *arguments: Any) -> float:
    """Wall-clock seconds of one call."""
    begun = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - begun


def main() -> None:
    """Print the tables."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)  # as in the page's workers
    large, small = made(3500, 512), made(1250, 64)
    training(small, 1)()  # once, so that nothing is loaded within what is measured
    if "--products" in sys.argv or len(sys.argv) == 1:
        over_the_products(large)
    if "--others" in sys.argv or len(sys.argv) == 1:
        for table in (small, large):
            beside_others(table)


if __name__ == "__main__":
    main()

"""Seconds per run of each head, compared with DeepOD and PyOD, in one process and one thread.

Rows, batch size, number of steps and hidden width are equal. FEAWAD's pretraining is left out, since DeepOD has none.
"""

from __future__ import annotations

import contextlib
import io
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deepod.models import tabular as deepod
from pyod.models.devnet import DevNet as PyODDevNet

from anoonly_core.config import make_config
from anoonly_core.training.stack import Stack
from tests.bench.made import REPEATS, Table, timed, training


@dataclass(frozen=True)
class Rival:
    """A head of another library, with a network as close to ours as its settings allow.

    stack: runs of ours that train together. train: trains on a table for a number of steps with a batch size.
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
        detector._training()  # `fit` would also score all rows

    return trained


def _pyod_devnet(table: Table, steps: int, batch_size: int) -> None:
    an_epoch = -(-table.dataset.rows // batch_size)
    PyODDevNet(epochs=round(steps / an_epoch), batch_size=batch_size).fit(table.dataset.X, table.labels)


RIVALS = (
    Rival("DeepOD", "DeepSAD", 10, _deepod(deepod.DeepSAD, hidden_dims="128,64", rep_dim=32, act="LeakyReLU")),
    Rival("DeepOD", "DevNet", 40, _deepod(deepod.DevNet, hidden_dims="20", bias=True)),
    Rival("PyOD", "DevNet", 40, _pyod_devnet),
    Rival("DeepOD", "PReNet", 10, _deepod(deepod.PReNet, hidden_dims="20", rep_dim=20, act="ReLU")),
    # It always takes one batch per epoch, and has no pretraining and no layer over all columns.
    Rival("DeepOD", "FEAWAD", 2, _deepod(deepod.FeaWAD, hidden_dims="128", rep_dim=64, steps_an_epoch=1)),
)


def beside_others(table: Table) -> None:
    """Print the table."""
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

"""Time of a training step with each mechanism beside batch norm's."""

from __future__ import annotations

import statistics

from anoonly_core.baselines import MECHANISMS
from tests.bench.made import Table, timed, training

RUNS, BATCH, EPOCHS, REPEATS = 5, 128, 3, 3


def every_norm(table: Table) -> None:
    """Print the milliseconds of a step with each mechanism at its standard strength, and the ratio to batch norm."""
    steps = EPOCHS * (len(table.split.train) // BATCH)
    settings = {"lambda_n": 0.0, "epochs": EPOCHS, "batch_size": BATCH}
    trainings = {name: training(table, RUNS, norm=name, **settings) for name in MECHANISMS}
    print(f"DeepSAD, {table.dataset.X.shape}, {RUNS} runs, batch {BATCH}: milliseconds a step of all runs")
    print(f"{'norm':>16} {'step':>7} {'ratio to batch_no_affine':>25}")
    seconds: dict[str, list[float]] = {name: [] for name in trainings}
    for _ in range(REPEATS):  # in turns, so that other work on the machine slows all of them
        for name, once in trainings.items():
            seconds[name].append(timed(once))
    for name, values in seconds.items():
        ratio = statistics.median(values) / statistics.median(seconds["batch_no_affine"])
        print(f"{name:>16} {1000 * statistics.median(values) / steps:7.2f} {ratio:25.2f}", flush=True)

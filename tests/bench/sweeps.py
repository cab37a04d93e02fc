"""A sweep over λ_n and seeds compared with single runs: time, bare products, memory and equal scores."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split
from anoonly_core.errors import AnoOnlyError
from anoonly_core.execution import tasks
from anoonly_core.execution.executor import LocalEngine, execute
from anoonly_core.execution.job import start_trainer
from anoonly_core.execution.pool import Task, WorkerPool
from anoonly_core.machine import cores
from anoonly_core.results.store import Store
from anoonly_core.runs.run import run, warm_up
from anoonly_core.sweeps.sweep import Sweep, make_sweep
from tests.bench.made import REPEATS
from tests.bench.processes import forget_peak, peak_bytes, processor_seconds
from tests.bench.products import products_in_worker

DATASET = "CIFAR10_0"
BASELINES = ("DeepSAD", "DevNet", "PReNet")
LAMBDAS = (1, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 0)
SEEDS = 5
PROCESSES = min(2, cores())
TIMED = 8
HEAD = (
    f"{'':8} {'sweep s':>8} {'singles s':>9} {'ratio':>6} {'of processor':>12} {'a run s':>8} {'products s':>10}"
    f" {'ratio':>6} {'stacks':>18} {'peak MB, all':>13} {'a worker +':>11}  same bits"
)


def sweeps_against_single_runs(whole: bool) -> None:
    """Print the table; whole: time all single runs, not only TIMED of them."""
    try:
        load_cached(DATASET)
    except AnoOnlyError as error:
        print(f"\nSweeps: left out, for {DATASET} is not at hand ({error})")
        return
    runs = len(LAMBDAS) * SEEDS
    singles = f"all {runs}" if whole else f"{TIMED} of the {runs}, half before and half after the sweep, scaled up"
    print(f"\n{len(LAMBDAS)} λ_n × {SEEDS} seeds on {DATASET}, published settings: a sweep over {PROCESSES} processes,")
    print("planned and stored, beside as many calls of `run`, stored too, in one process of one thread.")
    print(f"Single runs timed: {singles}. Products: bare, of the sweep's most usual stack, in both processes at once.")
    print("Of the processor: the time of a process, over that of the single runs; others' load moves it less.")
    print(HEAD)
    warm_up()
    workers = WorkerPool(PROCESSES, start_trainer)
    try:
        _idle(workers)
        for baseline in BASELINES:
            sweep = make_sweep({"dataset": DATASET, "baseline": baseline}, [("lambda_n", LAMBDAS)], SEEDS)
            _row(sweep, workers, whole)
    finally:
        workers.close()


class _Noting(LocalEngine):
    """An engine that records the number of runs of each stack."""

    def __init__(self, workers: WorkerPool) -> None:
        super().__init__(workers)
        self.stacks: list[int] = []

    def train(self, configs: dict[str, RunConfig]) -> Task:
        self.stacks.append(len(configs))
        return super().train(configs)


@dataclass
class _Swept:
    """Measurements of a finished sweep.

    stacks: runs of each stack. processor: CPU seconds of all processes. peak: sum of their peak bytes.
    over_idle: peak bytes of a worker above its idle memory.
    """

    seconds: float
    processor: float
    stacks: list[int]
    peak: int
    over_idle: int


def _row(sweep: Sweep, workers: WorkerPool, whole: bool) -> None:
    keys = list(sweep.configs)
    chosen = keys if whole else [keys[round(place)] for place in np.linspace(0, len(keys) - 1, TIMED)]
    with tempfile.TemporaryDirectory() as folder:
        apart, together = Store(Path(folder) / "apart.sqlite"), Store(Path(folder) / "together.sqlite")
        first, last = chosen[: len(chosen) // 2], chosen[len(chosen) // 2 :]
        run(sweep.configs[keys[0]].with_(epochs=1), "cpu")  # so that imports are not timed
        single = _singly(sweep, first, apart)
        swept = _sweep(sweep, workers, together)
        single += _singly(sweep, last, apart)
        kept = {key: together.get(key) for key in keys}
        same = all(np.array_equal(kept[key].scores, apart.get(key).scores) for key in chosen)
        a_run = statistics.mean(found.seconds["train"] for found in kept.values())
    usual = statistics.mode(swept.stacks)
    bare = statistics.mean(_products(sweep.configs[keys[0]], workers, usual) for _ in range(REPEATS))
    singles, processor = (statistics.mean(own) * len(keys) for own in zip(*single, strict=True))
    sizes = " + ".join(f"{swept.stacks.count(size)}×{size}" for size in sorted(set(swept.stacks), reverse=True))
    times = f"{swept.seconds:8.1f} {singles:9.1f} {swept.seconds / singles:6.2f}"
    of_processor = f"{swept.processor / PROCESSES / processor:12.2f}"
    floor = f"{a_run:8.2f} {bare:10.2f} {a_run / bare:6.2f} {sizes:>18}"
    memory = f"{swept.peak / 1e6:13.0f} {swept.over_idle / 1e6:11.0f}"
    head = f"{sweep.settings['baseline']:8}"
    print(head, times, of_processor, floor, memory, f" {'yes' if same else 'NO'}", flush=True)


def _singly(sweep: Sweep, keys: list[str], store: Store) -> list[tuple[float, float]]:
    """Return wall and CPU seconds of each run, trained one by one."""
    seconds = []
    for key in keys:
        begun, used = time.perf_counter(), time.process_time()
        run(sweep.configs[key], "cpu", store)
        seconds.append((time.perf_counter() - begun, time.process_time() - used))
    return seconds


def _sweep(sweep: Sweep, workers: WorkerPool, store: Store) -> _Swept:
    engine = _Noting(workers)
    processes = [os.getpid(), *workers.processes()]
    for process in processes:
        forget_peak(process)
    idle = {process: peak_bytes(process) for process in processes}
    used = sum(map(processor_seconds, processes))
    begun = time.perf_counter()
    for state in execute(sweep.configs, engine, store):
        assert not state.failures and not state.store_problem, state
    seconds, used = time.perf_counter() - begun, sum(map(processor_seconds, processes)) - used
    peaks = {process: peak_bytes(process) for process in processes}
    return _Swept(seconds, used, engine.stacks, sum(peaks.values()), max(peaks[p] - idle[p] for p in processes[1:]))


def _products(config: RunConfig, workers: WorkerPool, runs: int) -> float:
    dataset = load_cached(config.dataset)
    split = make_split(dataset, config)
    tasks = [workers.schedule(products_in_worker, config, split, dataset.columns, runs) for _ in range(workers.count)]
    return statistics.mean(task.result() for task in tasks)


def _idle(workers: WorkerPool) -> None:
    """Wait until every process has started and imported its modules."""
    config = make_sweep({"dataset": DATASET, "epochs": 1}, [], 1).configs
    for task in [workers.schedule(tasks.train_each, config) for _ in range(2 * workers.count)]:
        task.result()

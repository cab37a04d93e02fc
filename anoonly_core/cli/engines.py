"""What commands that train many runs share: who trains, and how far it has come."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from anoonly_core.config import RunConfig
from anoonly_core.errors import DeviceUnavailable, InvalidConfig
from anoonly_core.execution import tasks
from anoonly_core.execution.executor import Engine, LocalEngine, execute
from anoonly_core.execution.job import start_trainer
from anoonly_core.execution.plan import duration
from anoonly_core.execution.pool import WorkerPool
from anoonly_core.machine import cores
from anoonly_core.results.store import RunSummary, Store
from anoonly_core.runs.device import NO_GPU

__all__ = ["add_engine_options", "open_engine", "parse_int", "train"]

WORKERS_A_CORE = 4  # more of them take memory and no less time


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Declare who trains, but for --device."""
    parser.add_argument("--workers", metavar="N", help="processes on this machine; one a core if not given")
    parser.add_argument("--cluster", metavar="ADDRESS", help="a Dask scheduler such as tcp://host:8786, in their place")


@contextmanager
def open_engine(options: argparse.Namespace) -> Iterator[Engine]:
    """Processes of this machine, one with its GPU, or a cluster's.

    With the device auto a GPU is taken where there is one and --workers is not given. Raises
    InvalidConfig, DeviceUnavailable or EngineUnavailable.
    """
    if options.cluster is not None:
        from anoonly_core.execution.dask_cluster import DaskCluster

        with DaskCluster(options.cluster) as cluster:
            yield cluster
        return
    count = cores() if options.workers is None else parse_int("workers", options.workers)
    most = WORKERS_A_CORE * cores()
    if not 1 <= count <= most:
        rule = f"a whole number from 1 to {most}, {WORKERS_A_CORE} for each core of this machine"
        raise InvalidConfig(f"workers must be {rule}, not {str(count)[:20]}.")
    gpu = ""
    with _workers(count) as workers:
        if options.device == "cuda" or (options.device == "auto" and options.workers is None):
            gpu = workers.schedule(tasks.gpu_name).result()
        if options.device == "cuda" and not gpu:
            raise DeviceUnavailable(NO_GPU)
        if not gpu:
            yield LocalEngine(workers)
            return
    with _workers(1) as one:
        yield LocalEngine(one, gpu)


@contextmanager
def _workers(count: int) -> Iterator[WorkerPool]:
    workers = WorkerPool(count, start_trainer)
    try:
        yield workers
    finally:
        workers.close()


def parse_int(name: str, text: str) -> int:
    """An option as a whole number; raises InvalidConfig."""
    try:
        return int(text)
    except ValueError:
        raise InvalidConfig(f"{name} must be a whole number, not {text[:60]!r}.") from None


def train(
    configs: Mapping[str, RunConfig],
    engine: Engine,
    store: Store,
    runs: dict[str, RunSummary],
    failures: dict[str, str],
    name: str = "",
) -> None:
    """Train what `runs` lacks, by key, showing how far it has come; runs and failures grow as it goes.

    name: what is trained, said before its numbers.
    """
    kept = sum(key in runs for key in configs)
    missing = {key: config for key, config in configs.items() if key not in runs}
    said = f"{name}{len(configs)} runs, {kept} of them kept from before"
    if not missing:
        print(f"{said}.", file=sys.stderr)
        return
    notes = {""}
    states: Any = execute(missing, engine, store)
    try:
        with tqdm(total=len(configs), initial=kept, unit="run", disable=None, leave=False) as bar:
            for state in states:
                if said and state.seconds_left is not None:
                    bar.clear()
                    print(f"{said}; about {duration(state.seconds_left)} on {engine.name}.", file=sys.stderr)
                    said = ""
                runs |= state.runs
                failures |= state.failures
                if state.store_problem:
                    print(state.store_problem, file=sys.stderr)
                if state.note not in notes:
                    notes.add(state.note)
                    print(state.note, file=sys.stderr)
                if state.seconds_left is not None:
                    bar.set_postfix_str(f"about {duration(state.seconds_left)} left")
                bar.update(len(state.runs) + len(state.failures))
    except KeyboardInterrupt:
        done = sum(key in runs for key in configs)
        raise KeyboardInterrupt(
            f"Stopped: {done} of {len(configs)} runs are kept; the same command goes on from there."
        ) from None
    finally:
        states.close()

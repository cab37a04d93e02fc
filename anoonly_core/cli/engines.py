"""Training of many runs on a worker pool, a GPU or a cluster, with a progress bar."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from tqdm import tqdm

from anoonly_core.cli.options import parse_int
from anoonly_core.config import RunConfig
from anoonly_core.errors import DeviceUnavailable, InvalidConfig
from anoonly_core.execution import tasks
from anoonly_core.execution.executor import Engine, LocalEngine, execute
from anoonly_core.execution.gpu_engine import GpuEngine, start_gpu_workers
from anoonly_core.execution.job import start_trainer
from anoonly_core.execution.plan import duration
from anoonly_core.execution.pool import WorkerPool
from anoonly_core.machine import cores
from anoonly_core.results.store import RunSummary, Store
from anoonly_core.runs.device import NO_GPU

__all__ = ["add_engine_options", "open_engine", "open_workers", "train"]

WORKERS_PER_CORE = 4  # more workers take memory and save no time


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Add the options --workers and --cluster to the parser of a command that trains many runs."""
    parser.add_argument("--workers", metavar="N", help="worker processes on this machine; default: one per core")
    parser.add_argument(
        "--cluster", metavar="ADDRESS", help="train on a Dask cluster: its scheduler, such as tcp://host:8786"
    )


@contextmanager
def open_engine(options: argparse.Namespace) -> Iterator[Engine]:
    """Context that opens the engine chosen by --workers, --cluster and --device, yields it and closes it on exit.

    The device "auto" uses all GPUs of this machine if there is one and --workers is not given.

    Raises
    ------
    InvalidConfig, DeviceUnavailable, EngineUnavailable
        If --workers is invalid, there is no GPU, or the cluster cannot be used.
    """
    if options.cluster is not None:
        from anoonly_core.execution.dask_cluster import DaskCluster

        with DaskCluster(options.cluster) as cluster:
            yield cluster
        return
    gpus: dict[str, str] = {}
    with open_workers(options) as workers:
        if options.device == "cuda" or (options.device == "auto" and options.workers is None):
            gpus = workers.schedule(tasks.gpu_names).result()
        if options.device == "cuda" and not gpus:
            raise DeviceUnavailable(NO_GPU)
        if not gpus:
            yield LocalEngine(workers)
            return
    with ExitStack() as stack:
        on_gpus = [stack.enter_context(closing(of_gpu)) for of_gpu in start_gpu_workers(gpus)]
        yield GpuEngine(on_gpus, list(gpus.values()))


@contextmanager
def open_workers(options: argparse.Namespace) -> Iterator[WorkerPool]:
    """Context that starts as many worker processes as --workers says, one per core by default; yields their pool.

    The processes end on exit.

    Raises
    ------
    InvalidConfig
        If --workers is invalid.
    """
    count = cores() if options.workers is None else parse_int("workers", options.workers)
    limit = WORKERS_PER_CORE * cores()
    if not 1 <= count <= limit:
        rule = f"a whole number from 1 to {limit}, {WORKERS_PER_CORE} per core of this machine"
        raise InvalidConfig(f"workers must be {rule}, not {str(count)[:20]}.")
    with closing(WorkerPool(count, start_trainer)) as workers:
        yield workers


def train(
    configs: Mapping[str, RunConfig],
    engine: Engine,
    store: Store,
    runs: dict[str, RunSummary],
    failures: dict[str, str],
    name: str = "",
) -> None:
    """Train the runs that are missing in `runs`, with a progress bar and messages on stderr; block until the end.

    Parameters
    ----------
    configs : mapping of str to RunConfig
        All runs by key.
    engine : Engine
        Engine that trains.
    store : Store
        Where results are written.
    runs : dict of str to RunSummary
        Finished runs by key; new ones are added.
    failures : dict of str to str
        One sentence per failed run by key; new ones are added.
    name : str
        Prefix of the first message.

    Raises
    ------
    KeyboardInterrupt
        If the user interrupts; the message says how many runs are stored.
    """
    stored = sum(key in runs for key in configs)
    missing = {key: config for key, config in configs.items() if key not in runs}
    message = f"{name}{len(configs)} runs, {stored} of them already in the store"
    if not missing:
        print(f"{message}.", file=sys.stderr)
        return
    notes = {""}
    states: Any = execute(missing, engine, store)
    try:
        with tqdm(total=len(configs), initial=stored, unit="run", disable=None, leave=False) as bar:
            for state in states:
                if message and state.seconds_left is not None:
                    bar.clear()
                    print(f"{message}; about {duration(state.seconds_left)} on {engine.name}.", file=sys.stderr)
                    message = ""
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
            f"Stopped: {done} of {len(configs)} runs are stored; repeat the command to train the rest."
        ) from None
    finally:
        states.close()

"""Train all systems on all data sets of this machine over the number of labels, and print which one wins where.

    python -m tests.bench.which                     add what is missing to assets/results/which.csv; print the tables
    python -m tests.bench.which --tables            print the tables of the existing file
    python -m tests.bench.which --systems 'KNN;DeepSAD + AnoOnly' --datasets 6_cardio,SVHN_0 --seeds 2 --out part.csv
    python -m tests.bench.which --device cuda --systems 'DeepSAD;DeepSAD + AnoOnly'       networks, on a GPU

ANOONLY_DATA names the folder with the ADBench files. Each data set, system and series of points trains in a process of
its own. The file is written after each, so a run that was stopped continues. Data sets above --rows rows are left out.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.catalogue import resolve
from anoonly_core.errors import AnoOnlyError
from anoonly_core.machine import cores
from anoonly_core.reproduction.families import FAMILIES, files_of
from anoonly_core.reproduction.grid import to_markdown
from anoonly_core.reproduction.which.runs import COLUMNS, FILE, POINT, read_runs, write_runs
from anoonly_core.reproduction.which.tables import which_reports
from anoonly_core.which.plan import COUNTS, possible_labels
from anoonly_core.which.systems import SYSTEMS, systems_of

SHARES = (0.01, 0.05, 0.1, 0.5, 1.0)
# The series of points of a data set, each with its pool.
SERIES = {"clean": 0.0, "natural": "natural", "counts": "natural"}
# Without the two that take hours on one core where others take seconds, and without those that need weights.
MEASURED = tuple(
    name
    for name, system in SYSTEMS.items()
    if name not in ("XGBOD", "GANomaly") and not BASELINES[system.settings["baseline"]].weights
)


class Task(NamedTuple):
    """Runs that train in one process: a data set, a system and one of SERIES, each by name."""

    dataset: str
    system: str
    series: str


def settings_of(dataset: str, series: str) -> list[dict[str, Any]]:
    """Return the points of a data set in one of SERIES: shares of labels, or the numbers that it can have."""
    if series != "counts":
        return [{"labeled_ratio": share, "contamination": SERIES[series]} for share in SHARES]
    most = possible_labels(make_config(dataset=dataset))
    return [{"labeled_anomalies": count, "contamination": SERIES[series]} for count in COUNTS if count <= most]


def configs_of(task: Task, seeds: int) -> list[RunConfig]:
    """Return the runs of a task."""
    (found,) = systems_of([task.system])
    return [
        make_config(dataset=task.dataset, seed=seed, **setting, **found.settings)
        for setting, seed in itertools.product(settings_of(task.dataset, task.series), range(seeds))
    ]


def measure(task: Task, seeds: int, device: str) -> pd.DataFrame:
    """Train the runs of a task; return a row per run, without those that cannot be split or trained."""
    import torch

    from anoonly_core.results.result import RunResult
    from anoonly_core.runs.run import run_each

    torch.set_num_threads(1)
    configs = {str(number): config for number, config in enumerate(configs_of(task, seeds))}
    rows = []
    for key, result in run_each(configs, device):
        if isinstance(result, RunResult):
            rows.append(
                {
                    **{name: getattr(configs[key], name, task.system) for name in (*POINT, "seed")},
                    "aucpr": result.metrics.aucpr_anomaly,
                    "seconds": result.seconds["train"] + result.seconds["score"],
                }
            )
        else:
            print(f"{', '.join(task)}: {result}", flush=True)
    return pd.DataFrame(rows, columns=COLUMNS)


def data_sets(rows: int) -> list[str]:
    """Return the ADBench files of this machine with at most this number of rows, those of the paper first."""
    names = [name for family in FAMILIES for name in files_of(family)]
    return [name for name in names if resolve(name).is_local() and resolve(name).load().rows <= rows]


def tasks_done(found: pd.DataFrame) -> set[Task]:
    """Return the tasks that some runs cover, see `read_runs`."""
    counted = found["labeled_anomalies"].notna()
    pools = found["contamination"].astype(str).where(found["contamination"].astype(str) == "natural", "clean")
    return set(map(Task, found["dataset"], found["system"], pools.mask(counted, "counts")))


def train(tasks: Sequence[Task], seeds: int, out: Path, workers: int, device: str) -> None:
    """Train the tasks that the file lacks, in their order; rewrite the file after each."""
    found = read_runs(out)
    done = tasks_done(found)
    missing = [task for task in tasks if task not in done]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(measure, task, seeds, device): task for task in missing}
        for number, future in enumerate(as_completed(futures), start=1):
            try:
                part = future.result()
            except AnoOnlyError as error:
                print(f"{', '.join(futures[future])}: {error}", flush=True)
                continue
            found = pd.concat([frame for frame in (found, part) if len(frame)], ignore_index=True)
            write_runs(found.assign(contamination=found["contamination"].astype(str)), out)
            print(f"{number} of {len(missing)}: {', '.join(futures[future])}", flush=True)


def print_tables(runs: pd.DataFrame) -> None:
    """Print the means by number of labels, and the ranks at each, of each family and pool."""
    for _, grid in which_reports(runs):
        print(to_markdown(grid))


def main() -> None:
    """Train what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="do not train; print the tables of the file")
    parser.add_argument("--systems", default=";".join(MEASURED), help="separated by semicolons")
    parser.add_argument("--datasets", help="separated by commas; default: all files of this machine")
    parser.add_argument("--rows", type=int, default=20_000, help="leave out larger data sets; default: 20000")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="with cuda, take 1 or 2 workers")
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    if not options.tables:
        names = options.datasets.split(",") if options.datasets else data_sets(options.rows)
        systems = [system.name for system in systems_of(options.systems.split(";"))]
        tasks = [Task(*parts) for parts in itertools.product(names, systems, SERIES)]
        train(tasks, options.seeds, options.out, options.workers, options.device)
    print_tables(read_runs(options.out))


if __name__ == "__main__":
    main()

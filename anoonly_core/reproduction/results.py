"""Measured results: those that ship with the project, and those that this machine has trained."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from anoonly_core.config import RunConfig
from anoonly_core.errors import InvalidConfig
from anoonly_core.files import write_atomic
from anoonly_core.metrics.ranking import METRICS
from anoonly_core.reproduction.experiments import EXPERIMENTS, SEEDS, PlannedRun, planned_runs
from anoonly_core.reproduction.families import FAMILIES, family_of, files_of
from anoonly_core.reproduction.published import ASSETS
from anoonly_core.results.result import BATCH_SHARES, RunResult
from anoonly_core.results.store import RunSummary, Store

__all__ = [
    *("COLUMNS", "SHIPPED", "MeasuredRun"),
    *(
        "runs_frame",
        "find_results",
        "results_in_store",
        "read_rows",
        "shipped_results",
        "shipped_datasets",
        "write_results",
    ),
]

SHIPPED = ASSETS / "results" / "runs.csv"
KEY_LETTERS = 16  # of a run's key, more than enough to tell so many runs apart
DIGITS, SHARE_DIGITS = 6, 4  # of a metric and of a share: far finer than any table shows
COUNTS = ("test", "test_copies_of_training_part")
COLUMNS = ("key", "device", *RunConfig.model_fields, *METRICS, *COUNTS, *BATCH_SHARES, "train_seconds")


@dataclass(frozen=True)
class MeasuredRun:
    """What is known of one run.

    metrics: rounded, so that a table made from the store is the one made from the shipped file. counts: test rows,
    and those that are copies of rows of the training part. batches: the share of a batch's rows that are labeled
    anomalies, and of batches without any; only of systems with batches. here: trained on this machine.
    """

    metrics: Mapping[str, float]
    counts: Mapping[str, int]
    batches: Mapping[str, float]
    here: bool


@cache
def shipped_results(path: Path = SHIPPED) -> dict[str, MeasuredRun]:
    """Return the shipped results by the first KEY_LETTERS of their keys; empty if there is no file."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {
            row["key"]: MeasuredRun(
                metrics={name: float(row[name]) for name in METRICS},
                counts={name: int(row[name]) for name in COUNTS},
                batches={name: float(row[name]) for name in BATCH_SHARES if row[name]},
                here=False,
            )
            for row in csv.DictReader(file)
        }


def find_results(planned: Iterable[PlannedRun], store: Store | None, path: Path = SHIPPED) -> dict[str, MeasuredRun]:
    """What is known of these runs, by key: what this machine has trained comes before what ships.

    A result of an earlier version of the code or of its file has another key, and counts as absent.
    """
    runs = list(planned)
    known = shipped_results(path)
    found = {}
    for run in runs if known else ():
        own = known.get(run.key[:KEY_LETTERS]) or known.get(run.on_gpu[:KEY_LETTERS])
        if own is not None:
            found[run.key] = own
    return found | (results_in_store(runs, store) if store is not None else {})


def results_in_store(planned: Sequence[PlannedRun], store: Store) -> dict[str, MeasuredRun]:
    """Return the stored results of these runs by key."""
    on_gpu = {run.on_gpu: run.key for run in planned}
    kept = store.runs(store.keys().intersection({*on_gpu, *on_gpu.values()}))
    gpus = {on_gpu[key]: _of(run) for key, run in kept.items() if key in on_gpu}
    return gpus | {key: _of(run) for key, run in kept.items() if key not in on_gpu}


def _of(run: RunSummary) -> MeasuredRun:
    metrics = {name: round(run.metrics[name], DIGITS) for name in METRICS}
    counts = {name: run.counts[name] for name in COUNTS}
    batches = {name: round(share, SHARE_DIGITS) for name, share in run.batches.items()}
    return MeasuredRun(metrics, counts, batches, here=True)


def runs_frame(planned: Iterable[PlannedRun], found: Mapping[str, MeasuredRun]) -> pd.DataFrame:
    """One row for each run of which there is a result: where its cell stands, data set, family, seed, metrics in %."""
    rows: list[dict[str, Any]] = []
    for run in planned:
        if (own := found.get(run.key)) is not None:
            about = {"dataset": run.config.dataset, "family": family_of(run.config.dataset), "seed": run.config.seed}
            percent = {name: 100 * value for name, value in own.metrics.items()}
            rows.append(
                {**run.variant.at, **about, **percent, **own.counts, **own.batches, "here": own.here, "key": run.key}
            )
    return pd.DataFrame(rows)


def shipped_datasets(path: Path = SHIPPED) -> list[str]:
    """Return the data sets of the shipped results, in the order of the table families."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        names = {row["dataset"] for row in csv.DictReader(file)}
    return [name for family in FAMILIES for name in files_of(family) if name in names]


def write_results(planned: Iterable[PlannedRun], store: Store, path: Path) -> int:
    """Write what the store has of these runs as the file that ships; how many runs stand in it then.

    Of each: the first letters of its key, its settings, its metrics, its test rows, how its batches were made up, what
    it took. What the store lacks stays as the file has it, unless no experiment asks for it any more, as after a
    change of the code. Raises InvalidConfig where the file cannot be read or written.
    """
    runs = {run.key: run for run in planned}
    datasets = {run.config.dataset for run in runs.values()}
    seeds = max((run.config.seed + 1 for run in runs.values()), default=SEEDS)
    asked = [run for own in EXPERIMENTS.values() for run in planned_runs(own, datasets, max(seeds, SEEDS))]
    wanted = {key[:KEY_LETTERS] for run in asked for key in (run.key, run.on_gpu)}
    dataset, place = COLUMNS.index("dataset"), slice(COLUMNS.index("dataset"), COLUMNS.index("aucroc"))
    rows = {tuple(row[place]): row for row in read_rows(path) if row[dataset] not in datasets or row[0] in wanted}
    for run in runs.values():
        if (result := store.get(run.key) or store.get(run.on_gpu)) is not None:
            row = _row(result)
            rows[tuple(row[place])] = row
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows[settings] for settings in sorted(rows))
    try:
        write_atomic(path, out.getvalue().encode())
    except OSError as error:
        raise InvalidConfig(f"The results could not be written to {str(path)!r} ({error.strerror}).") from error
    return len(rows)


def read_rows(path: Path) -> list[list[str]]:
    """The rows of a file of results; none where it is absent. Raises InvalidConfig where it is something else."""
    try:
        if not path.exists() or not path.stat().st_size:
            return []
        with path.open(newline="", encoding="utf-8") as file:
            names, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidConfig(f"{str(path)!r} cannot be read as a file of results ({error}).") from error
    if tuple(names) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise InvalidConfig(f"{str(path)!r} is not a file of results: give --results another one.")
    return rows


def _row(result: RunResult) -> list[str]:
    settings = result.config.model_dump(mode="json").values()
    batches = result.batches()
    return [
        *(result.key[:KEY_LETTERS], result.device, *("" if value is None else str(value) for value in settings)),
        *(f"{getattr(result.metrics, name):.{DIGITS}f}" for name in METRICS),
        *(str(result.counts[name]) for name in COUNTS),
        *(f"{batches[name]:.{SHARE_DIGITS}f}" if batches else "" for name in BATCH_SHARES),
        f"{result.seconds['train']:.2f}",
    ]

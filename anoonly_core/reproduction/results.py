"""Measured results: shipped with the project, or trained on this machine."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from anoonly_core.config import LATER_SETTINGS, RunConfig
from anoonly_core.errors import InvalidConfig
from anoonly_core.files import write_atomic
from anoonly_core.metrics.ranking import METRICS
from anoonly_core.reproduction.experiments import EXPERIMENTS, SEEDS, PlannedRun, planned_runs
from anoonly_core.reproduction.families import FAMILIES, family_of, files_of
from anoonly_core.reproduction.published import ASSETS
from anoonly_core.results.result import BATCH_SHARES, RunResult
from anoonly_core.results.store import RunSummary, Store

__all__ = [
    *("COLUMNS", "SETTINGS", "SHIPPED", "MeasuredRun"),
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
KEY_LETTERS = 16  # leading hexadecimal digits of a run key in the file
DIGITS, SHARE_DIGITS = 6, 4  # decimals of a metric and of a share in the file
COUNTS = ("test", "test_copies_of_training_part")
# Settings in the file; no experiment changes one that came later.
SETTINGS = tuple(name for name in RunConfig.model_fields if name not in LATER_SETTINGS)
COLUMNS = ("key", "device", *SETTINGS, *METRICS, *COUNTS, *BATCH_SHARES, "train_seconds")


@dataclass(frozen=True)
class MeasuredRun:
    """Result of one run as the tables use it.

    Attributes
    ----------
    metrics : mapping of str to float
        Metrics in 0 to 1, rounded as in the shipped file, so that store and file give the same tables.
    counts : mapping of str to int
        Test rows, and test rows that are copies of rows of the training part.
    batches : mapping of str to float
        Mean share of labeled anomalies in a batch, and share of batches without any; empty for systems without
        batches.
    is_local : bool
        True if it was trained on this machine.
    """

    metrics: Mapping[str, float]
    counts: Mapping[str, int]
    batches: Mapping[str, float]
    is_local: bool


@cache
def shipped_results(path: Path = SHIPPED) -> dict[str, MeasuredRun]:
    """Read the shipped results, by the first KEY_LETTERS of their run keys; {} if there is no file. Cached."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {
            row["key"]: MeasuredRun(
                metrics={name: float(row[name]) for name in METRICS},
                counts={name: int(row[name]) for name in COUNTS},
                batches={name: float(row[name]) for name in BATCH_SHARES if row[name]},
                is_local=False,
            )
            for row in csv.DictReader(file)
        }


def find_results(planned: Iterable[PlannedRun], store: Store | None, path: Path = SHIPPED) -> dict[str, MeasuredRun]:
    """Look up the results of planned runs, in the store and in the shipped file; the store takes precedence.

    A result of another version of the code or of its data file has another key, so it is not found.

    Parameters
    ----------
    planned : iterable of PlannedRun
        Runs to look up, by their key for the CPU and by that for a GPU.
    store : Store or None
        Local results; None looks up shipped ones only.
    path : Path
        File of shipped results.

    Returns
    -------
    dict of str to MeasuredRun
        By the key for the CPU; runs without a result are absent.
    """
    runs = list(planned)
    in_file = shipped_results(path)
    shipped = {}
    for run in runs if in_file else ():
        result = in_file.get(run.key[:KEY_LETTERS]) or in_file.get(run.gpu_key[:KEY_LETTERS])
        if result is not None:
            shipped[run.key] = result
    return shipped | (results_in_store(runs, store) if store is not None else {})


def results_in_store(planned: Sequence[PlannedRun], store: Store) -> dict[str, MeasuredRun]:
    """Return the stored results of planned runs, by their key for the CPU; runs without a result are absent.

    A result of the CPU takes precedence over that of a GPU.
    """
    cpu_keys = {run.gpu_key: run.key for run in planned}
    stored = store.runs(store.keys().intersection({*cpu_keys, *cpu_keys.values()}))
    from_gpu = {cpu_keys[key]: _measured_run(run) for key, run in stored.items() if key in cpu_keys}
    return from_gpu | {key: _measured_run(run) for key, run in stored.items() if key not in cpu_keys}


def _measured_run(run: RunSummary) -> MeasuredRun:
    metrics = {name: round(run.metrics[name], DIGITS) for name in METRICS}
    counts = {name: run.counts[name] for name in COUNTS}
    batches = {name: round(share, SHARE_DIGITS) for name, share in run.batches.items()}
    return MeasuredRun(metrics, counts, batches, is_local=True)


def runs_frame(planned: Iterable[PlannedRun], results: Mapping[str, MeasuredRun]) -> pd.DataFrame:
    """Build a table with one row per planned run that has a result.

    Parameters
    ----------
    planned : iterable of PlannedRun
        The runs, in the order of the rows.
    results : mapping of str to MeasuredRun
        Results by key; see find_results.

    Returns
    -------
    pandas.DataFrame
        The columns of Variant.at, dataset, family, seed, all METRICS in percent, the counts, the shares of batches,
        is_local and key; without columns if there is no result.
    """
    rows: list[dict[str, Any]] = []
    for run in planned:
        if (result := results.get(run.key)) is not None:
            labels = {"dataset": run.config.dataset, "family": family_of(run.config.dataset), "seed": run.config.seed}
            percent = {name: 100 * value for name, value in result.metrics.items()}
            rest = {**result.counts, **result.batches, "is_local": result.is_local, "key": run.key}
            rows.append({**run.variant.at, **labels, **percent, **rest})
    return pd.DataFrame(rows)


def shipped_datasets(path: Path = SHIPPED) -> list[str]:
    """Return the names of the data sets that have shipped results, in the order of the table families.

    `path` is the file of results; [] if it is absent.
    """
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        names = {row["dataset"] for row in csv.DictReader(file)}
    return [name for family in FAMILIES for name in files_of(family) if name in names]


def write_results(planned: Iterable[PlannedRun], store: Store, path: Path) -> int:
    """Write the results of planned runs from the store to a file of shipped results, updating it.

    Rows of runs that the store lacks are kept, unless no experiment plans them any more, as after a change of the
    code.

    Parameters
    ----------
    planned : iterable of PlannedRun
        Runs to write.
    store : Store
        Their results.
    path : Path
        A CSV file with the columns COLUMNS; it is created if absent.

    Returns
    -------
    int
        Number of runs in the file.

    Raises
    ------
    InvalidConfig
        If the file cannot be read or written.
    """
    runs = {run.key: run for run in planned}
    datasets = {run.config.dataset for run in runs.values()}
    seeds = max((run.config.seed + 1 for run in runs.values()), default=SEEDS)
    current = [run for each in EXPERIMENTS.values() for run in planned_runs(each, datasets, max(seeds, SEEDS))]
    wanted = {key[:KEY_LETTERS] for run in current for key in (run.key, run.gpu_key)}
    dataset, config = COLUMNS.index("dataset"), slice(COLUMNS.index("dataset"), COLUMNS.index("aucroc"))
    rows = {tuple(row[config]): row for row in read_rows(path) if row[dataset] not in datasets or row[0] in wanted}
    for run in runs.values():
        if (result := store.get(run.key) or store.get(run.gpu_key)) is not None:
            row = _row(result)
            rows[tuple(row[config])] = row
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
    """Read a file of results and return its rows of text without the heading; [] if it is absent or empty.

    Raises
    ------
    InvalidConfig
        If the file cannot be read, or is no file of results.
    """
    try:
        if not path.exists() or not path.stat().st_size:
            return []
        with path.open(newline="", encoding="utf-8") as file:
            names, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidConfig(f"{str(path)!r} cannot be read as a file of results ({error}).") from error
    if tuple(names) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise InvalidConfig(f"{str(path)!r} is not a file of results. Choose another file for --results.")
    return rows


def _row(result: RunResult) -> list[str]:
    settings = result.config.model_dump(mode="json", include={*SETTINGS}).values()
    batches = result.batches()
    return [
        *(result.key[:KEY_LETTERS], result.device, *("" if value is None else str(value) for value in settings)),
        *(f"{getattr(result.metrics, name):.{DIGITS}f}" for name in METRICS),
        *(str(result.counts[name]) for name in COUNTS),
        *(f"{batches[name]:.{SHARE_DIGITS}f}" if batches else "" for name in BATCH_SHARES),
        f"{result.seconds['train']:.2f}",
    ]

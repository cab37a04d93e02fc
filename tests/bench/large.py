"""Large tables from the upload of a CSV file to figures and a detector, as the pages do it; and how soon a cancel ends.

    python -m tests.bench.large [--only shuttle] [--first]

Runs the jobs of Your table and Compare in the worker processes of a server, without a browser. Prints two tables in
Markdown. shuttle comes with river, 10_cover is read from the folder of ADBench's files.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from anoonly_core.config import RunConfig
from anoonly_core.data.adbench.files import find_entry, load_arrays
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.profile import suggest_schema
from anoonly_core.data.tables.upload_metadata import Upload
from anoonly_core.execution import tasks
from app.controls.choice import baseline_of, default_choice
from app.server.jobs import TABLE_TASKS, Jobs
from app.views.your_table.times import first_look
from app.widgets.progress import ComparisonRuns

__all__ = ["main"]

POLL_S = 0.01
SESSION = "bench"
SAMPLE = 20_000  # rows
STARTED_S = 1.0  # time for which a job runs before it is canceled


def _shuttle(path: Path) -> None:
    packed = next(Path(str(file.locate())) for file in files("river") or () if file.name == "shuttle.csv.gz")
    path.write_bytes(gzip.decompress(packed.read_bytes()))


def _cover(path: Path) -> None:
    entry = find_entry("10_cover")
    assert entry is not None
    X, y = load_arrays(entry)
    whole = X.astype(int) if (X % 1 == 0).all() else X
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([*(f"x{number}" for number in range(X.shape[1])), "label"])
        lines.writerows(
            [*row, label] for row, label in zip(whole.tolist(), y.ravel().astype(int).tolist(), strict=True)
        )


TABLES: Mapping[str, Callable[[Path], None]] = MappingProxyType({"shuttle": _shuttle, "10_cover": _cover})


class _Visitor:
    """Session of a visitor on a server: calls tasks in its worker processes and waits for them."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self._calls = 0

    def call(self, function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
        """Return the value of a call in a worker process, and the seconds that it took."""
        key, begun = self._key(), time.perf_counter()
        self.jobs.request_worker_result(SESSION, key, function, *arguments)
        while (value := self.jobs.results.worker_result(key)) is None:
            self._check([key])
        return value, time.perf_counter() - begun

    def compare(self, a: RunConfig, b: RunConfig, seeds: int) -> tuple[float, float, list[float]]:
        """Train A and B; return the seconds to the first seed of both and to all, and the AUCPR of B by seed."""
        runs = ComparisonRuns(*([own.with_(seed=seed) for seed in range(seeds)] for own in (a, b)))
        begun, first_s = time.perf_counter(), 0.0
        self.jobs.request_runs(SESSION, runs.groups())
        while True:
            done = runs.finished(self.jobs)
            first_s = first_s or (time.perf_counter() - begun if done else 0.0)
            if done and len(done[1]) == seeds:
                return first_s, time.perf_counter() - begun, [own.metrics.aucpr_anomaly for own in done[1]]
            self._check(runs.keys)

    def cancel(self, function: Callable[..., Any], *arguments: Any) -> float:
        """Return the seconds from the cancel of a running call to the end of its worker's work on it."""
        pool = self.jobs.readers if function in TABLE_TASKS else self.jobs.trainers
        task = pool.schedule(function, *arguments)
        while not task.running:
            time.sleep(POLL_S)
        time.sleep(STARTED_S)
        if task.done:
            return float("nan")
        begun = time.perf_counter()
        pool.stop(task)
        while not task.done:
            time.sleep(POLL_S)
        return time.perf_counter() - begun

    def _key(self) -> str:
        self._calls += 1
        return f"bench {self._calls}"

    def _check(self, keys: Sequence[str]) -> None:
        if failures := [failure for key in keys if (failure := self.jobs.results.failure(key))]:
            raise RuntimeError(failures[0])
        time.sleep(POLL_S)


def _open(visitor: _Visitor, path: Path, rows: int | None = None) -> tuple[Upload, float, float]:
    """Upload a file; return it as read, and the seconds to the profile of its columns and from there to its rows."""
    with path.open("rb") as file:
        table = uploads.add(path.name, file, "me", "here")
    profile, profile_s = visitor.call(tasks.profile_upload, table.name, table.get_schema().read_options)
    schema = suggest_schema(profile).model_copy(update={"rows": rows})
    table, rows_s = visitor.call(tasks.apply_schema, table.name, schema)
    return table, profile_s, rows_s


def _measure(
    name: str, path: Path, visitor: _Visitor, is_first: bool
) -> tuple[list[Mapping[str, str]], Mapping[str, str]]:
    """Return the lines of the report for one table: a first look, then a sample and all rows; and its cancels.

    With `is_first` only the first look is measured.
    """
    choice, lines = default_choice(), list[Mapping[str, str]]()
    table, profile_s, rows_s = _open(visitor, path)
    b = choice.b.with_(dataset=table.name)
    cancels = {
        "table": name,
        "reading": _seconds(visitor.cancel(tasks.profile_upload, table.name)),
        "taking the rows": _seconds(visitor.cancel(tasks.apply_schema, table.name, table.get_schema())),
        "training": _seconds(visitor.cancel(tasks.train_each, {"b": b})),
        "the detector": _seconds(visitor.cancel(tasks.fit_detector, b, True, True)),
    }
    estimate_s = visitor.call(tasks.plan_runs, {"A": baseline_of(b), "B": b}, visitor.jobs.cores)[1]
    quick = first_look(b)
    parts = (
        ("first look", quick, None),
        (f"sample of {SAMPLE:,}", (baseline_of(b), b), SAMPLE),
        ("all rows", (baseline_of(b), b), None),
    )
    for what, (own_a, own_b), rows in parts[: 1 if is_first else None]:
        own = table
        if rows is not None:
            own, profile_s, rows_s = _open(visitor, path, rows)
            own_a, own_b = own_a.with_(dataset=own.name), own_b.with_(dataset=own.name)
        first_s, whole_s, aucpr = visitor.compare(own_a, own_b, choice.seeds)
        detector_s = visitor.call(tasks.fit_detector, own_b, True, True)[1]
        lines.append(
            {
                "table": f"{name}, {what}",
                "rows": f"{own.counts['rows']:,}" if own.counts else "",
                "columns shown": _seconds(profile_s),
                "rows taken": _seconds(rows_s),
                "estimate": _seconds(estimate_s),
                "first figures": _seconds(first_s),
                "all seeds": _seconds(whole_s),
                "detector": _seconds(detector_s),
                "AUCPR of B": f"{sum(aucpr) / len(aucpr):.3f} ({min(aucpr):.3f} to {max(aucpr):.3f})",
            }
        )
    return lines, cancels


def _seconds(seconds: float) -> str:
    return "–" if seconds != seconds else f"{seconds:.1f} s"


def _print_table(lines: Sequence[Mapping[str, str]]) -> None:
    print("|", " | ".join(lines[0]), "|")
    print(f"|{'---|' * len(lines[0])}")
    for line in lines:
        print("|", " | ".join(line.values()), "|")
    print(flush=True)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.large", description=__doc__)
    parser.add_argument("--only", choices=TABLES, help="one table alone")
    parser.add_argument("--first", action="store_true", help="the first look alone")
    return parser


def main() -> None:
    """Print the tables."""
    asked = make_parser().parse_args()
    lines, cancels = list[Mapping[str, str]](), list[Mapping[str, str]]()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ANOONLY_CACHE"] = folder
        jobs = Jobs(cores=2)
        visitor = _Visitor(jobs)  # one for all tables, since its keys are those of the results
        try:
            started = [pool.schedule(os.getpid) for pool in (jobs.trainers, jobs.readers) for _ in range(2)]
            for task in started:  # so that the start of the processes is not measured
                task.result()
            for name, write in TABLES.items():
                if asked.only in (None, name):
                    write(path := Path(folder) / f"{name}.csv")
                    found, canceled = _measure(name, path, visitor, asked.first)
                    lines += found
                    cancels.append(canceled)
                    _print_table(found)
        finally:
            jobs.close()
    _print_table(lines)
    _print_table(cancels)


if __name__ == "__main__":
    main()

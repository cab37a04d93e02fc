"""Measure every claim of the lessons over seeds that no reader trains, and write the table that ships.

    python -m tests.bench.lessons            measure the claims that assets/lessons/effects.csv lacks, and write it
    python -m tests.bench.lessons --all      measure all claims (about 900 runs, 10 to 20 minutes)

The page and the tests read the table; the claims and texts of the lessons must agree with it.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from anoonly_core.config import RunConfig
from anoonly_core.drift.run import run_drift
from anoonly_core.projection import project
from anoonly_core.results.keys import run_key
from anoonly_core.results.result import RunResult
from anoonly_core.runs.run import run_many
from app.views.lessons.effects import COLUMNS, EFFECTS_FILE, MEASURED_SEEDS, claim_key, claims
from app.views.lessons.lessons import Comparison
from app.views.lessons.measures import MEASURES
from app.views.lessons.streams import Scoring, StreamRun


def measured_rows(named: Iterable[tuple[str, Comparison]]) -> Iterator[tuple[str, str, str, int, float, float]]:
    """Train both sides of each claim; yield a row of the table for each seed, claim by claim."""
    trained: dict[str, RunResult] = {}
    maps: dict[str, np.ndarray] = {}
    for name, claim in named:
        if claim.is_stream:
            sides = tuple(_stream_values(claim.metric, side) for side in claim.scorings(MEASURED_SEEDS))
        else:
            runs = claim.runs(MEASURED_SEEDS)
            _train([config for side in runs for config in side], trained)
            sides = tuple([_value(claim.metric, trained[run_key(config)], maps) for config in side] for side in runs)
        for seed, a, b in zip(MEASURED_SEEDS, *sides, strict=True):
            yield name, claim.metric, claim_key(claim), seed, a, b


def _stream_values(metric: str, side: list[Scoring]) -> list[float]:
    """Score the streams of one side, one a seed, and return the measure of each."""
    results = run_drift([scoring.config for scoring in side])
    runs = [StreamRun(scoring, result) for scoring, result in zip(side, results, strict=True)]
    return [MEASURES[metric].of(run, np.zeros((0, 2))) for run in runs]


def measured_before(path: Path) -> dict[str, list[list[str]]]:
    """Return the rows of an existing table by the key of their claim; empty if there is no table."""
    rows: dict[str, list[list[str]]] = {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            for row in list(csv.reader(file))[1:]:
                rows.setdefault(row[COLUMNS.index("key")], []).append(row)
    return {key: found for key, found in rows.items() if len(found) >= len(MEASURED_SEEDS)}


def _train(configs: list[RunConfig], trained: dict[str, RunResult]) -> None:
    missing = {key: config for config in configs if (key := run_key(config)) not in trained}
    trained.update({result.key: result for result in run_many(list(missing.values()), "cpu")})


def _value(metric: str, run: RunResult, maps: dict[str, np.ndarray]) -> float:
    measure = MEASURES[metric]
    points = run.sample.hidden
    if measure.projector:
        if run.key not in maps:
            maps[run.key] = project(run.sample.hidden, measure.projector)
        points = maps[run.key]
    return measure.of(run, points)


def main() -> None:
    """Measure all claims and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=EFFECTS_FILE, help="the file to write; default: the one that ships")
    parser.add_argument("--all", action="store_true", help="measure again what the table holds already")
    options = parser.parse_args()
    torch.set_num_threads(1)
    before = {} if options.all else measured_before(options.out)
    missing = [(name, claim) for name, claim in claims() if claim_key(claim) not in before]
    rows: dict[str, list[list[str]]] = {}
    for row in measured_rows(missing):
        rows.setdefault(row[0], []).append([*map(str, row[:4]), *(f"{value:.6f}" for value in row[4:])])
        print(*row, file=sys.stderr, flush=True)
    with options.out.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for name, claim in claims():
            found = rows.get(name) or before[claim_key(claim)][: len(MEASURED_SEEDS)]
            table.writerows([[name, *row[1:]] for row in found])


if __name__ == "__main__":
    main()

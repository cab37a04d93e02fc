"""Measure every claim of the lessons over seeds that no reader trains, and write the table that ships.

    python -m tests.bench.lessons            write assets/lessons/effects.csv (about 800 runs, 10 to 20 minutes)

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
from anoonly_core.projection import project
from anoonly_core.results.keys import run_key
from anoonly_core.results.result import RunResult
from anoonly_core.runs.run import run_many
from app.views.lessons.effects import COLUMNS, EFFECTS_FILE, MEASURED_SEEDS, claim_key, claims
from app.views.lessons.lessons import Comparison
from app.views.lessons.measures import MEASURES


def measured_rows(named: Iterable[tuple[str, Comparison]]) -> Iterator[tuple[str, str, str, int, float, float]]:
    """Train both sides of each claim; yield a row of the table for each seed, claim by claim."""
    trained: dict[str, RunResult] = {}
    maps: dict[str, np.ndarray] = {}
    for name, claim in named:
        sides = claim.runs(MEASURED_SEEDS)
        _train([config for side in sides for config in side], trained)
        for seed, configs in zip(MEASURED_SEEDS, zip(*sides, strict=True), strict=True):
            values = [_value(claim.metric, trained[run_key(config)], maps) for config in configs]
            yield name, claim.metric, claim_key(claim), seed, values[0], values[1]


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
    options = parser.parse_args()
    torch.set_num_threads(1)
    with options.out.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for row in measured_rows(claims()):
            table.writerow([*row[:4], *(f"{value:.6f}" for value in row[4:])])
            print(*row, file=sys.stderr, flush=True)
            file.flush()


if __name__ == "__main__":
    main()

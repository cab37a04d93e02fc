"""Anomalies that a list for labeling shows first, after a few marks.

    python -m tests.bench.labeling --draws 10

All rows train: three anomalies drawn at random are marked, all others are the pool. The share of anomalies among the
first 20 rows that are not labeled, for λ_n = 0, for λ_n = 1 and for both in turn, as on the page Label; DeepSAD.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split, medians, min_max
from anoonly_core.labeling.orders import order_by, order_in_turn
from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.rng import numpy_generator
from anoonly_core.runs.train_and_score import TrainingTask, train_and_score

MARKS, TOP = 3, 20


def shares(name: str, draws: int) -> dict[str, list[float]]:
    """Return the share of anomalies among the first rows, 0 to 1, by order and draw."""
    dataset = load_cached(name)
    splits = [_split(dataset, draw) for draw in range(draws)]
    tasks = [
        TrainingTask(dataset, make_config(dataset=name, lambda_n=weight, seed=draw), split, split.test)
        for weight in (0.0, 1.0)
        for draw, split in enumerate(splits)
    ]
    scores = train_and_score(tasks)
    found: dict[str, list[float]] = {"λ_n = 0": [], "λ_n = 1": [], "in turn": []}
    for draw, split in enumerate(splits):
        first, second = order_by(scores[draw]), order_by(scores[draws + draw])
        for words, order in zip(found, (first, second, order_in_turn(first, second)), strict=True):
            hidden = order[~split.labeled[order]][:TOP]
            found[words].append(float(dataset.y[hidden].mean()))
    return found


def _split(dataset: Dataset, draw: int) -> Split:
    """Mark anomalies of a data set; all of its rows train and are scored."""
    marked = numpy_generator(draw, "marks").permutation(np.flatnonzero(dataset.y == 1))[:MARKS]
    rows = np.arange(dataset.rows)
    fill = medians(dataset.X, rows) if dataset.has_missing else None
    return Split(rows, np.isin(rows, marked), rows, *min_max(dataset.X, rows), {}, fill)


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--datasets", default="digits_3,6_cardio,breast_cancer,digits_low")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| | λ_n = 0 | λ_n = 1 | both in turn |\n|---|---|---|---|")
    for name in options.datasets.split(","):
        cells = [
            f"{np.mean(values):.2f} ± {margin_of_error(values):.2f}" for values in shares(name, options.draws).values()
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

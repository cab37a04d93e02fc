"""Small stacks for the tests of heads and training, on generated tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from anoonly_core.baselines import BASELINES, PAPER_NORMS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.dataset import Dataset, Provenance, make_dataset
from anoonly_core.data.split import Split
from anoonly_core.models import METHODS
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack

__all__ = [
    "HEADS_NORMS_AND_A_RATE_THAT_FALLS",
    "configs_of",
    "heads_and_norms",
    "made_split",
    "made_table",
    "stack_of",
    "trained",
    "trained_scores",
]


def heads_and_norms() -> list[tuple[str, str | None]]:
    """List every head with each of its norms."""
    return [(name, norm) for name in METHODS for norm in (PAPER_NORMS if BASELINES[name].has("norm") else (None,))]


# With a preset. The learning rate of PReNet varies under published_code; a GPU reads it from a tensor.
HEADS_NORMS_AND_A_RATE_THAT_FALLS = [
    *((name, norm, "paper") for name, norm in heads_and_norms()),
    ("PReNet", "batch", "published_code"),
]


def made_table(rows: int = 90, columns: int = 7, seed: int = 0) -> Dataset:
    """Make a table with normal rows around 0 and one anomaly in six rows around 2."""
    random = np.random.default_rng(seed)
    y = (np.arange(rows) % 6 == 0).astype(np.int64)
    return make_dataset("made", random.normal(size=(rows, columns)) + 2 * y[:, None], y, Provenance("made here", ""))


def made_split(dataset: Dataset, labels: int = 3, train_rows: int | None = None) -> Split:
    """Split a table: the first rows train, the first anomalies among them are labeled, the others test."""
    train_rows = train_rows or dataset.rows * 2 // 3
    rows = np.arange(train_rows)
    labeled = np.zeros(train_rows, dtype=bool)
    labeled[np.flatnonzero(dataset.y[rows] == 1)[:labels]] = True
    columns = dataset.columns
    test = np.arange(train_rows, dataset.rows)
    return Split(rows, labeled, test, np.zeros(columns, np.float32), np.ones(columns, np.float32), {})


def stack_of(dataset: Dataset, configs: list[RunConfig], split: Split | None = None) -> Stack:
    """Build a stack of which all runs share one split."""
    return Stack(dataset, configs, [split or made_split(dataset)] * len(configs))


def trained(stack: Stack) -> Stack:
    """Pretrain and train a stack, and return it."""
    for _ in pretrain(stack):
        pass
    for _ in train(stack):
        pass
    return stack


def trained_scores(dataset: Dataset, configs: list[RunConfig], split: Split | None = None) -> list[np.ndarray]:
    """Train runs as one stack and return the test scores of each."""
    stack = stack_of(dataset, configs, split)
    trained(stack)
    return stack.scores([stack.splits[0].test] * len(configs))


def configs_of(count: int, **settings: Any) -> list[RunConfig]:
    """Make configs for one stack that differ in seed and, if the baseline has it, in λ_n."""
    lambdas = (1.0, 0.0, 0.1, 1e-3)
    has_lambda = BASELINES[settings.get("baseline", "DeepSAD")].has("lambda_n")
    return [
        make_config(
            **{
                "epochs": 3,
                "batch_size": 16,
                "seed": n,
                "norm": "batch_no_affine" if has_lambda else None,
                "lambda_n": lambdas[n % 4] if has_lambda else None,
                **settings,
            }
        )
        for n in range(count)
    ]

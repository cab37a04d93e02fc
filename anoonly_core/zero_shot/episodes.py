"""Which rows a zero-shot run draws: the tasks it trains on, and the batches that test it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from anoonly_core.errors import InvalidConfig
from anoonly_core.rng import numpy_generator
from anoonly_core.zero_shot.class_table import ClassTable
from anoonly_core.zero_shot.config import ZeroShotConfig

__all__ = ["EpisodeRows", "episode_rows", "growing_batches", "test_batches", "training_tasks"]

PUT_ASIDE = 0.3  # of the classes trained on, where their rows must be the anomalies


@dataclass(frozen=True, eq=False)
class EpisodeRows:
    """Rows of a ClassTable by what they are for, each int64 in order.

    train: of each class trained on. normal, anomalies: of each class held out, what its test batches
    draw from.
    """

    train: dict[str, np.ndarray]
    normal: dict[str, np.ndarray]
    anomalies: dict[str, np.ndarray]


def episode_rows(config: ZeroShotConfig, table: ClassTable) -> EpisodeRows:
    """Training never sees a row of a class held out, nor any row that a test batch holds.

    A held-out class's anomalies are its own where the table has such; else the other classes held
    out; where only one is, rows of all other classes, of which training then does without 30 %.
    """
    train = {name: table.rows_of(name) for name in config.meta}
    normal = {name: table.rows_of(name) for name in config.held_out}
    if table.has_class_anomalies:
        anomalies = {name: table.rows_of(name, anomalous=True) for name in config.held_out}
    elif len(config.held_out) > 1:
        anomalies = {name: np.concatenate([own for other, own in normal.items() if other != name]) for name in normal}
    else:
        aside = np.zeros(len(table.X), dtype=bool)
        for name in table.names:
            rows = numpy_generator(config.seed, f"put aside {name}").permutation(table.rows_of(name))
            aside[rows[: max(1, round(PUT_ASIDE * len(rows)))]] = True
        train = {name: rows[~aside[rows]] for name, rows in train.items()}
        others = np.flatnonzero(aside)
        anomalies = {name: others[table.classes[others] != table.names.index(name)] for name in normal}
    scarce = min(train, key=lambda name: len(train[name]))
    if len(train[scarce]) < config.normal_rows:
        raise InvalidConfig(
            f"A task draws {config.normal_rows} rows of a class it trains on, and the class {scarce[:40]!r} has "
            f"{len(train[scarce])} for that: take fewer rows a task."
        )
    return EpisodeRows(train, normal, anomalies)


def training_tasks(config: ZeroShotConfig, pools: EpisodeRows) -> Iterator[np.ndarray]:
    """The rows of each step's tasks, int64 [tasks, rows], those of the task's own class first.

    A task: one class trained on is normal, rows of the other such classes are its pseudo-anomalies.
    """
    stream = numpy_generator(config.seed, "tasks")
    names = list(pools.train)
    others = {name: np.concatenate([own for other, own in pools.train.items() if other != name]) for name in names}
    strange = config.rows - config.normal_rows
    while True:
        tasks = np.empty((config.tasks, config.rows), dtype=np.int64)
        for task in tasks:
            name = names[int(stream.integers(len(names)))]
            task[: config.normal_rows] = stream.choice(pools.train[name], config.normal_rows, replace=False)
            task[config.normal_rows :] = stream.choice(others[name], strange, replace=len(others[name]) < strange)
        yield tasks


def test_batches(
    config: ZeroShotConfig, pools: EpisodeRows, share: float, rows: int, draws: int
) -> tuple[np.ndarray, int]:
    """Test batches int64 [classes held out, draws, n], their anomalies first, and how many these are.

    share: of a batch that is anomalous, at least one row and not all. n is `rows`, or less where a
    class has too few: then it is the most that keeps the share.
    """
    min_normal = min(map(len, pools.normal.values()))
    min_anomalies = min(map(len, pools.anomalies.values()))
    size = min(rows, int(min_normal / (1 - share)), int(min_anomalies / share) if min_anomalies else 0)
    count = min(max(1, round(size * share)), size - 1)
    if count < 1:
        raise InvalidConfig("A test batch needs two rows, one of them normal: the classes held out have too few.")
    batches = np.empty((len(pools.normal), draws, size), dtype=np.int64)
    for own, name in zip(batches, pools.normal, strict=True):
        for draw, batch in enumerate(own):
            stream = numpy_generator(config.seed, f"test batch {name} {share:g} {rows} {draw}")
            batch[:count] = stream.choice(pools.anomalies[name], count, replace=False)
            batch[count:] = stream.choice(pools.normal[name], size - count, replace=False)
    return batches, count


def growing_batches(config: ZeroShotConfig, pools: EpisodeRows, max_share: float) -> tuple[np.ndarray, int]:
    """A batch a class held out to which anomalies are added, int64 [classes held out, n], and its normal rows N.

    The normal rows come first; then the anomalies that are added one after another, up to max_share of
    the whole, or as many as there are. N is test_rows, or less where a class has too few of either.
    """
    min_anomalies = min(map(len, pools.anomalies.values()))
    normals = min(config.test_rows, min_anomalies, *map(len, pools.normal.values()))
    added = min(min_anomalies, round(normals * max_share / (1 - max_share)))
    batches = np.empty((len(pools.normal), normals + added), dtype=np.int64)
    for batch, name in zip(batches, pools.normal, strict=True):
        stream = numpy_generator(config.seed, f"growing batch {name}")
        batch[:normals] = stream.choice(pools.normal[name], normals, replace=False)
        batch[normals:] = stream.choice(pools.anomalies[name], added, replace=False)
    return batches, normals

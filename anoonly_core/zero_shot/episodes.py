"""Rows of a zero-shot run: the tasks of its meta-training, and its test batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from anoonly_core.errors import InvalidConfig
from anoonly_core.rng import numpy_generator
from anoonly_core.zero_shot.class_table import ClassTable
from anoonly_core.zero_shot.config import ZeroShotConfig

__all__ = ["EpisodeRows", "episode_rows", "growing_batches", "test_batches", "training_tasks"]

HELD_BACK_SHARE = 0.3  # of each other class, if one class is held out and has no anomalies


@dataclass(frozen=True, eq=False)
class EpisodeRows:
    """Row indices of a ClassTable by use and class name, int64 arrays.

    Attributes
    ----------
    train : dict of int64 arrays
        Rows of each meta-training class.
    normal, anomalies : dict of int64 arrays
        Normal rows and anomalies from which the test batches of each held-out class are drawn.
    """

    train: dict[str, np.ndarray]
    normal: dict[str, np.ndarray]
    anomalies: dict[str, np.ndarray]


def episode_rows(config: ZeroShotConfig, table: ClassTable) -> EpisodeRows:
    """Divide the rows of a table into training and test rows, by class; no test row is a training row.

    If every class has anomalies of its own kind, those of a held-out class are its test anomalies. Otherwise the rows
    of the other held-out classes are. With one held-out class they are 30 % of the rows of each other class, which
    training then leaves out.

    Parameters
    ----------
    config : ZeroShotConfig
        Held-out and meta-training classes, and the seed.
    table : ClassTable
        The rows.

    Returns
    -------
    EpisodeRows
        Rows by use and class.

    Raises
    ------
    InvalidConfig
        If a meta-training class has fewer rows than a task draws.
    """
    train = {name: table.rows_of(name) for name in config.meta}
    normal = {name: table.rows_of(name) for name in config.held_out}
    if table.has_class_anomalies:
        anomalies = {name: table.rows_of(name, anomalous=True) for name in config.held_out}
    elif len(config.held_out) > 1:
        anomalies = {name: np.concatenate([rows for other, rows in normal.items() if other != name]) for name in normal}
    else:
        held_back = np.zeros(len(table.X), dtype=bool)
        for name in table.names:
            rows = numpy_generator(config.seed, f"put aside {name}").permutation(table.rows_of(name))
            held_back[rows[: max(1, round(HELD_BACK_SHARE * len(rows)))]] = True
        train = {name: rows[~held_back[rows]] for name, rows in train.items()}
        others = np.flatnonzero(held_back)
        anomalies = {name: others[table.classes[others] != table.names.index(name)] for name in normal}
    scarce = min(train, key=lambda name: len(train[name]))
    if len(train[scarce]) < config.normal_rows:
        raise InvalidConfig(
            f"A task draws {config.normal_rows} rows of a class it trains on, and the class {scarce[:40]!r} has "
            f"{len(train[scarce])} for that: take fewer rows a task."
        )
    return EpisodeRows(train, normal, anomalies)


def training_tasks(config: ZeroShotConfig, pools: EpisodeRows) -> Iterator[np.ndarray]:
    """Yield the tasks of each meta-training step without end, drawn by the seed of the config.

    A task has one meta-training class as normal; rows of the other meta-training classes are its pseudo-anomalies.

    Parameters
    ----------
    config : ZeroShotConfig
        Number of tasks and rows, and the seed.
    pools : EpisodeRows
        Rows to draw from; only `train` is used.

    Yields
    ------
    int64 [tasks, rows]
        Row indices in the table; the normal rows of a task come first.
    """
    generator = numpy_generator(config.seed, "tasks")
    names = list(pools.train)
    others = {name: np.concatenate([rows for other, rows in pools.train.items() if other != name]) for name in names}
    pseudo = config.rows - config.normal_rows
    while True:
        tasks = np.empty((config.tasks, config.rows), dtype=np.int64)
        for task in tasks:
            name = names[int(generator.integers(len(names)))]
            task[: config.normal_rows] = generator.choice(pools.train[name], config.normal_rows, replace=False)
            task[config.normal_rows :] = generator.choice(others[name], pseudo, replace=len(others[name]) < pseudo)
        yield tasks


def test_batches(
    config: ZeroShotConfig, pools: EpisodeRows, share: float, rows: int, draws: int
) -> tuple[np.ndarray, int]:
    """Draw test batches of normal rows and anomalies for each held-out class.

    Parameters
    ----------
    config : ZeroShotConfig
        Settings; its seed decides the draw.
    pools : EpisodeRows
        Rows to draw from: its `normal` and `anomalies` of each held-out class. No row is twice in a batch.
    share : float
        Share of anomalies in a batch, above 0 and below 1; a batch has at least one anomaly and one normal row.
    rows : int
        Wanted rows of a batch.
    draws : int
        Batches per held-out class.

    Returns
    -------
    batches : int64 [held-out classes, draws, n]
        Row indices, the anomalies first. n is `rows`, or the largest size with this share that every class allows.
    count : int
        Number of anomalies in a batch.

    Raises
    ------
    InvalidConfig
        If the classes have too few rows for a batch of two.
    """
    min_normal = min(map(len, pools.normal.values()))
    min_anomalies = min(map(len, pools.anomalies.values()))
    size = min(rows, int(min_normal / (1 - share)), int(min_anomalies / share) if min_anomalies else 0)
    count = min(max(1, round(size * share)), size - 1)
    if count < 1:
        raise InvalidConfig("A test batch needs two rows, one of them normal: the classes held out have too few.")
    batches = np.empty((len(pools.normal), draws, size), dtype=np.int64)
    for of_class, name in zip(batches, pools.normal, strict=True):
        for draw, batch in enumerate(of_class):
            generator = numpy_generator(config.seed, f"test batch {name} {share:g} {rows} {draw}")
            batch[:count] = generator.choice(pools.anomalies[name], count, replace=False)
            batch[count:] = generator.choice(pools.normal[name], size - count, replace=False)
    return batches, count


def growing_batches(config: ZeroShotConfig, pools: EpisodeRows, max_share: float) -> tuple[np.ndarray, int]:
    """Draw one batch per held-out class to which anomalies are added one by one.

    Parameters
    ----------
    config : ZeroShotConfig
        Settings; its seed decides the draw.
    pools : EpisodeRows
        Rows to draw from.
    max_share : float
        Largest share of anomalies in the whole batch.

    Returns
    -------
    batches : int64 [held-out classes, n]
        Row indices: N normal rows, then the anomalies in the order in which they are added.
    normals : int
        N: test_rows, or the largest number that the classes allow.
    """
    min_anomalies = min(map(len, pools.anomalies.values()))
    normals = min(config.test_rows, min_anomalies, *map(len, pools.normal.values()))
    added = min(min_anomalies, round(normals * max_share / (1 - max_share)))
    batches = np.empty((len(pools.normal), normals + added), dtype=np.int64)
    for batch, name in zip(batches, pools.normal, strict=True):
        generator = numpy_generator(config.seed, f"growing batch {name}")
        batch[:normals] = generator.choice(pools.normal[name], normals, replace=False)
        batch[normals:] = generator.choice(pools.anomalies[name], added, replace=False)
    return batches, normals

"""The way "retrained": train again every few batches on the training rows and all rows of the stream so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import numpy as np

from anoonly_core.data.dataset import NO_SPLIT_KEYS, Dataset
from anoonly_core.data.split import Split, min_max
from anoonly_core.drift.config import DriftConfig
from anoonly_core.drift.scoring import Plane, WayScores, scaled_batches, score_way
from anoonly_core.drift.stream import Stream
from anoonly_core.runs.train_and_score import TrainingTask, trained_stacks
from anoonly_core.training.stack import Stack

__all__ = ["score_retrained"]


def score_retrained(
    stack: Stack,
    config: DriftConfig,
    streams: Sequence[Stream],
    plane: Plane | None,
    tick: Callable[[], None] = lambda: None,
) -> WayScores:
    """Score streams by networks that train again every `config.retrain_every` batches.

    Anomalies of the stream so far join the labeled anomalies, its other rows the pool; scaling and thresholds begin
    anew. Parameters are those of `scoring.score_way`; `promised` is that of the first network. The path is 0, since
    each network has a mean of its own.
    """
    parts = []
    for begin in range(0, len(streams[0].rows), config.retrain_every):
        batches = slice(begin, begin + config.retrain_every)
        ahead = [_cut(stream, batches) for stream in streams]
        networks = [(list(range(len(streams))), stack)] if begin == 0 else _trained_again(stack, streams, begin)
        scored = []
        for indices, network in networks:
            own = [ahead[index] for index in indices]
            new_plane = plane if plane is None or begin == 0 else Plane.of(network)
            scored.append(score_way(network, config, "running", own, scaled_batches(network, own), new_plane, tick))
        order = np.argsort([index for indices, _ in networks for index in indices])
        parts.append(_joined(scored, 0, order))
    whole = _joined(parts, 1)
    return replace(whole, promised=parts[0].promised, path=np.zeros_like(whole.path))


def _cut(stream: Stream, batches: slice) -> Stream:
    """Return the part of a stream with these batches and the same calibration rows."""
    names = ("rows", "anomalous", "X", "intensity")
    return replace(stream, **{name: getattr(stream, name)[batches] for name in names})


def _joined(parts: Sequence[WayScores], axis: int, order: np.ndarray | slice = slice(None)) -> WayScores:
    """Join the arrays of scores along the axis of the runs, 0, or of the batches, 1, and put the runs in an order."""
    names = [field.name for field in fields(WayScores)]
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=0 if name == "promised" else axis)
        for name in names
    }
    return WayScores(**{name: values[order] for name, values in joined.items()})


def _trained_again(stack: Stack, streams: Sequence[Stream], batches: int) -> list[tuple[list[int], Stack]]:
    """Train the networks of a stack on their training rows and the first batches of their streams."""
    seen = [stream.X[:batches].reshape(-1, stack.dataset.columns) for stream in streams]
    anomalous = [stream.anomalous[:batches].ravel() for stream in streams]
    dataset = _with_rows(stack.dataset, np.concatenate(seen), np.concatenate(anomalous))
    tasks, first = [], stack.dataset.rows
    for config, split, marks in zip(stack.configs, stack.splits, anomalous, strict=True):
        added = np.arange(first, first + len(marks))
        tasks.append(TrainingTask(dataset, config, _with_training_rows(dataset, split, added, marks), split.test))
        first += len(marks)
    return list(trained_stacks(tasks))


def _with_rows(dataset: Dataset, X: np.ndarray, anomalous: np.ndarray) -> Dataset:
    """Return a data set with further rows behind its own."""
    unlabeled = dataset.unlabeled
    return replace(
        dataset,
        X=np.concatenate([dataset.X, X]),
        y=np.concatenate([dataset.y, anomalous.astype(np.int8)]),
        unlabeled=None if unlabeled is None else np.concatenate([unlabeled, np.zeros(len(X), dtype=bool)]),
        source_rows=None,
        types=None,
        classes=None,
        split_keys=NO_SPLIT_KEYS,
    )


def _with_training_rows(dataset: Dataset, split: Split, rows: np.ndarray, anomalous: np.ndarray) -> Split:
    """Return a split that also trains on some rows, of which the anomalies are labeled; its scaling is new."""
    train = np.concatenate([split.train, rows])
    minimum, scale = min_max(dataset.X, train)
    known = split.known_normal
    return replace(
        split,
        train=train,
        labeled=np.concatenate([split.labeled, anomalous]),
        minimum=minimum,
        scale=scale,
        known_normal=None if known is None else np.concatenate([known, np.zeros(len(rows), dtype=bool)]),
        counts={},
    )

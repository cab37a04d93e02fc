"""Train the six runs and record scores, hidden features and the gradient in front of the last norm."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import torch

from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split, make_split
from anoonly_core.errors import TrainingDiverged
from anoonly_core.metrics.ranking import metrics
from anoonly_core.microscope.result import RowKind, norm_locations
from anoonly_core.microscope.run import NormPass, fullest_batches, probe_norms
from anoonly_core.progress import Report
from anoonly_core.projection import project_jointly
from anoonly_core.results.keys import supervision_key
from anoonly_core.results.result import Role
from anoonly_core.runs.samples import sample_rows
from anoonly_core.supervision.columns import column_configs
from anoonly_core.supervision.result import ColumnRecord, SupervisionRecord
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = ["arrow_map", "record_columns", "recorded_moments"]

MOMENTS = 26
MAP_ROWS = 240
POOL_ARROWS, LABELED_ARROWS = 8, 3


def recorded_moments(epochs: int) -> list[int]:
    """Return the epochs to record of a training of `epochs` epochs, ascending, with 0 and the last.

    These are all epochs, or an even spread of 26 of them if there are more.
    """
    return sorted({int(epoch) for epoch in np.linspace(0, epochs, min(epochs + 1, MOMENTS)).round()})


@default_torch_settings()
def record_columns(config: RunConfig, report: Report = lambda done, total: None) -> SupervisionRecord:
    """Train the six runs of `column_configs` one after the other, as `run` does, and record them per epoch.

    Parameters
    ----------
    config : RunConfig
        Data, head, λ_n and seed of all six; the norm and the gradient shares do not matter.
    report : callable
        Called after each epoch with (epochs done, all epochs), including pretraining. An exception stops it.

    Returns
    -------
    SupervisionRecord
        All columns share the plane of the hidden features: a PCA over all epochs of all six.

    Raises
    ------
    InvalidConfig
        If the system has no norm.
    TrainingDiverged
        If a score, a feature or a gradient is not a finite number.
    AnoOnlyError
        If loading or splitting fails.
    """
    configs = column_configs(config)
    assert config.epochs is not None
    dataset = load_cached(config.dataset)
    split = make_split(dataset, config)
    rows, role = sample_rows(dataset, split, config.seed)
    stacks = [Stack(dataset, [one], [split]) for one in configs]
    total = sum(stack.pretraining_epochs + config.epochs for stack in stacks)
    count = itertools.count(1)
    batch = fullest_batches(stacks[0])
    moments = recorded_moments(config.epochs)
    records, passes = [], []
    for stack in stacks:
        record, last_passes = _record_column(stack, rows, batch, set(moments), lambda: report(next(count), total))
        records.append(record)
        passes.append(last_passes)
    plotted = _map_rows(role)
    planes = project_jointly([hidden[:, plotted] for _, hidden, _ in records])
    shown = passes[0][0][-1]
    kind = np.where(split.labeled, RowKind.LABELED_ANOMALY, dataset.y[split.train]).astype(np.int8)[shown.rows]
    pushed = _pushed_rows(kind)
    return SupervisionRecord(
        key=supervision_key(configs),
        epochs=np.array(moments),
        rows=dataset.row_ids[rows],
        role=role,
        plotted=plotted,
        batch_rows=dataset.row_ids[split.train][shown.rows],
        batch_kind=kind,
        pushed=pushed,
        location=norm_locations(config.baseline, dataset.columns, config.preset, len(passes[0][0]))[-1],
        columns=tuple(
            ColumnRecord(scores, points, aucpr, *_arrow_maps([one[-1] for one in at_epochs], pushed))
            for (scores, _, aucpr), points, at_epochs in zip(records, planes, passes, strict=True)
        ),
    )


def arrow_map(norm_pass: NormPass, upward: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Choose the plane in front of a norm on which the rows of a batch and arrows of their gradient are drawn.

    Parameters
    ----------
    norm_pass : NormPass
        The batch.
    upward : float64 [features], optional
        The second axis of the map before; the new one points to the same side.

    Returns
    -------
    axes : float64 [2, features]
        Orthonormal: the direction in which the direct part pushes the labeled anomalies, on average; of the rest,
        the direction in which the rows spread most. Without a push, the two directions of largest spread.
    center : float64 [features]
        Mean of the pool rows, the origin of the map; of all rows, if the batch has no pool row.
    """
    before = norm_pass.before
    pool = before[~norm_pass.labeled] if not norm_pass.labeled.all() else before
    center: np.ndarray = pool.mean(axis=0)
    centered = before - center
    first = -norm_pass.parts.direct[norm_pass.labeled].sum(axis=0)
    length = float(np.linalg.norm(first))
    first = first / length if length > 0 else _widest(centered)
    second = _widest(centered - np.outer(centered @ first, first))
    second = second - (second @ first) * first
    if (remaining := float(np.linalg.norm(second))) > 0:
        second = second / remaining
    if upward is not None and second @ upward < 0:
        second = -second
    return np.stack([first, second]), center


def _widest(rows: np.ndarray) -> np.ndarray:
    """Return the unit vector along which rows [n, features] have the largest sum of squares; zeros for zero rows."""
    values, vectors = np.linalg.eigh(rows.T @ rows)
    direction: np.ndarray = vectors[:, -1] * (1.0 if values[-1] > 0 else 0.0)
    return direction


def _arrow_maps(passes: list[NormPass], pushed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Project the batch and the arrows of one column to its map at each of K epochs.

    Raise TrainingDiverged if a value is not finite.

    Parameters
    ----------
    passes : list of NormPass
        Pass of the batch through the last norm at each epoch, [K].
    pushed : int64 [q]
        Indices in the batch of the rows with arrows.

    Returns
    -------
    batch : float32 [K, b, 2]
        Positions of the rows.
    pushes : float32 [K, q, 3, 2]
        Steepest descent by each part of the gradient, along the axes of the map.
    lengths : float32 [K, q, 3]
        Length of each descent over all features.
    """
    upward = None
    places, pushes, lengths = [], [], []
    for norm_pass in passes:
        axes, center = arrow_map(norm_pass, upward)
        upward = axes[1]
        points = (norm_pass.before - center) @ axes.T
        pool = points[~norm_pass.labeled] if not norm_pass.labeled.all() else points
        unit = float(np.sqrt((pool**2).sum(axis=1).mean())) or 1.0
        descents = -np.stack([part[pushed] for part in norm_pass.parts.in_order], 1)
        places.append(points / unit)
        pushes.append(descents @ axes.T)
        lengths.append(np.linalg.norm(descents, axis=2))
    arrays = [np.stack(values).astype(np.float32) for values in (places, pushes, lengths)]
    if not all(np.isfinite(values).all() for values in arrays):
        raise TrainingDiverged
    return arrays[0], arrays[1], arrays[2]


def _record_column(
    stack: Stack, rows: np.ndarray, batch: torch.Tensor, moments: set[int], step: Callable[[], None]
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], list[list[NormPass]]]:
    """Train a stack of one run, recording it before the first step and at K epochs in all.

    Parameters
    ----------
    stack : Stack
        The run, untrained.
    rows : int64 [m]
        Row indices in the data set whose scores and hidden features are recorded.
    batch : Tensor int64 [1, b]
        Batch whose gradients are recorded.
    moments : set of int
        Epochs to record.
    step : callable
        Called after each epoch.

    Returns
    -------
    records : tuple of ndarray
        Scores [K, m], hidden features [K, m, features] and AUCPR of the test anomalies [K].
    passes : list of list of NormPass
        Passes of the batch through the norms at each epoch.
    """
    (split,), dataset = stack.splits, stack.dataset
    for _ in pretrain(stack):
        step()
    records = [_measure(stack, dataset, split, rows)]
    passes = [probe_norms(stack, batch)]
    for snapshot in train(stack):
        if snapshot.epoch in moments:
            records.append(_measure(stack, dataset, split, rows))
            passes.append(probe_norms(stack, batch))
        step()
    scores, hidden, aucpr = (np.stack(values) for values in zip(*records, strict=True))
    return (scores, hidden, aucpr.astype(np.float64)), passes


def _measure(stack: Stack, dataset: Dataset, split: Split, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    (test_scores,), (scores,), (hidden,) = stack.scores([split.test]), stack.scores([rows]), stack.hidden([rows])
    if not all(np.isfinite(values).all() for values in (test_scores, scores, hidden)):
        raise TrainingDiverged
    return scores, hidden, metrics(dataset.y[split.test], test_scores).aucpr_anomaly


def _map_rows(role: np.ndarray) -> np.ndarray:
    """Return at most MAP_ROWS row indices for a map, ascending: an even spread of each role, at most equal shares.

    `role` has the role of each row, [m]. A role with fewer rows leaves the rest of its share to the more frequent
    ones.
    """
    kept: list[np.ndarray] = []
    left = MAP_ROWS
    for number, value in enumerate(reversed(Role)):
        indices = np.flatnonzero(role == value)
        room = left // (len(Role) - number)
        if len(indices) > room:
            indices = indices[np.linspace(0, len(indices) - 1, room).round().astype(int)]
        kept.append(indices)
        left -= len(indices)
    return np.sort(np.concatenate(kept))


def _pushed_rows(kind: np.ndarray) -> np.ndarray:
    """Return the indices in a batch of the rows with arrows: an even spread of 8 pool rows and 3 labeled anomalies.

    `kind` has the RowKind of each row, [b]. There may be fewer rows of either kind.
    """
    pool = np.flatnonzero(kind != RowKind.LABELED_ANOMALY)
    spread = pool[np.unique(np.linspace(0, len(pool) - 1, min(len(pool), POOL_ARROWS)).round().astype(int))]
    return np.concatenate([spread, np.flatnonzero(kind == RowKind.LABELED_ANOMALY)[:LABELED_ARROWS]])

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
from anoonly_core.microscope.run import NormPass, probe_norms
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
    """Return the recorded epochs, 0 included: all, or an even spread of 26 over more epochs."""
    return sorted({int(epoch) for epoch in np.linspace(0, epochs, min(epochs + 1, MOMENTS)).round()})


@default_torch_settings()
def record_columns(config: RunConfig, report: Report = lambda done, total: None) -> SupervisionRecord:
    """Train the six runs of `column_configs` one after the other, as `run` does, and record them.

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
    batch = _probe_batch(stacks[0])
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
    """Return the plane in front of a norm in which the arrows of a batch are drawn.

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
    """Return the unit vector along which rows [n, features] have the largest sum of squares."""
    values, vectors = np.linalg.eigh(rows.T @ rows)
    direction: np.ndarray = vectors[:, -1] * (1.0 if values[-1] > 0 else 0.0)
    return direction


def _arrow_maps(passes: list[NormPass], pushed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the batch [K, b, 2], the pushes [K, q, 3, 2] and the lengths [K, q, 3] of one column."""
    upward = None
    places, pushes, lengths = [], [], []
    for norm_pass in passes:
        axes, center = arrow_map(norm_pass, upward)
        upward = axes[1]
        points = (norm_pass.before - center) @ axes.T
        pool = points[~norm_pass.labeled] if not norm_pass.labeled.all() else points
        unit = float(np.sqrt((pool**2).sum(axis=1).mean())) or 1.0
        parts = norm_pass.parts
        descents = -np.stack([part[pushed] for part in (parts.direct, parts.through_variance, parts.through_mean)], 1)
        places.append(points / unit)
        pushes.append(descents @ axes.T)
        lengths.append(np.linalg.norm(descents, axis=2))
    arrays = [np.stack(values).astype(np.float32) for values in (places, pushes, lengths)]
    if not all(np.isfinite(values).all() for values in arrays):
        raise TrainingDiverged
    return arrays[0], arrays[1], arrays[2]


def _probe_batch(stack: Stack) -> torch.Tensor:
    """Return the batch of the first epoch with the most labeled anomalies, int64 [1, rows]; the first of equal ones."""
    batches = next(stack.draw_epochs())
    return batches[int(stack.rows.labeled[batches].sum(dim=(1, 2)).argmax())]


def _record_column(
    stack: Stack, rows: np.ndarray, batch: torch.Tensor, moments: set[int], step: Callable[[], None]
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], list[list[NormPass]]]:
    """Train a stack of one run; return scores, hidden features and AUCPR, and the passes of the batch, per moment."""
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
    """Return at most MAP_ROWS indices, rows of the rarer roles first, an even spread of each."""
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
    """Return the indices of the rows with arrows: an even spread of pool rows, and the first labeled anomalies."""
    pool = np.flatnonzero(kind != RowKind.LABELED_ANOMALY)
    spread = pool[np.unique(np.linspace(0, len(pool) - 1, min(len(pool), POOL_ARROWS)).round().astype(int))]
    return np.concatenate([spread, np.flatnonzero(kind == RowKind.LABELED_ANOMALY)[:LABELED_ARROWS]])

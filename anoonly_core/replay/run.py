"""Record runs while they train: scores, hidden features and metrics at many epochs, for a replay."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split
from anoonly_core.errors import InvalidConfig, TrainingDiverged
from anoonly_core.metrics.ranking import metrics
from anoonly_core.progress import Report
from anoonly_core.projection import SEQUENCE_PROJECTORS, project_jointly, project_sequence
from anoonly_core.replay.result import Replay, RunReplay
from anoonly_core.results.result import HISTORY_METRICS
from anoonly_core.runs.samples import sample_rows
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = ["record", "recorded_epochs"]

MOMENTS = 51
FOLLOWED_MOMENTS = 21  # of t-SNE and UMAP, which take about a second each
FOLLOWED_ROWS = 500


@dataclass(frozen=True, eq=False)
class _Recording:
    """Record of one run at K epochs: hidden features float32 [K, m, features]; other attributes as in RunReplay.

    metrics is float64 [K, metrics], losses float32 [epochs, 2].
    """

    rows: np.ndarray
    role: np.ndarray
    scores: np.ndarray
    hidden: np.ndarray
    metrics: np.ndarray
    losses: np.ndarray


def recorded_epochs(epochs: int, projector: str) -> list[int]:
    """Return the epochs to record of a training of `epochs` epochs, ascending, with 0 and the last.

    These are all epochs, or an even spread of 51 of them (21 for the projectors "tsne" and "umap") if there are more.
    """
    most = FOLLOWED_MOMENTS if projector in SEQUENCE_PROJECTORS else MOMENTS
    return sorted({int(epoch) for epoch in np.linspace(0, epochs, min(epochs + 1, most)).round()})


@default_torch_settings()
def record(configs: Sequence[RunConfig], projector: str, report: Report = lambda done, total: None) -> Replay:
    """Train runs again and record scores, hidden features and metrics at many epochs, for a replay.

    Their last scores equal those of `run`. A run with fewer epochs than another repeats its last epoch. PCA is fitted
    once for all epochs, and for all runs together if they differ only in λ_n. t-SNE and UMAP start each map from that
    of the epoch before.

    Parameters
    ----------
    configs : sequence of RunConfig
        Settings of the runs.
    projector : {"pca", "tsne", "umap"}
        Projection of the maps.
    report : callable
        Called with (steps done, all steps): one step per epoch and per t-SNE or UMAP map. An exception stops it.

    Returns
    -------
    Replay
        One RunReplay per config.

    Raises
    ------
    InvalidConfig
        If a system has no epochs.
    TrainingDiverged
        If a score or a feature is not a finite number.
    AnoOnlyError
        If loading or splitting fails.
    """
    lengths = [_epochs(config) for config in configs]
    epochs = recorded_epochs(max(lengths), projector)
    stacks = [_stack(config) for config in configs]
    projections = len(epochs) * len(configs) if projector in SEQUENCE_PROJECTORS else 0
    total = sum(stack.pretraining_epochs for stack in stacks) + sum(lengths) + projections
    count = itertools.count(1)

    def step() -> None:
        report(next(count), total)

    recordings = [
        _record_run(stack, np.minimum(epochs, length), step) for stack, length in zip(stacks, lengths, strict=True)
    ]
    shared_plane = projector == "pca" and len({config.model_copy(update={"lambda_n": None}) for config in configs}) == 1
    plotted = [np.arange(len(one.role)) if not projections else _thin_out(one.role) for one in recordings]
    features = [one.hidden[:, indices] for one, indices in zip(recordings, plotted, strict=True)]
    if projections:
        points = [_project_epochs(hidden, projector, step) for hidden in features]
    else:
        points = project_jointly(features) if shared_plane else [project_jointly([hidden])[0] for hidden in features]
    return Replay(
        epochs=np.array(epochs),
        runs=tuple(
            RunReplay(
                rows=one.rows,
                role=one.role,
                scores=one.scores,
                plotted=indices,
                points=run_points,
                metrics=dict(zip(HISTORY_METRICS, one.metrics.T, strict=True)),
                losses=dict(zip(("loss_normal", "loss_anomaly"), one.losses.T, strict=True)),
            )
            for one, indices, run_points in zip(recordings, plotted, points, strict=True)
        ),
        projector=projector,
        shared_plane=shared_plane,
    )


def _epochs(config: RunConfig) -> int:
    if config.epochs is None:
        raise InvalidConfig(f"{config.baseline} has no epochs to replay.")
    return config.epochs


def _stack(config: RunConfig) -> Stack:
    dataset = load_cached(config.dataset)
    return Stack(dataset, [config], [make_split(dataset, config)])


def _record_run(stack: Stack, epochs: np.ndarray, step: Callable[[], None]) -> _Recording:
    """Train a stack of one run, recording it at these epochs, int [K]; `step` is called after each epoch.

    An epoch that occurs twice is recorded once and repeated. Raise TrainingDiverged if a value is not finite.
    """
    (split,), dataset = stack.splits, stack.dataset
    rows, role = sample_rows(dataset, split, stack.configs[0].seed)
    wanted = set(epochs.tolist())
    records: dict[int, tuple[np.ndarray, np.ndarray, list[float]]] = {}
    losses = []

    def record_epoch(epoch: int) -> None:
        if epoch in wanted:
            (test_scores,), (scores,), (hidden,) = (
                stack.scores([split.test]),
                stack.scores([rows]),
                stack.hidden([rows]),
            )
            if not all(np.isfinite(values).all() for values in (test_scores, scores, hidden)):
                raise TrainingDiverged
            measured = metrics(dataset.y[split.test], test_scores)
            records[epoch] = scores, hidden, [getattr(measured, name) for name in HISTORY_METRICS]

    for _ in pretrain(stack):
        step()
    record_epoch(0)
    for snapshot in train(stack):
        losses.append((float(snapshot.loss_normal[0]), float(snapshot.loss_anomaly[0])))
        record_epoch(snapshot.epoch)
        step()
    scores, hidden, measured = (np.stack(values) for values in zip(*(records[epoch] for epoch in epochs), strict=True))
    return _Recording(rows, role, scores, hidden, measured, np.array(losses, dtype=np.float32))


def _thin_out(role: np.ndarray) -> np.ndarray:
    """Return at most FOLLOWED_ROWS row indices, ascending, in equal shares per role.

    `role` has the role of each row, [m]. A role with fewer rows leaves the rest of its share to the others.
    """
    by_role = [np.flatnonzero(role == value) for value in np.unique(role)[::-1]]
    left, kept = FOLLOWED_ROWS, []
    for number, indices in enumerate(by_role):
        room = left // (len(by_role) - number)
        kept.append(
            indices if len(indices) <= room else indices[np.linspace(0, len(indices) - 1, room).round().astype(int)]
        )
        left -= len(kept[-1])
    return np.sort(np.concatenate(kept))


def _project_epochs(hidden: np.ndarray, projector: str, step: Callable[[], None]) -> np.ndarray:
    maps = []
    for points in project_sequence(hidden, projector):
        maps.append(points)
        step()
    return np.stack(maps)

"""Record runs while they train: scores, hidden features and metrics at many moments, for a replay."""

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
from anoonly_core.projection import SEQUENCE_PROJECTORS, project_jointly, project_sequence
from anoonly_core.replay.result import Replay, RunReplay
from anoonly_core.results.result import HISTORY_METRICS
from anoonly_core.runs.samples import sample_rows
from anoonly_core.training.loop import train
from anoonly_core.training.pretraining import pretrain
from anoonly_core.training.stack import Stack

__all__ = ["record", "recorded_epochs"]

MOMENTS = 51
FOLLOWED_MOMENTS = 21  # of t-SNE and UMAP, which take about a second each
FOLLOWED_ROWS = 500

Report = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class _Footage:
    """A run as it was recorded: hidden float32 [K, m, features]; the rest as in a Reel."""

    rows: np.ndarray
    role: np.ndarray
    scores: np.ndarray
    hidden: np.ndarray
    metrics: np.ndarray
    losses: np.ndarray


def recorded_epochs(epochs: int, projector: str) -> list[int]:
    """The epochs that are recorded: 0, before the first step, and all of few, or evenly spread over many."""
    most = FOLLOWED_MOMENTS if projector in SEQUENCE_PROJECTORS else MOMENTS
    return sorted({int(epoch) for epoch in np.linspace(0, epochs, min(epochs + 1, most)).round()})


def record(configs: Sequence[RunConfig], projector: str, report: Report = lambda done, total: None) -> Replay:
    """Train runs again and keep what a replay shows of them; their scores at the end are those of `run`.

    A run with fewer epochs than another stands still at its end. The maps are by PCA, fitted once for
    all moments, and for all runs together where they differ in λ_n alone; or by t-SNE or UMAP, each
    moment begun from the one before. report: called with the work done and all of it; what it raises
    stops it. Raises InvalidConfig for a system without epochs, TrainingDiverged, and what loading and
    splitting raise.
    """
    lengths = [_epochs(config) for config in configs]
    at = recorded_epochs(max(lengths), projector)
    stacks = [_stack(config) for config in configs]
    followed = len(at) * len(configs) if projector in SEQUENCE_PROJECTORS else 0
    total = sum(stack.pretraining_epochs for stack in stacks) + sum(lengths) + followed
    count = itertools.count(1)

    def step() -> None:
        report(next(count), total)

    footage = [_film(stack, np.minimum(at, own), step) for stack, own in zip(stacks, lengths, strict=True)]
    alike = projector == "pca" and len({config.model_copy(update={"lambda_n": None}) for config in configs}) == 1
    drawn = [np.arange(len(own.role)) if not followed else _some_of_each(own.role) for own in footage]
    films = [own.hidden[:, kept] for own, kept in zip(footage, drawn, strict=True)]
    if followed:
        points = [_followed(film, projector, step) for film in films]
    else:
        points = project_jointly(films) if alike else [project_jointly([film])[0] for film in films]
    return Replay(
        epochs=np.array(at),
        runs=tuple(
            RunReplay(
                rows=own.rows,
                role=own.role,
                scores=own.scores,
                plotted=kept,
                points=places,
                metrics=dict(zip(HISTORY_METRICS, own.metrics.T, strict=True)),
                losses=dict(zip(("loss_normal", "loss_anomaly"), own.losses.T, strict=True)),
            )
            for own, kept, places in zip(footage, drawn, points, strict=True)
        ),
        projector=projector,
        shared_plane=alike,
    )


def _epochs(config: RunConfig) -> int:
    if config.epochs is None:
        raise InvalidConfig(f"{config.baseline} has no epochs to watch.")
    return config.epochs


def _stack(config: RunConfig) -> Stack:
    dataset = load_cached(config.dataset)
    return Stack(dataset, [config], [make_split(dataset, config)])


def _film(stack: Stack, at: np.ndarray, step: Callable[[], None]) -> _Footage:
    """Train a stack of one run and take it down at these epochs [K]."""
    (split,), dataset = stack.splits, stack.dataset
    rows, role = sample_rows(dataset, split, stack.configs[0].seed)
    wanted = set(at.tolist())
    taken: dict[int, tuple[np.ndarray, np.ndarray, list[float]]] = {}
    losses = []

    def take(epoch: int) -> None:
        if epoch in wanted:
            (scores,), (drawn,), (hidden,) = stack.scores([split.test]), stack.scores([rows]), stack.hidden([rows])
            if not all(np.isfinite(values).all() for values in (scores, drawn, hidden)):
                raise TrainingDiverged
            found = metrics(dataset.y[split.test], scores)
            taken[epoch] = drawn, hidden, [getattr(found, name) for name in HISTORY_METRICS]

    for _ in pretrain(stack):
        step()
    take(0)
    for snapshot in train(stack):
        losses.append((float(snapshot.loss_normal[0]), float(snapshot.loss_anomaly[0])))
        take(snapshot.epoch)
        step()
    scores, hidden, found = (np.stack(own) for own in zip(*(taken[epoch] for epoch in at), strict=True))
    return _Footage(rows, role, scores, hidden, found, np.array(losses, dtype=np.float32))


def _some_of_each(role: np.ndarray) -> np.ndarray:
    """At most FOLLOWED_ROWS places, the rarer kinds of row first, evenly among the others."""
    kinds = [np.flatnonzero(role == kind) for kind in np.unique(role)[::-1]]
    left, kept = FOLLOWED_ROWS, []
    for number, places in enumerate(kinds):
        room = left // (len(kinds) - number)
        kept.append(
            places if len(places) <= room else places[np.linspace(0, len(places) - 1, room).round().astype(int)]
        )
        left -= len(kept[-1])
    return np.sort(np.concatenate(kept))


def _followed(film: np.ndarray, projector: str, step: Callable[[], None]) -> np.ndarray:
    found = []
    for points in project_sequence(film, projector):
        found.append(points)
        step()
    return np.stack(found)

"""Score the streams of a trained stack by each way: scores, thresholds, the path of the mean and the plane."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from anoonly_core.decision.conformal import conformal_threshold
from anoonly_core.drift.config import DriftConfig
from anoonly_core.drift.statistics import FOLLOWERS, first_mean
from anoonly_core.drift.stream import Stream
from anoonly_core.projection import scaled_inputs
from anoonly_core.rng import numpy_generator
from anoonly_core.training.stack import Stack

__all__ = ["Plane", "WayScores", "newest_thresholds", "scaled_batches", "score_way"]

PLANE_ROWS = 200
FITTED_ROWS = 2000


@dataclass(frozen=True, eq=False)
class WayScores:
    """Scores of the streams of R runs by one way.

    Attributes
    ----------
    scores : float32 [R, B, n]
        Anomaly scores.
    promised : float32 [R]
        Threshold at the start.
    recalibrated : float32 [R, B]
        Threshold that follows, see DriftResult.
    path : float32 [R, B]
        Distance of the mean in use from the running mean.
    plane : float32 [R, B, n, 2]
        Hidden features in the plane; zeros if no plane was given.
    """

    scores: np.ndarray
    promised: np.ndarray
    recalibrated: np.ndarray
    path: np.ndarray
    plane: np.ndarray


@dataclass(frozen=True, eq=False)
class Plane:
    """First two principal components of the hidden features of the training rows, for each of R runs.

    Attributes
    ----------
    center : Tensor [R, 1, features]
        Mean of the features.
    axes : Tensor [R, features, 2]
        Components; 0 where the network has one feature.
    training : float32 [R, t, 2]
        Points of up to 200 training rows.
    """

    center: Tensor
    axes: Tensor
    training: np.ndarray

    @classmethod
    def of(cls, stack: Stack) -> Plane:
        """Compute the plane of each run of a trained stack from up to 2000 of its training rows."""
        rows = [
            numpy_generator(config.seed, "drift plane").permutation(np.unique(split.train))[:FITTED_ROWS]
            for config, split in zip(stack.configs, stack.splits, strict=True)
        ]
        centers, axes, points = [], [], []
        for hidden in stack.hidden(rows):
            exact = hidden.astype(np.float64)
            center = exact.mean(axis=0)
            centered = exact - center
            directions = np.linalg.eigh(centered.T @ centered)[1].T[::-1][:2]  # eigenvalues ascend
            directions = np.pad(directions, [(0, 2 - len(directions)), (0, 0)])
            moved = centered @ directions.T
            signs = np.where((moved**3).sum(axis=0) < 0, -1.0, 1.0)  # the longer tail is positive
            centers.append(center[None])
            axes.append((directions * signs[:, None]).T)
            points.append((moved * signs)[:PLANE_ROWS])
        fewest = min(map(len, points))
        return cls(
            torch.from_numpy(np.stack(centers)).float(),
            torch.from_numpy(np.stack(axes)).float(),
            np.stack([part[:fewest] for part in points]).astype(np.float32),
        )

    def project(self, hidden: Tensor) -> Tensor:
        """Return the points of hidden features [R, n, features], [R, n, 2]."""
        return (hidden - self.center) @ self.axes


def scaled_batches(stack: Stack, streams: Sequence[Stream]) -> Tensor:
    """Return the rows of the streams as the networks take them, float32 [R, B, n, columns]."""
    scaled = np.empty((len(streams), *streams[0].X.shape), dtype=np.float32)
    for out, stream, split in zip(scaled, streams, stack.splits, strict=True):
        for batch, X in enumerate(stream.X):
            out[batch] = scaled_inputs(X, split.minimum, split.scale)
    return torch.from_numpy(scaled)


@torch.no_grad()
def score_way(
    stack: Stack,
    config: DriftConfig,
    way: str,
    streams: Sequence[Stream],
    x: Tensor,
    plane: Plane | None = None,
    tick: Callable[[], None] = lambda: None,
) -> WayScores:
    """Score the stream of each run of a trained stack batch by batch.

    Parameters
    ----------
    stack : Stack
        R trained runs on the CPU.
    config : DriftConfig
        Settings of the ways, those of any run.
    way : str
        A key of FOLLOWERS.
    streams : sequence of Stream
        One a run.
    x : Tensor [R, B, n, columns]
        Their rows as `scaled_batches` returns them.
    plane : Plane or None
        Plane of the hidden features; None to leave them out.
    tick : callable
        Called after each batch; an exception stops the scoring.

    Returns
    -------
    WayScores
        In the order of the runs.
    """
    start = _calibration_scores(stack, config, way, streams)
    promised = np.array([conformal_threshold(scores, config.level) for scores in start], dtype=np.float32)
    limits = torch.from_numpy(promised)[:, None]
    follower = FOLLOWERS[way](stack.head, config)
    running = list(follower.in_use.values())
    runs, batches, rows = x.shape[:3]
    scores, points = np.empty((runs, batches, rows), np.float32), np.zeros((runs, batches, rows, 2), np.float32)
    path = np.zeros((runs, batches), dtype=np.float32)
    for batch in range(batches):
        of_batch = x[:, batch]
        with follower.scoring(rows):
            scored = _score(stack, config, of_batch)
            if plane is not None:
                points[:, batch] = plane.project(_map(stack, stack.head.hidden, of_batch)).numpy()
        scores[:, batch] = scored.numpy()
        path[:, batch] = first_mean(follower, running).numpy()
        follower.follow(scored, limits, functools.partial(_map, stack, stack.head.score, of_batch))
        tick()
    normals = [~stream.anomalous for stream in streams]
    recalibrated = [newest_thresholds(*each, config.level) for each in zip(start, scores, normals, strict=True)]
    return WayScores(scores, promised, np.stack(recalibrated), path, points)


def _map(stack: Stack, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a function of the head to a batch of each run, [R, n, columns], in one block; return [R, n, ...]."""
    return torch.stack(stack.head.map_rows(function, list(x.unbind())))


def _score(stack: Stack, config: DriftConfig, x: Tensor) -> Tensor:
    """Return the scores of a batch of each run, [R, n, columns] to [R, n], standardized if the config says so."""
    scores = _map(stack, stack.head.score, x)
    if not config.standardize:
        return scores
    deviation, mean = torch.std_mean(scores, dim=1, keepdim=True)
    return (scores - mean) / deviation.clamp(min=torch.finfo(scores.dtype).tiny)


def _calibration_scores(stack: Stack, config: DriftConfig, way: str, streams: Sequence[Stream]) -> list[np.ndarray]:
    """Return the scores of the calibration rows of each run by a way at the start, float32 [m] each.

    The rows are scored in batches of the size of the stream. The last batch is filled up with the first rows, whose
    second scores do not count.
    """
    follower = FOLLOWERS[way](stack.head, config)
    counts = [len(stream.calibration) for stream in streams]
    batches = -(-max(counts) // config.rows)
    x = torch.stack(
        [
            stack.scale(run, np.resize(stream.calibration, batches * config.rows)).view(batches, config.rows, -1)
            for run, stream in enumerate(streams)
        ]
    )
    parts = []
    for batch in range(batches):
        with follower.scoring(config.rows):
            parts.append(_score(stack, config, x[:, batch]))
    scores = torch.cat(parts, dim=1).numpy()
    return [of_run[:count] for of_run, count in zip(scores, counts, strict=True)]


def newest_thresholds(calibration: np.ndarray, scores: np.ndarray, normal: np.ndarray, level: float) -> np.ndarray:
    """Return the threshold of each batch from the newest normal scores before it, float32 [B].

    Parameters
    ----------
    calibration : float32 [m]
        Scores of the calibration rows, which count as the oldest; m scores count for each batch.
    scores : float32 [B, n]
        Scores of the stream.
    normal : bool [B, n]
        Mask of its normal rows.
    level : float
        Promised rate of false alarms.
    """
    newest, thresholds = calibration, []
    for of_batch, mask in zip(scores, normal, strict=True):
        thresholds.append(conformal_threshold(newest, level))
        newest = np.concatenate([newest, of_batch[mask]])[-len(calibration) :]
    return np.array(thresholds, dtype=np.float32)

"""What a worker process runs for the page: training with progress and cancel, and projections.

The page starts these processes and must not load torch or UMAP itself, so they are loaded here,
once a process, when it starts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anoonly_core.config import RunConfig
from anoonly_core.errors import AnoOnlyError

if TYPE_CHECKING:
    import numpy as np

    from anoonly_core.result import RunResult

__all__ = [
    "Cancelled",
    "JobProgress",
    "fetch_dataset",
    "project_features",
    "start_projector",
    "start_trainer",
    "train_runs",
    "warm_umap",
]


class Cancelled(AnoOnlyError):
    """Nobody waits for this job any more."""


@dataclass(frozen=True)
class JobProgress:
    """How far job `job` has come: `done` of `total` epochs or bytes; a total of 0 is not known."""

    job: int
    done: int
    total: int


# Set once when the process starts: the way back for progress, and one flag a job for "stop".
_progress: Any = None
_stop_flags: Any = None


def start_trainer(progress: Any, stop_flags: Any) -> None:
    """Make this process a trainer with one thread: the page runs one a core."""
    global _progress, _stop_flags
    _progress, _stop_flags = progress, stop_flags
    import torch

    from anoonly_core.run import warm_up  # loaded now, so that the first job does not wait for it

    torch.set_num_threads(1)
    warm_up()


def start_projector(stop_flags: Any) -> None:
    """Make this process a projector: one thread, and last in line for the processor."""
    global _stop_flags
    _stop_flags = stop_flags
    os.environ["NUMBA_NUM_THREADS"] = "1"
    os.nice(10)
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def train_runs(job: int, configs: Sequence[RunConfig]) -> list[RunResult]:
    """Train and test the configs on the CPU, through the default store; raises Cancelled when told to stop."""
    from anoonly_core.run import Progress, run_many
    from anoonly_core.store import default_store

    _check(job)

    def report(progress: Progress) -> None:
        _report(job, progress.epoch, progress.epochs)

    return run_many(configs, "cpu", default_store(), report)


def fetch_dataset(job: int, name: str) -> None:
    """Bring a data set into the cache; raises Cancelled when told to stop."""
    from anoonly_core.data.catalogue import load

    _check(job)
    load(name, lambda done, total: _report(job, done, total or 0))


def project_features(job: int, features: np.ndarray, projector: str) -> np.ndarray:
    """Points of features, see project.project; raises Cancelled where nobody waits for them any more."""
    from anoonly_core.project import project

    _check(job)
    return project(features, projector)


def warm_umap() -> None:
    """Let UMAP compile itself before somebody waits for it."""
    import numpy as np

    from anoonly_core.project import project

    project(np.random.default_rng(0).normal(size=(60, 8)), "umap")


def _check(job: int) -> None:
    if _stop_flags[job % len(_stop_flags)]:
        raise Cancelled("Stopped.")


def _report(job: int, done: int, total: int) -> None:
    _check(job)
    _progress.put(JobProgress(job, done, total))

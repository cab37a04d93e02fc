"""What a worker process runs: training and planning with progress and cancel, downloads, projections.

The page starts these processes and must not load torch or UMAP itself, so they are loaded here,
once a process, when it starts. Each function's first argument is its task's number.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anoonly_core.config import RunConfig

if TYPE_CHECKING:
    import numpy as np

    from anoonly_core.data.look import TableLook
    from anoonly_core.data.own import OwnTable
    from anoonly_core.data.reading import Reading
    from anoonly_core.fitted_run import FittedRun
    from anoonly_core.marked import Ranked
    from anoonly_core.observation import Observation
    from anoonly_core.plan import Plan
    from anoonly_core.purify.config import PurifyConfig
    from anoonly_core.replay import Replay
    from anoonly_core.run import Outcome
    from anoonly_core.zero_shot.config import ZeroShotConfig

__all__ = [
    "RUN",
    "STOP",
    "WAIT",
    "Cancelled",
    "JobProgress",
    "Kept",
    "card_name",
    "fetch_datasets",
    "fit_detector",
    "look_at_own",
    "observe_run",
    "plan_runs",
    "project_features",
    "purify_runs",
    "rank_own",
    "record_runs",
    "score_own",
    "settle_own",
    "start_projector",
    "start_trainer",
    "suspect_runs",
    "train_each",
    "train_runs",
    "warm_umap",
    "zero_shot_runs",
]


# What a task's flag tells it: to go on, to stop, or to wait at its next epoch until it may go on.
RUN, STOP, WAIT = 0, 1, 2
WAIT_S = 0.02
TELL_S = 0.05


class Cancelled(Exception):
    """Nobody waits for this job any more."""


@dataclass(frozen=True)
class JobProgress:
    """How far a job has come: `done` of `total` epochs or bytes; a total of 0 is not known."""

    done: int
    total: int


@dataclass(frozen=True)
class Kept:
    """What came of work that goes through the store; unkept: why it could not be kept there, "" where it was."""

    outcome: Any
    unkept: str = ""


_send: Any = None  # the way back, set once when the process starts
_flags: Any = None  # one a job
_told: tuple[int, float] = (0, 0.0)  # the last job whose progress was told, and when


def _start(send: Callable[[JobProgress], None], flags: Any, environment: Mapping[str, str]) -> None:
    global _send, _flags
    _send, _flags = send, flags
    # It may come from a process that was started earlier, in another environment.
    os.environ.clear()
    os.environ.update(environment)


def start_trainer(send: Callable[[JobProgress], None], flags: Any, environment: Mapping[str, str]) -> None:
    """Make this process a trainer with one thread: there is one a core, and each lets the page answer first."""
    _start(send, flags, environment)
    os.nice(5)
    import torch

    from anoonly_core.run import warm_up  # loaded now, so that the first job does not wait for it

    torch.set_num_threads(1)
    warm_up()


def start_projector(send: Callable[[JobProgress], None], flags: Any, environment: Mapping[str, str]) -> None:
    """Make this process a projector: one thread, and last in line for the processor."""
    _start(send, flags, environment)
    os.environ["NUMBA_NUM_THREADS"] = "1"
    os.nice(10)
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def train_runs(job: int, configs: Sequence[RunConfig]) -> Kept:
    """Train and test the configs on the CPU, through the default store, as RunResults; raises Cancelled."""
    from anoonly_core.run import Progress, run_many
    from anoonly_core.store import default_store

    _check(job)

    def report(progress: Progress) -> None:
        _report(job, progress.epoch, progress.epochs)

    store = default_store()
    return Kept(run_many(configs, "cpu", store, report), store.unkept)


def card_name(job: int) -> str:
    """The graphics card of this machine that PyTorch can use, "" where there is none."""
    from anoonly_core.card import card_name

    return card_name()


def train_each(job: int, configs: dict[str, RunConfig], device: str = "cpu") -> list[tuple[str, Outcome]]:
    """Train and test runs by key, each with its own outcome, and keep nothing; raises Cancelled."""
    from anoonly_core.run import run_each

    _check(job)
    return list(run_each(configs, device, lambda epoch, epochs: _report(job, epoch, epochs)))


def plan_runs(job: int, configs: dict[str, RunConfig], workers: int, device: str = "cpu") -> Plan:
    """Cut runs by key into stacks for so many workers, see planner.make_plan; raises Cancelled."""
    from anoonly_core.planner import make_plan

    return make_plan(configs, workers, check=lambda: _check(job), device=device)


def observe_run(job: int, config: RunConfig) -> list[Observation]:
    """Look at a run through the microscope, see microscope.observe; raises Cancelled when told to stop."""
    from anoonly_core.microscope import observe

    _check(job)
    return observe(config, lambda done, total: _report(job, done, total))


def record_runs(job: int, configs: Sequence[RunConfig], projector: str) -> Replay:
    """Record runs for a replay, see record.record; raises Cancelled when told to stop."""
    from anoonly_core.record import record

    _check(job)
    return record(configs, projector, lambda done, total: _report(job, done, total))


def fit_detector(job: int, config: RunConfig) -> FittedRun:
    """Fit a run's network as a detector and score all rows, see scoring.fit_run; raises Cancelled."""
    from anoonly_core.scoring import fit_run

    _check(job)
    return fit_run(config, lambda done, total: _report(job, done, total))


def zero_shot_runs(job: int, configs: Sequence[ZeroShotConfig]) -> Kept:
    """Meta-train and test through the default store, see zero_shot.run, as ZeroShotResults; raises Cancelled."""
    from anoonly_core.store import default_store
    from anoonly_core.zero_shot.run import run_zero_shot

    _check(job)
    store = default_store()
    return Kept(run_zero_shot(configs, store, lambda done, total: _report(job, done, total)), store.unkept)


def suspect_runs(job: int, configs: Sequence[PurifyConfig]) -> Kept:
    """Judge each pool's rows through the default store, see purify.suspect_many, as Suspicions; raises Cancelled."""
    from anoonly_core.purify.purify import suspect_many
    from anoonly_core.store import default_store

    _check(job)
    store = default_store()
    return Kept(suspect_many(configs, store, lambda done, total: _report(job, done, total)), store.unkept)


def purify_runs(job: int, configs: Sequence[PurifyConfig]) -> Kept:
    """Clean pools and train the final heads through the default store, see purify.purify_many; raises Cancelled."""
    from anoonly_core.purify.purify import purify_many
    from anoonly_core.store import default_store

    _check(job)
    store = default_store()
    return Kept(purify_many(configs, store, lambda done, total: _report(job, done, total)), store.unkept)


def fetch_datasets(job: int, names: Sequence[str]) -> None:
    """Bring data sets into the cache, see fetching.fetch_all; raises Cancelled when told to stop."""
    from anoonly_core.data.catalogue import DATASETS
    from anoonly_core.data.fetching import fetch_all

    _check(job)
    files = [file for name in names if (file := DATASETS[name].file) is not None]

    def report(done: int, total: int | None) -> None:
        _check(job)
        _send(JobProgress(done, total or 0))  # of each piece, for none may follow it

    fetch_all(files, report)


def look_at_own(job: int, name: str) -> TableLook:
    """What a table that was brought holds, see data.look; raises Cancelled."""
    from anoonly_core.data import own
    from anoonly_core.data.look import look_at_table

    _check(job)
    return look_at_table(own.read_source(own.get(name)))


def settle_own(job: int, name: str, reading: Reading) -> OwnTable:
    """Read a table that was brought as it is meant, see data.own.settle; raises Cancelled."""
    from anoonly_core.data import own

    _check(job)
    return own.settle(own.get(name), reading)[0]


def score_own(job: int, config: RunConfig, scorer: str) -> Ranked:
    """Score a table that nobody has labelled, see marked.score_unlabelled; raises Cancelled."""
    from anoonly_core.marked import score_unlabelled

    _check(job)
    return score_unlabelled(config, scorer, lambda done, total: _report(job, done, total))


def rank_own(job: int, config: RunConfig, anomalies: Sequence[int]) -> Ranked:
    """Train on a table's marks, see marked.rank_marked; raises Cancelled."""
    from anoonly_core.marked import rank_marked

    _check(job)
    return rank_marked(config, anomalies, lambda done, total: _report(job, done, total))


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
    """Raise Cancelled if the job is to stop, wait while it is to wait, and end with a server that was killed."""
    while (flag := _flags[job % len(_flags)]) == WAIT:
        _end_with_parent()
        time.sleep(WAIT_S)
    if flag == STOP:
        raise Cancelled
    _end_with_parent()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)  # nobody is left to take the result


def _report(job: int, done: int, total: int) -> None:
    """Tell how many epochs a job has behind it, no more often than anybody looks."""
    global _told
    _check(job)
    if _told[0] != job or time.monotonic() - _told[1] >= TELL_S:
        _told = job, time.monotonic()
        _send(JobProgress(done, total))

"""The server's work: submit, progress, cancel, reattach.

One Jobs serves all sessions of a server. A run that several sessions ask for is trained once; a
session that reloads finds its run by its key; a job that no session waits for any more is stopped.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from anoonly_core import machine
from anoonly_core.config import RunConfig
from anoonly_core.errors import AnoOnlyError, FetchIncomplete
from anoonly_core.execution import tasks
from anoonly_core.execution.job import Cancelled, start_projector, start_trainer
from anoonly_core.execution.pool import Task, WorkerDied, WorkerPool
from anoonly_core.results.keys import run_key
from anoonly_core.results.store import Store
from app.server.result_cache import ResultCache

__all__ = ["Job", "JobView", "Jobs", "dataset_key", "server_jobs"]

GRACE_S = 3.0  # for a page that is loaded anew, or a network that fails for a moment
PROJECTORS = 2  # so that a t-SNE does not wait while UMAP compiles
DATASET_KEY = "dataset "

log = logging.getLogger(__name__)
_starting = threading.Lock()


def dataset_key(name: str) -> str:
    """The key of a data set's download."""
    return f"{DATASET_KEY}{name}"


@dataclass(eq=False)
class Job:
    """One piece of work in a worker process, and the sessions that wait for it.

    kind: runs, films, points or data. stored: whether points outlive the server. abandoned: since when none of
    the sessions is there any more, by the monotonic clock.
    """

    number: int
    kind: str
    keys: tuple[str, ...]
    task: Task
    sessions: set[str] = field(default_factory=set)
    stored: bool = True
    abandoned: float | None = None


@dataclass(frozen=True)
class JobView:
    """What a session sees of its unfinished work: `ahead` jobs come first, or the slowest has done so much."""

    ahead: int
    done: int
    total: int


class Jobs(ResultCache):
    """The server's worker processes, what they are at and what they have finished.

    is_here: whether a session still lives. on_busy: told how many trainers are at work, at each change.
    """

    def __init__(self, store: Store | None = None, cores: int | None = None) -> None:
        super().__init__(store)
        self.is_session_active: Callable[[str], bool] = lambda session: True
        self.on_busy_change: Callable[[int], None] = lambda processes: None
        self.cores = cores or machine.cores()
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._active: dict[str, Job] = {}
        self.trainers = WorkerPool(self.cores, start_trainer)
        self.projectors = WorkerPool(PROJECTORS, start_projector, warm=tasks.warm_umap)

    # -- what a session asks for

    def request_runs(self, session: str, groups: Iterable[Sequence[RunConfig]]) -> None:
        """See to it that these runs are finished, running or queued; each group trains as one stack.

        Work that the session wanted before and no longer wants is given up.
        """
        with self._lock:
            wanted: set[str] = set()
            for group in groups:
                keys = {run_key(config): config for config in group}
                wanted |= keys.keys()
                self._join(session, keys)
                missing = {key: config for key, config in keys.items() if self._is_missing(key, self.result)}
                if missing:
                    self._submit(session, "runs", tuple(missing), tasks.train_runs, list(missing.values()))
            self._leave(session, "runs", keep=wanted)

    def request_points(
        self, session: str, projector: str, features: Mapping[str, np.ndarray], stored: bool = True
    ) -> None:
        """See to it that these projections, features by key, are finished, running or queued.

        stored: whether they are kept in the store too, which those of a user's own table are not. Ones that the
        session wanted before and that have not begun are given up.
        """
        with self._lock:
            self._join(session, features)
            for key, table in features.items():
                if self._is_missing(key, self.points):
                    self._submit(session, "points", (key,), tasks.project_features, table, projector, stored=stored)
            self._leave(session, "points", keep=set(features))

    def request_worker_result(self, session: str, key: str, function: Callable[..., Any], *arguments: Any) -> None:
        """See to it that what this function of `worker` makes is finished, running or queued.

        It is kept in memory only, for it is made again in seconds. Another film that the session wanted
        before is given up.
        """
        with self._lock:
            self._join(session, (key,))
            if self._is_missing(key, self.worker_result):
                self._submit(session, "worker results", (key,), function, *arguments)
            self._leave(session, "worker results", keep={key})

    def request_downloads(self, session: str, names: Sequence[str]) -> None:
        """See to it that these data sets are being downloaded, one job for all that are not yet; see dataset_key."""
        keys = {dataset_key(name): name for name in names}
        with self._lock:
            self.forget_failures(keys)
            self._join(session, keys)
            if missing := {key: name for key, name in keys.items() if key not in self._active}:
                self._submit(session, "data", tuple(missing), tasks.download_datasets, list(missing.values()))

    def release(self, session: str, kinds: Iterable[str] = ("runs", "worker results", "points")) -> None:
        """The session waits for nothing of these kinds any more; what no other session waits for is stopped.

        Downloads, "data", must be named: they outlive the page that asked for them.
        """
        with self._lock:
            for kind in kinds:
                self._leave(session, kind, keep=set())

    def abort(self, key: str, sentence: str) -> None:
        """Stop the work with this key for all who wait for it, as one that failed for this reason."""
        with self._lock:
            self._failures.put(key, sentence)
            if (job := self._active.get(key)) is not None:
                self._stop(job)

    # -- what a session sees

    def view(self, keys: Iterable[str]) -> JobView | None:
        """How far the unfinished work among these keys has come; None when nothing is under way."""
        with self._lock:
            self._stop_abandoned()
            jobs = {job for key in keys if (job := self._active.get(key)) is not None}
            if not jobs:
                return None
            if started := [job.task.progress for job in jobs if job.task.progress is not None]:
                slowest = min(started, key=lambda progress: progress.done / max(progress.total, 1))
                return JobView(ahead=0, done=slowest.done, total=slowest.total)
            first = min(jobs, key=lambda job: job.number)
            pool, workers = (
                (("points",), PROJECTORS)
                if first.kind == "points"
                else (("runs", "worker results", "data"), self.cores)
            )
            earlier = {job for job in self._active.values() if job.kind in pool and job.number < first.number}
            return JobView(ahead=max(0, len(earlier) - workers + 1), done=0, total=0)

    def downloads(self, session: str | None = None) -> list[str]:
        """The data sets that are being downloaded for this session, or for any."""
        with self._lock:
            return [
                key.removeprefix(DATASET_KEY)
                for key, job in self._active.items()
                if job.kind == "data" and (session is None or session in job.sessions)
            ]

    def adopt_downloads(self, session: str) -> None:
        """Let this session wait for downloads whose sessions are all gone, so that somebody can cancel them."""
        with self._lock:
            for job in self._active.values():
                if job.kind == "data" and not any(self.is_session_active(other) for other in job.sessions):
                    job.sessions.add(session)

    def busy(self) -> int:
        """How many trainers are at work."""
        with self._lock:
            return min(
                self.cores, len({job for job in self._active.values() if job.kind in ("runs", "worker results")})
            )

    def close(self) -> None:
        """Stop all worker processes."""
        for workers in (self.trainers, self.projectors):
            workers.close()

    # -- inside

    def is_pending(self, key: str) -> bool:
        """Whether a worker is at it, or will be."""
        return key in self._active

    def _is_missing(self, key: str, find: Callable[[str], object]) -> bool:
        return key not in self._active and key not in self._failures and find(key) is None

    def _join(self, session: str, keys: Iterable[str]) -> None:
        for key in keys:
            if key in self._active:
                self._active[key].sessions.add(session)

    def _leave(self, session: str, kind: str, keep: set[str]) -> None:
        for job in set(self._active.values()):
            if job.kind == kind and session in job.sessions and not keep.intersection(job.keys):
                job.sessions = {other for other in job.sessions if other != session and self.is_session_active(other)}
                if not job.sessions:
                    self._stop(job)

    def _stop_abandoned(self) -> None:
        """Give up the work of sessions that are gone, for whoever waits behind it; downloads outlive their pages."""
        now = time.monotonic()
        for job in set(self._active.values()):
            if job.kind == "data" or any(self.is_session_active(session) for session in job.sessions):
                job.abandoned = None
            elif job.abandoned is None:
                job.abandoned = now
            elif now - job.abandoned > GRACE_S:
                self._stop(job)

    def _stop(self, job: Job) -> None:
        """Ask a job to stop before it begins or at its next epoch, and end a trainer's process if it does not.

        A projection that has begun goes on: it cannot be asked, and its process took long to warm.
        """
        if job.kind == "points" and job.task.running:
            return
        for key in job.keys:
            self._active.pop(key, None)
        self.on_busy_change(self.busy())
        workers = self.projectors if job.kind == "points" else self.trainers
        workers.stop(job.task, insist=job.kind != "points")

    def _submit(
        self,
        session: str,
        kind: str,
        keys: tuple[str, ...],
        function: Callable[..., Any],
        *arguments: Any,
        stored: bool = True,
    ) -> None:
        """Have a function of `worker` called, for these keys."""
        workers = self.projectors if kind == "points" else self.trainers
        job = Job(next(self._numbers), kind, keys, workers.schedule(function, *arguments), {session}, stored)
        for key in keys:
            self._active[key] = job
        self.on_busy_change(self.busy())
        job.task.future.add_done_callback(lambda future: self._done(job))

    def _done(self, job: Job) -> None:
        sentence, failed = None, job.keys
        try:
            self._take_in(job.kind, job.keys[0], job.task.result(), job.stored)
        except Cancelled:
            log.debug("job %d was stopped", job.number)
        except FetchIncomplete as error:
            sentence, failed = str(error), tuple(dataset_key(name) for name in error.names)
        except AnoOnlyError as error:
            sentence = str(error)
        except WorkerDied:
            sentence = "The worker process ended unexpectedly, perhaps for want of memory: try again."
        except Exception as error:
            log.exception("job %d failed", job.number)
            sentence = f"This run failed for a reason that the server's log tells ({type(error).__name__})."
        with self._lock:
            for key in job.keys:
                if self._active.get(key) is job:
                    del self._active[key]
                if sentence is not None and key in failed:
                    self._failures.put(key, sentence)
        self.on_busy_change(self.busy())


def server_jobs() -> Jobs:
    """The worker processes: one set for all sessions of this server."""
    with _starting:  # two first sessions may come at once
        return _jobs()


@cache
def _jobs() -> Jobs:
    return Jobs()

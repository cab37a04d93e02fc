"""The jobs of the server: request, watch, cancel and rejoin work in worker processes.

One `Jobs` serves all sessions. A run that several sessions request is trained once, and a session that reloads finds
its run by key. A job that no session waits for is stopped.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any

import numpy as np

from anoonly_core import machine
from anoonly_core.config import RunConfig
from anoonly_core.errors import AnoOnlyError, FetchIncomplete
from anoonly_core.execution import tasks
from anoonly_core.execution.death import WorkerDied
from anoonly_core.execution.job import start_projector, start_reader, start_trainer
from anoonly_core.execution.pool import Task, WorkerPool
from anoonly_core.lru import LRU
from anoonly_core.paths import set_numba_cache
from anoonly_core.progress import Cancelled
from anoonly_core.results.keys import run_key
from anoonly_core.results.store import Store, default_store

from .result_cache import ResultCache

__all__ = ["RESULT_KINDS", "Job", "JobKind", "JobView", "Jobs", "dataset_key", "server_jobs"]

GRACE_S = 3.0  # a session may be absent this long, while its page reloads or its network fails
WATCH_S = 1.0  # between two looks for jobs that no session waits for
SPARES = 4  # further trainers, for visitors whose runs would wait for the long runs of others
KNOWN_VISITORS = 4096
PROJECTORS = 2  # so that a t-SNE does not wait while UMAP compiles
PAGE_WAIT_S = 0.3  # for the lock of another process on the run store
READERS = 2  # processes that read tables, each within limits.memory_for_table
TABLE_TASKS = (tasks.survey_upload, tasks.profile_upload, tasks.apply_schema)
DATASET_KEY = "dataset "
TOO_MUCH_MEMORY = "The table needs more memory than a table may take: upload a smaller one, or part of it."

log = logging.getLogger(__name__)
_starting = threading.Lock()


def dataset_key(name: str) -> str:
    """Return the key under which the download of the data set `name` is queued and its failure is kept."""
    return f"{DATASET_KEY}{name}"


class JobKind(Enum):
    """The kind of result that a job produces; it decides in which processes the job runs.

    Projections, and tables of users, have separate processes; all other jobs run in the training processes.
    """

    RUNS = "runs"
    WORKER_RESULT = "worker result"
    TABLES = "tables"  # worker results from files that a visitor uploaded
    POINTS = "points"
    DOWNLOADS = "downloads"


RESULT_KINDS = (JobKind.WORKER_RESULT, JobKind.TABLES)
PAGE_KINDS = (JobKind.RUNS, *RESULT_KINDS, JobKind.POINTS)


@dataclass(eq=False)
class Job:
    """One task in a worker process, and the sessions that wait for it.

    Parameters
    ----------
    number : int
        Serial number; increases with each job.
    kind : JobKind
        Kind of its result.
    keys : tuple of str
        The key of each result: several for runs that train together and for downloads.
    task : Task
        The call in the worker process.
    sessions : set of str
        Ids of the sessions that wait for the job.
    stored : bool
        True if its projection is written to the run store, and so outlives the server process.
    abandoned_s : float or None
        Time, by the monotonic clock, at which no session was left; None while one is active.
    """

    number: int
    kind: JobKind
    keys: tuple[str, ...]
    task: Task
    sessions: set[str] = field(default_factory=set)
    stored: bool = True
    abandoned_s: float | None = None


@dataclass(frozen=True)
class JobView:
    """Progress of unfinished jobs, as a page shows it.

    Attributes
    ----------
    ahead : int
        Number of jobs before the first of them in the queue; 0 once one has started.
    done, total : int
        Progress of the slowest started job in its unit, such as epochs or bytes; both are 0 before a report.
    """

    ahead: int
    done: int
    total: int


class Jobs:
    """The server's worker processes, the queue of their jobs, and the cache of results; one object for all sessions.

    All methods return at once, except `wait` and `close`, and may be called from any thread. A failed job is not tried
    again until its failure is removed from `results`.

    Parameters
    ----------
    store : Store, optional
        The run store; by default that of the cache folder.
    cores : int, optional
        The number of training processes; by default the cores that this process may use.
    is_small : bool, optional
        True to train in one process, and to run the processes for projections and tables only while they work; by
        default on a machine with one core or less than 2 GiB.
    """

    def __init__(self, store: Store | None = None, cores: int | None = None, is_small: bool | None = None) -> None:
        self.patient_store = store or default_store()  # for background threads
        self.store = self.patient_store.with_wait(PAGE_WAIT_S)  # for pages, which must not stand still
        self.results = ResultCache(self.store, self._is_pending)
        self.is_session_active: Callable[[str], bool] = lambda session: True
        self.on_busy_change: Callable[[int], None] = lambda processes: None  # called with the number of busy trainers
        self.is_small = machine.is_small() if is_small is None else is_small
        self.cores = 1 if self.is_small else cores or machine.cores()
        self._numbers = itertools.count(1)
        self._visitors = LRU[str](KNOWN_VISITORS)  # by session
        self._lock = threading.RLock()
        self._active: dict[str, Job] = {}  # queued or running, by each of its keys
        set_numba_cache()  # one folder for all workers, which may be temporary
        spares = SPARES if machine.memory() >= machine.SMALL_MEMORY else 0
        self.trainers = WorkerPool(self.cores, start_trainer, spares=spares)
        if self.is_small:
            self.projectors = WorkerPool(1, start_projector, on_demand=True)
            self.readers = WorkerPool(1, start_reader, on_demand=True)
        else:
            self.projectors = WorkerPool(PROJECTORS, start_projector, warm=tasks.warm_umap)
            self.readers = WorkerPool(READERS, start_reader)
        self._closed = threading.Event()
        self._ended = threading.Condition()
        threading.Thread(target=self._watch, daemon=True, name="abandoned jobs").start()

    def note_visitor(self, session: str, visitor: str) -> None:
        """Record which visitor a session belongs to.

        Worker processes are shared fairly among visitors; a session without one counts as a visitor.
        """
        self._visitors.put(session, visitor)

    # -- what a session requests

    def request_runs(self, session: str, groups: Iterable[Sequence[RunConfig]]) -> None:
        """Queue those runs that are neither finished, failed, queued nor running, one job per group; does not block.

        The session joins jobs that compute some of the runs already. It leaves jobs of runs that it requested before
        and does not request now; a job that no session waits for is stopped.

        Parameters
        ----------
        session : str
            Id of the session that waits for the runs.
        groups : iterable of sequence of RunConfig
            The runs. Those of a group train together, and their results arrive together.
        """
        with self._lock:
            requested: set[str] = set()
            for group in groups:
                keys = {run_key(config): config for config in group}
                requested |= keys.keys()
                self._join(session, keys)
                missing = {key: config for key, config in keys.items() if self._is_missing(key, self.results.run)}
                if missing:
                    self._submit(session, JobKind.RUNS, tuple(missing), tasks.train_runs, list(missing.values()))
            self._leave(session, JobKind.RUNS, keep=requested)

    def request_points(
        self, session: str, projector: str, features: Mapping[str, np.ndarray], stored: bool = True
    ) -> None:
        """Queue those projections that are neither finished, failed, queued nor running, one job each; does not block.

        The session leaves projections that it requested before and does not request now.

        Parameters
        ----------
        session : str
            Id of the session that waits for the projections.
        projector : str
            "pca", "tsne" or "umap".
        features : mapping of str to np.ndarray
            Rows to project, float [rows, columns], by the key of the result.
        stored : bool
            True to write the projections to the run store too; those of uploaded tables must not be.
        """
        with self._lock:
            self._join(session, features)
            for key, table in features.items():
                if self._is_missing(key, self.results.points):
                    arguments = (tasks.project_features, table, projector)
                    self._submit(session, JobKind.POINTS, (key,), *arguments, stored=stored)
            self._leave(session, JobKind.POINTS, keep=set(features))

    def request_worker_result(self, session: str, key: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Queue a call of a function in a worker process unless its value is finished, failed, queued or running.

        Does not block. The value is kept in memory only, under `key`. The session leaves any other worker result that
        it requested before. Functions that read uploaded tables run in processes with limited memory.

        Parameters
        ----------
        session : str
            Id of the session that waits for the value.
        key : str
            Key of the value; equal keys share one job.
        function, *arguments
            The function and its arguments; both must pickle.
        """
        self.request_worker_results(session, {key: (function, arguments)})

    def request_worker_results(
        self, session: str, calls: Mapping[str, tuple[Callable[..., Any], tuple[Any, ...]]]
    ) -> None:
        """Queue several calls as `request_worker_result` does for one, each as a job of its own; does not block.

        Parameters
        ----------
        session : str
            Id of the session that waits for the values. It leaves any other worker result that it requested before.
        calls : mapping of str to tuple
            By the key of the value: the function and its arguments.
        """
        with self._lock:
            self._join(session, calls)
            for key, (function, arguments) in calls.items():
                if self._is_missing(key, self.results.worker_result):
                    kind = JobKind.TABLES if function in TABLE_TASKS else JobKind.WORKER_RESULT
                    self._submit(session, kind, (key,), function, *arguments)
            for result_kind in RESULT_KINDS:
                self._leave(session, result_kind, keep=set(calls))

    def request_downloads(self, session: str, names: Sequence[str]) -> None:
        """Queue one job that downloads those of the data sets `names` that no job downloads yet; does not block.

        Earlier failures are forgotten first. The session also joins the jobs that download the others.
        """
        keys = {dataset_key(name): name for name in names}
        with self._lock:
            self.results.forget_failures(keys)
            self._join(session, keys)
            if missing := {key: name for key, name in keys.items() if key not in self._active}:
                self._submit(
                    session, JobKind.DOWNLOADS, tuple(missing), tasks.download_datasets, list(missing.values())
                )

    def release(self, session: str, kinds: Iterable[JobKind] = PAGE_KINDS) -> None:
        """Remove the session from its jobs of these kinds, and stop those that no other active session waits for.

        By default, all kinds but downloads, which outlive the page that requested them.
        """
        with self._lock:
            for kind in kinds:
                self._leave(session, kind, keep=set())

    def abort(self, key: str, sentence: str) -> None:
        """Stop the job that computes `key`, for all sessions, and record `sentence` as the reason of its failure."""
        with self._lock:
            self.results.put_failure(key, sentence)
            if (job := self._active.get(key)) is not None:
                self._stop(job)

    # -- what a session sees

    def view(self, keys: Iterable[str]) -> JobView | None:
        """Return the progress of the unfinished jobs that compute any of these keys; None if there is no such job."""
        with self._lock:
            jobs = {job for key in keys if (job := self._active.get(key)) is not None}
            if not jobs:
                return None
            if started := [job.task.progress for job in jobs if job.task.progress is not None]:
                slowest = min(started, key=lambda progress: progress.done / max(progress.total, 1))
                return JobView(ahead=0, done=slowest.done, total=slowest.total)
            first = min(jobs, key=lambda job: job.number)
            return JobView(ahead=self._pool(first.kind).ahead(first.task), done=0, total=0)

    def downloads(self, session: str | None = None) -> list[str]:
        """Return the names of the data sets whose download is queued or runs.

        `session` limits them to the downloads that this session waits for.
        """
        with self._lock:
            return [
                key.removeprefix(DATASET_KEY)
                for key, job in self._active.items()
                if job.kind is JobKind.DOWNLOADS and (session is None or session in job.sessions)
            ]

    def adopt_downloads(self, session: str) -> None:
        """Add this session to the downloads that no active session waits for, so that the session can cancel them."""
        with self._lock:
            for job in self._active.values():
                if job.kind is JobKind.DOWNLOADS and not any(self.is_session_active(other) for other in job.sessions):
                    job.sessions.add(session)

    def wait(self, seconds: float) -> None:
        """Block until a job ends, whoever requested it, or until some seconds have passed."""
        with self._ended:
            self._ended.wait(seconds)

    def busy(self) -> int:
        """Return the number of training processes that runs and worker results need now, queued ones included.

        At most the number of cores.
        """
        kinds = (JobKind.RUNS, JobKind.WORKER_RESULT)
        with self._lock:
            return min(self.cores, len({job for job in self._active.values() if job.kind in kinds}))

    def close(self) -> None:
        """Kill all worker processes, wait for their end, and stop watching for abandoned jobs."""
        self._closed.set()
        for pool in (self.trainers, self.projectors, self.readers):
            pool.close()

    # -- inside

    def _pool(self, kind: JobKind) -> WorkerPool:
        return {JobKind.POINTS: self.projectors, JobKind.TABLES: self.readers}.get(kind, self.trainers)

    def _is_pending(self, key: str) -> bool:
        return key in self._active

    def _is_missing(self, key: str, find: Callable[[str], object]) -> bool:
        """Return True if a result must be computed: it is not pending, has not failed, and `find(key)` is None."""
        return key not in self._active and self.results.failure(key) is None and find(key) is None

    def _join(self, session: str, keys: Iterable[str]) -> None:
        """Add the session to the jobs that compute any of these keys; keys without a job are passed over."""
        for key in keys:
            if key in self._active:
                self._active[key].sessions.add(session)
                self._note_owners(self._active[key])

    def _leave(self, session: str, kind: JobKind, keep: set[str]) -> None:
        """Remove the session from its jobs of this kind, except those that compute a key in `keep`.

        A job that is left without an active session is stopped.
        """
        for job in set(self._active.values()):
            if job.kind is kind and session in job.sessions and not keep.intersection(job.keys):
                job.sessions = {other for other in job.sessions if other != session and self.is_session_active(other)}
                if job.sessions:
                    self._note_owners(job)
                else:
                    self._stop(job)

    def _owners(self, sessions: Iterable[str]) -> set[str]:
        """Return the visitors to whom these sessions belong; the session's id where no visitor is recorded."""
        return {self._visitors.get(session) or session for session in sessions}

    def _note_owners(self, job: Job) -> None:
        self._pool(job.kind).set_owners(job.task, self._owners(job.sessions))

    def _watch(self) -> None:
        """Stop abandoned jobs every second until `close`; the body of a background thread."""
        while not self._closed.wait(WATCH_S):
            try:
                self._stop_abandoned()
            except Exception:
                log.exception("abandoned jobs could not be stopped")

    def _stop_abandoned(self) -> None:
        """Stop the jobs, other than downloads, for which no active session has waited for 3 s."""
        now_s = time.monotonic()
        with self._lock:
            for job in set(self._active.values()):
                if job.kind is JobKind.DOWNLOADS or any(map(self.is_session_active, job.sessions)):
                    job.abandoned_s = None
                elif job.abandoned_s is None:
                    job.abandoned_s = now_s
                elif now_s - job.abandoned_s > GRACE_S:
                    self._stop(job)

    def _stop(self, job: Job) -> None:
        """Stop a job at its next check and forget it; kill its process if it goes on for 2 s.

        A running projection is left to finish, since it never checks and its process took long to warm up.
        """
        if job.kind is JobKind.POINTS and job.task.running:
            return
        for key in job.keys:
            self._active.pop(key, None)
        self.on_busy_change(self.busy())
        self._pool(job.kind).stop(job.task, insist=job.kind is not JobKind.POINTS)

    def _submit(
        self,
        session: str,
        kind: JobKind,
        keys: tuple[str, ...],
        function: Callable[..., Any],
        *arguments: Any,
        stored: bool = True,
    ) -> None:
        """Start a job: schedule a function call in the worker pool for this kind of result.

        Parameters
        ----------
        session : str
            Id of the session that waits for the job.
        kind : JobKind
            Kind of the result.
        keys : tuple of str
            Keys of the results; they count as pending until the job ends.
        function, *arguments
            The call in the worker process.
        stored : bool
            True if the result, a projection, is written to the run store.
        """
        task = self._pool(kind).schedule(function, *arguments, owners=self._owners([session]))
        job = Job(next(self._numbers), kind, keys, task, {session}, stored)
        for key in keys:
            self._active[key] = job
        self.on_busy_change(self.busy())
        job.task.future.add_done_callback(lambda future: self._finish(job))

    def _finish(self, job: Job) -> None:
        """Move the result of an ended job into the cache, or record why it failed; a stopped job leaves neither.

        Called in the thread that watches the job's worker process.
        """
        sentence, failed = None, job.keys
        try:
            self._take_value(job)
        except Cancelled:
            log.debug("job %d was stopped", job.number)
        except FetchIncomplete as error:
            sentence, failed = str(error), tuple(dataset_key(name) for name in error.names)
        except AnoOnlyError as error:
            sentence = str(error)
        except WorkerDied as died:
            log.warning("job %d failed: %s", job.number, died)
            sentence = TOO_MUCH_MEMORY if job.kind is JobKind.TABLES else died.sentence()
        except Exception as error:
            log.exception("job %d failed", job.number)
            sentence = f"The run failed ({type(error).__name__}); see the server log."
        with self._lock:
            for key in job.keys:
                if self._active.get(key) is job:
                    del self._active[key]
                if sentence is not None and key in failed:
                    self.results.put_failure(key, sentence)
        with self._ended:
            self._ended.notify_all()
        self.on_busy_change(self.busy())

    def _take_value(self, job: Job) -> None:
        """Put the result of a finished job into the cache; raise the error of its task if it failed."""
        value = self.results.unwrap(job.task.result())
        match job.kind:
            case JobKind.RUNS:
                self.results.put_runs(value)
            case JobKind.WORKER_RESULT | JobKind.TABLES:
                self.results.put_worker_result(job.keys[0], value)
            case JobKind.POINTS:
                self.results.put_points(job.keys[0], value, job.stored)
            case JobKind.DOWNLOADS:  # the data set is in the cache folder
                pass


def server_jobs() -> Jobs:
    """Return the job queue of this server, one object for all sessions; the first call starts its processes."""
    with _starting:  # two sessions may come first at once
        return _jobs()


@cache
def _jobs() -> Jobs:
    return Jobs()

"""The queue of sweeps on this server; a sweep goes on when the page that started it is closed."""

from __future__ import annotations

import hashlib
import itertools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from anoonly_core.config import RunConfig
from anoonly_core.errors import AnoOnlyError, InvalidConfig, StoreUnavailable
from anoonly_core.execution import tasks
from anoonly_core.execution.death import WorkerDied
from anoonly_core.execution.executor import Engine, execute, stored_runs
from anoonly_core.execution.plan import Plan
from anoonly_core.execution.pool import Task
from anoonly_core.lru import LRU
from anoonly_core.progress import Cancelled
from anoonly_core.results.store import RunSummary, Store
from anoonly_core.sweeps.sweep import Sweep, SweepOutline, read_outline, read_sweep
from anoonly_core.which.plan import WhichPlan

from .clusters import check_cluster
from .devices import Devices
from .jobs import KNOWN_VISITORS, Jobs, server_jobs
from .shipped_runs import shipped_runs
from .table_owners import owner

__all__ = ["PreviousSweep", "RunBatch", "SweepQueue", "SweepView", "server_sweeps"]

REMEMBERED = 50
MAX_RUNS_REMEMBERED = 100_000  # of sweeps that are done; 20 000 runs take 30 MB
MAX_RUNS_QUEUED = 300_000  # of all sweeps that wait or run
MAX_RUNS_OF_A_VISITOR = 60_000

log = logging.getLogger(__name__)


class RunBatch(Protocol):
    """Runs that the queue trains together: a sweep, a ranking, or one cell of a paper table."""

    @property
    def configs(self) -> dict[str, RunConfig]:
        """All runs of the batch, by run key."""

    @property
    def stages(self) -> tuple[dict[str, RunConfig], ...]:
        """The same runs in parts that train one after the other, each planned by itself."""

    def canonical(self) -> str:
        """Return a text that identifies the batch: equal for equal batches only."""


@dataclass(frozen=True)
class SweepView:
    """The state of a sweep as a page shows it.

    Parameters
    ----------
    state : str
        "idle" (not started, stopped or done), "waiting" behind another sweep, "planning", "running" or "stopping".
    runs : dict of str to RunSummary
        The finished runs by run key.
    failures : dict of str to str
        One sentence per failed run, by run key.
    seconds_left : float or None
        The expected seconds until the end; None unless it runs.
    problem : str
        A sentence on what stopped the sweep or could not be stored; "" if nothing did.
    """

    state: str
    runs: dict[str, RunSummary]
    failures: dict[str, str]
    seconds_left: float | None
    problem: str


@dataclass(frozen=True)
class PreviousSweep:
    """A sweep that was started on this server, as an item of a list.

    Parameters
    ----------
    key : str
        The key of the sweep in the queue and in the store.
    outline : SweepOutline
        Its data set, axes and seeds.
    at_work : bool
        True while the sweep waits, runs or stops.
    """

    key: str
    outline: SweepOutline
    at_work: bool


@dataclass(frozen=True)
class _Planning:
    """A task that estimates the training time of a number of `runs` for a visitor; `key` identifies the set of runs."""

    key: str
    task: Task
    visitor: str
    runs: int


@dataclass(eq=False)
class _Entry:
    """The state of a sweep that was started on this server, updated by the thread that trains it."""

    sweep: RunBatch
    cluster: str
    state: str = "waiting"
    visitor: str = ""
    runs: dict[str, RunSummary] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    seconds_left: float | None = None
    problem: str = ""
    stop: threading.Event = field(default_factory=threading.Event)


class SweepQueue:
    """All sweeps of this server, and the threads that train them.

    One at a time trains on the server's GPU or cores, and any number on Dask clusters beside it.

    Parameters
    ----------
    jobs : Jobs
        The job queue of the server.
    """

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self._lock = threading.RLock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._queue: list[_Entry] = []
        self._turns = itertools.count(1)
        self._served = LRU[int](KNOWN_VISITORS)  # the latest turn of each visitor
        self._working = False
        self.devices = Devices(jobs)
        self._planning = LRU[_Planning](MAX_RUNS_REMEMBERED, weight=lambda planning: planning.runs)  # by runs
        self._estimates = LRU[float](10 * REMEMBERED)  # seconds, by runs
        self._outlines = LRU[SweepOutline | None](2 * REMEMBERED)  # by key, which is the hash of the description
        jobs.on_busy_change = self.devices.pause_processes

    # -- what a page asks for

    def start(self, sweep: RunBatch, cluster: str = "") -> None:
        """Queue the runs of a sweep that are not stored, also those that failed before, and return at once.

        Nothing happens if the sweep waits or runs already. Visitors take turns; the sweeps of one visitor keep their
        order. A sweep that is refused stays idle, and the reason becomes its `problem`: at most 60 000 runs of one
        visitor and 300 000 of all can be queued, and a cluster must be listed in ANOONLY_CLUSTERS.

        Parameters
        ----------
        sweep : RunBatch
            A sweep, a ranking, or the runs of one cell of a paper table.
        cluster : str
            Address of the Dask scheduler that trains the sweep, without a queue; "" to train on this server.
        """
        try:
            if cluster:
                check_cluster(cluster)
        except InvalidConfig as error:
            with self._lock:
                self._entries.setdefault(_key(sweep), _Entry(sweep, "", state="idle")).problem = str(error)
            return
        with self._lock:
            entry = self._entries.get(_key(sweep))
            if entry is not None and entry.state != "idle":
                return
            visitor = owner()
            if refusal := self._refusal(sweep, visitor):
                self._entries[_key(sweep)] = _Entry(sweep, "", state="idle", problem=refusal)
                return
            entry = self._entries[_key(sweep)] = _Entry(sweep, cluster, visitor=visitor)
            self._entries.move_to_end(_key(sweep))
            self._drop_idle()
            if isinstance(sweep, Sweep):
                self._list(sweep, entry)
            if cluster:
                self._begin(self._train, entry)
            else:
                self._queue.append(entry)
                if not self._working:
                    self._working = True
                    self._begin(self._work_through)

    def stop(self, sweep: RunBatch) -> None:
        """Ask a sweep that waits or runs to stop, and return at once; its finished runs stay in the store.

        A later `start` trains the rest.
        """
        with self._lock:
            entry = self._entries.get(_key(sweep))
            if entry is not None and entry.state != "idle":
                entry.stop.set()
                entry.state = "stopping"

    def forget(self, sweep: RunBatch) -> None:
        """Ask a sweep to stop, and delete its description, so that it is no longer among the previous sweeps.

        Its runs stay in the store.
        """
        self.stop(sweep)
        try:
            self.jobs.store.delete([_key(sweep)])
        except StoreUnavailable as error:
            log.warning("%s", error)

    # -- what a page sees

    def view(self, sweep: RunBatch) -> SweepView:
        """Return the current state of a sweep, which need not have been started; does not block.

        Its runs are those in the store and those that ship with the app; if a run could not be stored, also those in
        memory. Raises StoreBusy if another process holds the store locked.
        """
        kept = _finished_runs(sweep, self.jobs.store, self.devices.device())
        with self._lock:
            entry = self._entries.get(_key(sweep))
            if entry is None:
                return SweepView("idle", kept, {}, None, "")
            runs = {**entry.runs, **kept} if entry.problem else kept
            failures = {key: sentence for key, sentence in entry.failures.items() if key not in runs}
            return SweepView(entry.state, runs, failures, entry.seconds_left, entry.problem)

    def estimate(self, sweep: RunBatch, missing: dict[str, RunConfig]) -> float | None:
        """Estimate the seconds that these runs of a sweep would take on this server; does not block.

        The first call schedules the measurement in a worker process, and stops the one that this visitor requested
        before.

        Parameters
        ----------
        sweep : RunBatch
            The sweep or ranking.
        missing : dict of str to RunConfig
            Its runs that are not finished, by run key.

        Returns
        -------
        float or None
            Seconds; None while they are measured, NaN if that failed.
        """
        text = hashlib.sha256("".join(sorted(missing)).encode()).hexdigest()
        if (seconds := self._estimates.get(text)) is not None:
            return seconds
        gpus = self.devices.gpus()
        if gpus is None:
            return None
        slots, device = (len(gpus), "cuda") if gpus else (self.jobs.cores, "cpu")
        workers, visitor = self.devices.planning_pool(gpus), owner()
        with self._lock:
            planning = self._planning.get(text)
            if planning is None:
                for other in self._planning.values():
                    if other.visitor == visitor:
                        workers.stop(other.task, insist=False)
                        self._planning.remove(other.key)
                task = workers.schedule(tasks.plan_runs, missing, slots, device, owners={visitor})
                planning = _Planning(text, task, visitor, len(missing))
                self._planning.put(text, planning)
        if not planning.task.done:
            return None
        self._planning.remove(text)
        try:
            plan: Plan = planning.task.result()
            seconds = plan.seconds(slots)
        except Cancelled:
            return None
        except (WorkerDied, Exception) as error:
            log.warning("a sweep could not be planned: %r", error)
            seconds = float("nan")
        self._estimates.put(text, seconds)
        return seconds

    def previous_sweeps(self) -> list[PreviousSweep]:
        """Return the sweeps that were started on this server, the latest first, at most 50.

        Raises StoreBusy if another process holds the store locked.
        """
        found = []
        for key in self.jobs.store.sweep_keys():
            if key not in self._outlines:
                self._outlines.put(key, read_outline(self.jobs.store.sweep(key) or ""))
            outline = self._outlines.get(key)
            if outline is None:
                continue  # of another version
            with self._lock:
                at_work = key in self._entries and self._entries[key].state != "idle"
            found.append(PreviousSweep(key, outline, at_work))
        return found

    def open_previous(self, key: str) -> Sweep:
        """Build one of the previous sweeps from its stored description; nothing is started.

        Parameters
        ----------
        key : str
            `PreviousSweep.key`.

        Raises
        ------
        InvalidConfig, UnknownDataset, BadDataFile
            If the sweep was removed meanwhile, is of another version, or its data set is gone.
        StoreBusy
            If another process holds the store locked.
        """
        description = self.jobs.store.sweep(key)
        if description is None:
            raise InvalidConfig("The sweep was removed from the list: choose another one.")
        return read_sweep(description)

    def remove_previous(self, key: str) -> None:
        """Delete the description of a previous sweep from the store, unless the sweep waits or runs; its runs are kept.

        Parameters
        ----------
        key : str
            `PreviousSweep.key`.

        Raises
        ------
        StoreUnavailable
            If the store's file cannot be written.
        """
        with self._lock:
            if key not in self._entries or self._entries[key].state == "idle":
                self.jobs.store.delete([key])

    def close(self) -> None:
        """Stop all sweeps and kill the processes that train them on this server."""
        with self._lock:
            for entry in self._entries.values():
                entry.stop.set()
            self.devices.close()

    # -- inside

    def _list(self, sweep: Sweep, entry: _Entry) -> None:
        """Write a sweep's description to the store, where `previous_sweeps` finds it.

        If that fails, the reason becomes the `problem` of the entry.
        """
        try:
            self.jobs.store.put_sweep(_key(sweep), sweep.canonical())
        except StoreUnavailable as error:
            entry.problem = str(error)

    def _refusal(self, sweep: RunBatch, visitor: str) -> str:
        """Return a sentence if a sweep would exceed the runs that can be queued, of this visitor or of all; else ""."""
        at_work = [entry for entry in self._entries.values() if entry.state != "idle"]
        for entries, most in (
            ([entry for entry in at_work if entry.visitor == visitor], MAX_RUNS_OF_A_VISITOR),
            (at_work, MAX_RUNS_QUEUED),
        ):
            queued = sum(len(entry.sweep.configs) for entry in entries)
            if queued + len(sweep.configs) > most:
                whose = "Your sweeps" if most == MAX_RUNS_OF_A_VISITOR else "The sweeps of all visitors"
                return (
                    f"{whose} that wait or run have {queued:,} runs, and at most {most:,} can be queued: start this "
                    "one when others are done."
                )
        return ""

    def _drop_idle(self) -> None:
        """Drop idle sweeps from memory, oldest first, until at most 50 of them and 100 000 runs are left."""
        idle = [(key, entry) for key, entry in self._entries.items() if entry.state == "idle"]
        runs = sum(len(entry.sweep.configs) for _, entry in idle)
        for number, (key, entry) in enumerate(idle):
            if len(idle) - number <= REMEMBERED and runs <= MAX_RUNS_REMEMBERED:
                return
            runs -= len(entry.sweep.configs)
            del self._entries[key]

    def _begin(self, work: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=work, args=arguments, daemon=True, name="sweep").start()

    def _work_through(self) -> None:
        """Train the queued sweeps one after the other until the queue is empty; the body of a background thread.

        The visitor whose sweep last began longest ago comes next.
        """
        while True:
            with self._lock:
                if not self._queue:
                    self._working = False
                    return
                entry = min(self._queue, key=lambda waiting: self._served.get(waiting.visitor) or 0)
                self._queue.remove(entry)
                self._served.put(entry.visitor, next(self._turns))
            self._train(entry)

    def _train(self, entry: _Entry) -> None:
        try:
            device = "cpu" if entry.cluster else self.devices.device(wait=True)
            kept = _finished_runs(entry.sweep, self.jobs.patient_store, device)
            missing = {key: config for key, config in entry.sweep.configs.items() if key not in kept}
            if missing and not entry.stop.is_set():
                with self._engine(entry.cluster) as engine:
                    for stage in entry.sweep.stages:
                        self._execute(entry, {key: stage[key] for key in stage if key in missing}, engine)
        except AnoOnlyError as error:
            entry.problem = str(error)
        except Exception as error:
            log.exception("a sweep failed")
            entry.problem = f"The sweep failed ({type(error).__name__}); see the server log."
        finally:
            with self._lock:
                entry.state, entry.seconds_left = "idle", None
                if not entry.problem:
                    entry.runs.clear()  # all of them are stored
                self._drop_idle()

    def _execute(self, entry: _Entry, missing: dict[str, RunConfig], engine: Engine) -> None:
        """Train runs with an engine until the end or a stop, and update the entry of the sweep on the way.

        `missing` holds the runs to train, by run key; nothing happens without one, or after a stop.
        """
        if not missing or entry.stop.is_set():
            return
        states = execute(missing, engine, self.jobs.patient_store)
        try:
            for state in states:
                with self._lock:  # or a stop that comes meanwhile would be written over
                    if entry.stop.is_set():
                        return
                    entry.state = "planning" if state.seconds_left is None else "running"
                    entry.seconds_left = state.seconds_left
                    entry.runs |= state.runs
                    entry.failures |= state.failures
                    entry.problem = state.store_problem or state.note or entry.problem
        finally:
            states.close()  # type: ignore[attr-defined]

    @contextmanager
    def _engine(self, cluster: str) -> Any:
        if cluster:
            from anoonly_core.execution.dask_cluster import DaskCluster

            with DaskCluster(cluster) as engine:
                yield engine
            return
        yield self.devices.engine()


def _finished_runs(sweep: RunBatch, store: Store, device: str) -> dict[str, RunSummary]:
    """Return the runs of a batch that need no training, by run key.

    They are those in the store for this device ("cpu" or "cuda") and, for a sweep or a ranking, those that ship with
    the app.
    """
    shipped = shipped_runs(sweep.configs) if isinstance(sweep, (Sweep, WhichPlan)) else {}
    return shipped | stored_runs(store, sweep.configs, device)


def _key(sweep: RunBatch) -> str:
    """Return the key of a batch in the queue and in the store: a hash of its canonical text."""
    return "sweep " + hashlib.sha256(sweep.canonical().encode()).hexdigest()


@cache
def server_sweeps() -> SweepQueue:
    """Return the sweep queue of this server, one object for all sessions."""
    return SweepQueue(server_jobs())

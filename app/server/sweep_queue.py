"""The server's sweeps: start, pause, cancel, reattach. They live on when the page that started them is closed."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from anoonly_core.config import RunConfig
from anoonly_core.errors import AnoOnlyError, StoreUnavailable
from anoonly_core.execution import tasks
from anoonly_core.execution.executor import Engine, execute, stored_runs
from anoonly_core.execution.job import Cancelled
from anoonly_core.execution.plan import Plan
from anoonly_core.execution.pool import Task, WorkerDied
from anoonly_core.results.store import RunSummary
from anoonly_core.sweeps.sweep import Sweep, make_sweep
from app.server.devices import Devices
from app.server.jobs import Jobs, server_jobs

__all__ = ["RunBatch", "SweepQueue", "SweepView", "server_sweeps"]

REMEMBERED = 50

log = logging.getLogger(__name__)


class RunBatch(Protocol):
    """Runs that are trained together: a sweep, or a cell of a table."""

    @property
    def configs(self) -> dict[str, RunConfig]:
        """All runs by key."""

    def canonical(self) -> str:
        """Equal for equal batches."""


@dataclass(frozen=True)
class SweepView:
    """What a page sees of a sweep.

    state: "idle" where nobody trains it, "waiting" behind another one, "planning", "running" or
    "stopping". runs: the finished ones by key. failures: why others are not, by key. seconds_left:
    while it runs. problem: a sentence about what stopped it or what could not be kept.
    """

    state: str
    runs: dict[str, RunSummary]
    failures: dict[str, str]
    seconds_left: float | None
    problem: str


@dataclass(eq=False)
class _Entry:
    """A sweep that somebody has started on this server."""

    sweep: RunBatch
    cluster: str
    state: str = "waiting"
    runs: dict[str, RunSummary] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    seconds_left: float | None = None
    problem: str = ""
    stop: threading.Event = field(default_factory=threading.Event)


class SweepQueue:
    """All sweeps of a server: one at a time on its GPU or its own cores, those of clusters beside it."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self._lock = threading.RLock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._queue: deque[_Entry] = deque()
        self._working = False
        self.devices = Devices(jobs)
        self._estimates: OrderedDict[str, Task] = OrderedDict()
        jobs.on_busy_change = self.devices.pause_processes

    # -- what a page asks for

    def start(self, sweep: RunBatch, cluster: str = "") -> None:
        """Train what is missing of a sweep, here or on the cluster at an address; failed runs are tried again."""
        with self._lock:
            entry = self._entries.get(_key(sweep))
            if entry is not None and entry.state != "idle":
                return
            entry = self._entries[_key(sweep)] = _Entry(sweep, cluster)
            self._entries.move_to_end(_key(sweep))
            while len(self._entries) > REMEMBERED and next(iter(self._entries.values())).state == "idle":
                self._entries.popitem(last=False)
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
        """Give a sweep's unfinished stacks up; what is finished is kept, and `start` goes on from there."""
        with self._lock:
            entry = self._entries.get(_key(sweep))
            if entry is not None and entry.state != "idle":
                entry.stop.set()
                entry.state = "stopping"

    def forget(self, sweep: RunBatch) -> None:
        """Stop a sweep and take it off the list of earlier ones."""
        self.stop(sweep)
        try:
            self.jobs.store.delete([_key(sweep)])
        except StoreUnavailable as error:
            log.warning("%s", error)

    # -- what a page sees

    def view(self, sweep: RunBatch) -> SweepView:
        """How far a sweep has come, whether somebody trains it or not."""
        kept = stored_runs(self.jobs.store, sweep.configs, self.devices.device())
        with self._lock:
            entry = self._entries.get(_key(sweep))
            if entry is None:
                return SweepView("idle", kept, {}, None, "")
            runs = {**entry.runs, **kept} if entry.problem else kept
            failures = {key: sentence for key, sentence in entry.failures.items() if key not in runs}
            return SweepView(entry.state, runs, failures, entry.seconds_left, entry.problem)

    def estimate(self, sweep: Sweep, missing: dict[str, RunConfig]) -> float | None:
        """Seconds that the missing runs would take on this machine; None while that is being measured."""
        text = hashlib.sha256("".join(sorted(missing)).encode()).hexdigest()
        gpu = self.devices.gpu()
        if gpu is None:
            return None
        workers, slots, device = (
            self.devices.planning_pool(gpu),
            1 if gpu else self.jobs.cores,
            "cuda" if gpu else "cpu",
        )
        with self._lock:
            task = self._estimates.get(text)
            if task is None:
                for other in self._estimates.values():
                    if not other.done:
                        workers.stop(other, insist=False)  # its page has moved on
                task = workers.schedule(tasks.plan_runs, missing, slots, device)
                self._estimates[text] = task
                while len(self._estimates) > REMEMBERED:
                    self._estimates.popitem(last=False)
        if not task.done:
            return None
        try:
            plan: Plan = task.result()
        except Cancelled:
            with self._lock:
                self._estimates.pop(text, None)
            return None
        except (WorkerDied, Exception) as error:
            log.warning("a sweep could not be planned: %r", error)
            return float("nan")
        return plan.seconds(slots)

    def previous_sweeps(self) -> list[Sweep]:
        """The sweeps that were started here, the latest first, as far as they can still be."""
        found = []
        for text in self.jobs.store.sweeps():
            try:
                known = json.loads(text)
                axes = [(axis["name"], axis["values"]) for axis in known["axes"]]
                found.append(make_sweep(known["settings"], axes, known["seeds"]))
            except (ValueError, KeyError, TypeError, AnoOnlyError):
                continue  # of another version, or its file is gone
        return found

    def close(self) -> None:
        """Stop all sweeps and end their processes."""
        with self._lock:
            for entry in self._entries.values():
                entry.stop.set()
            self.devices.close()

    # -- inside

    def _list(self, sweep: Sweep, entry: _Entry) -> None:
        """Let a sweep be found among the earlier ones."""
        try:
            self.jobs.store.put_sweep(_key(sweep), sweep.canonical())
        except StoreUnavailable as error:
            entry.problem = str(error)

    def _begin(self, work: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=work, args=arguments, daemon=True, name="sweep").start()

    def _work_through(self) -> None:
        """Train the queued sweeps, one after the other, until none is left."""
        while True:
            with self._lock:
                if not self._queue:
                    self._working = False
                    return
                entry = self._queue.popleft()
            self._train(entry)

    def _train(self, entry: _Entry) -> None:
        try:
            device = "cpu" if entry.cluster else self.devices.device(wait=True)
            kept = stored_runs(self.jobs.store, entry.sweep.configs, device)
            missing = {key: config for key, config in entry.sweep.configs.items() if key not in kept}
            if missing and not entry.stop.is_set():
                with self._engine(entry.cluster) as engine:
                    self._execute(entry, missing, engine)
        except AnoOnlyError as error:
            entry.problem = str(error)
        except Exception as error:
            log.exception("a sweep failed")
            entry.problem = f"The sweep stopped for a reason that the server's log tells ({type(error).__name__})."
        finally:
            with self._lock:
                entry.state, entry.seconds_left = "idle", None

    def _execute(self, entry: _Entry, missing: dict[str, RunConfig], engine: Engine) -> None:
        states = execute(missing, engine, self.jobs.store)
        try:
            for state in states:
                if entry.stop.is_set():
                    return
                with self._lock:
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

            with DaskCluster(cluster) as there:
                yield there
            return
        yield self.devices.engine()


def _key(sweep: RunBatch) -> str:
    """What a sweep is known by, here and in the store."""
    return "sweep " + hashlib.sha256(sweep.canonical().encode()).hexdigest()


@cache
def server_sweeps() -> SweepQueue:
    """The sweeps of this server, for all sessions."""
    return SweepQueue(server_jobs())

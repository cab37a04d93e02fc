"""Runs on an engine, local processes or a cluster: stack by stack, stored as they finish, resumable."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from anoonly_core.config import RunConfig
from anoonly_core.errors import AnoOnlyError, EngineUnavailable, StoreUnavailable
from anoonly_core.execution import tasks
from anoonly_core.execution.job import Cancelled, JobProgress
from anoonly_core.execution.plan import Plan, PlannedStack
from anoonly_core.execution.pool import Task, WorkerDied, WorkerPool
from anoonly_core.results.keys import run_key
from anoonly_core.results.result import RunResult
from anoonly_core.results.store import RunSummary, Store

__all__ = ["Engine", "ExecutionState", "LocalEngine", "Work", "execute", "stored_runs"]

POLL_S = 0.1
MAX_DEATHS = 2
DIED = "The worker process ended unexpectedly each time that it was tried, perhaps for want of memory."

log = logging.getLogger(__name__)


class Work(Protocol):
    """What an engine is doing for a stack or a plan."""

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""

    @property
    def progress(self) -> JobProgress | None:
        """How far it has come, if that is known."""

    def result(self) -> Any:
        """What came of it; raises WorkerDied where it is worth another try, an AnoOnlyError where none is."""


class Engine(Protocol):
    """Who trains: processes of this machine, its GPU, or a cluster's."""

    @property
    def device(self) -> str:
        """What a run's key names: "cpu" or "cuda"."""

    @property
    def name(self) -> str:
        """Who that is, after "on"."""

    @property
    def slots(self) -> int:
        """How many stacks it works on at once."""

    def plan(self, configs: dict[str, RunConfig]) -> Work:
        """Cut runs by key into stacks; its result is a Plan."""

    def train(self, configs: dict[str, RunConfig]) -> Work:
        """Train runs by key; its result is a list of keys with their outcomes."""

    def stop(self, work: Work) -> None:
        """Give work up."""


class LocalEngine:
    """Worker processes of this machine, one a core; or one that owns its GPU, whose name is then given."""

    def __init__(self, workers: WorkerPool, gpu: str = "") -> None:
        self.workers = workers
        self.device = "cuda" if gpu else "cpu"
        self.name = gpu or f"{workers.count} workers"

    @property
    def slots(self) -> int:
        """One stack a process; what a GPU's process is given it cuts into stacks itself."""
        return self.workers.count

    def plan(self, configs: dict[str, RunConfig]) -> Task:
        """Cut runs by key into stacks, in one of the processes."""
        return self.workers.schedule(tasks.plan_runs, configs, self.slots, self.device)

    def train(self, configs: dict[str, RunConfig]) -> Task:
        """Train runs by key in one of the processes."""
        return self.workers.schedule(tasks.train_each, configs, self.device)

    def stop(self, work: Work) -> None:
        """Have a process stop at its next epoch, or end it."""
        assert isinstance(work, Task)
        self.workers.stop(work)


@dataclass(frozen=True)
class ExecutionState:
    """How far an execution has come.

    runs, failures: those that have ended since the state before, by key. seconds_left: None while
    it is being planned. unkept: why finished runs could not be stored, if so. note: a sentence where runs
    were not trained as they were asked for.
    """

    runs: dict[str, RunSummary] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    seconds_left: float | None = None
    store_problem: str = ""
    note: str = ""


def stored_runs(store: Store, configs: Mapping[str, RunConfig], device: str) -> dict[str, RunSummary]:
    """Which of these runs the store has, by the keys that they have on the CPU: the device's own, else the CPU's."""
    kept = store.runs(configs)
    if device != "cpu":
        own = {run_key(config, device): key for key, config in configs.items()}
        kept |= {own[key]: run for key, run in store.runs(own).items()}
    return kept


def execute(configs: Mapping[str, RunConfig], engine: Engine, store: Store) -> Iterator[ExecutionState]:
    """Plan, train and store runs by key, yielding a state ten times a second; stop iterating and it has stopped.

    What the store has already is left out by the caller, see kept_runs. A worker that dies costs its unfinished
    stack, which is cut in half, for it may have been too large, and tried again. Raises
    EngineUnavailable where there is nobody left to train.
    """
    plan = yield from _planned(configs, engine)
    yield ExecutionState(failures=plan.failures, seconds_left=plan.seconds(engine.slots))
    queue, clock = deque(plan.stacks), _Clock()
    under_way: dict[Work, PlannedStack] = {}
    deaths: Counter[str] = Counter()
    try:
        while queue or under_way:
            while queue and len(under_way) < engine.slots:
                stack = queue.popleft()
                work = engine.train(stack.configs)
                under_way[work] = stack
                clock.start(work)
            time.sleep(POLL_S)
            state = ExecutionState(seconds_left=clock.left(under_way, queue, engine.slots))
            for work in [work for work in under_way if work.done]:
                stack = under_way.pop(work)
                try:
                    outcomes = _outcomes(work, stack)
                except WorkerDied:
                    queue.extendleft(_again(stack, deaths, state.failures))
                    continue
                clock.stop(work, stack)
                state = _take_in(outcomes, store, state)
            yield state
    finally:
        for work in under_way:
            engine.stop(work)


def _planned(configs: Mapping[str, RunConfig], engine: Engine) -> Generator[ExecutionState, None, Plan]:
    """The engine's plan for the runs, while which states without a time are yielded."""
    for _ in range(MAX_DEATHS):
        work = engine.plan(dict(configs))
        try:
            while not work.done:
                yield ExecutionState()
                time.sleep(POLL_S)
            plan: Plan = work.result()
            return plan
        except WorkerDied:
            log.warning("a worker process died while it planned")
        finally:
            if not work.done:
                engine.stop(work)
    raise EngineUnavailable(DIED)


def _outcomes(work: Work, stack: PlannedStack) -> list[tuple[str, Any]]:
    """Each run's result or error; raises WorkerDied, or EngineUnavailable."""
    try:
        found: list[tuple[str, Any]] = work.result()
        return found
    except EngineUnavailable:
        raise
    except AnoOnlyError as error:
        return [(key, error) for key in stack.configs]
    except (WorkerDied, Cancelled):
        raise
    except Exception as error:
        log.exception("a stack failed")
        failed = AnoOnlyError(f"This run failed for a reason that the log tells ({type(error).__name__}).")
        return [(key, failed) for key in stack.configs]


def _again(stack: PlannedStack, deaths: Counter[str], failures: dict[str, str]) -> list[PlannedStack]:
    """What is tried again of a stack whose worker died: its halves; a run that died alone too often is a failure."""
    keys = list(stack.configs)
    if len(keys) == 1:
        deaths.update(keys)
        if deaths[keys[0]] < MAX_DEATHS:
            return [stack]
        failures[keys[0]] = DIED
        return []
    halves = (keys[: len(keys) // 2], keys[len(keys) // 2 :])
    share = stack.seconds / len(keys)
    return [PlannedStack({key: stack.configs[key] for key in half}, share * len(half)) for half in halves]


def _take_in(outcomes: list[tuple[str, Any]], store: Store, state: ExecutionState) -> ExecutionState:
    """The state with these outcomes, each result being stored."""
    runs, failures, store_problem, note = dict(state.runs), dict(state.failures), state.store_problem, state.note
    for key, outcome in outcomes:
        if isinstance(outcome, RunResult):
            try:
                store.put(outcome)
            except StoreUnavailable as error:
                store_problem = str(error)  # the figures are fine and go on to their reader
            runs[key] = RunSummary.of(outcome)
            note = outcome.note or note
        else:
            failures[key] = str(outcome)
    return replace(state, runs=runs, failures=failures, store_problem=store_problem, note=note)


class _Clock:
    """Tells the time left from the planned seconds, and from how long finished stacks have really taken."""

    def __init__(self) -> None:
        self.begun: dict[Work, float] = {}
        self.planned = self.taken = 0.0

    def start(self, work: Work) -> None:
        self.begun[work] = time.monotonic()

    def stop(self, work: Work, stack: PlannedStack) -> None:
        self.taken += time.monotonic() - self.begun.pop(work)
        self.planned += stack.seconds

    def left(self, under_way: Mapping[Work, PlannedStack], queue: Iterable[PlannedStack], slots: int) -> float:
        pace = self.taken / self.planned if self.planned else 1.0
        remaining = [stack.seconds * (1 - self._share(work, stack, pace)) for work, stack in under_way.items()]
        rest = Plan(tuple(PlannedStack({}, seconds) for seconds in remaining) + tuple(queue), {})
        return pace * rest.seconds(slots)

    def _share(self, work: Work, stack: PlannedStack, pace: float) -> float:
        """How much of a stack is done: its epochs where they are told, else the time that it has had."""
        if (progress := work.progress) is not None and progress.total:
            return progress.done / progress.total
        expected = max(stack.seconds * pace, 1e-3)
        return min((time.monotonic() - self.begun[work]) / expected, 0.95)

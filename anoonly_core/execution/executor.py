"""Execution of runs on an engine: processes, GPUs or a cluster; each stack is stored as it finishes."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from anoonly_core.config import RunConfig
from anoonly_core.errors import AnoOnlyError, EngineUnavailable
from anoonly_core.execution import tasks
from anoonly_core.execution.death import WorkerDied
from anoonly_core.execution.job import JobProgress
from anoonly_core.execution.plan import Plan, PlannedStack
from anoonly_core.execution.pool import Task, WorkerPool
from anoonly_core.progress import Cancelled
from anoonly_core.results.keys import run_keys
from anoonly_core.results.result import RunResult
from anoonly_core.results.store import RunSummary, Store

__all__ = ["Engine", "ExecutionState", "LocalEngine", "Work", "execute", "stored_runs"]

POLL_S = 0.1
CHECKS = 10  # of the works in each poll: a free worker gets its next stack within a hundredth of a second
MAX_ATTEMPTS = 2
ON_EVERY_ATTEMPT = "on every attempt"

log = logging.getLogger(__name__)


class Work(Protocol):
    """A call that an engine has begun: planning, or the training of one stack."""

    @property
    def done(self) -> bool:
        """True if the call has returned, failed or been stopped; does not block."""

    @property
    def progress(self) -> JobProgress | None:
        """Latest progress in epochs; None if there is none yet or the engine reports none."""

    def result(self) -> Any:
        """Block until the call has ended, and return its value.

        Raises
        ------
        WorkerDied
            If a worker was lost; another attempt may succeed.
        AnoOnlyError
            If another attempt would fail too.
        """


class Engine(Protocol):
    """Interface to train runs with: worker processes of this machine, its GPUs, or a Dask cluster."""

    @property
    def device(self) -> str:
        """Device that run keys name: "cpu" or "cuda"."""

    @property
    def name(self) -> str:
        """Name for sentences such as "trained on 4 workers"."""

    @property
    def slots(self) -> int:
        """Number of stacks that train at once."""

    def plan(self, configs: dict[str, RunConfig]) -> Work:
        """Begin to pack runs into stacks on a worker, and return at once; the result of the work is a `Plan`.

        `configs` holds the runs by key.
        """

    def train(self, configs: dict[str, RunConfig]) -> Work:
        """Begin to train the runs of one stack on a worker, and return at once.

        `configs` holds the runs by key. The result of the work is a list of (key, result or error).
        """

    def stop(self, work: Work) -> None:
        """Cancel work that this engine began, and return at once."""


class LocalEngine:
    """Engine of worker processes on this machine that train on the CPU, one per core.

    Parameters
    ----------
    pool
        Worker processes. The caller closes them.
    """

    device = "cpu"

    def __init__(self, pool: WorkerPool) -> None:
        self.pool = pool
        self.name = f"{pool.count} workers"

    @property
    def slots(self) -> int:
        """Number of stacks that train at once, one per process."""
        return self.pool.count

    def plan(self, configs: dict[str, RunConfig]) -> Task:
        """Begin to pack runs into stacks in a worker process, and return at once; the result of the task is a `Plan`.

        `configs` holds the runs by key.
        """
        return self.pool.schedule(tasks.plan_runs, configs, self.slots)

    def train(self, configs: dict[str, RunConfig]) -> Task:
        """Begin to train the runs of one stack in a worker process, and return at once.

        `configs` holds the runs by key. The result of the task is a list of (key, result or error).
        """
        return self.pool.schedule(tasks.train_each, configs)

    def stop(self, work: Work) -> None:
        """Cancel work and return at once; the work stops at its next epoch, or its process is killed after 2 s."""
        assert isinstance(work, Task)
        self.pool.stop(work)


@dataclass(frozen=True)
class ExecutionState:
    """Progress of an execution since the previous state.

    Parameters
    ----------
    runs
        Newly finished runs by key.
    failures
        One sentence for each run that newly failed, by key.
    seconds_left
        Expected time until the end; None during planning.
    store_problem
        Sentence about a finished run that could not be stored; "" if there is none.
    note
        A sentence if runs were trained in another way than asked, as on the CPU after a GPU error; else "".
    """

    runs: dict[str, RunSummary] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    seconds_left: float | None = None
    store_problem: str = ""
    note: str = ""


def stored_runs(store: Store, configs: Mapping[str, RunConfig], device: str) -> dict[str, RunSummary]:
    """Look runs up in the store and return those that it has.

    Parameters
    ----------
    store
        Store to search.
    configs
        Runs to look up, by their CPU key.
    device
        "cpu", or "cuda" to prefer a run trained on a GPU to the same run trained on the CPU.

    Returns
    -------
    dict
        The runs found, by their CPU key whatever device trained them.
    """
    runs = store.runs(configs)
    if device != "cpu":
        cpu_keys = dict(zip(run_keys([*configs.values()], device), configs, strict=True))
        runs |= {cpu_keys[key]: run for key, run in store.runs(cpu_keys).items()}
    return runs


def execute(configs: Mapping[str, RunConfig], engine: Engine, store: Store) -> Iterator[ExecutionState]:
    """Plan, train and store runs, and yield a state whenever a stack is done, and at least about ten times a second.

    A stack whose worker dies is cut in half and tried again, since it may have been too large. A single run fails
    after two deaths. Closing the iterator stops the training.

    Parameters
    ----------
    configs
        Runs by key. All of them are trained, so leave out those that `stored_runs` finds.
    engine
        Engine that trains. The caller closes it.
    store
        Store that gets each result as soon as its stack is done.

    Yields
    ------
    ExecutionState
        First states without a time during planning, then states with the time left.

    Raises
    ------
    EngineUnavailable
        If the engine has no workers, or lost the worker that planned, twice.
    """
    plan = yield from _plan(configs, engine)
    yield ExecutionState(failures=plan.failures, seconds_left=plan.seconds(engine.slots))
    queue, clock = deque(plan.stacks), _Clock()
    active: dict[Work, PlannedStack] = {}
    deaths: Counter[str] = Counter()
    try:
        while queue or active:
            while queue and len(active) < engine.slots:
                stack = queue.popleft()
                work = engine.train(stack.configs)
                active[work] = stack
                clock.start(work)
            _wait_for_one(active)
            state = ExecutionState(seconds_left=clock.seconds_left(active, queue, engine.slots))
            for work in [work for work in active if work.done]:
                stack = active.pop(work)
                try:
                    outcomes = _outcomes(work, stack)
                except WorkerDied as died:
                    queue.extendleft(_retries(stack, died, deaths, state.failures))
                    continue
                clock.stop(work, stack)
                state = _add_outcomes(outcomes, store, state)
            yield state
    finally:
        for work in active:
            engine.stop(work)


def _wait_for_one(works: Iterable[Work]) -> None:
    """Block until one of some works is done, at most POLL_S."""
    for _ in range(CHECKS):
        if any(work.done for work in works):
            return
        time.sleep(POLL_S / CHECKS)


def _plan(configs: Mapping[str, RunConfig], engine: Engine) -> Generator[ExecutionState, None, Plan]:
    """Have the engine pack runs into stacks, yielding empty states meanwhile, and return the plan.

    `configs` holds the runs by key. Raise EngineUnavailable if the worker that plans dies twice.
    """
    death = WorkerDied()
    for _ in range(MAX_ATTEMPTS):
        work = engine.plan(dict(configs))
        try:
            while not work.done:
                yield ExecutionState()
                time.sleep(POLL_S)
            plan: Plan = work.result()
            return plan
        except WorkerDied as died:
            log.warning("planning failed: %s", died)
            death = died
        finally:
            if not work.done:
                engine.stop(work)
    raise EngineUnavailable(death.sentence(ON_EVERY_ATTEMPT)) from death


def _outcomes(work: Work, stack: PlannedStack) -> list[tuple[str, Any]]:
    """Return the results of a finished stack: each run key with its `RunResult` or its error.

    An error of the whole stack is given to each of its runs. Raise WorkerDied, Cancelled or EngineUnavailable
    if the work ended so.
    """
    try:
        outcomes: list[tuple[str, Any]] = work.result()
        return outcomes
    except EngineUnavailable:
        raise
    except AnoOnlyError as error:
        return [(key, error) for key in stack.configs]
    except (WorkerDied, Cancelled):
        raise
    except Exception as error:
        log.exception("a stack failed")
        failure = AnoOnlyError(f"The run failed ({type(error).__name__}); see the log.")
        return [(key, failure) for key in stack.configs]


def _retries(
    stack: PlannedStack, died: WorkerDied, deaths: Counter[str], failures: dict[str, str]
) -> list[PlannedStack]:
    """Return the stacks to try again after the worker of a stack died: two halves, or the same single run.

    Parameters
    ----------
    stack
        Stack whose worker died.
    died
        Death of the worker.
    deaths
        Deaths of each run while it trained alone, by key; increased here.
    failures
        Gets a sentence for a run, by key, that has failed twice alone and is not tried again.
    """
    keys = list(stack.configs)
    if len(keys) == 1:
        deaths.update(keys)
        if deaths[keys[0]] < MAX_ATTEMPTS:
            return [stack]
        failures[keys[0]] = died.sentence(ON_EVERY_ATTEMPT)
        return []
    halves = (keys[: len(keys) // 2], keys[len(keys) // 2 :])
    seconds_per_run = stack.seconds / len(keys)
    return [PlannedStack({key: stack.configs[key] for key in half}, seconds_per_run * len(half)) for half in halves]


def _add_outcomes(outcomes: list[tuple[str, Any]], store: Store, state: ExecutionState) -> ExecutionState:
    """Write results to the store, and return a copy of the state with these results and failures added.

    `outcomes` holds each run key with its `RunResult` or its error.
    """
    runs, failures, store_problem, note = dict(state.runs), dict(state.failures), state.store_problem, state.note
    for key, outcome in outcomes:
        if isinstance(outcome, RunResult):
            if not store.try_put(outcome):
                store_problem = store.problem
            runs[key] = RunSummary.of(outcome)
            note = outcome.note or note
        else:
            failures[key] = str(outcome)
    return replace(state, runs=runs, failures=failures, store_problem=store_problem, note=note)


class _Clock:
    """Estimate of the time left, from the planned seconds of stacks and the pace of the finished ones."""

    def __init__(self) -> None:
        self.begun_s: dict[Work, float] = {}
        self.planned_s = self.taken_s = 0.0  # of all finished stacks

    def start(self, work: Work) -> None:
        self.begun_s[work] = time.monotonic()

    def stop(self, work: Work, stack: PlannedStack) -> None:
        self.taken_s += time.monotonic() - self.begun_s.pop(work)
        self.planned_s += stack.seconds

    def seconds_left(self, active: Mapping[Work, PlannedStack], queue: Iterable[PlannedStack], slots: int) -> float:
        pace = self.taken_s / self.planned_s if self.planned_s else 1.0
        unfinished = [stack.seconds * (1 - self._share(work, stack, pace)) for work, stack in active.items()]
        remaining = Plan(tuple(PlannedStack({}, seconds) for seconds in unfinished) + tuple(queue), {})
        return pace * remaining.seconds(slots)

    def _share(self, work: Work, stack: PlannedStack, pace: float) -> float:
        """Return the finished share of a stack in training, from 0 to 1.

        Computed from the epochs if the work reports them, else from the time since its begin divided by the
        expected time, up to 0.95. `pace` is the measured time of finished stacks divided by the planned time.
        """
        if (progress := work.progress) is not None and progress.total:
            return progress.done / progress.total
        expected_s = max(stack.seconds * pace, 1e-3)
        return min((time.monotonic() - self.begun_s[work]) / expected_s, 0.95)

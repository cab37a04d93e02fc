"""Runs on a GPU: several stacks at once, as large as its memory holds, and on the CPU where it fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.errors import AnoOnlyError
from anoonly_core.results.keys import run_key
from anoonly_core.results.result import RunResult
from anoonly_core.runs.stacking import LoadDataset, PlannedRun, RunGroup, group_runs, max_runs_on_cpu, values_per_run

__all__ = ["FAILED", "FULL", "GPU_ERRORS", "SHORT", "Gpu", "gpu_name", "max_runs_on_gpu", "run_on_gpu"]

LANES = 6  # stacks at once: a small net does not fill a GPU
MAX_RUNS = 2048
TAKEN_SHARE = 0.7  # of what is free, for all stacks together: memory comes in pieces that do not fill up
BYTES_A_VALUE = 8  # float32, and as much again for what a step computes between

GPU_ERRORS = (RuntimeError, AssertionError)  # the latter of a build without CUDA
WANT_OF_MEMORY = ("out of memory", "ALLOC_FAILED")  # also of errors that are no OutOfMemoryError

SHORT = "The GPU's memory does not hold all runs at once, so they trained in more, smaller stacks."
FULL = "The GPU's memory does not hold even one such run, so it was trained on the CPU."
FAILED = "The GPU failed, so the CPU trained instead; the log tells why."

RunStack = Callable[[Dataset, Sequence[PlannedRun], str, Callable[[int, int], None]], list[RunResult | AnoOnlyError]]
Outcomes = list[tuple[str, RunResult | AnoOnlyError]]

log = logging.getLogger(__name__)
_on_the_cpu = threading.Lock()  # what a GPU leaves to it trains one stack after the other, in the memory of one


def gpu_name() -> str:
    """The GPU that this process can train on, "" where there is none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


class Gpu:
    """This process's GPU; what is asked of it raises RuntimeError where it fails."""

    def __init__(self) -> None:
        self._own = threading.local()

    def free_bytes(self) -> int:
        """What is free, with what this process has taken and does not use."""
        free, _ = torch.cuda.mem_get_info()
        return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()

    @contextmanager
    def lane(self) -> Iterator[None]:
        """The calling thread's own queue of work on the GPU, beside the other threads'."""
        if not hasattr(self._own, "stream"):
            self._own.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._own.stream):
            yield


class _Budget:
    """Bytes that stacks may take, each waiting until its share is free."""

    def __init__(self, total: int) -> None:
        self.total = self._free = total
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, count: int) -> Iterator[None]:
        count = min(count, self.total)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= count)
            self._free -= count
        try:
            yield
        finally:
            with self._changed:
                self._free += count
                self._changed.notify_all()


class _Progress:
    """The epochs of all runs, reported as one; asked to stop, each stack stops at its next epoch."""

    def __init__(self, configs: Iterable[RunConfig], report: Callable[[int, int], None]) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._total = _epochs(configs)
        self._done: dict[str, float] = {}
        self.stopping = False

    def of(self, part: Sequence[PlannedRun], done: int, epochs: int) -> None:
        """So many of its epochs this stack has done; its first half, if it is tried again, counts in its place."""
        if self.stopping:
            raise _Stopped
        with self._lock:
            self._done[part[0].key] = done / epochs * _epochs(one.config for one in part)
            self._report(round(sum(self._done.values())), self._total)

    def leave_out(self, config: RunConfig) -> None:
        """This run cannot be had."""
        with self._lock:
            self._total -= _epochs([config])


class _Stopped(Exception):
    """Another stack of the same call has ended in an error, or nobody listens any more."""


def max_runs_on_gpu(gpu: Gpu) -> Callable[[PlannedRun, int], int]:
    """How many runs like one, on so many columns, the GPU's free memory holds as one stack, see groups_of."""
    budget = _budget_of(gpu)
    return lambda planned, columns: _most(planned, columns, budget)


def run_on_gpu(
    configs: Mapping[str, RunConfig],
    run_stack: RunStack,
    report: Callable[[int, int], None],
    load: LoadDataset,
    gpu: Gpu,
) -> Iterator[tuple[str, RunResult | AnoOnlyError]]:
    """Train and test runs by key with run_stack, see run.run_each; a data set is prepared while others train.

    Each result has the key of its device, and a note where the GPU could not do what was asked of it.
    """
    progress = _Progress(configs.values(), report)
    budget = _budget_of(gpu)
    by_dataset: dict[str, dict[str, RunConfig]] = {}
    for key, config in configs.items():
        by_dataset.setdefault(config.dataset, {})[key] = config

    def work(group: RunGroup, part: Sequence[PlannedRun], note: str) -> Outcomes:
        return list(_Stack(run_stack, gpu, budget, progress).run(group, part, note))

    lanes = ThreadPoolExecutor(LANES, thread_name_prefix="lane")
    under_way: list[Future[Outcomes]] = []
    try:
        for own in by_dataset.values():
            groups, errors = group_runs(own, load, lambda planned, columns: _most(planned, columns, budget))
            for key, error in errors.items():
                progress.leave_out(own[key])
                yield key, error
            for group in sorted(groups, key=lambda group: _epochs(one.config for one in group.runs), reverse=True):
                note = SHORT if group.max_stack_runs < min(len(group.runs), MAX_RUNS) else ""
                for begin in range(0, len(group.runs), group.max_stack_runs):
                    part = group.runs[begin : begin + group.max_stack_runs]
                    under_way.append(lanes.submit(work, group, part, note))
        for future in as_completed(under_way):
            yield from future.result()
    finally:
        progress.stopping = True
        lanes.shutdown(cancel_futures=True)


class _Stack:
    """One stack's way: on the GPU, in halves where memory is short, and on the CPU where nothing else is left."""

    def __init__(self, run_stack: RunStack, gpu: Gpu, budget: _Budget | None, progress: _Progress) -> None:
        self._run_stack, self._gpu, self._budget, self._progress = run_stack, gpu, budget, progress

    def run(
        self, group: RunGroup, part: Sequence[PlannedRun], note: str
    ) -> Iterator[tuple[str, RunResult | AnoOnlyError]]:
        if not _need(part[0], group.dataset.columns):
            yield from self._taken_down(part, self._guarded(group, part, "cpu"), note="")
            return
        outcomes, problem = self._try(group, part) if self._budget is not None else (None, FAILED)
        if outcomes is None and problem == SHORT and len(part) > 1:
            for half in (part[: len(part) // 2], part[len(part) // 2 :]):
                yield from self.run(group, half, SHORT)
            return
        if outcomes is not None:
            yield from self._taken_down(part, outcomes, note)
            return
        most = max_runs_on_cpu(part[0], group.dataset.columns)
        for begin in range(0, len(part), most):
            own = part[begin : begin + most]
            with _on_the_cpu:
                outcomes = self._guarded(group, own, "cpu")
            yield from self._taken_down(own, outcomes, FULL if problem == SHORT else problem)

    def _taken_down(
        self, part: Sequence[PlannedRun], outcomes: Sequence[RunResult | AnoOnlyError], note: str
    ) -> Outcomes:
        """The outcomes by key, a result under the key of its device."""
        return [
            (
                one.key,
                replace(outcome, key=run_key(one.config, outcome.device), note=note)
                if isinstance(outcome, RunResult)
                else outcome,
            )
            for one, outcome in zip(part, outcomes, strict=True)
        ]

    def _try(self, group: RunGroup, part: Sequence[PlannedRun]) -> tuple[list[RunResult | AnoOnlyError] | None, str]:
        """The outcomes; or None, and what is the matter. What failed is freed before anything is tried again."""
        assert self._budget is not None
        need = _need(part[0], group.dataset.columns) * len(part)
        try:
            with self._budget.taken(need), self._gpu.lane():
                return self._guarded(group, part, "cuda"), ""
        except GPU_ERRORS as error:
            if _is_want_of_memory(error):
                log.info("%d runs do not fit on the GPU", len(part))
                return None, SHORT
            log.warning("a stack failed on the GPU", exc_info=True)
            return None, FAILED

    def _guarded(self, group: RunGroup, part: Sequence[PlannedRun], device: str) -> list[RunResult | AnoOnlyError]:
        try:
            return self._run_stack(group.dataset, part, device, partial(self._progress.of, part))
        except AnoOnlyError as error:
            return [error] * len(part)


def _is_want_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in WANT_OF_MEMORY)


def _budget_of(gpu: Gpu) -> _Budget | None:
    """What the stacks may take; None where the GPU cannot be used at all."""
    try:
        return _Budget(int(TAKEN_SHARE * gpu.free_bytes()))
    except GPU_ERRORS:
        log.warning("the GPU cannot be used", exc_info=True)
        return None


def _most(planned: PlannedRun, columns: int, budget: _Budget | None) -> int:
    if budget is None:
        return MAX_RUNS
    need = _need(planned, columns)
    return max(1, min(MAX_RUNS, budget.total // need)) if need else 1


def _need(planned: PlannedRun, columns: int) -> int:
    """About how many bytes such a run takes on the GPU; 0 where it does not train there."""
    return BYTES_A_VALUE * (values_per_run(planned, columns) or 0)


def _epochs(configs: Iterable[RunConfig]) -> int:
    """What runs take, in epochs: by that their progress is told, and the longest stacks are begun first."""
    return sum(BASELINES[config.baseline].pretraining_epochs + (config.epochs or 0) for config in configs)

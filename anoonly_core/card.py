"""Runs on a graphics card: several stacks at once, as large as its memory holds, and on the CPU where it fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace

import torch

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.errors import AnoOnlyError
from anoonly_core.grouping import Group, Loader, Planned, groups_of, values_a_run
from anoonly_core.keys import run_key
from anoonly_core.result import RunResult

__all__ = ["CARD_ERRORS", "FAILED", "FULL", "SHORT", "Card", "card_name", "most_on_card", "run_on_card"]

LANES = 6  # stacks at once: a small net does not fill a card
MOST_RUNS = 2048
TAKEN_SHARE = 0.7  # of what is free, for all stacks together: memory comes in pieces that do not fill up
BYTES_A_VALUE = 8  # float32, and as much again for what a step computes between

CARD_ERRORS = (RuntimeError, AssertionError)  # the latter of a build without CUDA

SHORT = "The graphics card's memory does not hold all runs at once, so they trained in more, smaller stacks."
FULL = "The graphics card's memory does not hold even one such run, so it was trained on the CPU."
FAILED = "The graphics card failed, so the CPU trained instead; the log tells why."

RunStack = Callable[[Dataset, Sequence[Planned], str, Callable[[int, int], None]], list[RunResult | AnoOnlyError]]
Outcomes = list[tuple[str, RunResult | AnoOnlyError]]

log = logging.getLogger(__name__)


def card_name() -> str:
    """The graphics card that this process can train on, "" where there is none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


class Card:
    """This process's graphics card; what is asked of it raises RuntimeError where it fails."""

    def __init__(self) -> None:
        self._own = threading.local()

    def free_bytes(self) -> int:
        """What is free, with what this process has taken and does not use."""
        free, _ = torch.cuda.mem_get_info()
        return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()

    @contextmanager
    def lane(self) -> Iterator[None]:
        """The calling thread's own queue of work on the card, beside the other threads'."""
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
    """The epochs of all stacks that have begun, reported as one; asked to stop, each stack stops at its next epoch."""

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._stacks: dict[int, tuple[int, int]] = {}
        self.stopping = False

    def of(self, stack: int, done: int, epochs: int) -> None:
        if self.stopping:
            raise _Stopped
        with self._lock:
            self._stacks[stack] = done, epochs
            self._report(*map(sum, zip(*self._stacks.values(), strict=True)))


class _Stopped(Exception):
    """Another stack of the same call has ended in an error, or nobody listens any more."""


def most_on_card(card: Card) -> Callable[[Planned, int], int]:
    """How many runs like one, on so many columns, the card's free memory holds as one stack, see groups_of."""
    budget = _budget_of(card)
    return lambda planned, columns: _most(planned, columns, budget)


def run_on_card(
    configs: Mapping[str, RunConfig],
    run_stack: RunStack,
    report: Callable[[int, int], None],
    load: Loader,
    card: Card,
) -> Iterator[tuple[str, RunResult | AnoOnlyError]]:
    """Train and test runs by key with run_stack, see run.run_each; a data set is prepared while others train.

    Each result has the key of its device, and a note where the card could not do what was asked of it.
    """
    progress = _Progress(report)
    budget = _budget_of(card)
    by_dataset: dict[str, dict[str, RunConfig]] = {}
    for key, config in configs.items():
        by_dataset.setdefault(config.dataset, {})[key] = config

    def work(group: Group, part: Sequence[Planned], stack: int, note: str) -> Outcomes:
        def report_own(done: int, epochs: int) -> None:
            progress.of(stack, done, epochs)

        return list(_Stack(run_stack, card, budget, report_own).run(group, part, note))

    lanes = ThreadPoolExecutor(LANES, thread_name_prefix="lane")
    under_way: list[Future[Outcomes]] = []
    try:
        for own in by_dataset.values():
            groups, errors = groups_of(own, load, lambda planned, columns: _most(planned, columns, budget))
            yield from errors.items()
            for group in sorted(groups, key=_epochs, reverse=True):
                note = SHORT if len(group.runs) > group.most and budget is not None else ""
                for begin in range(0, len(group.runs), group.most):
                    part = group.runs[begin : begin + group.most]
                    under_way.append(lanes.submit(work, group, part, len(under_way), note))
        for future in as_completed(under_way):
            yield from future.result()
    finally:
        progress.stopping = True
        lanes.shutdown(cancel_futures=True)


class _Stack:
    """One stack's way: on the card, in halves where memory is short, and on the CPU where nothing else is left."""

    def __init__(
        self, run_stack: RunStack, card: Card, budget: _Budget | None, report: Callable[[int, int], None]
    ) -> None:
        self._run_stack, self._card, self._budget, self._report = run_stack, card, budget, report

    def run(self, group: Group, part: Sequence[Planned], note: str) -> Iterator[tuple[str, RunResult | AnoOnlyError]]:
        outcomes, problem = self._try(group, part) if self._budget is not None else (None, FAILED)
        if outcomes is None and problem == SHORT and len(part) > 1:
            for half in (part[: len(part) // 2], part[len(part) // 2 :]):
                yield from self.run(group, half, SHORT)
            return
        if outcomes is None:
            note = FULL if problem == SHORT else problem
            outcomes = self._guarded(group, part, "cpu")
        for one, outcome in zip(part, outcomes, strict=True):
            if isinstance(outcome, RunResult):
                outcome = replace(outcome, key=run_key(one.config, outcome.device), note=note)
            yield one.key, outcome

    def _try(self, group: Group, part: Sequence[Planned]) -> tuple[list[RunResult | AnoOnlyError] | None, str]:
        """The outcomes; or None, and what is the matter. What failed is freed before anything is tried again."""
        assert self._budget is not None
        need = _need(part[0], group.dataset.columns) * len(part)
        try:
            with self._budget.taken(need), self._card.lane():
                return self._guarded(group, part, "cuda"), ""
        except torch.OutOfMemoryError:
            log.info("%d runs do not fit on the graphics card", len(part))
            return None, SHORT
        except CARD_ERRORS:
            log.warning("a stack failed on the graphics card", exc_info=True)
            return None, FAILED

    def _guarded(self, group: Group, part: Sequence[Planned], device: str) -> list[RunResult | AnoOnlyError]:
        try:
            return self._run_stack(group.dataset, part, device, self._report)
        except AnoOnlyError as error:
            return [error] * len(part)


def _budget_of(card: Card) -> _Budget | None:
    """What the stacks may take; None where the card cannot be used at all."""
    try:
        return _Budget(int(TAKEN_SHARE * card.free_bytes()))
    except CARD_ERRORS:
        log.warning("the graphics card cannot be used", exc_info=True)
        return None


def _most(planned: Planned, columns: int, budget: _Budget | None) -> int:
    if budget is None:
        return MOST_RUNS
    need = _need(planned, columns)
    return max(1, min(MOST_RUNS, budget.total // need)) if need else 1


def _need(planned: Planned, columns: int) -> int:
    """About how many bytes such a run takes on the card; 0 where it does not train there."""
    return BYTES_A_VALUE * (values_a_run(planned, columns) or 0)


def _epochs(group: Group) -> int:
    """By what the longest stacks are begun first."""
    config = group.runs[0].config
    return (BASELINES[config.baseline].pretraining_epochs + (config.epochs or 0)) * len(group.runs)

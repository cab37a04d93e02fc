"""Cuts many runs into stacks for several workers, and measures how long they will take."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import SPLIT_FIELDS
from anoonly_core.execution.plan import Plan, PlannedStack
from anoonly_core.models import METHODS
from anoonly_core.runs.gpu_device import GPU_ERRORS, Gpu
from anoonly_core.runs.gpu_memory import max_runs_on_gpu
from anoonly_core.runs.stacking import LoadDataset, PlannedRun, RunGroup, group_runs
from anoonly_core.runs.train_stack import evaluated_epochs
from anoonly_core.training.evaluation import make_evaluator
from anoonly_core.training.stack import Stack
from anoonly_core.training.timing import seconds_per_epoch

__all__ = ["make_plan"]

WANTED_S = 12.0  # a stack takes about so long, so that curves grow while a sweep runs
LONGEST_S = 60.0  # of a stack of one split's runs, which share batches and pretraining
EFFICIENT = 6  # its runs cost so many times what it costs whatever their number is, so that cutting wastes little
PROBED_RUNS = {"cpu": 4, "cuda": 64}
MIN_SHARE = {"cpu": 0.05, "cuda": 0.002}  # of what one run alone takes, at which another one is put at least


log = logging.getLogger(__name__)


def make_plan(
    configs: Mapping[str, RunConfig],
    workers: int,
    load: LoadDataset = load_cached,
    check: Callable[[], None] = lambda: None,
    device: str = "cpu",
) -> Plan:
    """Cut runs, by key, into stacks for so many workers; a few steps of each shape are timed for it.

    check is called between the timings; what it raises stops the planning. For a GPU, whose one
    worker trains several stacks at once, they are put together until there is work for a while.
    """
    groups, errors = group_runs(configs, load, max_runs_on_gpu(Gpu()) if device == "cuda" else None)
    known: dict[object, _Cost] = {}
    costs = []
    for group in groups:
        check()
        one = group.runs[0]
        alike = tuple(getattr(one.config, name) for name in ("dataset", "baseline", "preset", "norm", "batch_size"))
        shape = (*alike, len(one.split.train))
        if shape not in known:
            known[shape] = _cost(group, device) if device == "cpu" else _cost_on_gpu(group)
        costs.append(known[shape])
    failures = {key: str(error) for key, error in errors.items()}
    if device == "cuda":
        return Plan(tuple(_put_together(groups, costs)), failures)
    share = sum(c.seconds(g.runs) - c.fixed(g.runs[0].config) for g, c in zip(groups, costs, strict=True)) / workers
    stacks = [
        PlannedStack({one.key: one.config for one in part}, cost.seconds(part))
        for group, cost in zip(groups, costs, strict=True)
        for part in _cut(group, cost, share, workers if len(groups) == 1 else 1)
    ]
    return Plan(_longest_first(stacks), failures)


@dataclass(frozen=True)
class _Cost:
    """Seconds of an epoch, and of testing once: what any stack takes, and what each of its runs adds."""

    epoch: tuple[float, float]
    pretraining_epoch: tuple[float, float]
    test: float

    def fixed(self, config: RunConfig) -> float:
        """What a stack of such runs takes whatever their number is."""
        return self.epoch[0] * _epochs(config) + self.pretraining_epoch[0] * _pretraining_epochs(config)

    def each(self, config: RunConfig) -> float:
        """What a run adds that shares its pretraining."""
        return self.epoch[1] * _epochs(config) + self.test * len(evaluated_epochs(_epochs(config)))

    def seconds(self, runs: Sequence[PlannedRun]) -> float:
        """What these runs take as one stack."""
        config = runs[0].config
        pretrained = len({_unit(one.config) for one in runs})
        learned = self.pretraining_epoch[1] * _pretraining_epochs(config) * pretrained
        return self.fixed(config) + self.each(config) * len(runs) + learned


def _epochs(config: RunConfig) -> int:
    return config.epochs or 0


def _pretraining_epochs(config: RunConfig) -> int:
    return BASELINES[config.baseline].pretraining_epochs


def _cost_on_gpu(group: RunGroup) -> _Cost:
    """On the CPU where the GPU fails: there its runs will train."""
    try:
        return _cost(group, "cuda")
    except GPU_ERRORS:
        log.warning("the GPU failed while its steps were timed", exc_info=True)
        return _cost(group, "cpu")


def _cost(group: RunGroup, device: str) -> _Cost:
    """Time a few steps of one run and of several; what has no epochs, XGBOD, is not timed."""
    if group.runs[0].config.baseline not in METHODS:
        return _Cost((0.0, 0.0), (0.0, 0.0), 0.0)
    several = min(PROBED_RUNS[device], len(group.runs), group.max_stack_runs)
    one, test = _probe(group, 1, device)
    many, test = _probe(group, several, device) if several > 1 else (one, test)
    lines = []
    for alone, together in zip(one, many, strict=True):
        least = MIN_SHARE[device] * alone
        each = min(max((together - alone) / (several - 1), least), alone) if several > 1 else alone
        lines.append((alone - each, each))
    return _Cost(epoch=lines[1], pretraining_epoch=lines[0], test=test)


def _probe(group: RunGroup, runs: int, device: str) -> tuple[tuple[float, float], float]:
    chosen = sorted(group.runs, key=_by_unit)[:runs]  # as they stand in a stack, sharing what they can
    stack = Stack(group.dataset, [one.config for one in chosen], [one.split for one in chosen], device)
    seconds = seconds_per_epoch(stack)
    evaluator = make_evaluator(stack)
    begun = time.perf_counter()
    evaluator.evaluate()
    evaluator.evaluations()
    return seconds, (time.perf_counter() - begun) / runs


def _put_together(groups: Sequence[RunGroup], costs: Sequence[_Cost]) -> Iterator[PlannedStack]:
    """Whole groups, one after the other, in as many parts as each takes about WANTED_S."""
    together: dict[str, RunConfig] = {}
    seconds = 0.0
    for group, cost in zip(groups, costs, strict=True):
        own = sum(
            cost.seconds(group.runs[begin : begin + group.max_stack_runs])
            for begin in range(0, len(group.runs), group.max_stack_runs)
        )
        if together and seconds + own > WANTED_S:
            yield PlannedStack(together, seconds)
            together, seconds = {}, 0.0
        together |= {one.key: one.config for one in group.runs}
        seconds += own
    if together:
        yield PlannedStack(together, seconds)


def _cut(group: RunGroup, cost: _Cost, share: float, workers: int) -> Iterator[tuple[PlannedRun, ...]]:
    """Cut a group's runs into stacks: none wastefully small, runs of one split together.

    share: seconds of each worker's share of all work, which no stack exceeds. workers: those who have
    nothing but this group to do.
    """
    config = group.runs[0].config
    fixed, each = cost.fixed(config), max(cost.each(config), 1e-9)
    units = [list(own) for _, own in itertools.groupby(sorted(group.runs, key=_by_unit), key=_by_unit)]
    largest = max(len(unit) for unit in units)
    efficient, most = EFFICIENT * fixed / each, max(share / each, 1)
    unit_s = fixed + each * largest
    if cost.pretraining_epoch[1] or (largest > 1 and largest <= most and unit_s <= LONGEST_S):
        size = max(1, round(min(max((WANTED_S - fixed) / each, efficient), most) / largest)) * largest
    else:
        size = math.ceil(min(max((WANTED_S - fixed) / each, efficient, 1), most))
    size = min(size, group.max_stack_runs)
    ordered = [one for unit in units for one in unit]
    cuts = list(range(0, len(ordered), size))
    if not cost.pretraining_epoch[1] and (
        spare := len(cuts) % workers
    ):  # the last ones, which would leave workers idle, are shared out evenly
        begin = cuts[-spare]
        cuts = [*cuts[:-spare], *range(begin, len(ordered), math.ceil((len(ordered) - begin) / workers))]
    for begin, end in itertools.pairwise([*cuts, len(ordered)]):
        yield tuple(ordered[begin:end])


def _unit(config: RunConfig) -> tuple[object, ...]:
    """What runs share that draw the same split, and with it the same batches."""
    return tuple(getattr(config, name) for name in SPLIT_FIELDS)


def _by_unit(one: PlannedRun) -> tuple[int, str]:
    return (one.config.seed, repr(_unit(one.config)))


def _longest_first(stacks: Sequence[PlannedStack]) -> tuple[PlannedStack, ...]:
    """Much longer ones first, so that none is left over at the end; those about alike in order of their seeds."""

    def rank(stack: PlannedStack) -> tuple[float, int]:
        return (-round(math.log2(max(stack.seconds, 1e-3))), min(config.seed for config in stack.configs.values()))

    return tuple(sorted(stacks, key=rank))

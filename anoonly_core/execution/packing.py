"""Packing of runs into stacks from the measured cost of their shapes; pure functions, which train and time nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.data.split import SPLIT_FIELDS
from anoonly_core.execution.plan import PlannedStack
from anoonly_core.runs.stacking import PlannedRun, RunGroup
from anoonly_core.runs.train_stack import evaluated_epochs

__all__ = ["Cost", "StackCost", "pack_for_cores", "pack_for_gpus", "split_order"]

TARGET_S = 12.0  # the time that a stack should take, so that results arrive while a sweep runs
MAX_SPLIT_S = 60.0  # the longest time of a stack that keeps all runs of one split together
SHORT_S = 1.0  # stacks that take at most this keep the order of their seeds: none of them delays the end
MIN_EFFICIENCY = 6  # a stack's runs should take this many times its fixed time, else cutting would waste much


@dataclass(frozen=True)
class Cost:
    """Seconds of one epoch of a stack: a fixed part, and a part per run."""

    fixed_s: float
    per_run_s: float


@dataclass(frozen=True)
class StackCost:
    """Measured cost of a stack of one shape.

    Parameters
    ----------
    pretraining_epoch
        Seconds per epoch of pretraining; the per-run part counts once for runs that share one split.
    training_epoch
        Seconds per epoch of training.
    evaluation_s
        Seconds to evaluate one run once.
    fit_s
        Seconds to fit and score one run of a system without epochs; 0 for the others.
    """

    pretraining_epoch: Cost
    training_epoch: Cost
    evaluation_s: float
    fit_s: float = 0.0

    def fixed_s(self, config: RunConfig) -> float:
        """Return the seconds that a stack of runs like `config` takes whatever its number of runs."""
        return self.training_epoch.fixed_s * _epochs(config) + self.pretraining_epoch.fixed_s * _pretraining_epochs(
            config
        )

    def per_run_s(self, config: RunConfig) -> float:
        """Return the seconds that one more run like `config` adds to a stack that pretrains its split already."""
        evaluations = len(evaluated_epochs(_epochs(config)))
        return self.training_epoch.per_run_s * _epochs(config) + self.evaluation_s * evaluations + self.fit_s

    def seconds(self, runs: Sequence[PlannedRun]) -> float:
        """Estimate the seconds that these runs, of one shape, take when trained as one stack."""
        config = runs[0].config
        splits = len({_split_settings(run.config) for run in runs})
        pretraining_s = self.pretraining_epoch.per_run_s * _pretraining_epochs(config) * splits
        return self.fixed_s(config) + self.per_run_s(config) * len(runs) + pretraining_s


def pack_for_cores(groups: Sequence[RunGroup], costs: Sequence[StackCost], workers: int) -> tuple[PlannedStack, ...]:
    """Pack runs into stacks of about 12 s for workers that train one stack each.

    Runs of one split stay together where that takes at most 60 s. No stack exceeds a worker's share of all work.

    Parameters
    ----------
    groups
        Runs of equal shape; a stack never mixes two groups.
    costs
        Cost of each group.
    workers
        Number of workers, at least 1.

    Returns
    -------
    tuple of PlannedStack
        Every run in one stack; much longer stacks first, so that no worker ends late, else by seed.
    """
    per_run_s = sum(
        cost.seconds(group.runs) - cost.fixed_s(group.runs[0].config) for group, cost in zip(groups, costs, strict=True)
    )
    stacks = [
        PlannedStack({run.key: run.config for run in runs}, cost.seconds(runs))
        for group, cost in zip(groups, costs, strict=True)
        for runs in _cut(group, cost, per_run_s / workers, workers if len(groups) == 1 else 1)
    ]
    return _longest_first(stacks)


def pack_for_gpus(groups: Sequence[RunGroup], costs: Sequence[StackCost], workers: int = 1) -> tuple[PlannedStack, ...]:
    """Pack runs into stacks of about 12 s for workers that own a GPU each, in which groups are joined.

    A worker cuts a group by the memory of its GPU and trains several shapes beside each other. For one worker whole
    groups are joined in order. For several, a group is cut where the seconds of its runs outweigh those that a stack
    takes whatever its size, and all workers get stacks of about equal time.

    Parameters
    ----------
    groups
        Runs of equal shape.
    costs
        Cost of each group.
    workers
        Number of GPUs, at least 1.

    Returns
    -------
    tuple of PlannedStack
        Every run in one stack; for several workers the longest first.
    """
    if workers == 1:
        return tuple(_joined(groups, costs))
    parts = [part for bundle in _bundles(groups, costs) for part in _parts(bundle, workers)]
    rounds = max(1, round(sum(part.seconds for part in parts) / workers / TARGET_S))
    bins: list[PlannedStack] = [PlannedStack({}, 0.0)] * (workers * rounds)
    for part in sorted(parts, key=lambda part: part.seconds, reverse=True):
        emptiest = min(range(len(bins)), key=lambda number: bins[number].seconds)
        bins[emptiest] = PlannedStack(bins[emptiest].configs | part.configs, bins[emptiest].seconds + part.seconds)
    return tuple(sorted((each for each in bins if each.configs), key=lambda each: each.seconds, reverse=True))


def split_order(run: PlannedRun) -> tuple[int, str]:
    """Return the sort key of a run that puts runs of one split next to each other, in the order of their seeds."""
    return (run.config.seed, repr(_split_settings(run.config)))


def _bundles(groups: Sequence[RunGroup], costs: Sequence[StackCost]) -> list[list[tuple[RunGroup, StackCost]]]:
    """Put groups together whose runs differ in norm alone and share a pretraining; the others are bundles of one."""
    bundles: dict[object, list[tuple[RunGroup, StackCost]]] = {}
    for group, cost in zip(groups, costs, strict=True):
        config = group.runs[0].config
        settings = (config.dataset, config.baseline, config.preset, config.batch_size)
        key = settings if _pretraining_epochs(config) else id(group)
        bundles.setdefault(key, []).append((group, cost))
    return list(bundles.values())


def _parts(bundle: Sequence[tuple[RunGroup, StackCost]], workers: int) -> Iterator[PlannedStack]:
    """Cut a bundle of groups into at most one part a worker, or more if those took over 12 s, along its splits."""
    seconds = sum(cost.seconds(runs) for group, cost in bundle for runs in group.stacks())
    fixed_s = sum(cost.fixed_s(group.runs[0].config) for group, cost in bundle)
    splits = list(dict.fromkeys(sorted(split_order(run) for group, _ in bundle for run in group.runs)))
    wanted = workers * max(1, round(seconds / workers / TARGET_S))
    count = max(1, min(wanted, len(splits), int((seconds - fixed_s) / max(fixed_s, 1e-9))))
    part_of = {split: number * count // len(splits) for number, split in enumerate(splits)}
    for part in range(count):
        configs: dict[str, RunConfig] = {}
        part_s = 0.0
        for group, cost in bundle:
            runs = [run for run in group.runs if part_of[split_order(run)] == part]
            configs |= {run.key: run.config for run in runs}
            part_s += cost.seconds(runs) if runs else 0.0
        yield PlannedStack(configs, part_s)


def _joined(groups: Sequence[RunGroup], costs: Sequence[StackCost]) -> Iterator[PlannedStack]:
    configs: dict[str, RunConfig] = {}
    seconds = 0.0
    for group, cost in zip(groups, costs, strict=True):
        group_s = sum(cost.seconds(runs) for runs in group.stacks())
        if configs and seconds + group_s > TARGET_S:
            yield PlannedStack(configs, seconds)
            configs, seconds = {}, 0.0
        configs |= {run.key: run.config for run in group.runs}
        seconds += group_s
    if configs:
        yield PlannedStack(configs, seconds)


def _cut(group: RunGroup, cost: StackCost, share_s: float, workers: int) -> Iterator[tuple[PlannedRun, ...]]:
    """Cut a group into stacks, each a tuple of runs, in the order of the splits.

    Parameters
    ----------
    group
        Runs to cut.
    cost
        Cost of a stack of these runs.
    share_s
        A worker's equal share of the per-run seconds of all groups; no stack has more.
    workers
        Number of workers that have only this group to train, which get equal shares of the last stacks; 1 if
        there are other groups.
    """
    config = group.runs[0].config
    fixed_s, per_run_s = cost.fixed_s(config), max(cost.per_run_s(config), 1e-9)
    pretrains = bool(cost.pretraining_epoch.per_run_s)
    splits = [list(runs) for _, runs in itertools.groupby(sorted(group.runs, key=split_order), key=split_order)]
    split_runs = max(len(runs) for runs in splits)
    efficient_runs, max_runs = MIN_EFFICIENCY * fixed_s / per_run_s, max(share_s / per_run_s, 1)
    target_runs = (TARGET_S - fixed_s) / per_run_s
    split_s = fixed_s + per_run_s * split_runs
    if pretrains or (split_runs > 1 and split_runs <= max_runs and split_s <= MAX_SPLIT_S):
        size = max(1, round(min(max(target_runs, efficient_runs), max_runs) / split_runs)) * split_runs
    else:
        size = math.ceil(min(max(target_runs, efficient_runs, 1), max_runs))
    size = min(size, group.max_stack_runs)
    ordered = [run for runs in splits for run in runs]
    cuts = list(range(0, len(ordered), size))
    # Fewer stacks than workers are left for the last round: share their runs among all workers.
    if not pretrains and (last_round := len(cuts) % workers):
        begin = cuts[-last_round]
        cuts = [*cuts[:-last_round], *range(begin, len(ordered), math.ceil((len(ordered) - begin) / workers))]
    for begin, end in itertools.pairwise([*cuts, len(ordered)]):
        yield tuple(ordered[begin:end])


def _longest_first(stacks: Sequence[PlannedStack]) -> tuple[PlannedStack, ...]:
    """Sort stacks so that much longer ones come first, and stacks of about equal time by their lowest seed.

    Times are about equal if their binary logarithms round to the same integer, or if they are at most SHORT_S.
    """

    def rank(stack: PlannedStack) -> tuple[float, int]:
        return (-round(math.log2(max(stack.seconds, SHORT_S))), min(config.seed for config in stack.configs.values()))

    return tuple(sorted(stacks, key=rank))


def _split_settings(config: RunConfig) -> tuple[object, ...]:
    """Return the settings of a run that decide its split; runs with equal ones share batches and pretraining."""
    return tuple(getattr(config, name) for name in SPLIT_FIELDS)


def _epochs(config: RunConfig) -> int:
    return config.epochs or 0


def _pretraining_epochs(config: RunConfig) -> int:
    return BASELINES[config.baseline].pretraining_epochs

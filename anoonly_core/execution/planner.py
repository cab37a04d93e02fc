"""Planning of a sweep: time a few steps of each shape of run, then pack the runs into stacks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached
from anoonly_core.execution.fit_timing import seconds_per_run
from anoonly_core.execution.packing import Cost, StackCost, pack_for_cores, pack_for_gpus, split_order
from anoonly_core.execution.plan import Plan
from anoonly_core.models import METHODS
from anoonly_core.runs.gpu_device import GPU_ERRORS, Gpu
from anoonly_core.runs.gpu_memory import max_runs_on_gpu
from anoonly_core.runs.joining import join_groups
from anoonly_core.runs.stacking import LoadDataset, RunGroup, group_runs
from anoonly_core.training.evaluation import make_evaluator
from anoonly_core.training.stack import Stack
from anoonly_core.training.timing import seconds_per_epoch

__all__ = ["make_plan"]

PROBE_RUNS = {"cpu": 4, "cuda": 64}  # the runs of the second, larger stack that is timed
MIN_RUN_SHARE = {"cpu": 0.05, "cuda": 0.002}  # the least cost of a further run, as a share of one run alone

log = logging.getLogger(__name__)


def make_plan(
    configs: Mapping[str, RunConfig],
    workers: int,
    load: LoadDataset = load_cached,
    check: Callable[[], None] = lambda: None,
    device: str = "cpu",
) -> Plan:
    """Pack runs into stacks for workers, after timing each shape of run in this process.

    Blocks for a few training steps per shape; nothing is stored.

    Parameters
    ----------
    configs
        Runs by key.
    workers
        Number of workers that share the stacks: processes on cores, or GPUs.
    load
        Function of a data set's name that returns the data set.
    check
        Called before each group of runs; an exception that it raises ends the planning.
    device
        "cpu" or "cuda", where the runs will train.

    Returns
    -------
    Plan
        Stacks in the order of work, and a sentence for each run that cannot be trained.
    """
    on_gpu = device == "cuda"
    groups, errors = group_runs(configs, load, max_runs_on_gpu(Gpu()) if on_gpu else None)
    groups = join_groups(groups) if on_gpu else groups
    measured: dict[object, StackCost] = {}
    costs = []
    for group in groups:
        check()
        shape = _shape(group)
        if shape not in measured:
            measured[shape] = _measure_cost_on_gpu(group) if on_gpu else _measure_cost(group, device)
        costs.append(measured[shape])
    stacks = (pack_for_gpus if on_gpu else pack_for_cores)(groups, costs, workers)
    return Plan(stacks, {key: str(error) for key, error in errors.items()})


def _shape(group: RunGroup) -> tuple[object, ...]:
    """Return a key of the settings that decide how long a step takes, equal for groups of equal cost."""
    run = group.runs[0]
    settings = (getattr(run.config, name) for name in ("dataset", "baseline", "preset", "norm", "batch_size"))
    return (*settings, len(run.split.train))


def _measure_cost_on_gpu(group: RunGroup) -> StackCost:
    """Measure the cost of a group on the GPU; if the GPU fails, log it and measure on the CPU.

    The runs will then train on the CPU, too.
    """
    try:
        return _measure_cost(group, "cuda")
    except GPU_ERRORS:
        log.warning("the GPU failed while its steps were timed", exc_info=True)
        return _measure_cost(group, "cpu")


def _measure_cost(group: RunGroup, device: str) -> StackCost:
    """Measure the cost of a group's stacks on a device, by timing a stack of one run and a larger one.

    The difference splits the seconds into a fixed and a per-run part. Of a system without epochs, fits of small samples
    are timed.
    """
    if group.runs[0].config.baseline not in METHODS:
        return StackCost(Cost(0.0, 0.0), Cost(0.0, 0.0), 0.0, seconds_per_run(group))
    runs = min(PROBE_RUNS[device], len(group.runs), group.max_stack_runs)
    one_run, evaluation_s = _time_stack(group, 1, device)
    more_runs, evaluation_s = _time_stack(group, runs, device) if runs > 1 else (one_run, evaluation_s)
    pretraining_epoch, training_epoch = (
        _line(alone_s, together_s, runs, MIN_RUN_SHARE[device])
        for alone_s, together_s in zip(one_run, more_runs, strict=True)
    )
    return StackCost(pretraining_epoch, training_epoch, evaluation_s)


def _line(alone_s: float, together_s: float, runs: int, min_share: float) -> Cost:
    """Split the seconds of a stack into a fixed and a per-run part, by the line through two measured times.

    Parameters
    ----------
    alone_s, together_s
        Seconds of a stack of one run, and of a stack of `runs` runs.
    runs
        Number of runs of the larger stack; 1 if it was not measured.
    min_share
        Least part per run, as a share of `alone_s`; the part is at most `alone_s`.
    """
    per_run_s = min(max((together_s - alone_s) / (runs - 1), min_share * alone_s), alone_s) if runs > 1 else alone_s
    return Cost(alone_s - per_run_s, per_run_s)


def _time_stack(group: RunGroup, runs: int, device: str) -> tuple[tuple[float, float], float]:
    """Build a stack of the first runs of a group and time it.

    Returns
    -------
    epoch_s
        Seconds of one pretraining epoch and of one training epoch of the stack.
    evaluation_s
        Seconds of one evaluation, divided by the number of runs.
    """
    chosen = sorted(group.runs, key=split_order)[:runs]  # in the order of a packed stack, sharing the same splits
    stack = Stack(group.dataset, [run.config for run in chosen], [run.split for run in chosen], device)
    epoch_s = seconds_per_epoch(stack)
    evaluator = make_evaluator(stack)
    begun = time.perf_counter()
    evaluator.evaluate()
    evaluator.evaluations()
    return epoch_s, (time.perf_counter() - begun) / runs

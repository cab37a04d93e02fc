"""Train runs on a GPU: several stacks in parallel, in halves if memory is short, on the CPU if the GPU fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from enum import Enum, auto
from functools import partial

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset
from anoonly_core.errors import AnoOnlyError, GpuFailed
from anoonly_core.models.norm import Norm
from anoonly_core.models.norms import NORMS
from anoonly_core.progress import Report
from anoonly_core.results.keys import run_key
from anoonly_core.results.result import RunResult
from anoonly_core.runs.gpu_device import GPU_ERRORS, Gpu, is_out_of_memory
from anoonly_core.runs.gpu_memory import MAX_RUNS, MemoryBudget, bytes_per_run, max_runs_in, memory_budget
from anoonly_core.runs.gpu_progress import JointProgress, count_epochs
from anoonly_core.runs.joining import join_groups
from anoonly_core.runs.stacking import LoadDataset, PlannedRun, RunGroup, RunOutcome, group_runs, max_runs_on_cpu

__all__ = ["NOTES", "Fallback", "RunStack", "run_on_gpu"]

LANES = 6  # stacks in parallel: one small network does not fill a GPU
LOADERS = 8  # data sets that are read and split at once

RunStack = Callable[[Dataset, Sequence[PlannedRun], str, Report], list[RunOutcome]]
Outcomes = list[tuple[str, RunOutcome]]

log = logging.getLogger(__name__)
_cpu_lock = threading.Lock()  # CPU fallbacks train one after the other, in the memory of one stack


class Fallback(Enum):
    """Way in which runs were trained instead of as one stack of all runs of a shape on the GPU."""

    NONE = auto()
    SMALLER_STACKS = auto()
    OUT_OF_MEMORY = auto()
    FAILED = auto()
    NORM = auto()


# The note of a result that a fallback has produced.
NOTES = {
    Fallback.NONE: "",
    Fallback.SMALLER_STACKS: "GPU memory was too small for all runs at once; trained them in smaller stacks.",
    Fallback.OUT_OF_MEMORY: "GPU memory was too small for one run; trained it on the CPU instead.",
    Fallback.FAILED: "GPU failed; trained on the CPU instead. See the log.",
    Fallback.NORM: "This norm trains on the CPU: its steps cannot be recorded on a GPU.",
}


def run_on_gpu(
    configs: Mapping[str, RunConfig],
    run_stack: RunStack,
    report: Report,
    load: LoadDataset,
    gpu: Gpu,
    falls_back: bool = True,
) -> Iterator[tuple[str, RunOutcome]]:
    """Train and test runs on a GPU, up to six stacks at once, and yield the outcome of each run.

    All data sets are loaded and split first, up to eight at once. Runs of one shape on data sets of equal columns train
    as one stack.

    Parameters
    ----------
    configs
        Runs by key.
    run_stack
        Trains one stack on a device ("cuda" or "cpu") and returns an outcome per run. It is called in
        several threads.
    report
        Called after each epoch of a stack with the epochs done by all stacks and the total. An
        exception from it stops all stacks.
    load
        Returns the data set of a name.
    gpu
        The GPU to use.
    falls_back
        True to train on the CPU if the GPU fails.

    Yields
    ------
    tuple of str and RunOutcome
        Key as in `configs`, and the result or the error of the run. A result carries the key of the
        device that trained it, and a note if that needed a fallback.

    Raises
    ------
    GpuFailed
        If the GPU fails, unless `falls_back`.
    """
    progress = JointProgress(configs.values(), report)
    trainer = _GpuTrainer(run_stack, gpu, memory_budget(gpu), progress, falls_back)
    lanes = ThreadPoolExecutor(LANES, thread_name_prefix="lane")
    stacks: list[Future[Outcomes]] = []
    try:
        groups, errors = _load_groups(configs, load, trainer.max_runs)
        for key, error in errors.items():
            progress.exclude(configs[key])
            yield key, error
        for group in sorted(groups, key=_epochs_of, reverse=True):
            cut = group.max_stack_runs < min(len(group.runs), MAX_RUNS)
            fallback = Fallback.SMALLER_STACKS if cut else Fallback.NONE
            stacks += [lanes.submit(trainer.train, group.dataset, runs, fallback) for runs in group.stacks()]
        for stack in as_completed(stacks):
            yield from stack.result()
    finally:
        progress.stop()
        lanes.shutdown(cancel_futures=True)


class _GpuTrainer:
    """Trainer of stacks on the GPU: in halves if its memory is too small, and on the CPU as the last resort.

    Parameters
    ----------
    run_stack
        Trains one stack on a device and returns an outcome per run.
    gpu
        The GPU.
    budget
        GPU memory of all stacks; None if the GPU cannot be used at all.
    progress
        Progress of all stacks.
    falls_back
        True to train on the CPU if the GPU fails.
    """

    def __init__(
        self,
        run_stack: RunStack,
        gpu: Gpu,
        budget: MemoryBudget | None,
        progress: JointProgress,
        falls_back: bool,
    ) -> None:
        self._run_stack, self._gpu, self._budget, self._progress = run_stack, gpu, budget, progress
        self._falls_back = falls_back
        self.max_runs = max_runs_in(budget)

    def train(self, dataset: Dataset, runs: Sequence[PlannedRun], fallback: Fallback) -> Outcomes:
        """Train runs of one shape as one stack on the GPU, or with fallbacks; return each key with its outcome.

        Blocks until the memory is free and the training has ended. `fallback` is the one already in use. Raises
        GpuFailed if the GPU fails and the CPU shall not train instead.
        """
        if not bytes_per_run(runs[0], dataset.columns):  # no network of ours: there is nothing for a GPU to do
            return _with_device_keys(runs, self._run(dataset, runs, "cpu"), Fallback.NONE)
        if not _trains_on_gpu(runs[0].config):
            return self._train_on_cpu(dataset, runs, Fallback.NORM)
        outcomes = self._try_on_gpu(dataset, runs)
        if not isinstance(outcomes, Fallback):
            return _with_device_keys(runs, outcomes, fallback)
        if outcomes is Fallback.OUT_OF_MEMORY and len(runs) > 1:
            half = len(runs) // 2
            return [
                *self.train(dataset, runs[:half], Fallback.SMALLER_STACKS),
                *self.train(dataset, runs[half:], Fallback.SMALLER_STACKS),
            ]
        if outcomes is Fallback.FAILED and not self._falls_back:
            raise GpuFailed
        return self._train_on_cpu(dataset, runs, outcomes)

    def _try_on_gpu(self, dataset: Dataset, runs: Sequence[PlannedRun]) -> list[RunOutcome] | Fallback:
        """Train runs as one stack on the GPU; return an outcome per run, or the fallback to take if the GPU fails.

        The memory of a failed stack is free by then.
        """
        if self._budget is None:
            return Fallback.FAILED
        try:
            count = sum(bytes_per_run(run, dataset.columns) for run in runs)
            with self._budget.reserved(count), self._gpu.lane():
                return self._run(dataset, runs, "cuda")
        except GPU_ERRORS as error:
            if is_out_of_memory(error):
                log.info("%d runs do not fit on the GPU", len(runs))
                return Fallback.OUT_OF_MEMORY
            log.warning("a stack failed on the GPU", exc_info=True)
            return Fallback.FAILED

    def _train_on_cpu(self, dataset: Dataset, runs: Sequence[PlannedRun], fallback: Fallback) -> Outcomes:
        """Train runs on the CPU, one stack at a time in this process; return each key with its outcome.

        The stacks are of the size that a CPU takes. Results get the note of `fallback`.
        """
        outcomes: Outcomes = []
        size = min(max_runs_on_cpu(run, dataset.columns) for run in runs)
        for begin in range(0, len(runs), size):
            stack = runs[begin : begin + size]
            with _cpu_lock:
                outcomes += _with_device_keys(stack, self._run(dataset, stack, "cpu"), fallback)
        return outcomes

    def _run(self, dataset: Dataset, runs: Sequence[PlannedRun], device: str) -> list[RunOutcome]:
        """Train runs as one stack on a device and return an outcome per run; an AnoOnlyError is the outcome of all."""
        try:
            return self._run_stack(dataset, runs, device, partial(self._progress.update, runs))
        except AnoOnlyError as error:
            return [error] * len(runs)


def _trains_on_gpu(config: RunConfig) -> bool:
    norm = None if config.norm is None else NORMS[config.norm]
    return not isinstance(norm, type) or not issubclass(norm, Norm) or norm.trains_on_gpu


def _with_device_keys(runs: Sequence[PlannedRun], outcomes: Sequence[RunOutcome], fallback: Fallback) -> Outcomes:
    """Pair the outcome of each run with its key in the plan.

    Results are copied with the key of the device that trained them, and with the note of `fallback`.
    """
    return [
        (
            planned.key,
            replace(outcome, key=run_key(planned.config, outcome.device), note=NOTES[fallback])
            if isinstance(outcome, RunResult)
            else outcome,
        )
        for planned, outcome in zip(runs, outcomes, strict=True)
    ]


def _load_groups(
    configs: Mapping[str, RunConfig], load: LoadDataset, max_runs: Callable[[PlannedRun, int], int]
) -> tuple[list[RunGroup], dict[str, AnoOnlyError]]:
    """Load and split the data sets of runs in several threads; return the runs in groups, joined, and errors by key.

    Parameters and returned values are those of `group_runs`.
    """
    groups: list[RunGroup] = []
    errors: dict[str, AnoOnlyError] = {}
    with ThreadPoolExecutor(LOADERS, thread_name_prefix="loader") as loaders:
        for groups_of_dataset, errors_of_dataset in loaders.map(
            lambda configs_of_dataset: group_runs(configs_of_dataset, load, max_runs), _by_dataset(configs)
        ):
            groups += groups_of_dataset
            errors |= errors_of_dataset
    on_gpu = [group for group in groups if _trains_on_gpu(group.runs[0].config)]
    others = [group for group in groups if not _trains_on_gpu(group.runs[0].config)]
    return [*join_groups(on_gpu), *others], errors


def _by_dataset(configs: Mapping[str, RunConfig]) -> list[dict[str, RunConfig]]:
    by_dataset: dict[str, dict[str, RunConfig]] = {}
    for key, config in configs.items():
        by_dataset.setdefault(config.dataset, {})[key] = config
    return list(by_dataset.values())


def _epochs_of(group: RunGroup) -> int:
    """Return the total epochs of all runs of a group, by which groups are sorted: the longest begin first."""
    return count_epochs(planned.config for planned in group.runs)

"""Run configurations: load, split, train, score and evaluate, reading and writing the store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached
from anoonly_core.errors import AnoOnlyError, DeviceUnavailable
from anoonly_core.progress import Report
from anoonly_core.results.keys import run_keys
from anoonly_core.results.result import RunList, RunResult
from anoonly_core.results.store import Store
from anoonly_core.runs.device import NO_GPU, check_device
from anoonly_core.runs.gpu import run_on_gpu
from anoonly_core.runs.gpu_device import Gpu
from anoonly_core.runs.stacking import LoadDataset, RunOutcome, group_runs
from anoonly_core.runs.train_stack import train_stack
from anoonly_core.training.torch_settings import default_torch_settings

__all__ = [
    "RunProgress",
    "resolve_device",
    "run",
    "run_each",
    "run_many",
    "run_stored",
    "warm_up",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunProgress:
    """Progress of a call of `run_many`.

    Attributes
    ----------
    epoch, epochs
        Epochs done and all epochs of the current stack, pretraining included. On a GPU, where several
        stacks train at once, those of all runs.
    finished, runs
        Finished runs, stored ones included, and all runs.
    """

    epoch: int
    epochs: int
    finished: int
    runs: int


def resolve_device(device: str) -> str:
    """Return the device to train on, "cpu" or "cuda", for one of DEVICES; "auto" is the GPU if there is one.

    Raises
    ------
    DeviceUnavailable
        If the name is unknown, or is "cuda" on a machine without a CUDA GPU.
    """
    available = torch.cuda.is_available()
    if check_device(device) == "auto":
        return "cuda" if available else "cpu"
    if device == "cuda" and not available:
        raise DeviceUnavailable(NO_GPU)
    return device


def run(config: RunConfig, device: str = "auto", store: Store | None = None) -> RunResult:
    """Train, score and evaluate one configuration, or read its result from the store.

    Parameters
    ----------
    config
        Settings of the run.
    device
        "auto", "cpu" or "cuda".
    store
        Where the result is read and written; None always trains.

    Raises
    ------
    AnoOnlyError
        If the data set cannot be loaded or split, the device is missing, or scores are not finite.
    """
    return run_many([config], device, store)[0]


def run_many(
    configs: Sequence[RunConfig],
    device: str = "auto",
    store: Store | None = None,
    on_progress: Callable[[RunProgress], None] | None = None,
) -> RunList:
    """Train, score and evaluate configurations; those of equal shapes train as one stack.

    Stored results are not computed again. A result is stored as soon as its stack is trained. If the
    GPU fails or its memory is too small, the log says so once and the run is trained in another way.

    Parameters
    ----------
    configs
        Configurations, in any order; duplicates are computed once.
    device
        "auto", "cpu" or "cuda".
    store
        Where results are read and written; None computes everything.
    on_progress
        Called after every epoch; an exception from it stops the training.

    Returns
    -------
    RunList
        A list of `RunResult` in the order of `configs`; a notebook shows it as a table.

    Raises
    ------
    AnoOnlyError
        The first error, after all other runs have finished: a data set that cannot be loaded or
        split, or scores that are not finite.
    """
    device = resolve_device(device)
    keys = run_keys(configs, device)
    results: dict[str, RunResult] = {}
    errors: list[AnoOnlyError] = []
    for key, outcome in run_stored(dict(zip(keys, configs, strict=True)), device, store, on_progress):
        if isinstance(outcome, AnoOnlyError):
            errors.append(outcome)
        else:
            results[key] = outcome
    if errors:
        raise errors[0]
    return RunList(results[key] for key in keys)


def run_stored(
    configs: Mapping[str, RunConfig],
    device: str,
    store: Store | None = None,
    on_progress: Callable[[RunProgress], None] | None = None,
) -> Iterator[tuple[str, RunOutcome]]:
    """Read runs from the store and train the others; yield the key and outcome of each run.

    Stored runs come first, then those of each trained stack once they are stored.

    Parameters
    ----------
    configs
        Runs by `run_key` on the device.
    device
        "cpu" or "cuda".
    store
        Where finished runs are read and written; None trains all.
    on_progress
        Called after every epoch; an exception raised there stops the training.

    Yields
    ------
    tuple of str and RunOutcome
        The key, and the RunResult or the error of the run.
    """
    finished: set[str] = set()

    def report(epoch: int, epochs: int) -> None:
        if on_progress is not None:
            on_progress(RunProgress(epoch, epochs, len(finished), len(configs)))

    if store is not None:
        for key in configs:
            if (stored := store.try_get(key)) is not None:
                finished.add(key)
                yield key, stored
    notes = {""}
    missing = {key: config for key, config in configs.items() if key not in finished}
    for key, outcome in run_each(missing, device, report):
        if isinstance(outcome, RunResult):
            finished.add(key)
            if store is not None:
                store.try_put(outcome)
            if outcome.note not in notes:
                notes.add(outcome.note)
                log.warning("%s", outcome.note)
        yield key, outcome


def run_each(
    configs: Mapping[str, RunConfig],
    device: str = "cpu",
    report: Report = lambda epoch, epochs: None,
    load: LoadDataset = load_cached,
    falls_back: bool = True,
) -> Iterator[tuple[str, RunOutcome]]:
    """Train and evaluate runs, those of equal shapes as one stack, and yield the outcome of each; nothing is stored.

    The outcomes of a stack come as soon as it is trained; the order is not that of `configs`.

    Parameters
    ----------
    configs
        Runs by key.
    device
        "cpu" or "cuda". On a GPU several stacks train at once.
    report
        Called after every epoch with the epochs done and all epochs; an exception stops the training.
    load
        Returns the data set of a name.
    falls_back
        True to train on the CPU if the GPU fails; else GpuFailed is raised.

    Yields
    ------
    tuple of str and RunOutcome
        Key as in `configs`, and the result or the error of the run. One run's error does not affect
        other runs. A result carries the key of the device that trained it.
    """
    if device == "cuda":
        yield from run_on_gpu(configs, train_stack, report, load, Gpu(), falls_back)
        return
    groups, errors = group_runs(configs, load)
    yield from errors.items()
    for group in groups:
        for planned in group.stacks():
            try:
                outcomes = train_stack(group.dataset, planned, device, report)
            except AnoOnlyError as error:
                outcomes = [error] * len(planned)
            yield from zip([planned_run.key for planned_run in planned], outcomes, strict=True)


@default_torch_settings()
def warm_up() -> None:
    """Create an optimizer and discard it, so that the first run does not wait for it.

    PyTorch loads modules for a second or more when the first optimizer is created.
    """
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])

"""Which runs train together: stacks of equal shapes and bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from anoonly_core.baselines import BASELINES
from anoonly_core.baselines.network import Linear
from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import SPLIT_FIELDS, Split, make_split
from anoonly_core.errors import AnoOnlyError
from anoonly_core.models import METHODS
from anoonly_core.training.stack import shape_key

__all__ = ["LoadDataset", "PlannedRun", "RunGroup", "group_runs", "max_runs_on_cpu", "values_per_run"]

STACK_RUNS = 64
STACK_VALUES = 2**29  # about 2 GB of float32

LoadDataset = Callable[[str], Dataset]


@dataclass(frozen=True)
class PlannedRun:
    """A run with its key and its split."""

    key: str
    config: RunConfig
    split: Split


@dataclass(frozen=True)
class RunGroup:
    """Runs of equal shapes on one data set; most: how many of them one stack may hold."""

    dataset: Dataset
    runs: tuple[PlannedRun, ...]
    max_stack_runs: int


def group_runs(
    configs: Mapping[str, RunConfig],
    load: LoadDataset = load_cached,
    most: Callable[[PlannedRun, int], int] | None = None,
) -> tuple[list[RunGroup], dict[str, AnoOnlyError]]:
    """Runs by their shapes; and by key, why a run cannot be had.

    Runs that differ in nothing about the data share one Split object. most: how many runs like one, on
    so many columns, a stack may hold; max_runs unless given.
    """
    splits: dict[object, Split] = {}
    grouped: dict[object, tuple[Dataset, list[PlannedRun]]] = {}
    errors: dict[str, AnoOnlyError] = {}
    for key, config in configs.items():
        about_data = tuple(getattr(config, name) for name in SPLIT_FIELDS)
        try:
            dataset = load(config.dataset)
            if about_data not in splits:
                splits[about_data] = make_split(dataset, config)
        except AnoOnlyError as error:
            errors[key] = error
            continue
        split = splits[about_data]
        shape = shape_key(config, split) if config.baseline in METHODS else (key,)
        _, planned = grouped.setdefault(shape, (dataset, []))
        planned.append(PlannedRun(key, config, split))
    groups = [
        RunGroup(dataset, tuple(planned), (most or max_runs_on_cpu)(planned[0], dataset.columns))
        for dataset, planned in grouped.values()
    ]
    return groups, errors


def max_runs_on_cpu(planned: PlannedRun, columns: int) -> int:
    """How many such runs train as one stack on a CPU, so that its memory stays bounded too."""
    values = values_per_run(planned, columns)
    return 1 if values is None else max(1, min(STACK_RUNS, STACK_VALUES // values))


def values_per_run(planned: PlannedRun, columns: int) -> int | None:
    """About how many numbers such a run holds in memory while it trains; None where it is none of our networks."""
    config = planned.config
    network = BASELINES[config.baseline].network
    if network is None or config.batch_size is None:
        return None
    values = (len(planned.split.train) + len(planned.split.test)) * columns
    for part in network(columns, config.preset).values():
        weights = sum(
            width * step.outputs
            for step, width in zip(part.steps, part.widths(), strict=False)
            if isinstance(step, Linear)
        )
        values += 4 * weights + 3 * config.batch_size * sum(part.widths())  # with gradients, moments, activations
    return values

"""Group runs that can train together: stacks of equal shapes and bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from anoonly_core.baselines import BASELINES
from anoonly_core.baselines.network import Linear
from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import SPLIT_FIELDS, Split, make_split
from anoonly_core.errors import AnoOnlyError
from anoonly_core.models import METHODS
from anoonly_core.results.result import RunResult
from anoonly_core.training.stack import shape_key

__all__ = ["LoadDataset", "PlannedRun", "RunGroup", "RunOutcome", "group_runs", "max_runs_on_cpu", "values_per_run"]

STACK_RUNS = 64
STACK_VALUES = 2**29  # 2 GiB of float32

LoadDataset = Callable[[str], Dataset]
# The result of a run, or the reason why there is none.
RunOutcome = RunResult | AnoOnlyError


@dataclass(frozen=True)
class PlannedRun:
    """Run that is to be trained, with its key and its split.

    The split refers to the data set of its group. In a table of joined data sets, those of the run begin at
    `first_row`.
    """

    key: str
    config: RunConfig
    split: Split
    first_row: int = 0


@dataclass(frozen=True)
class RunGroup:
    """Runs of equal shapes on one data set or joined ones, and how many of them fit into one stack at most."""

    dataset: Dataset
    runs: tuple[PlannedRun, ...]
    max_stack_runs: int

    def stacks(self) -> Iterator[tuple[PlannedRun, ...]]:
        """Yield the runs of the group in order, cut into stacks of at most `max_stack_runs`."""
        for begin in range(0, len(self.runs), self.max_stack_runs):
            yield self.runs[begin : begin + self.max_stack_runs]


def group_runs(
    configs: Mapping[str, RunConfig],
    load: LoadDataset = load_cached,
    max_runs: Callable[[PlannedRun, int], int] | None = None,
) -> tuple[list[RunGroup], dict[str, AnoOnlyError]]:
    """Load and split the data of runs, and group the runs by shape, so that those of a group can train as stacks.

    Runs with equal data settings share one Split object.

    Parameters
    ----------
    configs
        Runs by key.
    load
        Returns the data set of a name.
    max_runs
        Takes a run and the number of columns, returns how many such runs fit into one stack.
        The default is `max_runs_on_cpu`.

    Returns
    -------
    list of RunGroup
        Groups in the order of their first run.
    dict of str to AnoOnlyError
        Errors of runs whose data could not be loaded or split, by key.
    """
    splits: dict[object, Split] = {}
    grouped: dict[object, tuple[Dataset, list[PlannedRun]]] = {}
    errors: dict[str, AnoOnlyError] = {}
    for key, config in configs.items():
        data_settings = tuple(getattr(config, name) for name in SPLIT_FIELDS)
        try:
            dataset = load(config.dataset)
            if data_settings not in splits:
                splits[data_settings] = make_split(dataset, config)
        except AnoOnlyError as error:
            errors[key] = error
            continue
        split = splits[data_settings]
        shape = (config.dataset, *shape_key(config, split)) if config.baseline in METHODS else (key,)
        _, planned = grouped.setdefault(shape, (dataset, []))
        planned.append(PlannedRun(key, config, split))
    groups = [
        RunGroup(dataset, tuple(planned), (max_runs or max_runs_on_cpu)(planned[0], dataset.columns))
        for dataset, planned in grouped.values()
    ]
    return groups, errors


def max_runs_on_cpu(planned: PlannedRun, columns: int) -> int:
    """Return the number of runs like this one that fit into one stack on a CPU: at most 64, in about 2 GiB.

    `columns` is the number of features of the data set.
    """
    values = values_per_run(planned, columns)
    return 1 if values is None else max(1, min(STACK_RUNS, STACK_VALUES // values))


def values_per_run(planned: PlannedRun, columns: int) -> int | None:
    """Estimate the number of float32 values that a run holds in memory while it trains.

    Return None if its system is not a network of this engine. `columns` is the number of features of the data set.
    """
    config = planned.config
    network = BASELINES[config.baseline].network
    if network is None or config.batch_size is None:
        return None
    values = (len(planned.split.train) + len(planned.split.test)) * columns
    for part in network(columns, config.preset).values():
        weights = sum(
            width * layer.outputs
            for layer, width in zip(part.layers, part.widths(), strict=False)
            if isinstance(layer, Linear)
        )
        values += 4 * weights + 3 * config.batch_size * sum(part.widths())  # with gradients, moments, activations
    return values

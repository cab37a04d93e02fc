"""Join groups of runs on different data sets, so that a GPU trains them as one stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from anoonly_core.data.dataset import Dataset
from anoonly_core.data.joined import join_datasets
from anoonly_core.data.split import Split
from anoonly_core.models import METHODS
from anoonly_core.runs.stacking import RunGroup
from anoonly_core.training.stack import shape_key

__all__ = ["join_groups"]

MAX_TEST_ROWS = 4096  # all runs of a stack are tested as if they had the test rows of the longest one
MAX_BYTES = 2**30  # of the features of joined data sets


def join_groups(groups: Sequence[RunGroup]) -> list[RunGroup]:
    """Join groups whose runs have equal shapes on data sets of equal columns, dtype and missing values.

    A step of a small network takes a GPU about as long for hundreds of runs as for five. The rows of joined data sets
    stand in one table. Groups with more than 4096 test rows, and of systems without a network of ours, stay alone.

    Parameters
    ----------
    groups
        Groups of one data set each, as `group_runs` returns them.

    Returns
    -------
    list of RunGroup
        Groups in the order of their first run; of joined ones, each split and `first_row` refer to the joined table.
    """
    alike: dict[object, list[RunGroup]] = {}
    for group in groups:
        alike.setdefault(_shape(group), []).append(group)
    tables: dict[tuple[int, ...], tuple[Dataset, list[int]]] = {}
    moved: dict[tuple[int, int], Split] = {}
    joined = []
    for portion in (portion for of_shape in alike.values() for portion in _portions(of_shape)):
        datasets = [group.dataset for group in portion]
        # Runs that differ in norm alone share a pretraining, which is known by the fingerprint of their table.
        key = tuple(map(id, datasets))
        if key not in tables:
            tables[key] = join_datasets(datasets)
        dataset, first_rows = tables[key]
        runs = []
        for group, first in zip(portion, first_rows, strict=True):
            for run in group.runs:
                split = (id(run.split), first)
                if split not in moved:
                    moved[split] = run.split.moved(first)
                runs.append(replace(run, split=moved[split], first_row=first))
        joined.append(RunGroup(dataset, tuple(runs), min(group.max_stack_runs for group in portion)))
    return joined


def _shape(group: RunGroup) -> object:
    """Return a key that is equal for groups that may be joined."""
    run, dataset = group.runs[0], group.dataset
    if run.config.baseline not in METHODS or max(len(run.split.test) for run in group.runs) > MAX_TEST_ROWS:
        return id(group)
    return (dataset.columns, dataset.X.dtype.str, dataset.has_missing, *shape_key(run.config, run.split))


def _portions(groups: Sequence[RunGroup]) -> Iterator[list[RunGroup]]:
    """Cut groups of one shape into portions whose data sets have at most MAX_BYTES of features, or are single."""
    portion: list[RunGroup] = []
    taken = 0
    for group in groups:
        if portion and taken + group.dataset.X.nbytes > MAX_BYTES:
            yield portion
            portion, taken = [], 0
        portion.append(group)
        taken += group.dataset.X.nbytes
    yield portion

"""Data sets of equal columns joined into one table, in which runs on all of them can train together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from anoonly_core.data.dataset import Dataset, Provenance

__all__ = ["join_datasets"]


def join_datasets(datasets: Sequence[Dataset]) -> tuple[Dataset, list[int]]:
    """Join the rows of data sets, one data set below the other.

    Parameters
    ----------
    datasets
        At least one data set; all have the same columns and dtype.

    Returns
    -------
    Dataset
        Features and labels of all rows; a single data set is returned itself. Other properties, such as row ids and
        unlabeled rows, are left out: draw splits from the single data sets, and move them by `Split.moved`.
    list of int
        Index in the joined table of the first row of each data set.
    """
    if len(datasets) == 1:
        return datasets[0], [0]
    name = f"{datasets[0].name} and {len(datasets) - 1} more"
    X, y = (np.concatenate([getattr(dataset, part) for dataset in datasets]) for part in ("X", "y"))
    first_rows = [0, *accumulate(dataset.rows for dataset in datasets[:-1])]
    return Dataset(name, X, y, None, Provenance(name, "")), first_rows

"""A table to label: all of its rows without labels, with some of them labeled by hand; does not load torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split, medians, min_max
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.upload_metadata import is_upload_name

__all__ = ["labeled_table", "unlabeled_table"]


def labeled_table(name: str, anomalies: Sequence[int], normals: Sequence[int] = ()) -> tuple[Dataset, Split]:
    """Load a table with some rows labeled by hand, as a data set and a split that trains on all rows.

    Parameters
    ----------
    name : str
        Name of an upload or of another data set, whose labels are then not used.
    anomalies, normals : sequence of int
        Row numbers in the file of the rows labeled as anomalies and as normal; all rows but the anomalies are the pool.

    Returns
    -------
    dataset : Dataset
        All rows of the table, without known labels.
    split : Split
        All rows in order as training rows and as test rows.

    Raises
    ------
    UnknownDataset
        If the upload does not exist.
    """
    dataset = unlabeled_table(name)
    all_rows = np.arange(dataset.rows)
    labeled, known = (np.isin(dataset.row_ids, np.asarray(rows, dtype=np.int64)) for rows in (anomalies, normals))
    known &= ~labeled
    fill = medians(dataset.X, all_rows) if dataset.has_missing else None
    scaling = min_max(dataset.X, all_rows)
    return dataset, Split(all_rows, labeled, all_rows, *scaling, {}, fill, known if known.any() else None)


def unlabeled_table(name: str) -> Dataset:
    """Load all rows of an upload or of another data set without their labels; raise UnknownDataset if it is neither."""
    if is_upload_name(name):
        return uploads.load(uploads.get(name)).unlabeled_dataset(name)
    dataset = load_cached(name)
    return replace(dataset, y=np.zeros_like(dataset.y), unlabeled=np.ones(dataset.rows, dtype=bool), types=None)

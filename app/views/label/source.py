"""The table of the page Label: an upload, or a data set to practise on whose labels are hidden."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import streamlit as st

from anoonly_core.data.bundled import feature_names
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.upload_metadata import Upload
from anoonly_core.errors import InvalidInput
from anoonly_core.labeling.history import History, Label, read_history
from anoonly_core.labeling.table import labeled_table

__all__ = ["PRACTICE", "LabelSource", "load_source"]

PRACTICE = (*(f"digits_{digit}" for digit in range(10)), "breast_cancer", "novels")  # bundled, with hidden labels


@dataclass(frozen=True, eq=False)
class LabelSource:
    """A table to label, with what is known about its rows.

    Attributes
    ----------
    dataset : Dataset
        All rows, without labels.
    features : tuple of str
        Names of its columns.
    from_file : dict of int to bool
        Labels in the file by row number, True for an anomaly.
    history : History
        Labels set by hand.
    upload : Upload or None
        The upload; None for a data set to practise on.
    truth : int8 [rows] or None
        1 for an anomaly, 0 for a normal row, for a data set to practise on.
    """

    dataset: Dataset
    features: tuple[str, ...]
    from_file: dict[int, bool]
    history: History
    upload: Upload | None = None
    truth: np.ndarray | None = None

    @property
    def name(self) -> str:
        """Name of the table in the catalogue."""
        return self.dataset.name if self.upload is None else self.upload.name

    @property
    def row_ids(self) -> np.ndarray:
        """Row numbers in the file, int64 [rows]."""
        return self.dataset.row_ids

    def save(self, history: History) -> None:
        """Store the labels set by hand: with the upload, or in the session for a data set to practise on.

        Raise UnknownDataset or CacheUnavailable as `uploads.save_labels` does.
        """
        if self.upload is None:
            st.session_state[f"label_history_{self.name}"] = history
        else:
            uploads.save_labels(self.upload, history.to_csv())

    def reloaded(self) -> LabelSource:
        """Return the same table with the history that is stored now."""
        return replace(self, history=_stored_history(self.name, self.upload, self.row_ids))

    def read_csv(self, text: str) -> History:
        """Read a history of labels from CSV; raise InvalidInput if it does not fit this table."""
        return read_history(text, {*self.row_ids.tolist()})

    def known(self, answers: int) -> dict[int, bool]:
        """Return the labels known from the file and the first `answers` answers, by row number, True for an anomaly."""
        given = History(self.history.answers[:answers]).labels
        by_hand = {row: label == Label.ANOMALY for row, label in given.items() if label != Label.UNSURE}
        return {**self.from_file, **by_hand}

    def truth_of(self, row: int) -> Label:
        """Return the hidden label of a row, given by number, of a data set to practise on."""
        assert self.truth is not None
        return Label.ANOMALY if self.truth[self.index_of(row)] else Label.NORMAL

    def index_of(self, row: int) -> int:
        """Return the index of a row, given by its number in the file."""
        return int(np.flatnonzero(self.row_ids == row)[0])

    def picture(self, row: int) -> np.ndarray | None:
        """Return a row, given by its number in the file, as a gray image [height, width]; None if it is none."""
        shape = self.dataset.image_shape
        return None if shape is None else self.dataset.X[self.index_of(row)].reshape(shape)

    @cached_property
    def split(self) -> Split:
        """Split of which all rows train, for the scaling."""
        return labeled_table(self.name, ())[1]


def load_source(name: str) -> LabelSource:
    """Load a table for the page Label, given by its name: one of PRACTICE or an upload.

    Raise UnknownDataset or BadDataFile as `uploads.load` does.
    """
    if name in PRACTICE:
        dataset = load_cached(name)
        history = _stored_history(name, None, dataset.row_ids)
        features = feature_names(name) or tuple(f"column {index}" for index in range(dataset.columns))
        return LabelSource(dataset, features, {}, history, truth=dataset.y)
    upload = uploads.get(name)
    read = uploads.load(upload)
    known = read.y >= 0
    from_file = dict(zip(read.file_rows[known].tolist(), (read.y[known] == 1).tolist(), strict=True))
    history = _stored_history(name, upload, read.file_rows)
    dataset = replace(read.unlabeled_dataset(name), previews=uploads.previews(upload))
    return LabelSource(dataset, tuple(read.preprocessing.features), from_file, history, upload=upload)


def _stored_history(name: str, upload: Upload | None, row_ids: np.ndarray) -> History:
    """Return the stored labels of a table; a file that does not fit the rows any more counts as empty."""
    if upload is None:
        found: History = st.session_state.get(f"label_history_{name}", History())
        return found
    try:
        text = uploads.load_labels(upload)
        return read_history(text, {*row_ids.tolist()}) if text else History()
    except InvalidInput:
        return History()

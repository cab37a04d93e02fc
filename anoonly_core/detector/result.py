"""A run's detector as its file holds it, and what it says of every row of the data set; without torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split

__all__ = ["DetectorResult", "row_parts"]

# What a row was to the run, bit by bit: the published protocol has copies of a row on both sides.
ROW_PARTS = ("labeled anomaly", "pool", "tested")
NO_PART = "left out"


@dataclass(frozen=True, eq=False)
class DetectorResult:
    """file: what AnoOnlyDetector.load reads. scores: float64 [rows of the data set]; parts: int8 [rows], see parts_of.

    threshold: above it a row is flagged.
    """

    file: bytes
    scores: np.ndarray
    parts: np.ndarray
    threshold: float

    def table(self, dataset: Dataset) -> pd.DataFrame:
        """A row for each row of the data set: its place in its source, score, flag, known label and part."""
        label = np.where(dataset.y == 1, "anomaly", "normal")
        words = [
            " and ".join(word for bit, word in enumerate(ROW_PARTS) if code >> bit & 1) or NO_PART
            for code in range(1 << len(ROW_PARTS))
        ]
        return pd.DataFrame(
            {
                "row": dataset.row_ids,
                "score": self.scores,
                "flagged": self.scores > self.threshold,
                "label": np.where(dataset.known, label, ""),
                "part": np.array(words, dtype=object)[self.parts],
            }
        )


def row_parts(dataset: Dataset, split: Split) -> np.ndarray:
    """What each row of the data set is to a run, int8 [rows]: a bit for each of PARTS."""
    parts = np.zeros(dataset.rows, dtype=np.int8)
    for bit, rows in enumerate((split.train[split.labeled], split.train[~split.labeled], split.test)):
        parts[rows] |= np.int8(1 << bit)
    return parts

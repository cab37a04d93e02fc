"""Detector of a run as a file, with the scores of all rows of its data set; without torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split

__all__ = ["FLAGGED_SHARE", "DetectorResult", "highest", "row_parts"]

FLAGGED_SHARE = 0.1  # of new rows that are like the pool, as in PyOD

# Parts of the split, one bit each: under the published protocol a row can be both trained on and tested.
ROW_PARTS = ("labeled anomaly", "pool", "tested")
NO_PART = "left out"


@dataclass(frozen=True, eq=False)
class DetectorResult:
    """Detector of a run as a file, with its scores of all rows of the data set.

    Attributes
    ----------
    file : bytes
        Content of the file that AnoOnlyDetector.load reads.
    scores : float64 [rows]
        Score of each row of the data set.
    parts : int8 [rows]
        Parts of the split that each row belongs to, as bits of ROW_PARTS, see `row_parts`.
    threshold : float
        Rows with a higher score are flagged.
    """

    file: bytes
    scores: np.ndarray
    parts: np.ndarray
    threshold: float

    def table(self, dataset: Dataset) -> pd.DataFrame:
        """Return a table with one line per row of the data set, in its order.

        Columns: row (row id in the source), score, flagged, label ("" if unknown) and part of the split in words.
        """
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


def highest(scores: np.ndarray, count: int) -> np.ndarray:
    """Return the mask of the `count` highest scores, bool [len(scores)]; of equal scores, those that come first."""
    mask = np.zeros(len(scores), dtype=bool)
    mask[np.argsort(-scores, kind="stable")[:count]] = True
    return mask


def row_parts(dataset: Dataset, split: Split) -> np.ndarray:
    """Return the parts of the split that each row of the data set belongs to, int8 [rows].

    Bit i is set if the row belongs to ROW_PARTS[i]: labeled anomalies, pool, test rows.
    """
    parts = np.zeros(dataset.rows, dtype=np.int8)
    for bit, rows in enumerate((split.train[split.labeled], split.train[~split.labeled], split.test)):
        parts[rows] |= np.int8(1 << bit)
    return parts

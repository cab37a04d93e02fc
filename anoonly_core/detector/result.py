"""Detector of a run as a file, with the scores of all rows of its data set; without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from anoonly_core.data.dataset import Dataset
from anoonly_core.data.row_names import insert_names
from anoonly_core.data.split import Split
from anoonly_core.decision.calibration import Calibration
from anoonly_core.decision.rules import find_rule

__all__ = ["FLAGGED_SHARE", "HOLD_BACKS", "DetectorResult", "highest", "row_parts", "with_rule", "with_threshold"]

FLAGGED_SHARE = 0.1  # of new rows that are like the pool, as in PyOD
HOLD_BACKS = ("folds", "split")  # ways to hold back rows for thresholds, see `AnoOnlyDetector`

# Parts of the split, one bit each: under the published protocol a row can be both trained on and tested.
ROW_PARTS = ("labeled anomaly", "pool", "tested")
NO_PART = "left out"
# Names in PyTorch of the types of tensors in a file.
DTYPES = {"F32": "torch.float32", "F64": "torch.float64", "I64": "torch.int64", "BOOL": "torch.bool"}


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
    calibration : Calibration
        Scores of held-back rows, for other thresholds.
    """

    file: bytes
    scores: np.ndarray
    parts: np.ndarray
    threshold: float
    calibration: Calibration

    def at(self, threshold: float) -> DetectorResult:
        """Return the same detector with another threshold, also in its file."""
        return replace(self, file=with_threshold(self.file, threshold), threshold=threshold)

    def by_rule(self, rule: str, number: float, prevalence: float | None = None) -> DetectorResult:
        """Return the same detector with the threshold of a rule, a key of RULES, also in its file.

        `threshold` is that for the rows of `scores`. Raise InvalidInput as `ThresholdRule.cut` does.
        """
        cut = find_rule(rule).cut(self.calibration, number, self.scores, prevalence)
        return replace(self, file=with_rule(self.file, rule, number, prevalence), threshold=cut.score)

    def table(self, dataset: Dataset) -> pd.DataFrame:
        """Return a table with one line per row of the data set, in its order.

        Columns: row (row id in the source), score, flagged, label ("" if unknown) and part of the split in words; with
        the names of images or texts, see `insert_names`.
        """
        label = np.where(dataset.y == 1, "anomaly", "normal")
        words = [
            " and ".join(word for bit, word in enumerate(ROW_PARTS) if code >> bit & 1) or NO_PART
            for code in range(1 << len(ROW_PARTS))
        ]
        table = pd.DataFrame(
            {
                "row": dataset.row_ids,
                "score": self.scores,
                "flagged": self.scores > self.threshold,
                "label": np.where(dataset.known, label, ""),
                "part": np.array(words, dtype=object)[self.parts],
            }
        )
        return insert_names(table, dataset.previews)


def with_threshold(file: bytes, threshold: float) -> bytes:
    """Return the content of a detector file with another threshold, as if it had been assigned before saving.

    Parameters
    ----------
    file : bytes
        Content of a file that `AnoOnlyDetector.to_bytes` wrote.
    threshold : float
        Rows with a higher score are flagged.
    """
    return _with_document(file, lambda document: {**document, "threshold_": threshold, "is_fixed": True})


def with_rule(file: bytes, rule: str, number: float, prevalence: float | None = None) -> bytes:
    """Return the content of a detector file with a rule, a key of RULES, as if set before saving.

    Parameters
    ----------
    file : bytes
        Content of a file that `AnoOnlyDetector.to_bytes` wrote.
    rule, number : str, float
        The rule and its number.
    prevalence : float, optional
        Share of anomalies among new rows, for a rule that needs it.
    """

    def change(document: dict[str, Any]) -> dict[str, Any]:
        known = {} if prevalence is None else {"prevalence": prevalence}
        return {**document, **known, "params": {**document["params"], "rule": rule, "level": number}, "is_fixed": False}

    return _with_document(file, change)


def _with_document(file: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    """Return the content of a detector file with its JSON document changed, and the checksum of both."""
    begin = 8 + int.from_bytes(file[:8], "little")
    header, tensors = json.loads(file[8:begin]), file[begin:]
    metadata = header.pop("__metadata__")
    text = json.dumps(change(json.loads(metadata["detector"])))
    digest = hashlib.sha256(text.encode())
    for name, entry in sorted(header.items()):
        digest.update(repr((name, DTYPES[entry["dtype"]], tuple(entry["shape"]))).encode())
        digest.update(tensors[slice(*entry["data_offsets"])])
    changed = {**metadata, "detector": text, "sha256": digest.hexdigest()}
    content = json.dumps({"__metadata__": changed, **header}).encode()
    content += b" " * (-len(content) % 8)  # tensors begin at a multiple of 8 bytes
    return len(content).to_bytes(8, "little") + content + tensors


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

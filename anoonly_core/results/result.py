"""Result of one run: scores, metrics, hidden features and history, and its encoding as bytes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np

from anoonly_core.config import RunConfig, make_config
from anoonly_core.metrics.ranking import Metrics
from anoonly_core.results.archive import pack, read_head, unpack
from anoonly_core.results.html import run_html, runs_html

__all__ = [
    "BATCH_SHARES",
    "HISTORY_METRICS",
    "NO_HISTORY",
    "History",
    "Role",
    "RunList",
    "RunResult",
    "Sample",
    "from_bytes",
    "to_bytes",
]

BATCH_SHARES = ("labelled_share", "batches_without_anomaly")
HISTORY_METRICS = ("aucroc", "aucpr_anomaly", "aucpr_normal")


class Role(IntEnum):
    """Role of a sampled row, as stored in Sample.role."""

    TEST_NORMAL = 0
    TEST_ANOMALY = 1
    LABELED_ANOMALY = 2


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows whose hidden features are stored; runs that share a split share the rows.

    Attributes
    ----------
    rows : int64 [m]
        Row indices in the Dataset.
    role : int8 [m]
        Role of each row.
    hidden : float32 [m, features]
        Features in front of the last layer.
    minimum, scale : float32 or float64 [columns]
        Input scaling of the run, in the dtype of the features: (x - minimum) / scale.
    fill : [columns] or None
        Values that replace missing ones before scaling, in the same dtype; None if no value is missing.
    """

    rows: np.ndarray
    role: np.ndarray
    hidden: np.ndarray
    minimum: np.ndarray
    scale: np.ndarray
    fill: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class History:
    """Losses, batch statistics and test metrics of a run over its epochs, counted from 1.

    Attributes
    ----------
    loss_normal, loss_anomaly : float32 [epochs]
        Mean loss terms per epoch; loss_normal is taken before the weight λ_n.
    labelled_share, batches_without_anomaly : float32 [epochs]
        Share of labeled anomalies among the batch rows; share of batches without any.
    measured : int64 [k]
        Epochs at which the test rows were evaluated.
    aucroc, aucpr_anomaly, aucpr_normal : float64 [k]
        Test metrics at these epochs.
    """

    loss_normal: np.ndarray
    loss_anomaly: np.ndarray
    labelled_share: np.ndarray
    batches_without_anomaly: np.ndarray
    measured: np.ndarray
    aucroc: np.ndarray
    aucpr_anomaly: np.ndarray
    aucpr_normal: np.ndarray


def _empty(dtype: type) -> np.ndarray:
    """Return an empty array of this dtype, [0]."""
    return np.zeros(0, dtype=dtype)


# History of a system without epochs.
NO_HISTORY = History(
    loss_normal=_empty(np.float32),
    loss_anomaly=_empty(np.float32),
    labelled_share=_empty(np.float32),
    batches_without_anomaly=_empty(np.float32),
    measured=_empty(np.int64),
    aucroc=_empty(np.float64),
    aucpr_anomaly=_empty(np.float64),
    aucpr_normal=_empty(np.float64),
)


@dataclass(frozen=True, eq=False)
class RunResult:
    """Result of one finished run.

    Attributes
    ----------
    key : str
        Store key, see `run_key`.
    config : RunConfig
        Settings of the run.
    device : {"cpu", "cuda"}
        Device that trained it.
    metrics : Metrics
        Metrics of the test rows after the last epoch.
    seconds : dict of float
        Seconds of "train" and of "score" (test rows). A stack shares its seconds equally among its runs.
        A cached pretraining counts the seconds that it took when it was made.
    counts : dict of int
        Row counts of the split, see `Split`.
    test_rows : int64 [n]
        Test rows, as indices in the Dataset.
    y_test : int8 [n]
        Labels of the test rows; 1 is an anomaly.
    scores : float32 [n]
        Anomaly scores of the test rows; higher is more anomalous.
    sample : Sample
        Rows with hidden features.
    history : History
        Course of the training; NO_HISTORY for a system without epochs.
    note : str
        Sentence if the run trained otherwise than asked, on the CPU instead of a GPU, say. Not stored.
    """

    key: str
    config: RunConfig
    device: str
    metrics: Metrics
    seconds: dict[str, float]
    counts: dict[str, int]
    test_rows: np.ndarray
    y_test: np.ndarray
    scores: np.ndarray
    sample: Sample
    history: History
    note: str = ""

    def __repr__(self) -> str:
        config, value = self.config, self.metrics.aucpr_anomaly
        weight = "" if config.lambda_n is None else f", lambda_n {config.lambda_n:g}"
        name = f"{config.dataset!r}, {config.baseline}{weight}, seed {config.seed}"
        return f"RunResult({name}: AUCPR anomaly {value:.3f})"

    def _repr_html_(self) -> str:
        """Return settings, metrics and charts of the run as HTML for a notebook."""
        return run_html(self.config, self.metrics, self.y_test, self.scores)

    def batches(self) -> dict[str, float]:
        """Return the mean over all epochs of each of BATCH_SHARES, by name; empty for a system without batches."""
        if not len(self.history.loss_normal):
            return {}
        return {name: float(getattr(self.history, name).mean()) for name in BATCH_SHARES}

    def summary(self) -> dict[str, Any]:
        """Return config, metrics, seconds and counts, by these names, as plain values for JSON."""
        return {
            "config": self.config.model_dump(mode="json"),
            "metrics": self.metrics.as_dict(),
            "seconds": self.seconds,
            "counts": self.counts,
        }


class RunList(list[RunResult]):
    """Results of several runs; a notebook shows mean and standard deviation of each setting."""

    def _repr_html_(self) -> str:
        return runs_html([result.config for result in self], [result.metrics for result in self])


def to_bytes(result: RunResult) -> bytes:
    """Encode a result as a compressed .npz archive of plain arrays, with settings and metrics as JSON inside.

    `note` is left out.
    """
    head = {
        "key": result.key,
        "config": json.loads(result.config.canonical()),
        "device": result.device,
        "metrics": asdict(result.metrics),
        "seconds": result.seconds,
        "counts": result.counts,
    }
    arrays = {name: getattr(result, name) for name in ("test_rows", "y_test", "scores")}
    sample = {f"sample.{field.name}": getattr(result.sample, field.name) for field in fields(Sample)}
    arrays |= {name: array for name, array in sample.items() if array is not None}
    arrays |= {f"history.{field.name}": getattr(result.history, field.name) for field in fields(History)}
    return pack(arrays, head)


def from_bytes(body: bytes) -> RunResult:
    """Decode a run from the bytes that `to_bytes` returned; raise ValueError, KeyError or the like if damaged."""
    arrays = unpack(body)
    head = read_head(arrays)
    return RunResult(
        key=head["key"],
        config=make_config(**head["config"]),
        device=head["device"],
        metrics=Metrics(**head["metrics"]),
        seconds=head["seconds"],
        counts=head["counts"],
        test_rows=arrays["test_rows"],
        y_test=arrays["y_test"],
        scores=arrays["scores"],
        sample=Sample(**{name.removeprefix("sample."): arrays[name] for name in arrays if name.startswith("sample.")}),
        history=History(**{field.name: arrays[f"history.{field.name}"] for field in fields(History)}),
    )

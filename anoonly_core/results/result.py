"""What a finished run is: its scores, metrics, hidden features and history, and its form on disk."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np

from anoonly_core.config import RunConfig, make_config
from anoonly_core.metrics.ranking import Metrics

__all__ = [
    "BATCH_SHARES",
    "HISTORY_METRICS",
    "NO_HISTORY",
    "History",
    "Role",
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
    """The rows whose hidden features are kept, the same for every run that shares the split.

    rows: int64 [m], positions in the Dataset. role: int8 [m], see Role. hidden: float32
    [m, features]. minimum, scale: float32 [columns], how the run scaled its inputs.
    """

    rows: np.ndarray
    role: np.ndarray
    hidden: np.ndarray
    minimum: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True, eq=False)
class History:
    """A run over its epochs, which count from 1.

    loss_normal (before λ_n), loss_anomaly, labelled_share and batches_without_anomaly: float32
    [epochs], see train.Snapshot. measured: int64 [k], the epochs at which the test metrics were
    taken; aucroc, aucpr_anomaly, aucpr_normal: float64 [k].
    """

    loss_normal: np.ndarray
    loss_anomaly: np.ndarray
    labelled_share: np.ndarray
    batches_without_anomaly: np.ndarray
    measured: np.ndarray
    aucroc: np.ndarray
    aucpr_anomaly: np.ndarray
    aucpr_normal: np.ndarray


def _none(kind: type) -> np.ndarray:
    return np.zeros(0, dtype=kind)


# Of a system that has no epochs.
NO_HISTORY = History(
    loss_normal=_none(np.float32),
    loss_anomaly=_none(np.float32),
    labelled_share=_none(np.float32),
    batches_without_anomaly=_none(np.float32),
    measured=_none(np.int64),
    aucroc=_none(np.float64),
    aucpr_anomaly=_none(np.float64),
    aucpr_normal=_none(np.float64),
)


@dataclass(frozen=True, eq=False)
class RunResult:
    """One finished run.

    test_rows: int64 [n], positions in the Dataset; y_test: int8 [n]; scores: float32 [n], higher
    is more anomalous. seconds: of training and of scoring the test rows; in a stack, the stack's
    time divided by its runs; a pretraining that was kept from an earlier run counts what it took
    then. counts: the split, see data.split.Split. note: a sentence where it was not trained as it was
    asked for, on the CPU in place of a GPU, say; it is not kept.
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

    def batches(self) -> dict[str, float]:
        """The means over the epochs of BATCH_SHARES: how the batches were made up; empty without batches."""
        if not len(self.history.loss_normal):
            return {}
        return {name: float(getattr(self.history, name).mean()) for name in BATCH_SHARES}

    def summary(self) -> dict[str, Any]:
        """The run as the command line prints it: config, metrics, seconds, counts."""
        return {
            "config": self.config.model_dump(mode="json"),
            "metrics": self.metrics.as_dict(),
            "seconds": self.seconds,
            "counts": self.counts,
        }


def to_bytes(result: RunResult) -> bytes:
    """A result as a compressed .npz archive of plain arrays; its settings and metrics as JSON inside."""
    head = {
        "key": result.key,
        "config": result.config.model_dump(mode="json"),
        "device": result.device,
        "metrics": asdict(result.metrics),
        "seconds": result.seconds,
        "counts": result.counts,
    }
    arrays = {"head": np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)}
    arrays |= {name: getattr(result, name) for name in ("test_rows", "y_test", "scores")}
    arrays |= {f"sample.{field.name}": getattr(result.sample, field.name) for field in fields(Sample)}
    arrays |= {f"history.{field.name}": getattr(result.history, field.name) for field in fields(History)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def from_bytes(body: bytes) -> RunResult:
    """The result that to_bytes wrote; ValueError, KeyError or the like where the bytes are not one."""
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        head = json.loads(arrays["head"].tobytes())
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
            sample=Sample(**{field.name: arrays[f"sample.{field.name}"] for field in fields(Sample)}),
            history=History(**{field.name: arrays[f"history.{field.name}"] for field in fields(History)}),
        )

"""What the store knows of a run beside its body: kept as text, checked against flipped bytes, listed without scores."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Any

from anoonly_core.config import RunConfig
from anoonly_core.errors import AnoOnlyError
from anoonly_core.results.result import RunResult

__all__ = ["UNREADABLE", "RunSummary", "decode_summary", "encode_summary"]

PARTS = ("metrics", "seconds", "counts", "batches")  # of what is known; an earlier version kept no batches
CHECK = "check"  # nor a hash of its settings and of all else that is known
LATEST = 2.0**33  # seconds since 1970; a number beyond is no time
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    OSError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    AnoOnlyError,
)


@dataclass(frozen=True)
class RunSummary:
    """What can be known of a stored run without reading its scores.

    config: its settings by name, as they were when it was stored. metrics, seconds, counts, batches: see
    RunResult. created: seconds since 1970. bytes: what it takes in the store.
    """

    key: str
    config: dict[str, Any]
    device: str
    metrics: dict[str, float]
    seconds: dict[str, float]
    counts: dict[str, int]
    created: float
    pinned: bool
    bytes: int
    batches: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, result: RunResult) -> RunSummary:
        """The same of a run that has just finished, stored or not."""
        known = {**result.summary(), "batches": result.batches()}
        parts = {name: known[name] for name in PARTS}
        return cls(result.key, known["config"], result.device, **parts, created=time.time(), pinned=False, bytes=0)


def encode_summary(result: RunResult) -> tuple[str, str]:
    """A run's settings, and all else that is known of it, with a hash over both, as the store keeps them: JSON."""
    config = result.config.canonical()
    known = {name: value for name, value in result.summary().items() if name != "config"}
    known |= {"device": result.device, "batches": result.batches()}
    return config, json.dumps({**known, CHECK: _check(config, known)})


def decode_summary(row: tuple[Any, ...]) -> RunSummary | None:
    """A row (key, config, summary, created, pinned, bytes) as a RunSummary, or None where it is none or damaged."""
    key, config, summary, created, pinned, size = row
    try:
        settings, known = dict(json.loads(config)), dict(json.loads(summary))
        check = known.pop(CHECK, None)
        if settings.keys() != RunConfig.model_fields.keys() or not known.keys() <= {*PARTS, "device"}:
            return None
        if (check is not None and check != _check(config, known)) or not 0 <= created < LATEST or size < 0:
            return None
        known.setdefault("batches", {})
        parts, device = {name: dict(known[name]) for name in PARTS}, str(known["device"])
        return RunSummary(key, settings, device, **parts, created=created, pinned=bool(pinned), bytes=size)
    except UNREADABLE:
        return None


def _check(config: str, known: dict[str, Any]) -> str:
    return hashlib.sha256(f"{config}{json.dumps(known)}".encode()).hexdigest()[:16]

"""Summary of a stored run: metrics and settings as checked JSON, read without the scores."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Any

from anoonly_core.config import LATER_SETTINGS, RunConfig
from anoonly_core.errors import AnoOnlyError
from anoonly_core.results.result import RunResult

__all__ = ["LEFT_OUT", "UNREADABLE", "RunSummary", "decode_summary", "encode_summary"]

# Entries of version 0.1 hold neither "batches" nor a check.
FIELDS = ("metrics", "seconds", "counts", "batches")
# Values of the settings that `RunConfig.canonical` leaves out at their default.
LEFT_OUT: dict[str, Any] = {name: RunConfig.model_fields[name].default for name in LATER_SETTINGS}
CHECK = "check"  # hash of the config and all other fields
LATEST = 2.0**33  # seconds since 1970; a larger time counts as damage
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
    """Metrics and settings of a run, without its scores.

    Attributes
    ----------
    key, device, metrics, seconds, counts
        See RunResult; metrics is a dict.
    config : dict
        Settings by name, as they were when the run was stored.
    created : float
        Seconds since 1970.
    pinned : bool
        True if the size limit of the store never removes the run.
    bytes : int
        Size of the entry in the store; 0 for a run that has just finished.
    batches : dict of float
        See RunResult.batches; empty for a run that an older version stored.
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
        """Summarize a run that has just finished; it need not be stored. `created` is now, `bytes` 0."""
        known = {**result.summary(), "batches": result.batches()}
        fields = {name: known[name] for name in FIELDS}
        return cls(result.key, known["config"], result.device, **fields, created=time.time(), pinned=False, bytes=0)


def encode_summary(result: RunResult) -> tuple[str, str]:
    """Return the config of a run and its summary, both as JSON for the store; the summary holds a hash over both."""
    config = result.config.canonical()
    known = {name: value for name, value in result.summary().items() if name != "config"}
    known |= {"device": result.device, "batches": result.batches()}
    return config, json.dumps({**known, CHECK: _check(config, known)})


def decode_summary(row: tuple[Any, ...]) -> RunSummary | None:
    """Decode a row of the store, (key, config, summary, created, pinned, bytes), where config and summary are JSON.

    Return None if the row is damaged or has other settings than RunConfig.
    """
    key, config, summary, created, pinned, size = row
    try:
        settings = LEFT_OUT | dict(json.loads(config))
        known = dict(json.loads(summary))
        check = known.pop(CHECK, None)
        if settings.keys() != RunConfig.model_fields.keys() or not known.keys() <= {*FIELDS, "device"}:
            return None
        if (check is not None and check != _check(config, known)) or not 0 <= created < LATEST or size < 0:
            return None
        known.setdefault("batches", {})
        fields, device = {name: dict(known[name]) for name in FIELDS}, str(known["device"])
        return RunSummary(key, settings, device, **fields, created=created, pinned=bool(pinned), bytes=size)
    except UNREADABLE:
        return None


def _check(config: str, known: dict[str, Any]) -> str:
    return hashlib.sha256(f"{config}{json.dumps(known)}".encode()).hexdigest()[:16]

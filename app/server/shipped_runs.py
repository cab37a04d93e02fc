"""The finished runs with which Sweep and Which method? open: they ship, so that the first figure is not empty."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from anoonly_core.paths import ASSETS
from anoonly_core.results.summary import LEFT_OUT, RunSummary

__all__ = ["RANKING_FILE", "SHIPPED_CREATED", "SWEEP_FILE", "shipped_runs", "write_shipped_runs"]

SWEEP_FILE = ASSETS / "results" / "first_sweep.jsonl"
RANKING_FILE = ASSETS / "results" / "first_ranking.jsonl"
SHIPPED_CREATED = 0.0  # the time at which the run was stored: it never was
FIELDS = ("key", "config", "device", "metrics", "seconds", "counts", "batches")


@cache
def _read() -> Mapping[str, RunSummary]:
    files = (SWEEP_FILE, RANKING_FILE)
    runs = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return {
        run["key"]: RunSummary(
            **{**run, "config": LEFT_OUT | run["config"]}, created=SHIPPED_CREATED, pinned=False, bytes=0
        )
        for run in runs
    }


def shipped_runs(keys: Iterable[str]) -> dict[str, RunSummary]:
    """Return those of the runs with these keys that ship with the app, by key.

    A key of another revision of the method finds none.
    """
    known = _read()
    return {key: known[key] for key in keys if key in known}


def write_shipped_runs(file: Path, runs: Iterable[RunSummary]) -> None:
    """Write runs to SWEEP_FILE or RANKING_FILE, one JSON line each, in place of those in it.

    Settings at the defaults in LEFT_OUT are left out.
    """
    lines = [json.dumps({name: _field(run, name) for name in FIELDS}, sort_keys=True) for run in runs]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _field(run: RunSummary, name: str) -> Any:
    if name != "config":
        return getattr(run, name)
    return {setting: value for setting, value in run.config.items() if LEFT_OUT.get(setting, ...) != value}

"""The finished runs with which Sweep opens: they ship in assets/results, so that its first figure is not empty."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache

from anoonly_core.paths import ASSETS
from anoonly_core.results.summary import LEFT_OUT, RunSummary

__all__ = ["FILE", "SHIPPED_CREATED", "shipped_runs", "write_shipped_runs"]

FILE = ASSETS / "results" / "first_sweep.jsonl"
SHIPPED_CREATED = 0.0  # the time at which the run was stored: it never was
FIELDS = ("key", "config", "device", "metrics", "seconds", "counts", "batches")


@cache
def _read() -> Mapping[str, RunSummary]:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    runs = [json.loads(line) for line in lines]
    return {
        run["key"]: RunSummary(
            **{**run, "config": LEFT_OUT | run["config"]}, created=SHIPPED_CREATED, pinned=False, bytes=0
        )
        for run in runs
    }


def shipped_runs(keys: Iterable[str]) -> dict[str, RunSummary]:
    """Return those of the runs with these keys that ship with the app for the first sweep, by key.

    A key of another revision of the method finds none.
    """
    known = _read()
    return {key: known[key] for key in keys if key in known}


def write_shipped_runs(runs: Iterable[RunSummary]) -> None:
    """Write the runs to the file of shipped runs in the assets, one JSON line each, in place of those in it."""
    lines = [json.dumps({name: getattr(run, name) for name in FIELDS}, sort_keys=True) for run in runs]
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")

"""All that is measured, experiment by experiment: what every table, point and page is made from."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import Any, TypeVar

import pandas as pd

from anoonly_core.reproduction.experiments import EXPERIMENTS, HEADS, SEEDS, PlannedRun, files_at_hand, planned_runs
from anoonly_core.reproduction.families import FAMILIES, files_of
from anoonly_core.reproduction.results import MeasuredRun, find_results, results_in_store, runs_frame, shipped_datasets
from anoonly_core.results.store import Store

__all__ = ["Evidence", "local_evidence", "shipped_evidence", "stored_evidence"]


T = TypeVar("T")


class Evidence:
    """Frames of measured runs by experiment, each read once."""

    def __init__(
        self, files: Sequence[str], results: Callable[[list[PlannedRun]], dict[str, MeasuredRun]], seeds: int = SEEDS
    ) -> None:
        self.files = tuple(files)
        self.seeds = seeds
        self._results = results
        self._made: dict[Hashable, Any] = {}

    def planned(self, name: str) -> list[PlannedRun]:
        """All runs of an experiment on these files, whether there is a result or not."""
        return _planned(name, self.files, self.seeds)

    def frame(self, name: str) -> pd.DataFrame:
        """One row for each run of an experiment that has a result; see results.frame."""

        def read() -> pd.DataFrame:
            planned = self.planned(name)
            return runs_frame(planned, self._results(planned))

        return self.cached(("frame", name), read)

    def cached(self, what: Hashable, make: Callable[[], T]) -> T:
        """What `make` makes of this evidence, remembered under a name of its own."""
        if what not in self._made:
            self._made[what] = make()
        found: T = self._made[what]
        return found


@cache
def _planned(name: str, files: tuple[str, ...], seeds: int) -> list[PlannedRun]:
    return planned_runs(EXPERIMENTS[name], files, seeds)


def local_evidence(store: Store) -> Evidence:
    """What ships, and over it what this machine has trained; of further data sets where Table 1 is complete."""
    ships = shipped_datasets()
    known = {*ships, *_complete([name for name in files_at_hand() if name not in ships], store)}
    files = [name for family in FAMILIES for name in files_of(family) if name in known]
    return Evidence(files, lambda planned: find_results(planned, store))


def _complete(files: Sequence[str], store: Store) -> list[str]:
    """The data sets of which this machine has trained Table 1 with all heads: a run by hand makes no cell."""
    kept = store.keys() if files else set()
    return [
        name
        for name in files
        if kept.issuperset(run.key for run in _planned("table1", (name,), SEEDS) if run.config.baseline in HEADS)
    ]


@cache
def shipped_evidence() -> Evidence:
    """What ships, and nothing else."""
    return Evidence(shipped_datasets(), lambda planned: find_results(planned, None))


def stored_evidence(files: Sequence[str], store: Store, seeds: int, systems: Sequence[str]) -> Evidence:
    """What this machine has trained of these systems, and nothing else."""

    def results(planned: list[PlannedRun]) -> dict[str, MeasuredRun]:
        return results_in_store([run for run in planned if run.config.baseline in systems], store)

    return Evidence(files, results, seeds)

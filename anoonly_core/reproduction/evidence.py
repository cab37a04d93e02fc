"""Results of all experiments, from which tables, discrepancies and pages are made."""

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
    """Results of the experiments on some data sets, as data frames; each is read once and cached.

    Parameters
    ----------
    files : sequence of str
        Data sets.
    results : callable
        Returns the results of planned runs by key; runs without a result are absent.
    seeds : int
        Number of seeds of each experiment.
    """

    def __init__(
        self, files: Sequence[str], results: Callable[[list[PlannedRun]], dict[str, MeasuredRun]], seeds: int = SEEDS
    ) -> None:
        self.files = tuple(files)
        self.seeds = seeds
        self._results = results
        self._made: dict[Hashable, Any] = {}

    def planned(self, name: str) -> list[PlannedRun]:
        """Return all runs that an experiment, given by name, plans on these data sets, with or without a result."""
        return _planned(name, self.files, self.seeds)

    def frame(self, name: str) -> pd.DataFrame:
        """Return the results of an experiment, given by name, as a table with one row per run; see results.runs_frame.

        Runs without a result are left out.
        """

        def read() -> pd.DataFrame:
            planned = self.planned(name)
            return runs_frame(planned, self._results(planned))

        return self.cached(("frame", name), read)

    def cached(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value cached under a key; if there is none, call `make`, cache its value and return it."""
        if key not in self._made:
            self._made[key] = make()
        value: T = self._made[key]
        return value


@cache
def _planned(name: str, files: tuple[str, ...], seeds: int) -> list[PlannedRun]:
    return planned_runs(EXPERIMENTS[name], files, seeds)


def local_evidence(store: Store) -> Evidence:
    """Return the results on this machine: shipped ones and those in a store, which take precedence.

    A local data set without shipped results is included once the store holds its whole Table 1.
    """
    ships = shipped_datasets()
    known = {*ships, *_complete([name for name in files_at_hand() if name not in ships], store)}
    files = [name for family in FAMILIES for name in files_of(family) if name in known]
    return Evidence(files, lambda planned: find_results(planned, store))


def _complete(files: Sequence[str], store: Store) -> list[str]:
    """Return the data sets out of `files` for which the store has all runs of Table 1 with all heads."""
    kept = store.keys() if files else set()
    return [
        name
        for name in files
        if kept.issuperset(run.key for run in _planned("table1", (name,), SEEDS) if run.config.baseline in HEADS)
    ]


@cache
def shipped_evidence() -> Evidence:
    """Return the results that are shipped with the project, without those of a store; cached."""
    return Evidence(shipped_datasets(), lambda planned: find_results(planned, None))


def stored_evidence(files: Sequence[str], store: Store, seeds: int, systems: Sequence[str]) -> Evidence:
    """Return the results in a store of some systems on some data sets, without shipped ones.

    Parameters
    ----------
    files : sequence of str
        Data sets.
    store : Store
        Store to read.
    seeds : int
        Number of seeds of each experiment.
    systems : sequence of str
        Names of baselines; runs of others are left out.
    """

    def results(planned: list[PlannedRun]) -> dict[str, MeasuredRun]:
        return results_in_store([run for run in planned if run.config.baseline in systems], store)

    return Evidence(files, results, seeds)

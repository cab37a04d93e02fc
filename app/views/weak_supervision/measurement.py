"""The runs that the page ranks: shipped ones, or those that workers measure, one job per mechanism."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

import pandas as pd

from anoonly_core.baselines import MECHANISMS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.execution import tasks
from anoonly_core.results.keys import measures_key
from anoonly_core.weak_supervision.across import shipped_measures
from anoonly_core.weak_supervision.points import mechanism_configs, reference_norm
from anoonly_core.weak_supervision.result import measures_table

from ...server.jobs import Jobs

__all__ = ["Measurement", "measurement_of", "shipped_runs", "shipped_tasks"]


@dataclass(frozen=True)
class Measurement:
    """The runs of all mechanisms with one choice of data, system and settings.

    Attributes
    ----------
    configs : mapping of str to list of RunConfig
        The runs of each mechanism, by its name; batch norm, with which the others are compared, comes first.
    keys : mapping of str to str
        Key of the measures of each mechanism.
    """

    configs: Mapping[str, list[RunConfig]]
    keys: Mapping[str, str]

    @property
    def size(self) -> int:
        """Number of runs."""
        return sum(map(len, self.configs.values()))

    def request(self, jobs: Jobs, session: str) -> None:
        """Queue a job for each mechanism that is not measured yet; does not block."""
        calls = {key: (tasks.measure_mechanism, (self.configs[name],)) for name, key in self.keys.items()}
        jobs.request_worker_results(session, calls)

    def finished(self, jobs: Jobs) -> pd.DataFrame:
        """Return the table of the mechanisms that are measured, with no row if none is."""
        parts = [
            measures_table(self.configs[name], measures)
            for name, key in self.keys.items()
            if (measures := jobs.results.worker_result(key)) is not None
        ]
        return pd.concat(parts, ignore_index=True) if parts else measures_table([], [])


@lru_cache(maxsize=32)
def measurement_of(config: RunConfig) -> Measurement:
    """Return the measurement with the data, system and settings of a run; cached, since a page asks again and again."""
    first = reference_norm(config)
    configs = mechanism_configs(config, names=[first, *(name for name in MECHANISMS if name != first)])
    return Measurement(configs, {name: measures_key(runs) for name, runs in configs.items()})


def shipped_runs(config: RunConfig) -> pd.DataFrame | None:
    """Return the table of `assets/results/mechanisms.csv` for these settings; None if it does not hold them."""
    as_shipped = make_config(dataset=config.dataset, baseline=config.baseline, lambda_n=0.0)
    if config != as_shipped:
        return None
    if config.dataset not in shipped_tasks().get(config.baseline, ()):
        return None
    runs = shipped_measures()
    return runs[(runs["dataset"] == config.dataset) & (runs["baseline"] == config.baseline)]


@cache
def shipped_tasks() -> Mapping[str, list[str]]:
    """Return the data sets for which all mechanisms ship, by system."""
    tasks: dict[str, list[str]] = {}
    for (baseline, dataset), runs in shipped_measures().groupby(["baseline", "dataset"])["norm"]:
        if set(MECHANISMS) <= set(runs):
            tasks.setdefault(str(baseline), []).append(str(dataset))
    return tasks

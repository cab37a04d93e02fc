"""Runs of a ranking: every system at every number of labeled anomalies, on the same seeds and so the same splits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from anoonly_core.baselines import BASELINES
from anoonly_core.config import LABEL_SETTINGS, RunConfig, make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split
from anoonly_core.errors import InvalidConfig
from anoonly_core.results.keys import run_keys
from anoonly_core.which.systems import DEFAULT_SYSTEMS, System, systems_of

__all__ = ["COUNTS", "MAX_SEEDS", "SHARED_SETTINGS", "WhichPlan", "plan_which", "possible_labels"]

COUNTS = (1, 2, 5, 10, 20, 50)
MAX_SEEDS = 100
# Settings that all systems share; the number of labels is that of a point of the curves.
SHARED_SETTINGS = (
    *("contamination", "normal_ratio", "protocol"),
    *(name for name in LABEL_SETTINGS if name != "labeled_anomalies"),
)


@dataclass(frozen=True)
class WhichPlan:
    """Systems × numbers of labels × seeds on one data set.

    Attributes
    ----------
    dataset
        Name of the data set.
    systems
        Systems to rank.
    counts
        Numbers of labeled anomalies, ascending.
    labels
        The number of labels, one of `counts`, at which the systems are ranked.
    seeds
        Seeds, the same for all systems, so that differences are paired.
    settings
        Settings that all runs share, of SHARED_SETTINGS.
    possible
        Number of anomalies in training that could be labeled, the least of all seeds.
    """

    dataset: str
    systems: tuple[System, ...]
    counts: tuple[int, ...]
    labels: int
    seeds: tuple[int, ...]
    settings: Mapping[str, Any]
    possible: int

    def config(self, system: System, count: int, seed: int) -> RunConfig:
        """Return the run of a system with `count` labeled anomalies."""
        return make_config(
            dataset=self.dataset, labeled_anomalies=count, seed=seed, **{**self.settings, **system.settings}
        )

    @cached_property
    def _runs(self) -> dict[tuple[str, int, int], RunConfig]:
        """Run by name of the system, number of labels and seed; those of the ranking come first, seed by seed."""
        counts = (self.labels, *(count for count in self.counts if count != self.labels))
        return {
            (system.name, count, seed): self.config(system, count, seed)
            for count in counts
            for seed in self.seeds
            for system in self.systems
        }

    @cached_property
    def keys(self) -> dict[tuple[str, int, int], str]:
        """CPU `run_key` by name of the system, number of labels and seed."""
        return dict(zip(self._runs, run_keys([*self._runs.values()]), strict=True))

    @cached_property
    def configs(self) -> dict[str, RunConfig]:
        """All runs by CPU `run_key`: those of the ranking first, seed by seed, then those of the other numbers."""
        return {self.keys[run]: config for run, config in self._runs.items()}

    def configs_at(self, count: int) -> dict[str, RunConfig]:
        """Return the runs with `count` labeled anomalies by CPU `run_key`, to train and rank them before the others."""
        return {key: self.configs[key] for (_, labels, _), key in self.keys.items() if labels == count}

    @cached_property
    def stages(self) -> tuple[dict[str, RunConfig], ...]:
        """All runs by CPU `run_key`, in three parts that train one after the other.

        First those of the ranking that take seconds (neither a network nor tuned), then the others of the ranking, then
        those of the other numbers of labels.
        """
        ranked = self.configs_at(self.labels)
        quick = {key: config for key, config in ranked.items() if _is_quick(config)}
        slow = {key: config for key, config in ranked.items() if key not in quick}
        return quick, slow, {key: config for key, config in self.configs.items() if key not in ranked}

    def canonical(self) -> str:
        """Serialize to one line of JSON; equal plans give equal text."""
        parts = (self.dataset, [system.name for system in self.systems], self.counts, self.labels, self.seeds)
        return json.dumps(["which", *parts, dict(self.settings)], sort_keys=True)


def plan_which(
    dataset: str,
    systems: Sequence[str] = DEFAULT_SYSTEMS,
    counts: Sequence[int] = COUNTS,
    labels: int | None = None,
    seeds: int = 5,
    seed: int = 0,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> WhichPlan:
    """Plan the runs of a ranking; loads and splits the data set once per seed to count its anomalies.

    Parameters
    ----------
    dataset
        Name of a data set, or the path of a table.
    systems
        Names of SYSTEMS.
    counts
        Numbers of labeled anomalies for the curves; those that the training part does not have are left out.
    labels
        Number of labeled anomalies at which to rank, added to `counts`; None for the largest of `counts`.
    seeds
        Number of seeds, from `seed` on.
    settings
        Settings that all runs share, of SHARED_SETTINGS; None means the default.

    Raises
    ------
    InvalidConfig
        If a system, number or setting is invalid, or the training part has fewer anomalies than `labels`.
    UnknownDataset, DatasetUnavailable, BadDataFile, SplitImpossible
        If the data set cannot be loaded or split.
    """
    if not 1 <= seeds <= MAX_SEEDS:
        raise InvalidConfig(f"seeds must be a whole number from 1 to {MAX_SEEDS}, not {seeds}.")
    if wrong := sorted(set(settings) - set(SHARED_SETTINGS)):
        raise InvalidConfig(f"{wrong[0]} cannot be shared by all systems, only {', '.join(SHARED_SETTINGS)}.")
    given = {name: value for name, value in settings.items() if value is not None}
    first = make_config(dataset=dataset, seed=seed, **given)
    numbers = tuple(range(first.seed, first.seed + seeds))
    wanted = sorted({make_config(labeled_anomalies=count).labeled_anomalies or 0 for count in (*counts, *_one(labels))})
    possible = min(possible_labels(first.with_(seed=number)) for number in numbers)
    if labels is not None and labels > possible:
        raise InvalidConfig(
            f"{dataset} has {possible} anomalies to label in training: give labels of at most {possible}."
        )
    usable = tuple(count for count in wanted if count <= possible) or (possible,)
    shared = MappingProxyType(given)
    return WhichPlan(dataset, systems_of(systems), usable, labels or usable[-1], numbers, shared, possible)


def possible_labels(config: RunConfig) -> int:
    """Return the number of training anomalies of a run, all of which could be labeled; flipped labels do not matter."""
    every_label = config.with_(labeled_anomalies=None, labeled_ratio=1.0, flipped_anomalies=0.0, flipped_normals=0.0)
    plain = every_label.with_(contamination="natural", labeled_normals=0, labeled_normal_ratio=0.0, unlabeled_ratio=1.0)
    return make_split(load_cached(config.dataset), plain).counts["labelled_anomalies_distinct"]


def _is_quick(config: RunConfig) -> bool:
    return config.preset != "tuned" and not BASELINES[config.baseline].has("epochs")


def _one(labels: int | None) -> tuple[int, ...]:
    return () if labels is None else (labels,)

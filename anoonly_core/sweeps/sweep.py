"""A sweep: a grid of runs over one or more settings and several seeds, and the table that comes of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig, check_field, make_config
from anoonly_core.errors import InvalidConfig
from anoonly_core.metrics.ranking import METRICS
from anoonly_core.results.keys import run_key
from anoonly_core.results.store import RunSummary

__all__ = [
    "AXES",
    "MAX_SEEDS",
    "PUBLISHED",
    "Axis",
    "GridPoint",
    "Sweep",
    "make_sweep",
    "sweep_table",
]

# What can be varied. The data set is chosen, and the seeds are counted.
AXES = tuple(name for name in RunConfig.model_fields if name not in ("dataset", "seed"))
PUBLISHED = "published"
MAX_RUNS = 20_000
MAX_SEEDS = 1000


class Axis(BaseModel):
    """A setting that is varied, and the values that it takes in turn; None is what is published."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class GridPoint:
    """One place in the grid: its value on each axis, and its runs, seed by seed, by key.

    A value is PUBLISHED where it is left to the baseline, and None where the baseline has no such setting.
    """

    values: dict[str, Any]
    configs: dict[str, RunConfig]


class Sweep(BaseModel):
    """What is varied, what is fixed, and how many seeds each point gets; build it with `make_sweep`.

    settings: what is fixed, by name, as given; what is not given is as published. seeds count up
    from settings' own seed, else from 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, Any]
    axes: tuple[Axis, ...]
    seeds: int = 5

    @field_validator("axes")
    @classmethod
    def _each_once(cls, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        names = [axis.name for axis in axes]
        if len(set(names)) < len(names):
            raise ValueError("twice the same axis")
        return axes

    @cached_property
    def grid(self) -> tuple[list[GridPoint], list[str]]:
        """The points that can be, and a sentence about each that cannot.

        A baseline that lacks a varied setting has one point for all of its values.
        """
        points: dict[str, GridPoint] = {}
        left_out: dict[str, None] = {}
        for values in itertools.product(*(axis.values for axis in self.axes)):
            at = dict(zip((axis.name for axis in self.axes), values, strict=True))
            name = at.get("baseline") or self.settings.get("baseline") or "DeepSAD"
            given = {setting: value for setting, value in at.items() if _has(name, setting)}
            try:
                first = make_config(**{**self.settings, **given})
            except InvalidConfig as error:
                left_out[str(error)] = None
                continue
            configs = [first.with_(seed=first.seed + number) for number in range(self.seeds)]
            shown = {setting: _shown(value) if setting in given else None for setting, value in at.items()}
            points.setdefault(f"{shown} {first.canonical()}", GridPoint(shown, {run_key(own): own for own in configs}))
        return list(points.values()), list(left_out)

    @property
    def points(self) -> list[GridPoint]:
        """The points that can be, the last axis running fastest."""
        return self.grid[0]

    @property
    def left_out(self) -> list[str]:
        """One sentence per combination that is invalid."""
        return self.grid[1]

    @cached_property
    def configs(self) -> dict[str, RunConfig]:
        """All runs by key, each once."""
        return {key: config for point in self.points for key, config in point.configs.items()}

    def canonical(self) -> str:
        """The sweep as one line of JSON, equal for equal sweeps."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)


def make_sweep(settings: Mapping[str, Any], axes: Iterable[tuple[str, Sequence[Any]]], seeds: Any = 5) -> Sweep:
    """A checked Sweep; raises InvalidConfig with one sentence, UnknownDataset or BadDataFile.

    Each value is checked by itself; combinations that cannot be are left out of the grid, but one
    at least must be possible.
    """
    checked = []
    for name, values in axes:
        if name not in AXES:
            raise InvalidConfig(f"{name} cannot be varied in a sweep, only {', '.join(AXES)}.")
        if not values:
            raise InvalidConfig(f"Give {name} at least one value.")
        own = [None if value is None else check_field(name, value) for value in values]
        checked.append(Axis(name=name, values=tuple(dict.fromkeys(own))))
    if not isinstance(seeds, int) or not 1 <= seeds <= MAX_SEEDS:
        raise InvalidConfig(f"seeds must be a whole number from 1 to {MAX_SEEDS}, not {seeds!r}.")
    fixed = {name: check_field(name, value) for name, value in settings.items() if value is not None}
    if (runs := seeds * int(np.prod([len(axis.values) for axis in checked], dtype=float))) > MAX_RUNS:
        raise InvalidConfig(f"That would be {runs} runs; a sweep has at most {MAX_RUNS}.")
    try:
        sweep = Sweep(settings=fixed, axes=tuple(checked), seeds=seeds)
    except ValidationError as error:
        raise InvalidConfig("Each setting can be varied only once.") from error
    if not sweep.points:
        raise InvalidConfig(sweep.left_out[0])
    return sweep


def _shown(value: Any) -> Any:
    return PUBLISHED if value is None else value


def _has(baseline: Any, setting: str) -> bool:
    """Whether a baseline has this setting; of an unknown one the config will say that it is unknown."""
    return baseline not in BASELINES or BASELINES[baseline].has(setting)


def sweep_table(sweep: Sweep, runs: Mapping[str, RunSummary], failures: Mapping[str, str]) -> pd.DataFrame:
    """One row a point and seed, finished or not: its settings, its metrics, what it took, why it failed."""
    rows = []
    for number, point in enumerate(sweep.points):
        for key, config in point.configs.items():
            run = runs.get(key)
            metrics = run.metrics if run else dict.fromkeys(METRICS, np.nan)
            rows.append(
                {
                    "point": number,
                    **config.model_dump(mode="json"),
                    **{name: metrics[name] for name in METRICS},
                    "train_seconds": run.seconds["train"] if run else np.nan,
                    "failure": failures.get(key, "") if run is None else "",
                    "key": key,
                }
            )
    return pd.DataFrame(rows)

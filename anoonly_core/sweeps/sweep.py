"""A sweep: a grid of runs over settings and seeds, and the table of its results."""

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
from anoonly_core.results.html import sweep_html
from anoonly_core.results.keys import run_keys
from anoonly_core.results.store import RunSummary

__all__ = [
    "AXES",
    "MAX_SEEDS",
    "PUBLISHED",
    "Axis",
    "GridPoint",
    "Sweep",
    "SweepOutline",
    "SweepTable",
    "make_sweep",
    "read_outline",
    "read_sweep",
    "sweep_table",
]

# All settings but the data set, which is fixed, and the seed, which counts up.
AXES = tuple(name for name in RunConfig.model_fields if name not in ("dataset", "seed"))
PUBLISHED = "published"
DEFAULT_DATASET: str = RunConfig.model_fields["dataset"].default
MAX_RUNS = 20_000
MAX_SEEDS = 1000


class Axis(BaseModel):
    """Setting that a sweep varies, by name, with its values; the value None means "as published"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class GridPoint:
    """One combination of axis values, with one run per seed.

    Attributes
    ----------
    values : dict of str to Any
        The value on each axis: PUBLISHED if the baseline decides, None if the baseline lacks the setting.
    configs : dict of str to RunConfig
        Runs by `run_key`, in the order of their seeds.
    """

    values: dict[str, Any]
    configs: dict[str, RunConfig]


class Sweep(BaseModel):
    """A grid of runs; build it with `make_sweep`.

    Attributes
    ----------
    settings : dict of str to Any
        Fixed settings by name. Settings that are not given are as published.
    axes : tuple of Axis
        Varied settings; the last axis varies fastest.
    seeds : int
        Runs per grid point, with seeds counting up from the setting `seed` (0 if not given).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, Any]
    axes: tuple[Axis, ...]
    seeds: int = 5

    @field_validator("axes")
    @classmethod
    def _check_unique(cls, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        names = [axis.name for axis in axes]
        if len(set(names)) < len(names):
            raise ValueError("duplicate axis")
        return axes

    @cached_property
    def grid(self) -> tuple[list[GridPoint], list[str]]:
        """Valid grid points, and one sentence for each invalid combination; the last axis varies fastest.

        A baseline that lacks a varied setting has one point for all values of that setting.
        """
        points: dict[str, GridPoint] = {}
        left_out: dict[str, None] = {}
        for combination in itertools.product(*(axis.values for axis in self.axes)):
            varied = dict(zip((axis.name for axis in self.axes), combination, strict=True))
            baseline = varied.get("baseline") or self.settings.get("baseline") or "DeepSAD"
            given = {setting: value for setting, value in varied.items() if _has(baseline, setting)}
            try:
                first = make_config(**{**self.settings, **given})
            except InvalidConfig as error:
                left_out[str(error)] = None
                continue
            configs = [first.with_(seed=first.seed + number) for number in range(self.seeds)]
            values = {setting: _or_published(value) if setting in given else None for setting, value in varied.items()}
            by_key = dict(zip(run_keys(configs), configs, strict=True))
            points.setdefault(f"{values} {first.canonical()}", GridPoint(values, by_key))
        return list(points.values()), list(left_out)

    @property
    def points(self) -> list[GridPoint]:
        """Valid grid points, each with one run per seed; the last axis varies fastest."""
        return self.grid[0]

    @property
    def left_out(self) -> list[str]:
        """One sentence for each combination of axis values that is invalid and has no grid point."""
        return self.grid[1]

    @cached_property
    def configs(self) -> dict[str, RunConfig]:
        """Runs of all grid points and seeds by `run_key` for the CPU, without duplicates."""
        return {key: config for point in self.points for key, config in point.configs.items()}

    @property
    def stages(self) -> tuple[dict[str, RunConfig], ...]:
        """The runs in parts that train one after the other: a single part."""
        return (self.configs,)

    def canonical(self) -> str:
        """Serialize to one line of JSON; equal sweeps give equal text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)


def make_sweep(settings: Mapping[str, Any], axes: Iterable[tuple[str, Sequence[Any]]], seeds: Any = 5) -> Sweep:
    """Validate settings and axes, and build the sweep.

    Each value is validated separately. Invalid combinations are left out of the grid; at least one must be valid.

    Parameters
    ----------
    settings : mapping of str to Any
        Fixed settings by name; None means "as published".
    axes : iterable of (str, sequence)
        Varied settings, one of AXES each, with their values; duplicate values are dropped.
    seeds : int
        Runs per grid point, 1 to MAX_SEEDS.

    Returns
    -------
    Sweep

    Raises
    ------
    InvalidConfig
        With one sentence, if a value or all combinations are invalid, or if there are more than MAX_RUNS runs.
    UnknownDataset, BadDataFile
        If the data set does not exist or cannot be read.
    """
    checked = []
    for name, values in axes:
        if name not in AXES:
            raise InvalidConfig(f"{name} cannot be varied in a sweep, only {', '.join(AXES)}.")
        if not values:
            raise InvalidConfig(f"Give {name} at least one value.")
        valid = [None if value is None else check_field(name, value) for value in values]
        checked.append(Axis(name=name, values=tuple(dict.fromkeys(valid))))
    if not isinstance(seeds, int) or not 1 <= seeds <= MAX_SEEDS:
        raise InvalidConfig(f"seeds must be a whole number from 1 to {MAX_SEEDS}, not {seeds!r}.")
    fixed = {name: check_field(name, value) for name, value in settings.items() if value is not None}
    if (runs := seeds * int(np.prod([len(axis.values) for axis in checked], dtype=float))) > MAX_RUNS:
        raise InvalidConfig(f"The sweep would have {runs} runs; reduce it to at most {MAX_RUNS}.")
    try:
        sweep = Sweep(settings=fixed, axes=tuple(checked), seeds=seeds)
    except ValidationError as error:
        raise InvalidConfig("Each setting can be varied only once: remove the duplicate.") from error
    if not sweep.points:
        raise InvalidConfig(sweep.left_out[0])
    return sweep


@dataclass(frozen=True)
class SweepOutline:
    """Data set and size of a sweep, for a list of sweeps that builds no runs.

    Attributes
    ----------
    dataset : str
        Name of the data set.
    axes : dict of str to int
        The number of values on each axis.
    seeds : int
        Runs per grid point.
    """

    dataset: str
    axes: dict[str, int]
    seeds: int


def read_outline(description: str) -> SweepOutline | None:
    """Read data set and size of a sweep from its `Sweep.canonical` text; None if that is not the text of a sweep.

    No run is built, so that an outline costs little. `read_sweep` may still refuse the text, because of a value.
    """
    try:
        known = json.loads(description)
        dataset = known["settings"].get("dataset", DEFAULT_DATASET)
        axes = {axis["name"]: len(axis["values"]) for axis in known["axes"]}
        seeds = known["seeds"]
        if not (isinstance(dataset, str) and isinstance(seeds, int) and axes and axes.keys() <= set(AXES)):
            return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return SweepOutline(dataset, axes, seeds)


def read_sweep(description: str) -> Sweep:
    """Rebuild a sweep, with all its runs, from its `Sweep.canonical` text.

    Raises
    ------
    InvalidConfig, UnknownDataset, BadDataFile
        As `make_sweep`, if the text is of another version or the data set is gone.
    """
    try:
        known = json.loads(description)
        axes = [(axis["name"], axis["values"]) for axis in known["axes"]]
        settings, seeds = dict(known["settings"]), known["seeds"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidConfig("The stored sweep cannot be read: remove it.") from error
    return make_sweep(settings, axes, seeds)


def _or_published(value: Any) -> Any:
    return PUBLISHED if value is None else value


def _has(baseline: Any, setting: str) -> bool:
    """Return True if a baseline has this setting, both given by name.

    An unknown baseline passes, since make_config rejects it.
    """
    return baseline not in BASELINES or BASELINES[baseline].has(setting)


class SweepTable(pd.DataFrame):
    """Table of the runs of a sweep, one per row; a notebook shows mean and standard deviation of each point."""

    def _repr_html_(self) -> str:
        return sweep_html(self)


def sweep_table(sweep: Sweep, runs: Mapping[str, RunSummary], failures: Mapping[str, str]) -> SweepTable:
    """Tabulate the results of a sweep, one row per run.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    runs : mapping of str to RunSummary
        Finished runs by `run_key` on the CPU.
    failures : mapping of str to str
        One sentence per failed run, by the same key.

    Returns
    -------
    SweepTable
        A pandas.DataFrame with one row per run, finished or not: "point" (index of the grid point), all settings, all
        metrics (NaN if not finished), "train_seconds", "failure" ("" if there is none) and "key".
    """
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
    return SweepTable(rows)

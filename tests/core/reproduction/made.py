"""Evidence with invented results, whose tables can be computed by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from anoonly_core.metrics.ranking import METRICS
from anoonly_core.reproduction.evidence import Evidence
from anoonly_core.reproduction.experiments import EXPERIMENTS, PlannedRun, planned_runs
from anoonly_core.reproduction.results import MeasuredRun, runs_frame

FILES = ("CIFAR10_0", "CIFAR10_4", "MVTec-AD_bottle", "SVHN_0", "20news_3")


def measured(value: float) -> MeasuredRun:
    """Return a result with all metrics equal to this value, in 0 to 1."""
    counts = {"test": 300, "test_copies_of_training_part": 120}
    batches = {"labelled_share": 0.5, "batches_without_anomaly": 0.25}
    return MeasuredRun(dict.fromkeys(METRICS, value), counts, batches, is_local=False)


def evidence_of(value: Callable[[PlannedRun], float | None], files: Iterable[str] = FILES, seeds: int = 5) -> Evidence:
    """Return evidence with the metrics that `value` gives for each run; None means no result."""

    def results(planned: list[PlannedRun]) -> dict[str, MeasuredRun]:
        values = {run.key: value(run) for run in planned}
        return {key: measured(metric) for key, metric in values.items() if metric is not None}

    return Evidence(list(files), results, seeds)


def runs_of(
    name: str, value: Callable[[PlannedRun], float], files: Iterable[str] = FILES, seeds: int = 5
) -> pd.DataFrame:
    """Return the frame of an experiment with these values."""
    planned = planned_runs(EXPERIMENTS[name], files, seeds)
    return runs_frame(planned, {run.key: measured(value(run)) for run in planned})


def has(run: PlannedRun, **wanted: Any) -> bool:
    """Tell whether a run has these settings."""
    settings = {**run.config.model_dump(), **run.variant.at}
    return all(settings[name] == value for name, value in wanted.items())

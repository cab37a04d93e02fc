"""Results of drift as values for JSON and as a table; free of torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from anoonly_core.drift.config import DriftConfig
from anoonly_core.drift.result import ABSORPTION_FIGURES, Absorption, DriftResult
from anoonly_core.drift.summary import (
    Estimate,
    absorption_sentence,
    before_and_after,
    breaking_share,
    headline,
    stream_figures,
)
from anoonly_core.drift.ways import WAYS

__all__ = ["figure_table", "summarize", "summarize_absorption"]

RATES = ("false_alarms", "missed")  # figures that depend on a threshold


def figure_table(configs: Sequence[DriftConfig], results: Sequence[DriftResult]) -> pd.DataFrame:
    """Tabulate the figures of each batch by seed and way, one row each; NaN where a batch lacks a class.

    Ways that coincide with an earlier one are left out. Columns with the ending `_recalibrated` are of the thresholds
    that follow, the others of the promised ones.
    """
    tables = []
    for config, result in zip(configs, results, strict=True):
        promised, following = stream_figures(result), stream_figures(result, recalibrated=True)
        for way in config.distinct_ways:
            index = list(WAYS).index(way)
            tables.append(
                pd.DataFrame(
                    {
                        "seed": config.run.seed,
                        "way": way,
                        "batch": np.arange(len(result.rows)),
                        "intensity": result.intensity,
                        "anomalies": result.anomalous.sum(axis=1),
                        **{name: promised.of(name)[index] for name in ABSORPTION_FIGURES},
                        **{f"{name}_recalibrated": following.of(name)[index] for name in RATES},
                        "path": result.path[index],
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def summarize(
    configs: Sequence[DriftConfig],
    results: Sequence[DriftResult],
    changes: Mapping[str, Sequence[int]] | None = None,
) -> dict[str, Any]:
    """Return results as values for JSON; `anoonly schema drift` describes them.

    Parameters
    ----------
    configs, results
        One per seed, of the same settings.
    changes : mapping of str to sequence of int, or None
        Batches in which a detector found a change by way, in the stream of the first seed; None without a detector.
    """
    first, result = configs[0], results[0]
    curves = {name: np.mean([stream_figures(each).of(name) for each in results], axis=0) for name in ABSORPTION_FIGURES}
    curves["path"] = np.mean([each.path for each in results], axis=0)
    ways = {}
    for way in first.distinct_ways:
        index = list(WAYS).index(way)
        ways[way] = {
            **{name: _sides(results, first, way, name, False) for name in ABSORPTION_FIGURES},
            **{f"{name}_recalibrated": _sides(results, first, way, name, True) for name in RATES},
            "curves": {name: _listed(values[index]) for name, values in curves.items()},
            "changes": None if changes is None else list(changes[way]),
        }
    return {
        "config": first.model_dump(mode="json"),
        "seeds": len(results),
        "batches": len(result.rows),
        "rows_return": bool(any(each.rows_return for each in results)),
        "intensity": _listed(result.intensity),
        "headline": headline(first, results),
        "ways": ways,
    }


def summarize_absorption(config: DriftConfig, absorptions: Sequence[Absorption]) -> dict[str, Any]:
    """Return absorption curves, one per seed, as values for JSON: means by way, and the share at which each breaks."""
    ways = [way for way in config.distinct_ways if way != "retrained"]
    figures = np.mean([absorbed.figures for absorbed in absorptions], axis=0)
    return {
        "shares": absorptions[0].shares.tolist(),
        **{
            name: {way: _listed(figures[:, number, list(WAYS).index(way)]) for way in ways}
            for number, name in enumerate(ABSORPTION_FIGURES)
        },
        "breaking_share": {way: breaking_share(absorptions, way) for way in ways},
        "sentence": absorption_sentence(config, absorptions),
    }


def _sides(
    results: Sequence[DriftResult], config: DriftConfig, way: str, figure: str, recalibrated: bool
) -> dict[str, Any]:
    """Return a figure of a way before and after the start of the shift, and its lead over running statistics."""
    sides = before_and_after(results, config.start, figure, recalibrated)[way]
    return {name: _of_estimate(getattr(sides, name)) for name in ("before", "after", "lead")}


def _of_estimate(estimate: Estimate) -> dict[str, float | None]:
    return {"mean": None if math.isnan(estimate.mean) else estimate.mean, "margin": estimate.margin}


def _listed(values: np.ndarray) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.astype(np.float64).tolist()]

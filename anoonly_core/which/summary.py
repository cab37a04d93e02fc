"""Result of a ranking as values for JSON, and as a table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from anoonly_core.which.advice import advice
from anoonly_core.which.result import METRIC, Crossover, CurvePoint, Rank, WhichResult

__all__ = ["points_table", "summarize"]


def summarize(result: WhichResult) -> dict[str, Any]:
    """Return a result as values for JSON; `anoonly schema which` describes them."""
    plan = result.plan
    return {
        "dataset": plan.dataset,
        "settings": dict(plan.settings),
        "labels": plan.labels,
        "seeds": list(plan.seeds),
        "metric": METRIC,
        "runs": len(plan.configs),
        "finished": result.finished,
        "ranking": [_rank_summary(rank) for rank in result.ranking],
        "curves": [_point_summary(point) for points in result.curves.values() for point in points],
        "crossover": None if result.crossover is None else _crossover_summary(result.crossover),
        "advice": advice(result),
        "failures": list(result.failures),
    }


def points_table(result: WhichResult) -> pd.DataFrame:
    """Tabulate all points, one row each: system, labels, number of runs, AUCPR with margin, and seconds."""
    points = [point for curve in result.curves.values() for point in curve]
    return pd.DataFrame(
        {
            "system": [point.system for point in points],
            "labels": [point.labels for point in points],
            "runs": [len(point.values) for point in points],
            METRIC: [point.mean for point in points],
            "margin": [point.margin for point in points],
            "seconds": [point.seconds for point in points],
        }
    )


def _point_summary(point: CurvePoint) -> dict[str, Any]:
    return {
        "system": point.system,
        "labels": point.labels,
        "values": {str(seed): value for seed, value in point.values.items()},
        "mean": point.mean,
        "margin": point.margin,
        "seconds": point.seconds,
    }


def _rank_summary(rank: Rank) -> dict[str, Any]:
    names = ("kind", "behind", "p", "p_corrected", "is_tied")
    return {
        "system": rank.point.system,
        "mean": rank.point.mean,
        "margin": rank.point.margin,
        "seconds": rank.point.seconds,
        "behind_margin": rank.margin,
        **{name: getattr(rank, name) for name in names},
    }


def _crossover_summary(crossover: Crossover) -> dict[str, Any]:
    names = ("anoonly", "classifier", "labels", "differences", "margins", "is_clear", "between")
    values = {name: getattr(crossover, name) for name in names}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

"""The sentences and the table of Which method?, from the figures of a ranking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from anoonly_core.which.advice import advice, crossover_sentence
from anoonly_core.which.plan import WhichPlan
from anoonly_core.which.result import Rank, WhichResult

from ...text.conditions import dataset_text, pool_text, seeds_text
from ...text.labels import SETTING_LABELS, format_axis_value

__all__ = ["NOTHING_YET", "conditions", "curves_sentence", "headline", "is_ranked", "place", "ranking_table", "seconds"]

NOTHING_YET = "No system is trained yet. Start, and the fast systems are ranked first."


def is_ranked(result: WhichResult, failures: Mapping[str, str]) -> bool:
    """Return True if all runs of the ranking have ended; `failures` holds one sentence per failed run by its key."""
    wanted = set(result.plan.configs_at(result.plan.labels))
    return _ranked_runs(result) + len(wanted & failures.keys()) >= len(wanted)


def headline(result: WhichResult, failures: Mapping[str, str]) -> str:
    """Return the advice once all runs of the ranking have ended; before that the leader so far.

    Parameters
    ----------
    result : WhichResult
        The ranking.
    failures : mapping of str to str
        One sentence per failed run, by run key.
    """
    if not result.ranking:
        return NOTHING_YET
    if is_ranked(result, failures):
        return advice(result)
    best, plan = result.ranking[0].point, result.plan
    total = len(plan.configs_at(plan.labels))
    return (
        f"{best.system} leads so far with AUCPR {best.mean:.2f}. The advice follows once the ranking is finished: "
        f"{_ranked_runs(result)} of {total} runs."
    )


def curves_sentence(result: WhichResult) -> str:
    """Return where AnoOnly and the best classifier change places, once all runs are finished."""
    if result.finished < len(result.plan.configs):
        return "The curves grow as runs finish."
    return crossover_sentence(result)


def conditions(plan: WhichPlan) -> str:
    """Return one line with what a ranking is of: data set, systems, labels, seeds and shared settings."""
    config = next(iter(plan.configs.values()))
    parts = [
        dataset_text(plan.dataset),
        f"{len(plan.systems)} system{'s' * (len(plan.systems) > 1)}",
        f"{plan.labels} of {plan.possible} anomalies in training labeled",
        pool_text(config.contamination),
        seeds_text(plan.seeds),
    ]
    for name, value in plan.settings.items():
        if name != "contamination" and value != type(config).model_fields[name].default:
            parts.append(f"{SETTING_LABELS[name]} {format_axis_value(name, value)}")
    return " · ".join(parts)


def place(rank: Rank, best: Rank) -> str:
    """Return how a system stands to the best one: "best", "tied" or "behind"; "no test yet" without a test."""
    if rank is best:
        return "best"
    if rank.p_corrected is None:
        return "no test yet"
    return "tied" if rank.is_tied else "behind"


def seconds(value: float) -> str:
    """Format seconds of training and scoring with two digits, such as "0.12 s" or "34 s"."""
    return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"


def ranking_table(result: WhichResult) -> pd.DataFrame:
    """Tabulate the ranking, one row a system, best first; systems without a finished run come last.

    Differences are those from the best system, with intervals that hold together at 95 %.
    """
    rows: list[dict[str, Any]] = [
        {
            "system": rank.point.system,
            "AUCPR": rank.point.mean,
            "± 95 %": rank.point.margin,
            "behind the best": None if rank is result.ranking[0] else rank.behind,
            "± together": rank.margin,
            "corrected p": rank.p_corrected,
            "place": place(rank, result.ranking[0]),
            "seconds a run": rank.point.seconds,
            "seeds": len(rank.point.values),
        }
        for rank in result.ranking
    ]
    ranked = {row["system"] for row in rows}
    rows += [
        {"system": system.name, "place": "waiting", "seeds": 0}
        for system in result.plan.systems
        if system.name not in ranked
    ]
    return pd.DataFrame(rows)


def _ranked_runs(result: WhichResult) -> int:
    return sum(len(rank.point.values) for rank in result.ranking)

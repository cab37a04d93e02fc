"""The question `weak-supervision` of the command `sweep`: all mechanisms at several strengths, measured and ranked."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
from tqdm import tqdm

from anoonly_core.baselines import MECHANISMS, NORM_LABELS, NORM_SETTINGS
from anoonly_core.cli.engines import open_workers
from anoonly_core.cli.options import check_table_path, implied_protocol, parse_seeds, write_table
from anoonly_core.cli.progress import download
from anoonly_core.config import RunConfig, check_field, make_config
from anoonly_core.data.tables.files import printable
from anoonly_core.errors import InvalidConfig
from anoonly_core.execution import tasks
from anoonly_core.execution.pool import Task
from anoonly_core.metrics.ranking import METRICS
from anoonly_core.sweeps.sweep import AXES
from anoonly_core.weak_supervision.points import LAMBDAS, mechanism_configs, reference_norm
from anoonly_core.weak_supervision.ranking import RankedPoint, ranked_points
from anoonly_core.weak_supervision.result import measures_table

__all__ = ["QUESTION", "compare_mechanisms"]

QUESTION = "weak-supervision"
POLL_S = 0.2
HEADS = ("AUCPR", "± 95 %", "to batch norm", "clear", "reach", "direct", "variance", "mean", "spread", "rank")
# The comparison chooses these itself.
CHOSEN = ("lambda_n", *NORM_SETTINGS)


def compare_mechanisms(options: argparse.Namespace) -> None:
    """Train and measure all mechanisms that may replace batch norm, and print their ranking for each λ_n.

    The parsed options of the command `sweep` may ask for JSON, and for a table of all runs in a file. Blocks until all
    runs are trained on worker processes; their results are not stored.

    Raises
    ------
    AnoOnlyError
        If an option is invalid, or the data cannot be loaded or split.
    """
    names = _mechanisms(options)
    first, seeds = _first_config(options), parse_seeds(options.seeds)
    out = check_table_path(options.out)
    download(first.dataset)
    configs = mechanism_configs(first, seeds, dict.fromkeys([*names, reference_norm(first)]))
    table = _measured(options, list(configs.values()))
    if out is not None:
        write_table(table, out)
    rankings = [ranked_points(table, reference_norm(first), lambda_n) for lambda_n in LAMBDAS]
    if options.json:
        print(json.dumps(_document(first, seeds, table, rankings), indent=1))
    else:
        print("\n\n".join(_as_text(points) for points in rankings))


def _mechanisms(options: argparse.Namespace) -> list[str]:
    """Return the names of the mechanisms that --norm lists, all by default, with that of the plug-in."""
    plugin = []
    if options.plugin is not None:
        from anoonly_core.weak_supervision.plugin import checked_plugin

        plugin = [checked_plugin(options.plugin)]
        print(f"{printable(options.plugin)} passes the contract of a mechanism.", file=sys.stderr)
    listed = list(MECHANISMS) if options.norm is None else [name.strip() for name in options.norm.split(",")]
    for name in listed:
        check_field("norm", name)
    return [*listed, *plugin]


def _first_config(options: argparse.Namespace) -> RunConfig:
    """Return the settings that all runs share, with the first seed, from the parsed options.

    Raise InvalidConfig if an option sets what the comparison varies, several values, a cluster or a GPU.
    """
    given = {name: text for name in AXES if name != "norm" and (text := getattr(options, name)) is not None}
    for name in CHOSEN:
        if name in given:
            raise InvalidConfig(f"--question {QUESTION} varies {name} itself: leave --{name.replace('_', '-')} out.")
    for name, text in given.items():
        if "," in text:
            raise InvalidConfig(f"--question {QUESTION} takes one value of {name}, not {text[:60]!r}.")
    if options.cluster is not None or options.device == "cuda":
        raise InvalidConfig(
            f"--question {QUESTION} trains on the cores of this machine: leave --cluster and --device out."
        )
    if "protocol" not in given and options.dataset and (protocol := implied_protocol(options.dataset)):
        given["protocol"] = protocol
    return make_config(**given, dataset=options.dataset, seed=options.seed, lambda_n=0.0)


def _measured(options: argparse.Namespace, mechanisms: Sequence[Sequence[RunConfig]]) -> pd.DataFrame:
    """Train and measure the runs of each mechanism as one task of a worker pool; return a table, one row per run.

    The table has the columns of `result.COLUMNS`; a progress bar is shown on stderr.
    """
    plugin = None if options.plugin is None else os.path.abspath(options.plugin)
    with open_workers(options) as workers:
        scheduled = [workers.schedule(tasks.measure_mechanism, runs, plugin) for runs in mechanisms]
        with tqdm(total=sum(map(len, mechanisms)), unit="run", disable=None, leave=False) as bar:
            for _ in _until_done(scheduled):
                done = sum(_share_done(task) * len(runs) for task, runs in zip(scheduled, mechanisms, strict=True))
                bar.update(round(done) - bar.n)
        parts = [measures_table(runs, task.result()) for runs, task in zip(mechanisms, scheduled, strict=True)]
    return pd.concat(parts, ignore_index=True)


def _until_done(scheduled: Sequence[Task]) -> Iterator[None]:
    """Yield a few times a second until all tasks have ended or one has failed."""
    while not all(task.done for task in scheduled):
        if any(task.done and task.future.exception() is not None for task in scheduled):
            return
        yield
        time.sleep(POLL_S)
    yield


def _share_done(task: Task) -> float:
    if task.done:
        return 1.0
    return task.progress.done / max(task.progress.total, 1) if task.progress else 0.0


def _document(
    first: RunConfig, seeds: int, table: pd.DataFrame, rankings: Sequence[Sequence[RankedPoint]]
) -> dict[str, Any]:
    """Return the ranking for JSON in the form of `sweep --json`, with the measures of each point.

    Parameters
    ----------
    first : RunConfig
        Settings that all runs share, with the first seed.
    seeds : int
        Runs per point.
    table : pandas.DataFrame
        All runs, with the columns of `result.COLUMNS`.
    rankings : sequence of sequence of RankedPoint
        Ranked points, one list per λ_n.
    """
    settings = {name: getattr(first, name) for name in ("dataset", "baseline", "preset", "epochs", "seed")}
    points = [_point(point, table) for points in rankings for point in points]
    return {"settings": settings, "seeds": seeds, "points": points, "left_out": []}


def _point(point: RankedPoint, table: pd.DataFrame) -> dict[str, Any]:
    strength = table["strength"].isna() if point.strength is None else table["strength"] == point.strength
    runs = table[(table["norm"] == point.norm) & strength & (table["lambda_n"] == point.lambda_n)].dropna(
        subset=["aucpr_anomaly"]
    )
    failed = f"{point.failures} runs diverged." if point.failures != 1 else "1 run diverged."
    return {
        "at": {"norm": point.norm, "norm_strength": point.strength, "lambda_n": point.lambda_n},
        "runs": point.seeds,
        "mean": {name: point.means[name] for name in METRICS} if point.seeds else None,
        "std": {name: float(runs[name].std(ddof=1)) for name in METRICS} if point.seeds > 1 else None,
        "failures": [failed] if point.failures else [],
        "measures": {
            **{
                name: None if math.isnan(value) else value for name, value in point.means.items() if name not in METRICS
            },
            "delta": point.delta,
            "delta_margin": point.delta_margin,
            "is_clear": point.is_clear,
        },
    }


def _as_text(points: Sequence[RankedPoint]) -> str:
    """Format the ranking at one λ_n as a table of text, one line per point.

    The columns are AUCPR, its difference to batch norm, shares of the gradient that reach the pool, and collapse.
    """
    lines = [f"λ_n = {points[0].lambda_n:g}", "  ".join(["mechanism".ljust(34), "strength", *_aligned(HEADS)])]
    for point in points:
        strength = "-" if point.strength is None else f"{point.strength:g}"
        values = point.means
        cells = [
            f"{point.aucpr:.3f}",
            "-" if point.margin is None else f"{point.margin:.3f}",
            "-" if point.delta is None else f"{point.delta:+.3f}",
            "yes" if point.is_clear else "-",
            *(_percent(values[name]) for name in ("reach", "direct", "through_variance", "through_mean")),
            _percent(values["feature_spread"]),
            f"{values['effective_rank']:.1f}",
        ]
        note = f"  {point.failures} diverged" if point.failures else ""
        lines.append("  ".join([NORM_LABELS[point.norm].ljust(34), strength.rjust(8), *_aligned(cells)]) + note)
    return "\n".join(lines)


def _aligned(cells: Sequence[str]) -> Iterator[str]:
    return (cell.rjust(max(8, len(head))) for cell, head in zip(cells, HEADS, strict=True))


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.0f} %"

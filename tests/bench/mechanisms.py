"""Measure every mechanism at every level of its dial: AUCPR, the gradient that reaches the pool, collapse.

    python -m tests.bench.mechanisms                           measure what the file lacks and print the rankings
    python -m tests.bench.mechanisms --only DeepSAD:digits_3   measure one task, or several separated by commas
    python -m tests.bench.mechanisms --tables                  print the rankings of the existing file

Each mechanism trains in a process of its own, five seeds each. The file is written after each, so a measurement that
was stopped continues; delete the lines of a task to measure it again. The page Weak supervision opens with the task
DeepSAD:digits_3. Files that are not on this machine are left out.
"""

from __future__ import annotations

import argparse
import itertools
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from anoonly_core.baselines import MECHANISMS
from anoonly_core.config import make_config
from anoonly_core.data.catalogue import resolve
from anoonly_core.files import write_atomic
from anoonly_core.machine import cores
from anoonly_core.reproduction.grid import to_markdown
from anoonly_core.weak_supervision.across import SHIPPED_FILE, points_grid, ranked_across
from anoonly_core.weak_supervision.points import LAMBDAS, mechanism_configs, reference_norm
from anoonly_core.weak_supervision.ranking import best_of_each, ranked_points
from anoonly_core.weak_supervision.result import SETTINGS, measures_table

DIGITS = tuple(f"digits_{digit}" for digit in range(10))
EMBEDDINGS = ("CIFAR10_0", "SVHN_0", "MVTec-AD_bottle", "MVTec-AD_carpet", "20news_3")
CLASSICAL = ("6_cardio", "breast_cancer")
TASKS = [
    *(("DeepSAD", name) for name in (*DIGITS, *CLASSICAL, *EMBEDDINGS)),
    *itertools.product(("DevNet", "PReNet"), ("digits_3", "digits_8", "6_cardio", "SVHN_0")),
]
TASK = ["baseline", "dataset"]


def measure(baseline: str, dataset: str, name: str) -> pd.DataFrame:
    """Train the runs of one mechanism and return their table."""
    import torch

    from anoonly_core.weak_supervision.run import measure_runs

    torch.set_num_threads(1)
    configs = mechanism_configs(make_config(dataset=dataset, baseline=baseline, lambda_n=0), names=[name])[name]
    return measures_table(configs, measure_runs(configs))


def measure_missing(tasks: list[tuple[str, str]], out: Path) -> None:
    """Measure the mechanisms that the file lacks in parallel; rewrite the file after each."""
    found = pd.read_csv(out) if out.exists() else pd.DataFrame(columns=[*TASK, "norm"])
    done = set(found[[*TASK, "norm"]].itertuples(index=False, name=None))
    calls = [(*task, name) for task in tasks for name in MECHANISMS if (*task, name) not in done]
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(measure, *call): call for call in calls}
        for number, future in enumerate(as_completed(futures), start=1):
            found = pd.concat([frame for frame in (found, future.result()) if len(frame)], ignore_index=True)
            found = found.sort_values([*TASK, *SETTINGS[2:]]).reset_index(drop=True)
            write_atomic(out, found.to_csv(index=False, float_format="%.6g").encode())
            print(f"{number} of {len(calls)}:", *futures[future], flush=True)


def ranking(runs: pd.DataFrame, lambda_n: float) -> str:
    """Return a Markdown table of one task: each mechanism at its best strength."""
    config = make_config(baseline=runs["baseline"].iloc[0], dataset=runs["dataset"].iloc[0], lambda_n=0)
    points = ranked_points(runs, reference_norm(config), lambda_n)
    lines = ["| mechanism | strength | AUCPR | to batch norm | reach | rank |", "|---|---|---|---|---|---|"]
    for point in best_of_each(points):
        strength = "" if point.strength is None else f"{point.strength:g}"
        delta = "" if point.delta is None else f"{100 * point.delta:+.1f} ± {100 * (point.delta_margin or 0):.1f}"
        lines.append(
            f"| {point.norm} | {strength} | {100 * point.aucpr:.1f} ± {100 * (point.margin or 0):.1f} "
            f"| {delta}{' *' if point.is_clear else ''} | {100 * point.means['reach']:.0f} % "
            f"| {point.means['effective_rank']:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, write the file and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="do not train; print the tables of the file")
    parser.add_argument("--only", metavar="TASKS", help="tasks as SYSTEM:DATASET, separated by commas")
    parser.add_argument("--out", type=Path, default=SHIPPED_FILE)
    options = parser.parse_args()
    if not options.tables:
        tasks = [tuple(task.split(":")) for task in options.only.split(",")] if options.only else TASKS
        local = [(baseline, dataset) for baseline, dataset in tasks if resolve(dataset).is_local()]
        measure_missing(local, options.out)
    runs = pd.read_csv(options.out)
    for (baseline, dataset), of_task in runs.groupby(TASK):
        for lambda_n in LAMBDAS:
            print(f"\n{baseline}, {dataset}, λ_n = {lambda_n:g}\n\n{ranking(of_task, lambda_n)}")
    for baseline, of_system in runs.groupby("baseline"):
        if of_system["dataset"].nunique() > 1:
            for lambda_n in LAMBDAS:
                ranking_of_all = ranked_across(runs, str(baseline), lambda_n)
                print(f"\n{to_markdown(points_grid(ranking_of_all, ranking_of_all.points))}")


if __name__ == "__main__":
    main()

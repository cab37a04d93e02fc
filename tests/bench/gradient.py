"""Cut the parts of batch norm's gradient and measure what is left of AnoOnly.

    python -m tests.bench.gradient              write assets/results/gradient.csv and print the tables
    python -m tests.bench.gradient --tables     print the tables of the existing file
    python -m tests.bench.gradient --places     cut them in the first or the last batch norm of DeepSAD alone, and write
                                                assets/results/gradient_places.csv

The forward pass of batch norm stays as it is. Each data set and head trains in a process of its own, five seeds each.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from anoonly_core.baselines import BATCH_NORMS, GRADIENT_PLACE, GRADIENT_SHARES
from anoonly_core.config import RunConfig, make_config
from anoonly_core.files import write_atomic
from anoonly_core.machine import cores
from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.paths import ASSETS

FILE = ASSETS / "results" / "gradient.csv"
PLACES_FILE = ASSETS / "results" / "gradient_places.csv"
EMBEDDINGS = ("CIFAR10_0", "SVHN_0", "MVTec-AD_bottle", "MVTec-AD_carpet", "20news_3")
DIGITS = tuple(f"digits_{digit}" for digit in range(10))
TASKS = [
    *(("DeepSAD", name) for name in (*EMBEDDINGS, "6_cardio", *DIGITS)),
    *itertools.product(("DevNet", "PReNet"), ("digits_3", "digits_8", "6_cardio", "SVHN_0")),
    *(("FEAWAD", name) for name in ("digits_3", "digits_8", "6_cardio")),
]
CORNERS = list(itertools.product((1.0, 0.0), repeat=3))
COLUMNS = ("dataset", "baseline", "lambda_n", "norm", *GRADIENT_SHARES, GRADIENT_PLACE, "seed")
CUTS = (("grad_mean",), ("grad_variance", "grad_mean"))
PLACES = ("all", "first", "last")
SEEDS = range(5)


def configs(baseline: str, dataset: str) -> list[RunConfig]:
    """Return the runs of a task: all corners with the batch norm that is published for AnoOnly, and two other norms."""
    paired = make_config(dataset=dataset, baseline=baseline, lambda_n=0).norm
    assert paired in BATCH_NORMS
    settings = [
        *({"norm": paired, **dict(zip(GRADIENT_SHARES, corner, strict=True))} for corner in CORNERS),
        *({"norm": norm} for norm in ("layer", "none")),
    ]
    lambdas = (0.0, 1.0) if baseline == "DeepSAD" else (0.0,)
    return [
        make_config(dataset=dataset, baseline=baseline, lambda_n=lambda_n, seed=seed, **setting)
        for lambda_n, setting, seed in itertools.product(lambdas, settings, SEEDS)
    ]


def place_configs(baseline: str, dataset: str) -> list[RunConfig]:
    """Return the runs of a task with the mean's part, and with both parts, cut at each place, and the whole ones."""
    whole = make_config(dataset=dataset, baseline=baseline, lambda_n=0)
    cut = [
        whole.with_(**dict.fromkeys(parts, 0.0), grad_place=place) for parts, place in itertools.product(CUTS, PLACES)
    ]
    return [config.with_(seed=seed) for config, seed in itertools.product((whole, *cut), SEEDS)]


def measure(task: tuple[str, str], configs: Callable[[str, str], list[RunConfig]] = configs) -> pd.DataFrame:
    """Train the runs of a task and return one row per run with AUCPR of the anomalies."""
    import torch

    from anoonly_core.runs.run import run_many

    torch.set_num_threads(1)
    rows = [
        {**{name: getattr(result.config, name) for name in COLUMNS}, "aucpr_anomaly": result.metrics.aucpr_anomaly}
        for result in run_many(configs(*task), "cpu")
    ]
    return pd.DataFrame(rows)


def table(runs: pd.DataFrame, lambda_n: float) -> str:
    """Return a Markdown table of means and half 95 % intervals in %: one row per head and data set."""
    kept = runs[runs["lambda_n"] == lambda_n]
    corners = [corner for corner in CORNERS if corner[0] == 1] + [corner for corner in CORNERS if corner[0] == 0]
    heads = ["direct, variance, mean", *("".join("+" if share else "–" for share in corner) for corner in corners)]
    lines = [f"| {' | '.join([*heads, 'layer norm', 'no norm'])} |", f"|{'---|' * (len(heads) + 2)}"]
    for (baseline, dataset), group in kept.groupby(["baseline", "dataset"], sort=False):
        cells = []
        for corner in corners:
            chosen = group[(group[list(GRADIENT_SHARES)] == list(corner)).all(axis=1) & group["norm"].isin(BATCH_NORMS)]
            cells.append(_cell(chosen["aucpr_anomaly"]))
        cells += [_cell(group.loc[group["norm"] == norm, "aucpr_anomaly"]) for norm in ("layer", "none")]
        lines.append(f"| {baseline} {dataset} | {' | '.join(cells)} |")
    return "\n".join(lines)


def place_table(runs: pd.DataFrame) -> str:
    """Return a Markdown table in %: one row per data set, then what each cut costs over all data sets."""
    columns = [("whole", (), "all"), *((" and ".join(parts), parts, place) for parts in CUTS for place in PLACES)]
    titles = [f"{name} {place}" for name, _, place in columns]
    lines = [f"| | {' | '.join(titles)} |", f"|{'---|' * (len(titles) + 1)}"]
    means: dict[str, list[float]] = {title: [] for title in titles}
    for dataset, group in runs.groupby("dataset", sort=False):
        cells = []
        for title, (_, parts, place) in zip(titles, columns, strict=True):
            shares = [0.0 if name in parts else 1.0 for name in GRADIENT_SHARES]
            chosen = group[(group[list(GRADIENT_SHARES)] == shares).all(axis=1) & (group[GRADIENT_PLACE] == place)]
            cells.append(_cell(chosen["aucpr_anomaly"]))
            means[title].append(100 * chosen["aucpr_anomaly"].mean())
        lines.append(f"| {dataset} | {' | '.join(cells)} |")
    costs = [pd.Series(means["whole all"]) - pd.Series(values) for values in means.values()]
    margins = [margin_of_error(cost.to_numpy()) or 0.0 for cost in costs]
    costs_text = [f"{cost.mean():.1f} ± {margin:.1f}" for cost, margin in zip(costs, margins, strict=True)]
    return "\n".join([*lines, f"| costs | {' | '.join(costs_text)} |"])


def _cell(values: pd.Series) -> str:
    return f"{100 * values.mean():.1f} ± {100 * margin_of_error(values.to_numpy()):.1f}"


def main() -> None:
    """Measure, write the file and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", action="store_true", help="do not train; print the tables of the file")
    parser.add_argument("--places", action="store_true", help="cut at one place of the norm")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    out = options.out or (PLACES_FILE if options.places else FILE)
    tasks = [task for task in TASKS if task[0] == "DeepSAD"] if options.places else TASKS
    if not options.tables:
        with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool:
            parts = []
            each = partial(measure, configs=place_configs if options.places else configs)
            for task, part in zip(tasks, pool.map(each, tasks), strict=True):
                print(*task, flush=True)
                parts.append(part)
        found = pd.concat(parts, ignore_index=True)
        write_atomic(out, found.to_csv(index=False, float_format="%.8g").encode())
    runs = pd.read_csv(out)
    if options.places:
        print(place_table(runs))
        return
    for lambda_n in (0.0, 1.0):
        print(f"\nλ_n = {lambda_n:g}\n\n{table(runs, lambda_n)}")


if __name__ == "__main__":
    main()

"""Cut the parts of batch norm's gradient and measure what is left of AnoOnly.

    python -m tests.bench.gradient              write assets/results/gradient.csv and print the tables
    python -m tests.bench.gradient --tables     print the tables of the existing file

The forward pass of batch norm stays as it is. Each data set and head trains in a process of its own, five seeds each.
"""

from __future__ import annotations

import argparse
import itertools
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from anoonly_core.baselines import BATCH_NORMS, GRADIENT_SHARES
from anoonly_core.config import RunConfig, make_config
from anoonly_core.machine import cores
from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.paths import ASSETS

FILE = ASSETS / "results" / "gradient.csv"
EMBEDDINGS = ("CIFAR10_0", "SVHN_0", "MVTec-AD_bottle", "MVTec-AD_carpet", "20news_3")
DIGITS = tuple(f"digits_{digit}" for digit in range(10))
TASKS = [
    *(("DeepSAD", name) for name in (*EMBEDDINGS, "6_cardio", *DIGITS)),
    *itertools.product(("DevNet", "PReNet"), ("digits_3", "digits_8", "6_cardio", "SVHN_0")),
    *(("FEAWAD", name) for name in ("digits_3", "digits_8", "6_cardio")),
]
CORNERS = list(itertools.product((1.0, 0.0), repeat=3))
COLUMNS = ("dataset", "baseline", "lambda_n", "norm", *GRADIENT_SHARES, "seed")
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


def measure(task: tuple[str, str]) -> pd.DataFrame:
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


def _cell(values: pd.Series) -> str:
    return f"{100 * values.mean():.1f} ± {100 * margin_of_error(values.to_numpy()):.1f}"


def main() -> None:
    """Measure, write the file and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", action="store_true", help="do not train; print the tables of the file")
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    if not options.tables:
        with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool:
            parts = []
            for task, part in zip(TASKS, pool.map(measure, TASKS), strict=True):
                print(*task, flush=True)
                parts.append(part)
        found = pd.concat(parts, ignore_index=True)
        found.to_csv(options.out, index=False, float_format="%.8g")
    runs = pd.read_csv(options.out)
    for lambda_n in (0.0, 1.0):
        print(f"\nλ_n = {lambda_n:g}\n\n{table(runs, lambda_n)}")


if __name__ == "__main__":
    main()

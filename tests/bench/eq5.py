"""Ask which reading of the paper's eq. 5, if any, reaches the figure of batch norm.

    python -m tests.bench.eq5               measure what the file lacks and print the table
    python -m tests.bench.eq5 --out FILE    another file than assets/results/eq5.csv

Each reading is a loss on the features in place of batch norm, at λ_n = 0, with DeepSAD, five seeds and nine weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from anoonly_core.baselines.mechanisms import Dial, Mechanism
from anoonly_core.config import RunConfig, make_config
from anoonly_core.files import write_atomic
from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.metrics.ranking import metrics
from anoonly_core.models.feature_losses import FeatureLoss
from anoonly_core.models.norms import register_norm
from anoonly_core.paths import ASSETS
from anoonly_core.runs.stacking import group_runs
from anoonly_core.training.loop import train
from anoonly_core.training.stack import Stack

FILE = ASSETS / "results" / "eq5.csv"
DATASETS = ("digits_3", "digits_8", "breast_cancer", "6_cardio", "SVHN_0")
WEIGHTS = (1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0)
SEEDS = range(5)
LAST = "last place alone"
COLUMNS = ["dataset", "reading", "weight", "seed", "aucpr"]

Loss = Callable[[Tensor, Tensor], Tensor]


def moments(h: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of features h [R, rows, features] over the rows, each [R, features]."""
    variance, mean = torch.var_mean(h, dim=1, correction=0)
    return mean, variance


def pool_moments(h: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance over the rows that are not labeled [R, rows]; over all if all are labeled."""
    weight = torch.where(labeled.all(dim=1, keepdim=True), True, ~labeled)[:, :, None].to(h.dtype)
    weight = weight / weight.sum(dim=1, keepdim=True)
    mean = (weight * h).sum(dim=1)
    return mean, (weight * (h - mean[:, None]).square()).sum(dim=1)


def published(mean: Tensor, variance: Tensor) -> Tensor:
    """Return ‖μ‖₂ + ‖σ² − 1‖₂, [R]."""
    return mean.norm(dim=1) + (variance - 1).norm(dim=1)


def off_target(h: Tensor) -> Tensor:
    """Return μ beside σ² − 1 of features h [R, rows, features], [R, 2 · features]."""
    mean, variance = moments(h)
    return torch.cat((mean, variance - 1), dim=1)


def with_deviation(h: Tensor) -> Tensor:
    """Return ‖μ‖₂ + ‖σ − 1‖₂ of features h [R, rows, features], [R]."""
    mean, variance = moments(h)
    return mean.norm(dim=1) + ((variance + 1e-5).sqrt() - 1).norm(dim=1)


READINGS: Mapping[str, Loss] = MappingProxyType(
    {
        "norms, as built in": lambda h, labeled: published(*moments(h)),
        "squared norms": lambda h, labeled: off_target(h).square().sum(dim=1),
        "mean of absolute values": lambda h, labeled: off_target(h).abs().mean(dim=1),
        "σ in place of σ²": lambda h, labeled: with_deviation(h),
        "pool rows alone": lambda h, labeled: published(*pool_moments(h, labeled)),
        LAST: lambda h, labeled: published(*moments(h)),
    }
)


def register(number: int, loss: Loss) -> str:
    """Register a reading as a norm, and return its name."""

    class Reading(FeatureLoss):
        mechanism = Mechanism(
            f"eq5_{number}",
            f"reading {number}",
            "AnoOnly, eq. 5",
            "One reading of eq. 5.",
            Dial("the weight", 1, 0, 1e6, WEIGHTS),
        )

        def loss(self, h: Tensor, labeled: Tensor) -> Tensor:
            return loss(h, labeled)

    register_norm(Reading)
    return f"eq5_{number}"


def measure(dataset: str, reading: str, norm: str, weights: tuple[float, ...]) -> list[tuple[object, ...]]:
    """Train all weights and seeds of a reading, and return a line of the file for each; AUCPR NaN if it diverged."""
    whole = make_config(dataset=dataset, baseline="DeepSAD", lambda_n=0, norm=norm)
    configs = {
        (weight, seed): whole.with_(seed=seed, **({} if np.isnan(weight) else {"norm_strength": weight}))
        for weight in weights
        for seed in SEEDS
    }
    groups, errors = group_runs({repr(key): config for key, config in configs.items()})
    assert not errors, errors
    found: dict[RunConfig, float] = {}
    for group in groups:
        for planned in group.stacks():
            stack = Stack(group.dataset, [run.config for run in planned], [run.split for run in planned])
            if reading == LAST:
                for place in list(stack.head.norms())[:-1]:
                    place.weights.zero_()
            for _ in train(stack):
                pass
            scores = stack.scores([split.test for split in stack.splits])
            for run, split, of_run in zip(planned, stack.splits, scores, strict=True):
                finite = bool(np.isfinite(of_run).all())
                found[run.config] = metrics(group.dataset.y[split.test], of_run).aucpr_anomaly if finite else np.nan
    return [(dataset, reading, *key, found[config]) for key, config in configs.items()]


def table(found: pd.DataFrame) -> str:
    """Return a Markdown table: each reading at its best weight on each data set, AUCPR in % ± half a 95 % interval."""
    lines = [f"| reading | {' | '.join(DATASETS)} |", f"|---|{'---|' * len(DATASETS)}"]
    for reading, group in found.groupby("reading", sort=False):
        cells = []
        for dataset in DATASETS:
            runs = group[group["dataset"] == dataset]
            best = max(
                (each for _, each in runs.groupby("weight", dropna=False)), key=lambda each: each["aucpr"].mean()
            )
            values = (100 * best["aucpr"]).tolist()
            mean, margin = np.mean(values), margin_of_error(values) or 0.0
            weight = best["weight"].iloc[0]
            cells.append(f"{mean:.1f} ± {margin:.1f}" + ("" if np.isnan(weight) else f" ({weight:g})"))
        lines.append(f"| {reading} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what the file lacks, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.eq5", description=__doc__)
    parser.add_argument("--out", type=Path, default=FILE)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    found = pd.read_csv(out) if out.exists() else pd.DataFrame(columns=COLUMNS)
    norms = {name: (register(number, loss), WEIGHTS) for number, (name, loss) in enumerate(READINGS.items())}
    norms |= {norm: (norm, (float("nan"),)) for norm in ("batch_no_affine", "none")}
    for dataset in DATASETS:
        for reading, (norm, weights) in norms.items():
            measured = found.loc[(found["dataset"] == dataset) & (found["reading"] == reading), "weight"]
            lacking = tuple(weight for weight in weights if weight not in measured.to_list())
            if not lacking or (np.isnan(lacking).any() and len(measured)):
                continue
            new = pd.DataFrame(measure(dataset, reading, norm, lacking), columns=COLUMNS)
            found = pd.concat([found, new], ignore_index=True) if len(found) else new
            write_atomic(out, found.to_csv(index=False, float_format="%.6g").encode())
            print(dataset, reading, flush=True)
    print(table(found))


if __name__ == "__main__":
    main()

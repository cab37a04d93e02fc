"""Promised against measured: false alarms and false discoveries of conformal thresholds.

    python -m tests.bench.promise                train on the sets, write the file and print the tables
    python -m tests.bench.promise --tables       print the tables of the existing file

For each data set and pool (clean, or with the natural share of hidden anomalies), detectors of DeepSAD + AnoOnly train
with rows held back in both ways. Each seed draws another split, other held-back rows and another network, so that each
is one calibration with its own test rows. Theory says what to expect: the mean false-alarm rate, the share of seeds
inside the 90 % band of the beta-binomial, the bounds under contamination, and the false-discovery rate.

"split": 100 seeds, trained as one stack for 10 epochs; the promise holds for any network, well trained or not.
"folds": 5 seeds, trained as published, since the promise suffers if networks fit their rows closely.

Data sets, pools and ways that the file holds are not measured again.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split, min_max
from anoonly_core.decision.bounds import contaminated_bounds, measured_band
from anoonly_core.decision.conformal import conformal_p_values, discoveries
from anoonly_core.detector.result import HOLD_BACKS
from anoonly_core.files import write_atomic
from anoonly_core.paths import ASSETS

FILE = ASSETS / "results" / "promise.csv"
DATASETS = (
    *("digits_3", "digits_8", "breast_cancer", "6_cardio", "38_thyroid", "28_pendigits", "19_landsat"),
    *("20news_3", "SVHN_0", "CIFAR10_0"),
)
POOLS = {"clean": 0.0, "natural": "natural"}
LEVELS = (0.01, 0.05, 0.1)
SEEDS = {"split": 100, "folds": 5}
EPOCHS = {"split": 10, "folds": None}  # None: as published
KEY = ["hold_back", "pool", "dataset"]


@dataclass(frozen=True)
class Calibrated:
    """Scores of rows that are new to a network.

    Attributes
    ----------
    held_back : float64 [n]
        Held-back rows, hidden anomalies included.
    hidden : int
        Number of anomalies among them.
    normal, anomalies : float64
        Test rows of both kinds.
    """

    held_back: np.ndarray
    hidden: int
    normal: np.ndarray
    anomalies: np.ndarray


def train_split(configs: Sequence[RunConfig]) -> list[Calibrated]:
    """Train a detector per config as `train_without` does, all as stacks of equal shapes; return their scores."""
    from anoonly_core.detector.held_back import make_folds
    from anoonly_core.training.loop import train
    from anoonly_core.training.pretraining import pretrain
    from anoonly_core.training.stack import Stack, shape_key

    dataset = load_cached(configs[0].dataset)
    stacks: dict[object, list[tuple[RunConfig, object, np.ndarray, np.ndarray]]] = {}
    for config in configs:
        split = make_split(dataset, config)
        fold = make_folds(dataset, split, config.seed)[0]
        minimum, scale = min_max(dataset.X, fold.split.train)
        kept = replace(fold.split, minimum=minimum, scale=scale)
        stacks.setdefault(shape_key(config, kept), []).append((config, kept, fold.held_back[fold.is_first], split.test))
    calibrated = []
    for together in stacks.values():
        of_configs, splits, held_back, test = (list(part) for part in zip(*together, strict=True))
        stack = Stack(dataset, of_configs, splits)
        for _ in itertools.chain(pretrain(stack, use_cache=False), train(stack)):
            pass
        for rows, scores, tested, of_test in zip(
            held_back, stack.scores(held_back), test, stack.scores(test), strict=True
        ):
            is_anomaly = dataset.y[tested] == 1
            hidden = int((dataset.y[rows] == 1).sum())
            calibrated.append(Calibrated(scores, hidden, of_test[~is_anomaly], of_test[is_anomaly]))
    return calibrated


def train_folds(configs: Sequence[RunConfig]) -> list[Calibrated]:
    """Train the detector of each config; return its scores and those of its folds."""
    from anoonly_core.detector.scoring import detector_for_split

    calibrated = []
    for config in configs:
        dataset = load_cached(config.dataset)
        split = make_split(dataset, config)
        detector = detector_for_split(config, dataset, split)
        held_back = detector.calibration.reference.scores
        scores = detector.decision_function(split.filled(dataset, split.test))
        is_anomaly = dataset.y[split.test] == 1
        hidden = int(dataset.y[np.unique(split.train[~split.labeled])].sum())  # every pool row is held back once
        calibrated.append(Calibrated(held_back, hidden, scores[~is_anomaly], scores[is_anomaly]))
    return calibrated


def at_level(calibrated: Sequence[Calibrated], level: float) -> dict[str, float]:
    """Return the figures at a level: means and deviations over the seeds, and what theory says."""
    columns = ("rate", "found", "fdr", "fdr_found", "least", "largest", "in_band", "below_band")
    values: dict[str, list[float]] = {name: [] for name in columns}
    for one in calibrated:
        normal, anomalies = (conformal_p_values(one.held_back, rows) for rows in (one.normal, one.anomalies))
        flagged, tests = discoveries(np.r_[normal, anomalies], level), len(normal)
        rate, count = (normal <= level).mean(), len(one.held_back)
        inner, outer = measured_band(count, level, tests)
        figures = (
            *(rate, (anomalies <= level).mean()),
            *(flagged[:tests].sum() / max(1, flagged.sum()), flagged[tests:].mean()),
            *contaminated_bounds(count, level, one.hidden / count),
            *(inner <= rate <= outer, rate < inner),
        )
        for name, value in zip(columns, figures, strict=True):
            values[name].append(float(value))
    means = {name: float(np.mean(value)) for name, value in values.items()}
    return means | {f"{name}_sd": float(np.std(values[name], ddof=1)) for name in ("rate", "fdr")}


def measure(dataset: str, pool: str, hold_back: str, seeds: int) -> list[dict[str, object]]:
    """Train the detectors of a data set and pool; return a line per level."""
    import torch

    torch.set_num_threads(1)
    begun = time.process_time()
    settings = {"dataset": dataset, "lambda_n": 0.0, "contamination": POOLS[pool], "epochs": EPOCHS[hold_back]}
    configs = [make_config(**settings, seed=seed) for seed in range(seeds)]
    calibrated = (train_split if hold_back == "split" else train_folds)(configs)
    sizes = {
        "held_back": float(np.mean([len(one.held_back) for one in calibrated])),
        "hidden": float(np.mean([one.hidden for one in calibrated])),
        "test_normal": float(np.mean([len(one.normal) for one in calibrated])),
        "test_anomalies": float(np.mean([len(one.anomalies) for one in calibrated])),
    }
    about = {"hold_back": hold_back, "pool": pool, "dataset": dataset, "seeds": seeds, "epochs": configs[0].epochs}
    seconds = {"cpu_seconds": round(time.process_time() - begun, 1)}
    return [about | {"level": level} | sizes | at_level(calibrated, level) | seconds for level in LEVELS]


def table(found: pd.DataFrame, hold_back: str) -> str:
    """Return a Markdown table of the rates of false alarms in %: mean ± standard deviation over the seeds."""
    part = found[found["hold_back"] == hold_back]
    heads = [f"{pool} pool: {word}" for pool in POOLS for word in ("held back", *(f"{100 * x:g} %" for x in LEVELS))]
    lines = [f"| | {' | '.join(heads)} |", f"|{'---|' * (len(heads) + 1)}"]
    for dataset in dict.fromkeys(part["dataset"]):
        cells = []
        for pool in POOLS:
            rows = part[(part["dataset"] == dataset) & (part["pool"] == pool)]
            if rows.empty:
                cells += [""] * (1 + len(LEVELS))
                continue
            hidden = f" ({rows['hidden'].mean():.0f})" if POOLS[pool] else ""
            cells.append(f"{rows['held_back'].mean():.0f}{hidden}")
            cells += [f"{100 * row['rate']:.1f} ± {100 * row['rate_sd']:.1f}" for _, row in rows.iterrows()]
        lines.append(f"| {dataset} | {' | '.join(cells)} |")
    return "\n".join(lines)


def summary(found: pd.DataFrame) -> str:
    """Return the means over the data sets, and on how many of these a bound holds, as Markdown.

    A bound on a mean holds if the mean over the seeds exceeds it by at most three standard errors.
    """
    heads = ("held back", "pool", "level", "false alarms", "sets within the bounds", "seeds in the band", "below it")
    heads += ("anomalies found", "false discoveries", "sets within the level", "anomalies discovered")
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for (hold_back, pool, level), rows in found.groupby(["hold_back", "pool", "level"], sort=False):
        error, fdr_error = (3 * rows[f"{name}_sd"] / np.sqrt(rows["seeds"]) for name in ("rate", "fdr"))
        inside = (rows["rate"] >= rows["least"] - error) & (rows["rate"] <= rows["largest"] + error)
        kept = rows["fdr"] <= level + fdr_error
        cells = (
            *(hold_back, pool, f"{100 * level:g} %", f"{100 * rows['rate'].mean():.2f} %"),
            *(f"{inside.sum()} of {len(rows)}", f"{rows['in_band'].mean():.0%}", f"{rows['below_band'].mean():.0%}"),
            *(f"{rows['found'].mean():.0%}", f"{100 * rows['fdr'].mean():.2f} %", f"{kept.sum()} of {len(rows)}"),
            f"{rows['fdr_found'].mean():.0%}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Train what the file lacks, write it and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="do not train; print the tables of the file")
    parser.add_argument("--datasets", default=",".join(DATASETS))
    parser.add_argument("--hold-back", default=",".join(HOLD_BACKS[::-1]))
    parser.add_argument("--seeds", type=int, help="seeds of each way; default: 100 for split, 5 for folds")
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    found = pd.read_csv(options.out) if options.out.exists() else pd.DataFrame(columns=KEY)
    if not options.tables:
        wanted = itertools.product(options.hold_back.split(","), options.datasets.split(","), POOLS)
        for hold_back, dataset, pool in wanted:
            if (hold_back, pool, dataset) in {*found[KEY].itertuples(index=False, name=None)}:
                continue
            lines = pd.DataFrame(measure(dataset, pool, hold_back, options.seeds or SEEDS[hold_back]))
            print(lines.to_string(index=False), flush=True)
            found = pd.concat([found, lines], ignore_index=True) if len(found) else lines
            place = found["dataset"].map({name: place for place, name in enumerate(DATASETS)})
            ordered = found.assign(place=place).sort_values(
                ["hold_back", "pool", "place", "level"], ascending=[False, True, True, True]
            )
            text = ordered.drop(columns="place").to_csv(index=False, float_format="%.6g")
            write_atomic(options.out, text.encode())
    found = pd.read_csv(options.out)
    for hold_back in HOLD_BACKS[::-1]:
        print(f"\n{hold_back}\n\n{table(found, hold_back)}")
    print(f"\nOver the data sets\n\n{summary(found)}")


if __name__ == "__main__":
    main()

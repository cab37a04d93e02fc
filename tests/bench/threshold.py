"""Share of new rows that a detector flags, beside the share that it promises.

    python -m tests.bench.threshold              train on the sets, write the file and print the tables
    python -m tests.bench.threshold --tables     print the tables of the existing file

For each data set, head and λ_n a detector with `contamination=0.1` trains on the natural pool. It promises to flag 10 %
of new rows like its pool. "Before" is the 90 % quantile of its training scores, "now" its `threshold_`. The rows are
those of the test, weighted so that anomalies have their share of the pool. Detectors that the file holds are not
trained again.
"""

from __future__ import annotations

import argparse
import itertools
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from anoonly_core.config import RunConfig, make_config
from anoonly_core.files import write_atomic
from anoonly_core.machine import cores
from anoonly_core.paths import ASSETS

FILE = ASSETS / "results" / "threshold.csv"
DATASETS = (
    *("digits_3", "digits_8", "digits_low", "breast_cancer", "6_cardio", "37_Stamps", "39_vertebral", "38_thyroid"),
    *("MVTec-AD_bottle", "CIFAR10_0"),
)
HEADS = ("DeepSAD", "DevNet", "PReNet", "FEAWAD")
LAMBDAS = (1.0, 0.0)
SEEDS = 3
PROMISED = 0.1
KEY = ["dataset", "baseline", "lambda_n", "seed"]
SHARES = ["before_like_pool", "now_like_pool", "before_normal", "now_normal", "before_anomalies", "now_anomalies"]


def measure(config: RunConfig) -> dict[str, object]:
    """Train a detector and return the shares of test rows above both thresholds, 0 to 1."""
    import torch

    from anoonly_core.data.catalogue import load_cached
    from anoonly_core.data.split import make_split
    from anoonly_core.detector.scoring import detector_for_run

    torch.set_num_threads(1)
    begun, dataset = time.monotonic(), load_cached(config.dataset)
    split = make_split(dataset, config)
    detector = detector_for_run(config)
    assert detector.contamination == PROMISED
    scores = detector.decision_function(split.filled(dataset, split.test))
    before = float(np.quantile(detector.decision_scores_[~split.labeled], 1 - PROMISED))
    contamination = float(dataset.y[split.train[~split.labeled]].mean())
    row: dict[str, object] = {name: getattr(config, name) for name in KEY} | {"pool_anomalies": contamination}
    anomalous = dataset.y[split.test] == 1
    for name, threshold in (("before", before), ("now", detector.threshold_)):
        normal, anomalies = (float((scores[rows] > threshold).mean()) for rows in (~anomalous, anomalous))
        row[f"{name}_like_pool"] = (1 - contamination) * normal + contamination * anomalies
        row |= {f"{name}_normal": normal, f"{name}_anomalies": anomalies}
    return {**row, "seconds": round(time.monotonic() - begun, 1)}


def table(found: pd.DataFrame, kind: str) -> str:
    """Return a Markdown table of one kind of rows: before → now in %, one line per data set, mean over the seeds."""
    cells = list(itertools.product(HEADS, LAMBDAS))
    lines = [
        f"| | {' | '.join(f'{head}, λ_n = {weight:g}' for head, weight in cells)} |",
        f"|{'---|' * (len(cells) + 1)}",
    ]
    for dataset in dict.fromkeys(found["dataset"]):
        texts = []
        for head, weight in cells:
            own = found[(found["dataset"] == dataset) & (found["baseline"] == head) & (found["lambda_n"] == weight)]
            before, now = (100 * own[f"{name}_{kind}"].mean() for name in ("before", "now"))
            texts.append(f"{before:.1f} → {now:.1f}" if len(own) else "")
        lines.append(f"| {dataset} | {' | '.join(texts)} |")
    return "\n".join(lines)


def main() -> None:
    """Train what the file lacks, write it and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="do not train; print the tables of the file")
    parser.add_argument("--datasets", default=",".join(DATASETS))
    parser.add_argument("--heads", default=",".join(HEADS))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    found = (
        pd.read_csv(options.out) if options.out.exists() else pd.DataFrame(columns=[*KEY, "pool_anomalies", *SHARES])
    )
    if not options.tables:
        wanted = itertools.product(options.heads.split(","), options.datasets.split(","), LAMBDAS, range(options.seeds))
        done = set(found[KEY].itertuples(index=False, name=None))
        configs = [
            make_config(dataset=dataset, baseline=head, lambda_n=weight, seed=seed)
            for head, dataset, weight, seed in wanted
            if (dataset, head, weight, seed) not in done
        ]
        with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
            for task in as_completed([pool.submit(measure, config) for config in configs]):
                row = task.result()
                print(*row.values(), flush=True)
                found = (
                    pd.concat([found, pd.DataFrame([row])], ignore_index=True) if len(found) else pd.DataFrame([row])
                )
                ordered = found.assign(
                    place=found["dataset"].map({name: place for place, name in enumerate(DATASETS)}),
                    head=found["baseline"].map({name: place for place, name in enumerate(HEADS)}),
                ).sort_values(["place", "head", "lambda_n", "seed"], ascending=[True, True, False, True])
                text = ordered.drop(columns=["place", "head"]).to_csv(index=False, float_format="%.6g")
                write_atomic(options.out, text.encode())
    found = pd.read_csv(options.out)
    print(
        f"\nPromised: {PROMISED:.0%} of rows like the pool. Shares in %, before → now, {found['seed'].nunique()} seeds."
    )
    for kind, words in (("normal", "normal rows"), ("anomalies", "anomalies"), ("like_pool", "rows like the pool")):
        print(f"\n{words} flagged\n\n{table(found, kind)}")
    like_pool = found.groupby(["baseline", "lambda_n"], sort=False)[SHARES].mean() * 100
    print(f"\nMeans over the data sets\n\n{like_pool.round(1).to_string()}")


if __name__ == "__main__":
    main()

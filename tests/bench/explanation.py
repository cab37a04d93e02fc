"""Do contributions explain the scores of anomalies? The deletion test on all heads, with and without AnoOnly.

    python -m tests.bench.explanation              train, write the file and print the tables
    python -m tests.bench.explanation --tables     print the tables of the existing file

For each data set, head, λ_n and seed, a run trains on the natural pool. The anomalies among the 10 % of the test rows
with the highest scores are explained, at most 30 of them. A row counts as faster than random if its score falls faster
by the order of the contributions than by 95 of 100 random orders, and as believed if the fall by |x − median| and a
straight one are no faster either. Runs that the file holds are not trained again.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path

import numpy as np
import pandas as pd

from anoonly_core.config import RunConfig, make_config
from anoonly_core.files import write_atomic
from anoonly_core.paths import ASSETS
from anoonly_core.rng import numpy_generator

FILE = ASSETS / "results" / "explanation.csv"
DATASETS = ("digits_3", "breast_cancer", "6_cardio", "37_Stamps", "MVTec-AD_bottle")
HEADS = ("DeepSAD", "DevNet", "FEAWAD", "PReNet")
LAMBDAS = (1.0, 0.0)
SEEDS = 3
FLAGGED = 0.1
MAX_ROWS = 30
DRAWS = 2000  # of the bootstrap
KEY = ["dataset", "baseline", "lambda_n", "seed"]
SHARES = ["faster_than_random", "believed", "occlusion_faster"]
COLUMNS = [*KEY, "rows", *SHARES, "area", "magnitude_area", "random_area", "largest_gap", "seconds"]


def measure(config: RunConfig) -> dict[str, object]:
    """Train the run, explain its flagged anomalies, and return the counts of rows and the mean areas."""
    import torch

    from anoonly_core.data.catalogue import load_cached
    from anoonly_core.data.split import make_split, medians
    from anoonly_core.detector.network import train_network
    from anoonly_core.explanation.deletion import delete_columns
    from anoonly_core.explanation.explain import explain
    from anoonly_core.explanation.gradients import network_scores
    from anoonly_core.explanation.run import columns_of

    torch.set_num_threads(1)
    begun, dataset = time.monotonic(), load_cached(config.dataset)
    split = make_split(dataset, config)
    network = train_network(dataset, split, config)
    scores = network.scores(split.filled(dataset, split.test))
    flagged = np.argsort(-scores, kind="stable")[: round(FLAGGED * len(scores))]
    rows = split.test[flagged][dataset.y[split.test[flagged]] == 1][:MAX_ROWS]
    line: dict[str, object] = {**{name: getattr(config, name) for name in KEY}, "rows": len(rows)}
    if len(rows):
        median = medians(dataset.X, split.train[~split.labeled])
        scaling = split.minimum, split.scale
        columns = columns_of(config.dataset, dataset)
        explanation = explain(network.head, split.filled(dataset, rows), median, scaling, columns)
        deletion = explanation.deletion
        assert deletion is not None
        x = split.scaled(dataset, rows)
        reference = ((median - split.minimum) / split.scale).astype(np.float32)
        occluded = delete_columns(
            lambda block: network_scores(network.head, block), x, reference, columns.members, explanation.occlusion
        )
        line |= dict(
            zip(
                SHARES,
                (d.sum() for d in (deletion.beats_random, deletion.believed, occluded.beats_random)),
                strict=True,
            )
        )
        areas = (deletion.area, deletion.magnitude_area, deletion.random_areas)
        line |= dict(zip(("area", "magnitude_area", "random_area"), (np.nanmedian(a) for a in areas), strict=True))
        line["largest_gap"] = float(np.nanmax(explanation.completeness_gap))
    return {**line, "seconds": round(time.monotonic() - begun, 1)}


def share(found: pd.DataFrame, name: str) -> str:
    """Return the share of rows in %, with a 95 % interval by a bootstrap of whole runs."""
    runs = found[found["rows"] > 0]
    counts, rows = runs[name].to_numpy(), runs["rows"].to_numpy()
    drawn = numpy_generator(0, "bootstrap").integers(len(runs), size=(DRAWS, len(runs)))
    low, high = np.quantile(counts[drawn].sum(axis=1) / rows[drawn].sum(axis=1), (0.025, 0.975))
    return f"{100 * counts.sum() / rows.sum():.0f} [{100 * low:.0f}, {100 * high:.0f}]"


def table(found: pd.DataFrame, by: list[str]) -> str:
    """Return a Markdown table: one line per group, the shares of rows with intervals, areas and the largest gap."""
    lines = [
        f"| {' | '.join(by)} | rows | faster than random, % | believed, % | by occlusion, % | area | by deviation "
        "| random | largest gap |",
        f"|{'---|' * (len(by) + 8)}",
    ]
    for values, group in found.groupby(by, sort=False):
        shares = " | ".join(share(group, name) for name in SHARES)
        areas = " | ".join(f"{group[name].median():.2f}" for name in ("area", "magnitude_area", "random_area"))
        names = " | ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
        lines.append(
            f"| {names} | {int(group['rows'].sum())} | {shares} | {areas} | {100 * group['largest_gap'].max():.2f} % |"
        )
    return "\n".join(lines)


def main() -> None:
    """Train what the file lacks, write it and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="do not train; print the tables of the file")
    parser.add_argument("--datasets", default=",".join(DATASETS))
    parser.add_argument("--heads", default=",".join(HEADS))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    found = pd.read_csv(options.out) if options.out.exists() else pd.DataFrame(columns=COLUMNS)
    if not options.tables:
        wanted = itertools.product(options.datasets.split(","), options.heads.split(","), range(options.seeds), LAMBDAS)
        done = set(found[KEY].itertuples(index=False, name=None))
        for dataset, head, seed, weight in wanted:
            if (dataset, head, weight, seed) in done:
                continue
            line = measure(make_config(dataset=dataset, baseline=head, lambda_n=weight, seed=seed))
            print(*line.values(), flush=True)
            found = pd.DataFrame([*found.to_dict("records"), line], columns=COLUMNS)
            write_atomic(options.out, found.to_csv(index=False, float_format="%.4g").encode())
    found = pd.read_csv(options.out)
    print(table(found, ["baseline", "lambda_n"]), table(found, ["dataset", "lambda_n"]), sep="\n\n")


if __name__ == "__main__":
    main()

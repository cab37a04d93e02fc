"""Train all systems on all data sets of this machine over the number of labels, and print which one wins where.

    python -m tests.bench.which                     add what is missing to assets/results/which.csv; print the tables
    python -m tests.bench.which --tables            print the tables of the existing file
    python -m tests.bench.which --systems 'KNN;DeepSAD + AnoOnly' --datasets 6_cardio,SVHN_0 --seeds 2 --out part.csv
    python -m tests.bench.which --device cuda --systems 'DeepSAD;DeepSAD + AnoOnly'       networks, on a GPU

ANOONLY_DATA names the folder with the ADBench files. Each data set and system trains in a process of its own. The file
is written after each, so a run that was stopped continues. Data sets above --rows rows are left out.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.catalogue import resolve
from anoonly_core.errors import AnoOnlyError
from anoonly_core.machine import cores
from anoonly_core.metrics.confidence import ALPHA, adjust_holm, margin_of_error
from anoonly_core.paths import ASSETS
from anoonly_core.reproduction.families import FAMILIES, files_of
from anoonly_core.which.plan import COUNTS, possible_labels
from anoonly_core.which.systems import SYSTEMS, systems_of

FILE = ASSETS / "results" / "which.csv"
SHARES = (0.01, 0.05, 0.1, 0.5, 1.0)
REFERENCE = "DeepSAD + AnoOnly"
# Without the two that take hours on one core where others take seconds.
MEASURED = tuple(name for name in SYSTEMS if name not in ("XGBOD", "GANomaly"))
POINT = ("dataset", "system", "contamination", "labeled_ratio", "labeled_anomalies")
COLUMNS = (*POINT, "seed", "aucpr", "seconds")
GROUPS = {"embeddings": ("CV_by_ResNet18", "NLP_by_BERT"), "classical": ("Classical",)}


def settings_of(dataset: str) -> list[dict[str, Any]]:
    """Return the points of a data set: shares of labels with a clean and a natural pool, numbers with a natural one."""
    most = possible_labels(make_config(dataset=dataset))
    shares = [
        {"labeled_ratio": share, "contamination": pool} for pool, share in itertools.product((0.0, "natural"), SHARES)
    ]
    return shares + [{"labeled_anomalies": count, "contamination": "natural"} for count in COUNTS if count <= most]


def configs_of(dataset: str, system: str, seeds: int) -> list[RunConfig]:
    """Return the runs of a data set and system."""
    (found,) = systems_of([system])
    return [
        make_config(dataset=dataset, seed=seed, **setting, **found.settings)
        for setting, seed in itertools.product(settings_of(dataset), range(seeds))
    ]


def measure(task: tuple[str, str, int], device: str) -> pd.DataFrame:
    """Train the runs of a data set and system; return a row per run, without those that cannot be split or trained."""
    import torch

    from anoonly_core.results.result import RunResult
    from anoonly_core.runs.run import run_each

    torch.set_num_threads(1)
    dataset, system, seeds = task
    configs = {str(number): config for number, config in enumerate(configs_of(dataset, system, seeds))}
    rows = []
    for key, result in run_each(configs, device):
        if isinstance(result, RunResult):
            rows.append(
                {
                    **{name: getattr(configs[key], name, system) for name in (*POINT, "seed")},
                    "aucpr": result.metrics.aucpr_anomaly,
                    "seconds": result.seconds["train"] + result.seconds["score"],
                }
            )
        else:
            print(f"{dataset}, {system}: {result}", flush=True)
    return pd.DataFrame(rows, columns=COLUMNS)


def write(runs: pd.DataFrame, path: Path) -> None:
    """Write runs to a compact file: a row per point, the AUCPR of each seed in columns, and the mean seconds."""
    indexed = runs.assign(labeled_anomalies=runs["labeled_anomalies"].fillna(0).astype(int))
    points = indexed.groupby([*POINT], sort=False)
    wide = indexed.set_index([*POINT, "seed"])["aucpr"].unstack().add_prefix("aucpr_").round(4)
    wide = wide.reindex(points["seconds"].mean().index)
    wide.assign(seconds=points["seconds"].mean().round(3)).to_csv(path)


def read(path: Path) -> pd.DataFrame:
    """Read what `write` wrote: a row per run, with the mean seconds of its point; an empty table without a file."""
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    wide = pd.read_csv(path, dtype={"contamination": str})
    runs = wide.melt([*POINT, "seconds"], var_name="seed", value_name="aucpr").dropna(subset=["aucpr"])
    runs["seed"] = runs["seed"].str.removeprefix("aucpr_").astype(int)
    return runs.assign(labeled_anomalies=runs["labeled_anomalies"].replace(0, np.nan))[[*COLUMNS]]


def data_sets(rows: int) -> list[str]:
    """Return the ADBench files of this machine with at most this number of rows, those of the paper first."""
    names = [name for family in FAMILIES for name in files_of(family)]
    return [name for name in names if resolve(name).is_local() and resolve(name).load().rows <= rows]


def train(tasks: Sequence[tuple[str, str, int]], out: Path, workers: int, device: str) -> None:
    """Train the tasks that the file lacks; rewrite the file after each."""
    found = read(out)
    done = set(zip(found["dataset"], found["system"], strict=True))
    missing = [task for task in tasks if task[:2] not in done]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), max_tasks_per_child=8) as pool:
        futures = {pool.submit(measure, task, device): task for task in missing}
        for number, future in enumerate(as_completed(futures), start=1):
            try:
                part = future.result()
            except AnoOnlyError as error:
                print(f"{', '.join(futures[future][:2])}: {error}", flush=True)
                continue
            found = pd.concat([frame for frame in (found, part) if len(frame)], ignore_index=True)
            write(found.assign(contamination=found["contamination"].astype(str)), out)
            print(f"{number} of {len(missing)}: {', '.join(futures[future][:2])}", flush=True)


def means_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the mean AUCPR over the seeds: a row per data set, a column per system; only data sets that all have."""
    return runs.groupby(["dataset", "system"], sort=False)["aucpr"].mean().unstack().dropna()


def group_of(dataset: str) -> str:
    """Return "embeddings" or "classical"."""
    return next(name for name, folders in GROUPS.items() if resolve(dataset).family in folders)


def ranks_table(runs: pd.DataFrame) -> str:
    """Return a Markdown table of one group at one point: mean, rank, and wins, ties and losses against REFERENCE.

    The Friedman test compares the ranks of all systems. Wilcoxon's signed-rank tests over the data sets compare each
    system with REFERENCE, corrected by Holm. A system wins or loses a data set if the interval of
    the paired difference over the seeds does not hold 0.
    """
    means = means_of(runs)
    if len(means) < 3 or means.shape[1] < 3 or REFERENCE not in means:
        return "too few data sets\n"
    ranks = means.rank(axis=1, ascending=False).mean().sort_values()
    friedman = stats.friedmanchisquare(*(means[name] for name in means)).pvalue
    others = [name for name in ranks.index if name != REFERENCE]
    p_values = [_wilcoxon(means[REFERENCE] - means[name]) for name in others]
    adjusted = dict(zip(others, adjust_holm(p_values), strict=True))
    seconds = runs.groupby("system")["seconds"].mean()
    lines = [
        f"{len(means)} data sets, Friedman p = {friedman:.2g}; against {REFERENCE}: Wilcoxon over data sets, Holm\n",
        "| system | AUCPR, % | mean rank | p | wins, ties, losses | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name in ranks.index:
        p = adjusted.get(name)
        mark = "" if p is None else f"{p:.3f}{' *' if p < ALPHA else ''}"
        counts = "" if name == REFERENCE else ", ".join(map(str, _wins(runs, name, means.index)))
        lines.append(
            f"| {name} | {100 * means[name].mean():.1f} | {ranks[name]:.2f} | {mark} | {counts} | {seconds[name]:.2f} |"
        )
    return "\n".join(lines)


def _wilcoxon(differences: pd.Series) -> float:
    return 1.0 if not differences.any() else float(stats.wilcoxon(differences).pvalue)


def _wins(runs: pd.DataFrame, system: str, datasets: Sequence[str]) -> tuple[int, int, int]:
    """Count the data sets on which a system is clearly better than REFERENCE, not clearly different, clearly worse."""
    values = runs.pivot_table(index=["dataset", "seed"], columns="system", values="aucpr")
    counts = [0, 0, 0]
    for dataset in datasets:
        of_set = values.loc[dataset]
        differences = (of_set[system] - of_set[REFERENCE]).dropna().to_numpy()
        margin = margin_of_error(differences)
        mean = float(np.mean(differences))
        counts[1 if margin is None or abs(mean) <= margin else 0 if mean > 0 else 2] += 1
    return counts[0], counts[1], counts[2]


def print_tables(runs: pd.DataFrame) -> None:
    """Print the mean over the embedding files by share of labels, and the ranks of each group at each point."""
    runs = runs.assign(group=runs["dataset"].map(group_of), contamination=runs["contamination"].astype(str))
    for (group, pool), part in runs[runs["labeled_anomalies"].isna()].groupby(["group", "contamination"], sort=False):
        means = {share: means_of(part[part["labeled_ratio"] == share]).mean() for share in SHARES}
        print(f"\n## {group}, contamination {pool}: mean AUCPR in % by share of labels\n")
        print(f"| system | {' | '.join(f'{100 * share:g} %' for share in SHARES)} |\n|---{'|---' * len(SHARES)}|")
        for system in dict.fromkeys(part["system"]):
            cells = (f"{100 * means[share][system]:.1f}" if system in means[share] else "–" for share in SHARES)
            print(f"| {system} | {' | '.join(cells)} |")
        for share in SHARES:
            print(f"\n### {group}, contamination {pool}, {100 * share:g} % labeled")
            print(ranks_table(part[part["labeled_ratio"] == share]))
    counted = runs[runs["labeled_anomalies"].notna()]
    for (group, count), part in counted.groupby(["group", "labeled_anomalies"], sort=False):
        print(f"\n### {group}, natural pool, {count:g} labels")
        print(ranks_table(part))


def main() -> None:
    """Train what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="do not train; print the tables of the file")
    parser.add_argument("--systems", default=";".join(MEASURED), help="separated by semicolons")
    parser.add_argument("--datasets", help="separated by commas; default: all files of this machine")
    parser.add_argument("--rows", type=int, default=20_000, help="leave out larger data sets; default: 20000")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="with cuda, take 1 or 2 workers")
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    if not options.tables:
        names = options.datasets.split(",") if options.datasets else data_sets(options.rows)
        systems = [system.name for system in systems_of(options.systems.split(";"))]
        tasks = [(name, system, options.seeds) for system in systems for name in names]
        train(tasks, options.out, options.workers, options.device)
    print_tables(read(options.out))


if __name__ == "__main__":
    main()

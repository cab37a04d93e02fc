"""Where does it help that statistics follow a stream, where does it hurt, and from which share of anomalies on?

    python -m tests.bench.drift                                  score what the files lack and print the tables
    python -m tests.bench.drift --datasets digits_3              only these data sets
    python -m tests.bench.drift --tables                         print the tables of the existing files
    python -m tests.bench.drift --speed                          time 200 batches by all ways

DeepSAD with and without AnoOnly, each with batch norm, five seeds. Streams have 60 batches of 64 rows with 5 %
anomalies; a sudden shift begins at batch 20. `guarded` leaves out the tenth of the rows with the highest scores,
`threshold` is the other guard. The absorption curves are those of the data sets in ABSORBING.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from anoonly_core.config import make_config
from anoonly_core.drift.config import DriftConfig, make_drift_config
from anoonly_core.drift.result import Absorption, DriftResult
from anoonly_core.drift.summary import BREAKING_LOSS, stream_figures
from anoonly_core.drift.ways import WAYS
from anoonly_core.files import write_atomic
from anoonly_core.metrics.confidence import clear_together, margin_of_error, p_of_mean
from anoonly_core.paths import ASSETS

SHIFTS_FILE, ABSORPTION_FILE = (ASSETS / "results" / name for name in ("drift.csv", "absorption.csv"))
PLAIN = ("mean", "principal", "scale", "noise", "missing")
PICTURES = ("picture_shift", "contrast")
DATASETS = {
    "digits_3": (*PLAIN, *PICTURES),
    "digits_low": (*PLAIN, "mixture", "new_type"),
    "breast_cancer": PLAIN,
    "6_cardio": PLAIN,
    "38_thyroid": PLAIN,
    "MVTec-AD_bottle": PLAIN,
    "20news_3": PLAIN,
    "CIFAR10_0": PLAIN,
}
ABSORBING = ("digits_3", "6_cardio")
LAMBDAS = (1.0, 0.0)
SEEDS = 5
KEY = ["dataset", "lambda_n", "shift"]
FIGURES = ("aucroc", "false_alarms")
LEVELS = {"MVTec-AD_bottle": 0.1}  # of few rows
TABLE_WAYS = {"running": "running", "batch": "batch", "mixed": "mixed", "moving": "moving"}
TABLE_WAYS |= {"guarded": "guarded, trimmed", "threshold": "guarded, threshold"}


def configs(dataset: str, lambda_n: float, shift: str, guard: str = "trimmed") -> list[DriftConfig]:
    """Return the configs of a line of the table, one per seed; new classes are unknown to the training."""
    unseen = 1 if shift in ("mixture", "new_type") else 0
    settings = {"dataset": dataset, "lambda_n": lambda_n, "unseen_types": unseen}
    level = LEVELS.get(dataset, 0.05)
    runs = [make_config(seed=seed, **settings) for seed in range(SEEDS)]
    return [make_drift_config(run, shift=shift, guard=guard, level=level) for run in runs]


def lines(dataset: str, lambda_n: float, shift: str) -> Iterator[dict[str, object]]:
    """Score the streams of a shift and yield a line for each seed and way."""
    from anoonly_core.drift.run import run_drift

    by_guard = {guard: configs(dataset, lambda_n, shift, guard) for guard in ("trimmed", "threshold")}
    results = {guard: run_drift(own) for guard, own in by_guard.items()}
    start = by_guard["trimmed"][0].start
    for way in TABLE_WAYS:
        guard, index = ("threshold", "guarded") if way == "threshold" else ("trimmed", way)
        for seed, result in enumerate(results[guard]):
            figures = of_way(result, list(WAYS).index(index), start)
            yield {"dataset": dataset, "lambda_n": lambda_n, "shift": shift, "seed": seed, "way": way, **figures}


def of_way(result: DriftResult, way: int, start: int) -> dict[str, float]:
    """Return the mean figures of a way before and from the start of the shift."""
    figures = stream_figures(result)
    return {
        f"{name}_{side}": round(float(np.nanmean(figures.of(name)[way, batches])), 4)
        for name in FIGURES
        for side, batches in (("before", slice(start)), ("after", slice(start, None)))
    }


def absorption_lines(dataset: str, lambda_n: float) -> Iterator[dict[str, object]]:
    """Score streams over the share of anomalies and yield a line for each seed, way and share."""
    from anoonly_core.drift.run import run_absorption

    results = {guard: run_absorption(configs(dataset, lambda_n, "mean", guard)) for guard in ("trimmed", "threshold")}
    for way in TABLE_WAYS:
        guard, index = ("threshold", "guarded") if way == "threshold" else ("trimmed", way)
        for seed, absorbed in enumerate(results[guard]):
            areas = absorbed.of("aucroc")[:, list(WAYS).index(index)]
            for share, area in zip(absorbed.shares.tolist(), areas.tolist(), strict=True):
                yield {"dataset": dataset, "lambda_n": lambda_n, "seed": seed, "way": way, "share": share,
                       "aucroc": round(area, 4)}  # fmt: skip


def score_missing(names: Sequence[str]) -> None:
    """Score the lines of these data sets that the files lack, and add them."""
    for name in names:
        for lambda_n in LAMBDAS:
            for shift in DATASETS[name]:
                add(SHIFTS_FILE, dict(zip(KEY, (name, lambda_n, shift), strict=True)), lines)
            if name in ABSORBING:
                add(ABSORPTION_FILE, {"dataset": name, "lambda_n": lambda_n}, absorption_lines)


def add(path: Path, key: dict[str, object], compute: object) -> None:
    """Append the lines that `compute` yields for a key to a CSV file, unless it has them."""
    found = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=list(key))
    if len(found) and (found[list(key)] == pd.Series(key)).all(axis=1).any():
        return
    begun = time.monotonic()
    new = pd.DataFrame(compute(*key.values()))  # type: ignore[operator]
    every = pd.concat([found, new] if len(found) else [new], ignore_index=True)
    write_atomic(path, every.to_csv(index=False).encode())
    print(*key.values(), f"{time.monotonic() - begun:.1f} s", flush=True)


def in_order(found: pd.DataFrame) -> pd.DataFrame:
    """Return the lines in the order of DATASETS, those of the baseline first."""
    places = pd.DataFrame({"dataset": found["dataset"].map(list(DATASETS).index), "lambda_n": -found["lambda_n"]})
    return found.loc[places.sort_values(["dataset", "lambda_n"], kind="stable").index]


def shift_table(found: pd.DataFrame) -> str:
    """Return a Markdown table: AUCROC of running statistics before and after, and the leads of the ways after.

    A lead is bold if its interval over seeds excludes 0 after Holm's correction over all leads of the data set and λ_n.
    """
    ways = ("batch", "moving", "guarded", "threshold")
    head = " | ".join(TABLE_WAYS[way] for way in ways)
    table = [f"| data set | λₙ | shift | running, before → after | {head} |", f"|{'---|' * (4 + len(ways))}"]
    for (dataset, lambda_n), block in found.groupby(["dataset", "lambda_n"], sort=False):
        by_shift = dict(list(block.groupby("shift", sort=False)))
        leads = {shift: leads_of(group, ways) for shift, group in by_shift.items()}
        clear = iter(clear_together([p_of_mean(lead.tolist()) for own in leads.values() for lead in own]))
        for shift, group in by_shift.items():
            running = group[group["way"] == "running"]
            before, after = running["aucroc_before"].mean(), running["aucroc_after"].mean()
            cells = " | ".join(shown(lead, next(clear)) for lead in leads[shift])
            table.append(f"| {dataset} | {lambda_n:g} | {shift} | {before:.3f} → {after:.3f} | {cells} |")
    return "\n".join(table)


def leads_of(group: pd.DataFrame, ways: Sequence[str]) -> list[np.ndarray]:
    """Return the lead of each way over running statistics after the start of one shift, [seeds] each."""
    areas = group.pivot_table("aucroc_after", "seed", "way")
    return [(areas[way] - areas["running"]).to_numpy() for way in ways]


def shown(lead: np.ndarray, is_clear: bool) -> str:
    """Return a lead with half of its 95 % interval over seeds, bold if it is clear."""
    text = f"{lead.mean():+.3f} ± {margin_of_error(lead.tolist()):.3f}"
    text = text.replace("-", "−")
    return f"**{text}**" if is_clear else text


def before_after_table(found: pd.DataFrame, dataset: str, shift: str) -> str:
    """Return a Markdown table of one shift: AUCROC and false alarms of each way before and after, with intervals."""
    table = ["| λₙ | way | AUCROC before | AUCROC after | false alarms before | after |", f"|{'---|' * 6}"]
    chosen = found[(found["dataset"] == dataset) & (found["shift"] == shift)]
    for (lambda_n, way), group in chosen.groupby(["lambda_n", "way"], sort=False):
        names = [f"{figure}_{side}" for figure in FIGURES for side in ("before", "after")]
        cells = [f"{group[name].mean():.3f} ± {margin_of_error(group[name].tolist()):.3f}" for name in names]
        table.append(f"| {lambda_n:g} | {TABLE_WAYS[way]} | {' | '.join(cells)} |")
    return "\n".join(table)


def absorption_table(found: pd.DataFrame) -> str:
    """Return a Markdown table: AUCROC by way at some shares of anomalies, and the share at which the way breaks."""
    shares = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8]
    table = [f"| data set | λₙ | way | {' | '.join(f'{share:.0%}' for share in shares)} | broken from |",
             f"|{'---|' * (len(shares) + 4)}"]  # fmt: skip
    for (dataset, lambda_n), group in found.groupby(["dataset", "lambda_n"], sort=False):
        areas = {way: own.pivot_table("aucroc", "seed", "share") for way, own in group.groupby("way", sort=False)}
        for way, area in areas.items():
            cells = " | ".join(f"{area[share].mean():.3f}" for share in shares)
            broken = breaking(areas["running"] - area)
            table.append(f"| {dataset} | {lambda_n:g} | {TABLE_WAYS[str(way)]} | {cells} | {broken} |")
    return "\n".join(table)


def breaking(losses: pd.DataFrame) -> str:
    """Return the share from which a loss against running statistics, [seeds, shares], stays; see `breaking_share`."""
    from anoonly_core.drift.summary import breaking_share

    figures = np.zeros((len(losses), losses.shape[1], 4, len(WAYS)))
    figures[:, :, 0, 1] = -losses.to_numpy()  # "batch" less "running"
    path = np.zeros((losses.shape[1], len(WAYS)))
    share = breaking_share([Absorption(losses.columns.to_numpy(), own, path) for own in figures], "batch")
    return "–" if share is None else f"{share:.0%}"


def speed() -> None:
    """Print seconds of one core for 200 batches of digits_3 by all ways, training included: one seed, and five."""
    import torch

    from anoonly_core.drift.run import run_drift
    from anoonly_core.runs.run import warm_up

    torch.set_num_threads(1)  # as in the workers of the page
    warm_up()
    for seeds in (1, 5):
        taken = []
        for repeat in range(3):
            runs = [make_config(seed=100 * repeat + 10 * seeds + seed) for seed in range(seeds)]
            begun = time.process_time()
            run_drift([make_drift_config(run, batches=200) for run in runs])
            taken.append(time.process_time() - begun)
        print(
            f"{seeds} seed(s), 200 batches, training included: {', '.join(f'{own:.1f}' for own in taken)} s of one core"
        )


def main() -> None:
    """Score what the files lack and print the tables, or print the speed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", default=",".join(DATASETS))
    parser.add_argument("--tables", action="store_true", help="do not train; print the tables of the files")
    parser.add_argument("--speed", action="store_true", help="time 200 batches")
    options = parser.parse_args()
    if options.speed:
        speed()
        return
    if not options.tables:
        import torch

        torch.set_num_threads(1)
        score_missing(options.datasets.split(","))
    shifts, absorbed = (in_order(pd.read_csv(path)) for path in (SHIFTS_FILE, ABSORPTION_FILE))
    print(before_after_table(shifts, "digits_3", "mean"), absorption_table(absorbed), shift_table(shifts), sep="\n\n")
    print(f"\nbroken: AUCROC stays {BREAKING_LOSS:g} below running statistics, interval over {SEEDS} seeds clear of 0")


if __name__ == "__main__":
    main()

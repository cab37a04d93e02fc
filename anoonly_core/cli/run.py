"""The command `run`: train and test one configuration."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from anoonly_core.cli.options import add_run_options, parse_configs
from anoonly_core.cli.progress import progress_bar
from anoonly_core.cli.wsadbench import add_option, check_option, write_runs
from anoonly_core.data.protocols import DIVISIONS
from anoonly_core.data.split import labeled_anomalies
from anoonly_core.results.store import default_store
from anoonly_core.results.summary import RunSummary

__all__ = ["add_parser"]

DEVICE_WORDS = {"cpu": "the CPU", "cuda": "a GPU"}
# Settings that not every system has, as the text output prints them.
SETTING_WORDS = {
    "lambda_n": "λ_n = {:g}",
    "norm": "norm {}",
    "epochs": "epochs {}",
    "batch_size": "batch {}",
    "learning_rate": "learning rate {:g}",
}


def add_parser(commands: Any) -> None:
    """Add the command `run` and its options to the subparsers."""
    running = commands.add_parser("run", help="train and test one configuration")
    add_run_options(running)
    running.add_argument("--device", default="auto", help="auto, cpu or cuda")
    add_option(running)
    running.add_argument("--json", action="store_true", help="print one JSON object")
    running.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> None:
    configs = parse_configs(options)
    seeded = options.seeds is not None
    result_file = check_option(options)

    # Imported after the options are checked, since torch takes seconds to load.
    import torch

    from anoonly_core.runs.run import run_many, warm_up

    torch.set_num_threads(1)  # as in the workers of the page, which share the stored runs
    warm_up()
    with progress_bar("epoch", leave=False) as show:
        results = run_many(
            configs, options.device, default_store(), lambda progress: show(progress.epoch, progress.epochs)
        )
    runs = [result.summary() for result in results]
    write_runs(result_file, map(RunSummary.of, results))
    if not seeded:
        report = runs[0]
    else:
        table = {name: [run["metrics"][name] for run in runs] for name in runs[0]["metrics"]}
        report = {
            "runs": runs,
            "mean": {name: float(np.mean(values)) for name, values in table.items()},
            "std": {name: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for name, values in table.items()},
        }
    where = " and ".join(sorted({DEVICE_WORDS[result.device] for result in results}))
    print(json.dumps(report, indent=1) if options.json else _as_text(report, runs, where))


def _as_text(report: dict[str, Any], runs: list[dict[str, Any]], where: str) -> str:
    config, counts = runs[0]["config"], runs[0]["counts"]
    worded = [words.format(config[name]) for name, words in SETTING_WORDS.items() if config[name] is not None]
    known = f" ({counts['known_normal']} of them known)" if counts.get("known_normal") else ""
    unlabeled = f" and {counts['pool_unlabelled']} unlabeled" if counts.get("pool_unlabelled") else ""
    lines = [
        ", ".join([config["dataset"], config["baseline"], *worded]),
        f"{labeled_anomalies(counts)}, pool of {counts['pool_normal']} normal{known} and "
        f"{counts['pool_anomalies']} anomalous{unlabeled} rows ({config['protocol']} split, contamination "
        f"{config['contamination']}), {counts['test']} test rows",
    ]
    if counts["train"] != counts["train_distinct"]:
        lines.append(
            f"Resampled: the {counts['train']} rows trained on are copies of {counts['train_distinct']} distinct rows."
        )
    if copies := counts["test_copies_of_training_part"]:
        leak, as_in = ("", ", as in the table") if config["protocol"] in DIVISIONS else ("Leak: ", "")
        lines.append(f"{leak}{copies} test rows are copies of training rows{as_in}.")
    if groups := counts.get("groups_on_both_sides"):
        lines.append(f"Groups with rows in training and in the test: {groups}. --protocol by_group avoids this.")
    if "mean" in report:
        lines += [f"{name:24} {mean:.4f} ± {report['std'][name]:.4f}" for name, mean in report["mean"].items()]
    else:
        lines += [f"{name:24} {value:.4f}" for name, value in report["metrics"].items()]
    seconds = sum(run["seconds"]["train"] for run in runs)
    lines.append(f"{len(runs)} run{'s' if len(runs) > 1 else ''}, {seconds:.2f} s of training on {where}")
    return "\n".join(lines)

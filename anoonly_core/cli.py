"""The command line, all its commands. Exit code 0 done, 2 bad input with one sentence on stderr."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NoReturn

import numpy as np
from tqdm import tqdm

from anoonly_core import __version__, cli_purify, cli_reproduce, cli_score, cli_sweep, cli_zero_shot
from anoonly_core.cli_options import add_run_options, configs_of
from anoonly_core.data.adbench import ManifestEntry, fetch, find_entry, local_path, manifest
from anoonly_core.data.catalogue import DATASETS, check_name
from anoonly_core.data.files import one_line
from anoonly_core.errors import AnoOnlyError, UnknownDataset
from anoonly_core.store import default_store

__all__ = ["main"]

# How the text output says the settings that not every system has.
DEVICE_WORDS = {"cpu": "the CPU", "cuda": "a graphics card"}
SETTING_WORDS = {
    "lambda_n": "λ_n = {:g}",
    "norm": "norm {}",
    "epochs": "epochs {}",
    "batch_size": "batch {}",
    "learning_rate": "learning rate {:g}",
}

LONGEST_WORD = 80  # of what was typed and is not known, in a sentence about it
FACT_WIDTHS = {"rows": 6, "columns": 4, "anomalies": 5}


class _Parser(argparse.ArgumentParser):
    """argparse with one sentence on stderr in place of usage and error."""

    def error(self, message: str) -> NoReturn:
        said = "".join(own if own.isprintable() else ascii(own)[1:-1] for own in " ".join(message.splitlines()))
        said = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda found: f"{found[0][: LONGEST_WORD - 3]}...", said)
        print(f"{said[0].upper()}{said[1:]}; see `{self.prog} --help`.", file=sys.stderr)
        raise SystemExit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every console has λ and ±
    options = _parser().parse_args(arguments)
    try:
        command: Callable[[argparse.Namespace], None] = options.command
        command(options)
        sys.stdout.flush()
    except AnoOnlyError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print(str(stopped) or "Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `... | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m anoonly_core", description="AnoOnly (arXiv 2305.18798), to see and to question.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    datasets = commands.add_parser("datasets", help="list every data set by name")
    datasets.add_argument("--json", action="store_true", help="one JSON array")
    datasets.set_defaults(command=_datasets)

    fetching = commands.add_parser("fetch", help="download data sets into the cache, verified")
    fetching.add_argument("names", nargs="+", metavar="NAME", help="such as CIFAR10_0, or a folder of ADBench's")
    fetching.set_defaults(command=_fetch)

    running = commands.add_parser("run", help="train and test one configuration")
    add_run_options(running)
    running.add_argument("--device", default="auto", help="auto, cpu or cuda")
    running.add_argument("--json", action="store_true", help="one JSON object")
    running.set_defaults(command=_run)

    cli_sweep.add_parser(commands)
    cli_zero_shot.add_parser(commands)
    cli_purify.add_parser(commands)
    cli_score.add_parser(commands)
    cli_reproduce.add_parser(commands)
    return parser


def _datasets(options: argparse.Namespace) -> None:
    rows: list[dict[str, Any]] = [
        {"name": entry.name, "family": entry.family, "bundled": entry.bundled, "at_hand": entry.at_hand()}
        | asdict(entry.known_facts())
        for entry in DATASETS.values()
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        state = "bundled" if row["bundled"] else "at hand" if row["at_hand"] else "to fetch"
        facts = [f"{'?' if row[name] is None else row[name]:>{width}} {name}" for name, width in FACT_WIDTHS.items()]
        print(f"{row['name']:36} {row['family']:16} {'  '.join(facts)}  {state}")


def _fetch(options: argparse.Namespace) -> None:
    wanted: list[ManifestEntry] = []
    for name in options.names:
        if (found := find_entry(name)) is not None:
            wanted.append(found)
        elif family := [entry for entry in manifest().values() if entry.folder == name]:
            wanted += family
        else:
            check_name(name)
            raise UnknownDataset(f"{one_line(name)} needs no download: it is bundled or a file of yours.")
    for entry in wanted:
        if (path := local_path(entry)) is None:
            name, size = entry.catalogue_name, entry.bytes
            with tqdm(total=size, unit="B", unit_scale=True, desc=name, disable=None) as bar:

                def show(done: int, total: int | None, bar: Any = bar) -> None:
                    bar.total = total
                    bar.update(done - bar.n)

                path = fetch(entry, show)
        print(path)


def _run(options: argparse.Namespace) -> None:
    configs = configs_of(options)
    seeded = options.seeds is not None

    # Torch takes seconds to load, and bad input needs none of it.
    import torch

    from anoonly_core.run import Progress, run_many, warm_up

    torch.set_num_threads(1)  # as the page's workers, whose stored runs have the same keys
    warm_up()
    bar = tqdm(unit="epoch", disable=None, leave=False)

    def show(progress: Progress) -> None:
        if progress.epoch < bar.n:  # another stack has begun
            bar.reset()
        bar.total = progress.epochs
        bar.update(progress.epoch - bar.n)

    try:
        results = run_many(configs, options.device, default_store(), show)
    finally:
        bar.close()
    runs = [result.summary() for result in results]
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
    unlabelled = f" and {counts['pool_unlabelled']} unlabelled" if counts.get("pool_unlabelled") else ""
    lines = [
        ", ".join([config["dataset"], config["baseline"], *worded]),
        f"{counts['labelled_anomalies']} labelled anomalies, pool of {counts['pool_normal']} normal and "
        f"{counts['pool_anomalies']} anomalous{unlabelled} rows ({config['protocol']} split, contamination "
        f"{config['contamination']}), {counts['test']} test rows",
    ]
    if counts["train"] != counts["train_distinct"]:
        lines.append(
            f"Resampled: the {counts['train']} rows trained on are copies of {counts['train_distinct']}, "
            f"the labelled anomalies of {counts['labelled_anomalies_distinct']}."
        )
    if counts["test_copies_of_training_part"]:
        lines.append(f"Leak: {counts['test_copies_of_training_part']} test rows are copies of training rows.")
    if "mean" in report:
        lines += [f"{name:24} {mean:.4f} ± {report['std'][name]:.4f}" for name, mean in report["mean"].items()]
    else:
        lines += [f"{name:24} {value:.4f}" for name, value in report["metrics"].items()]
    seconds = sum(run["seconds"]["train"] for run in runs)
    lines.append(f"{len(runs)} run{'s' if len(runs) > 1 else ''}, {seconds:.2f} s of training on {where}")
    return "\n".join(lines)

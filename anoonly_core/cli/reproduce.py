"""The command `reproduce`: the paper's tables and figures, trained again on the files that are at hand."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anoonly_core.cli.engines import add_engine_options, open_engine, train
from anoonly_core.cli.options import check_path, parse_seeds
from anoonly_core.config import RunConfig
from anoonly_core.data.tables.readers import printable
from anoonly_core.errors import InvalidConfig
from anoonly_core.execution.plan import duration
from anoonly_core.reproduction.evidence import Evidence, shipped_evidence, stored_evidence
from anoonly_core.reproduction.experiments import EXPERIMENTS, SYSTEMS, PlannedRun, files_at_hand, planned_runs
from anoonly_core.reproduction.grid import FORMATS, Grid, to_markdown
from anoonly_core.reproduction.reports import REPORTS, experiments_for, reports
from anoonly_core.reproduction.results import read_rows, write_results
from anoonly_core.results.store import Store, default_store

__all__ = ["add_parser"]

PRINTED = ("-beside-paper", "-gains")  # of a table's many forms


def add_parser(commands: Any) -> None:
    """Add the command and its options to the subparsers."""
    parser = commands.add_parser("reproduce", help="the paper's tables and figures, measured beside what it prints")
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"all, or some of {', '.join(REPORTS)}")
    parser.add_argument("--datasets", metavar="NAMES", help="only these data sets, with commas between")
    parser.add_argument("--baselines", metavar="NAMES", help=f"only these of {', '.join(SYSTEMS)}")
    parser.add_argument("--seeds", metavar="N", default="5", help="seeds for each cell; 5 if not given")
    parser.add_argument("--device", default="cpu", help="cpu, on all cores, or cuda")
    add_engine_options(parser)
    parser.add_argument("--shipped", action="store_true", help="train nothing: the results that come with the project")
    parser.add_argument("--out", metavar="FOLDER", help="where every table goes as .csv, .md and .tex")
    parser.add_argument("--results", metavar="FILE", help="write the runs' figures as the file that ships")
    parser.set_defaults(command=_reproduce)


def _reproduce(options: argparse.Namespace) -> None:
    names = _chosen("NAME", options.names, [*REPORTS, "all"])
    names = list(REPORTS) if "all" in names else names
    seeds = parse_seeds(options.seeds)
    if options.device not in ("cpu", "cuda"):
        raise InvalidConfig(f"device must be cpu or cuda, not {options.device[:60]!r}.")
    folder, results = _folder(options.out), _results(options)
    files = files_at_hand()
    if options.datasets is not None:
        files = _chosen("datasets", options.datasets.split(","), files)
    systems = (
        list(SYSTEMS) if options.baselines is None else _chosen("baselines", options.baselines.split(","), SYSTEMS)
    )
    if options.shipped:
        evidence = shipped_evidence()
    else:
        asked = list(dict.fromkeys(own for name in names for own in experiments_for(name)))
        if asked and not files:
            raise InvalidConfig(
                "None of the tables' data sets is on this machine: fetch some first, such as `fetch "
                "CV_by_ResNet18`, or see the results that come with the project with --shipped."
            )
        store = default_store()
        planned = [run for name in asked for run in planned_runs(EXPERIMENTS[name], files, seeds)]
        planned = [run for run in planned if run.config.baseline in systems]
        _train(planned, store, options)
        if results is not None:
            print(f"{write_results(planned, store, results)} runs stand in {options.results}.", file=sys.stderr)
        evidence = stored_evidence(files, store, seeds, systems)
    _report(names, evidence, folder)


def _train(planned: Sequence[PlannedRun], store: Store, options: argparse.Namespace) -> None:
    """Train what is missing, a data set at a time, each stack kept as it is done."""
    failures: dict[str, str] = {}
    begun, trained = time.monotonic(), 0
    by_file: dict[str, dict[str, RunConfig]] = {}
    for run in planned:
        by_file.setdefault(run.config.dataset, {})[run.key] = run.config
    if options.device == "cuda":
        _train_on_gpu(by_file, store)
        return
    keys = {run.key for run in planned}
    kept = store.runs(keys)
    print(f"{len(keys)} runs, {len(kept)} of them kept from before.", file=sys.stderr)
    missing = {name: configs for name, configs in by_file.items() if configs.keys() - kept.keys()}
    if missing:
        with open_engine(options) as engine:
            for name, configs in missing.items():
                runs = {key: kept[key] for key in configs.keys() & kept.keys()}
                trained -= len(runs)
                train(configs, engine, store, runs, failures, f"{name}: ")
                trained += len(runs)
    if trained:
        print(f"{trained} runs trained in {duration(time.monotonic() - begun)}.", file=sys.stderr)
    for sentence in sorted(set(failures.values())):
        print(f"{sum(own == sentence for own in failures.values())} runs failed: {sentence}", file=sys.stderr)


def _train_on_gpu(by_file: dict[str, dict[str, RunConfig]], store: Store) -> None:
    from anoonly_core.runs.run import resolve_device, run_many

    resolve_device("cuda")
    for name, configs in by_file.items():
        print(f"{name}: {len(configs)} runs", file=sys.stderr)
        run_many(list(configs.values()), "cuda", store)


def _report(names: Sequence[str], evidence: Evidence, folder: Path | None) -> None:
    """Print the tables as Markdown, and write them all where they are wanted."""
    for name in names:
        found = dict(reports(name, evidence))
        if not found:
            print(f"{name}: nothing of it is trained on these data sets.", file=sys.stderr)
        for stem, grid in found.items():
            if stem.endswith(PRINTED) or stem.startswith(("point-", "differences-")):
                print(to_markdown(grid))
            if folder is not None:
                _write(folder, stem, grid)


def _write(folder: Path, stem: str, grid: Grid) -> None:
    for suffix, text in FORMATS.items():
        try:
            (folder / f"{stem}.{suffix}").write_text(text(grid), encoding="utf-8")
        except OSError as error:
            raise InvalidConfig(f"The tables could not be written to {str(folder)!r} ({error.strerror}).") from error


def _folder(text: str | None) -> Path | None:
    if text is None:
        return None
    folder = Path(text)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # a ValueError where a path has a character that none can have
        why = getattr(error, "strerror", error)
        raise InvalidConfig(f"There can be no folder {printable(folder)} for --out ({why}).") from error
    return folder


def _results(options: argparse.Namespace) -> Path | None:
    """Where the runs' figures go, seen to before anything is trained."""
    if options.results is None:
        return None
    if options.shipped:
        raise InvalidConfig("--results writes what is trained, and --shipped trains nothing: leave one of them out.")
    path = check_path("--results", options.results)
    read_rows(path)
    return path


def _chosen(option: str, given: Sequence[str], known: Sequence[str]) -> list[str]:
    """Names, each of which must be known; raises InvalidConfig."""
    names = [name.strip() for name in given]
    for name in names:
        if name not in known:
            raise InvalidConfig(f"{option} must be some of {', '.join(known)}, not {name[:60]!r}.")
    return names

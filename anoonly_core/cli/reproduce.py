"""Command `reproduce`: train the tables and figures of the paper again on the data sets of this machine."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anoonly_core.cli.engines import add_engine_options, open_engine, train
from anoonly_core.cli.options import check_path, parse_seeds
from anoonly_core.config import RunConfig
from anoonly_core.data.tables.files import printable
from anoonly_core.errors import InvalidConfig
from anoonly_core.execution.executor import stored_runs
from anoonly_core.execution.plan import duration
from anoonly_core.reproduction.evidence import Evidence, shipped_evidence, stored_evidence
from anoonly_core.reproduction.experiments import EXPERIMENTS, SYSTEMS, PlannedRun, files_at_hand, planned_runs
from anoonly_core.reproduction.grid import FORMATS, Grid, to_markdown
from anoonly_core.reproduction.reports import REPORTS, experiments_for, reports
from anoonly_core.reproduction.results import read_rows, write_results
from anoonly_core.results.store import Store, default_store
from anoonly_core.weak_supervision.across import EVERY, across_reports

__all__ = ["NAMES", "add_parser"]

MECHANISMS = "mechanisms"  # its runs ship
NAMES = (*REPORTS, MECHANISMS)

# Endings of the experiment tables that are printed, not only written, and beginnings of the other printed tables.
PRINTED = ("-beside-paper", "-gains", "-means", "-boxes")
PRINTED_WHOLE = ("point-", "differences-", f"{MECHANISMS}-")


def add_parser(commands: Any) -> None:
    """Add the command `reproduce` and its options to the subparsers."""
    parser = commands.add_parser("reproduce", help="measure the tables and figures of the paper again")
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"all, or one or more of {', '.join(NAMES)}")
    parser.add_argument("--datasets", metavar="NAMES", help="only these data sets, separated by commas")
    parser.add_argument("--baselines", metavar="NAMES", help=f"only these, separated by commas: {', '.join(SYSTEMS)}")
    parser.add_argument("--seeds", metavar="N", default="5", help="seeds per cell; default: 5")
    parser.add_argument("--device", default="cpu", help="cpu (all cores) or cuda")
    add_engine_options(parser)
    parser.add_argument(
        "--shipped", action="store_true", help="train nothing, show the results that come with the project"
    )
    parser.add_argument("--out", metavar="FOLDER", help="write all tables to this folder as .csv, .md and .tex")
    parser.add_argument(
        "--results", metavar="FILE", help="write the metrics of all runs to a file like assets/results/runs.csv"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object with all tables")
    parser.set_defaults(command=_reproduce)


def _reproduce(options: argparse.Namespace) -> None:
    names = _choose("NAME", options.names, [*NAMES, "all"])
    names = list(NAMES) if "all" in names else names
    seeds = parse_seeds(options.seeds)
    if options.device not in ("cpu", "cuda"):
        raise InvalidConfig(f"device must be cpu or cuda, not {options.device[:60]!r}.")
    folder, results = _make_folder(options.out), _results_path(options)
    files = files_at_hand()
    if options.datasets is not None:
        files = _choose("datasets", options.datasets.split(","), files)
    systems = (
        list(SYSTEMS) if options.baselines is None else _choose("baselines", options.baselines.split(","), SYSTEMS)
    )
    if options.shipped:
        evidence = shipped_evidence()
    else:
        trained = [name for name in names if name != MECHANISMS]
        experiments = list(dict.fromkeys(experiment for name in trained for experiment in experiments_for(name)))
        if not files and any(EXPERIMENTS[name].families for name in experiments):
            raise InvalidConfig(
                "No data set of the paper is on this machine: fetch some first, such as `fetch CV_by_ResNet18`, or use "
                "--shipped for the results that come with the project."
            )
        store = default_store()
        planned = [run for name in experiments for run in planned_runs(EXPERIMENTS[name], files, seeds)]
        planned = [run for run in planned if run.config.baseline in systems]
        _train(planned, store, options)
        if results is not None:
            count = write_results(planned, store, results)
            print(f"{options.results} now has {count} runs.", file=sys.stderr)
        evidence = stored_evidence(files, store, seeds, systems)
    _report(names, evidence, folder, options.json)


def _train(planned: Sequence[PlannedRun], store: Store, options: argparse.Namespace) -> None:
    """Train the planned runs that the store lacks; each finished stack is stored at once.

    Cores train one data set at a time, GPUs all of them together. `options` choose the engine. Progress and failures
    are printed to stderr.
    """
    failures: dict[str, str] = {}
    begun, trained = time.monotonic(), 0
    batches: dict[str, dict[str, RunConfig]] = {}
    for run in planned:
        prefix = "" if options.device == "cuda" else f"{run.config.dataset}: "
        batches.setdefault(prefix, {})[run.key] = run.config
    everything = {run.key: run.config for run in planned}
    stored = stored_runs(store, everything, options.device)
    print(f"{len(everything)} runs, {len(stored)} of them already in the store.", file=sys.stderr)
    missing = {prefix: configs for prefix, configs in batches.items() if configs.keys() - stored.keys()}
    if missing:
        with open_engine(options) as engine:
            for prefix, configs in missing.items():
                runs = {key: stored[key] for key in configs.keys() & stored.keys()}
                trained -= len(runs)
                train(configs, engine, store, runs, failures, prefix)
                trained += len(runs)
    if trained:
        print(f"{trained} runs trained in {duration(time.monotonic() - begun)}.", file=sys.stderr)
    for sentence in sorted(set(failures.values())):
        print(f"{sum(failure == sentence for failure in failures.values())} runs failed: {sentence}", file=sys.stderr)


def _report(names: Sequence[str], evidence: Evidence, folder: Path | None, as_json: bool) -> None:
    """Print the tables of reports, and write all of them to a folder unless it is None.

    Parameters
    ----------
    names : sequence of str
        Reports, of NAMES.
    evidence : Evidence
        The results.
    folder : Path or None
        Folder for .csv, .md and .tex files.
    as_json : bool
        True to print all tables as JSON, False to print the main ones as Markdown.
    """
    printed: list[dict[str, Any]] = []
    for name in names:
        tables = dict(across_reports() if name == MECHANISMS else reports(name, evidence))
        if not tables:
            print(f"{name}: no results on these data sets.", file=sys.stderr)
        for stem, grid in tables.items():
            if as_json:
                printed.append({"report": name, "name": stem, **asdict(grid)})
            elif stem.endswith(PRINTED) or (stem.startswith(PRINTED_WHOLE) and not stem.endswith(EVERY)):
                print(to_markdown(grid))
            if folder is not None:
                _write(folder, stem, grid)
    if as_json:
        print(json.dumps({"tables": printed}, indent=1))


def _write(folder: Path, stem: str, grid: Grid) -> None:
    for suffix, export in FORMATS.items():
        try:
            (folder / f"{stem}.{suffix}").write_text(export(grid), encoding="utf-8")
        except OSError as error:
            raise InvalidConfig(f"The tables could not be written to {str(folder)!r} ({error.strerror}).") from error


def _make_folder(text: str | None) -> Path | None:
    if text is None:
        return None
    folder = Path(text)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: the path has a null character
        why = getattr(error, "strerror", error)
        raise InvalidConfig(f"The folder {printable(folder)} for --out could not be created ({why}).") from error
    return folder


def _results_path(options: argparse.Namespace) -> Path | None:
    """Return the path of --results, checked before anything is trained; None if not given.

    Raise InvalidConfig if it cannot be written, is not a file of results, or --shipped is given, too.
    """
    if options.results is None:
        return None
    if options.shipped:
        raise InvalidConfig("--results needs trained runs, but --shipped trains nothing: leave one of them out.")
    path = check_path("--results", options.results)
    read_rows(path)
    return path


def _choose(option: str, values: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the values of an option, stripped; raise InvalidConfig, which names the option, if one is not `known`."""
    names = [name.strip() for name in values]
    for name in names:
        if name not in known:
            raise InvalidConfig(f"{option} must be some of {', '.join(known)}, not {name[:60]!r}.")
    return names

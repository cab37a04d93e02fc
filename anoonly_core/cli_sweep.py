"""The command `sweep`: a grid of runs on this machine's cores or on a cluster, kept as it goes."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
from tqdm import tqdm

from anoonly_core import worker
from anoonly_core.cli_options import checked_out, write_table
from anoonly_core.config import RULES
from anoonly_core.data.catalogue import DATASETS, check_name, load
from anoonly_core.errors import InvalidConfig
from anoonly_core.evaluate import METRICS
from anoonly_core.execute import Engine, LocalEngine, execute
from anoonly_core.plan import duration
from anoonly_core.questions import QUESTIONS, WITH_AND_WITHOUT
from anoonly_core.store import Store, StoredRun, default_store
from anoonly_core.sweep import AXES, PUBLISHED, Sweep, make_sweep, sweep_table
from anoonly_core.workers import Workers

__all__ = ["add_parser", "sweep_of"]


def add_parser(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser("sweep", help="train a grid of configurations, several seeds each")
    parser.add_argument("--dataset", metavar="VALUE", help=RULES["dataset"])
    for name in AXES:
        rule = f"{RULES[name]}; several, with commas between, are varied"
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar="VALUES", help=rule)
    parser.add_argument("--question", metavar="NAME", help=f"vary what the paper varied: {', '.join(QUESTIONS)}")
    parser.add_argument("--seed", metavar="VALUE", help="the first seed")
    parser.add_argument("--seeds", metavar="N", default="5", help="seeds for each point of the grid; 5 if not given")
    parser.add_argument("--workers", metavar="N", help="processes on this machine; one a core if not given")
    parser.add_argument("--cluster", metavar="ADDRESS", help="a Dask scheduler such as tcp://host:8786, in their place")
    parser.add_argument("--out", metavar="FILE", help="where the table of all runs goes: .csv or .parquet")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(command=_sweep)


def _sweep(options: argparse.Namespace) -> None:
    sweep = sweep_of(options)
    out = checked_out(options.out)
    name = check_name(str(sweep.settings.get("dataset", "digits_3")))
    if name in DATASETS and not DATASETS[name].at_hand():
        with tqdm(unit="B", unit_scale=True, desc=name, disable=None) as bar:

            def show(done: int, total: int | None) -> None:
                bar.total = total
                bar.update(done - bar.n)

            load(name, show)
    for sentence in sweep.grid[1]:
        print(f"Left out: {sentence}", file=sys.stderr)
    store = default_store()
    runs, failures = store.runs(sweep.configs), dict[str, str]()
    with _engine(options) as engine:
        _train(sweep, engine, store, runs, failures)
    table = sweep_table(sweep, runs, failures)
    if out is not None:
        write_table(table, out)
    print(json.dumps(_report(sweep, table), indent=1) if options.json else _as_text(sweep, table))


def sweep_of(options: argparse.Namespace) -> Sweep:
    """The sweep that the options ask for; raises InvalidConfig, UnknownDataset or BadDataFile."""
    given = {name: values.split(",") for name in AXES if (values := getattr(options, name)) is not None}
    if options.question is not None and options.question not in QUESTIONS:
        raise InvalidConfig(f"question must be one of {', '.join(QUESTIONS)}, not {options.question!r}.")
    asked = dict(QUESTIONS[options.question].axes) if options.question else {}
    values = {name: [_value(name, text) for text in texts] for name, texts in given.items()}
    axes = [(name, values.pop(name, asked.get(name))) for name in asked]  # what is given narrows the question down
    axes += [(name, own) for name, own in values.items() if len(own) > 1]
    settings = {name: own[0] for name, own in values.items() if len(own) == 1}
    if "lambda_n" not in given and "lambda_n" not in asked:
        axes.append(WITH_AND_WITHOUT)
    settings |= {"dataset": options.dataset, "seed": options.seed}
    return make_sweep(settings, [(name, list(own or ())) for name, own in axes], _whole("seeds", options.seeds))


def _value(name: str, text: str) -> str | None:
    text = text.strip()
    return None if text == PUBLISHED and name not in ("protocol", "contamination") else text


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidConfig(f"{name} must be a whole number, not {text!r}.") from None


@contextmanager
def _engine(options: argparse.Namespace) -> Iterator[Engine]:
    if options.cluster is not None:
        from anoonly_core.cluster import Cluster

        with Cluster(options.cluster) as cluster:
            yield cluster
        return
    count = (os.cpu_count() or 1) if options.workers is None else _whole("workers", options.workers)
    if not 1 <= count <= 256:
        raise InvalidConfig(f"workers must be a whole number from 1 to 256, not {count}.")
    workers = Workers(count, worker.start_trainer)
    try:
        yield LocalEngine(workers)
    finally:
        workers.close()


def _train(sweep: Sweep, engine: Engine, store: Store, runs: dict[str, StoredRun], failures: dict[str, str]) -> None:
    """Train what is missing, showing how far it has come; runs and failures grow as it goes."""
    missing = {key: config for key, config in sweep.configs.items() if key not in runs}
    said = f"{len(sweep.configs)} runs, {len(runs)} of them kept from before"
    if not missing:
        print(f"{said}.", file=sys.stderr)
        return
    states = execute(missing, engine, store)
    try:
        with tqdm(total=len(sweep.configs), initial=len(runs), unit="run", disable=None, leave=False) as bar:
            for state in states:
                if said and state.seconds_left is not None:
                    bar.clear()
                    print(f"{said}; about {duration(state.seconds_left)} on {engine.slots} workers.", file=sys.stderr)
                    said = ""
                runs |= state.runs
                failures |= state.failures
                if state.unkept:
                    print(state.unkept, file=sys.stderr)
                if state.seconds_left is not None:
                    bar.set_postfix_str(f"about {duration(state.seconds_left)} left")
                bar.update(len(runs) + len(failures) - bar.n)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped: {len(runs)} of {len(sweep.configs)} runs are kept; the same command goes on from there."
        ) from None
    finally:
        states.close()  # type: ignore[attr-defined]


def _report(sweep: Sweep, table: pd.DataFrame) -> dict[str, Any]:
    points = []
    for number, point in enumerate(sweep.points):
        own = table[table["point"] == number]
        finished = own[own["failure"] == ""]
        points.append(
            {
                "at": point.at,
                "runs": len(finished),
                "mean": {name: float(finished[name].mean()) for name in METRICS} if len(finished) else None,
                "std": {name: float(finished[name].std(ddof=1)) for name in METRICS} if len(finished) > 1 else None,
                "failures": sorted(set(own["failure"]) - {""}),
            }
        )
    return {"settings": sweep.settings, "seeds": sweep.seeds, "points": points, "left_out": sweep.grid[1]}


def _as_text(sweep: Sweep, table: pd.DataFrame) -> str:
    """A line a point: where it is, how many runs, mean ± standard deviation of each metric."""
    names = [axis.name for axis in sweep.axes]
    lines = ["  ".join([*(f"{name:>14}" for name in names), "runs", *(f"{name:>15}" for name in METRICS[:3])])]
    for point in _report(sweep, table)["points"]:
        place = [f"{'-' if point['at'][name] is None else point['at'][name]!s:>14}" for name in names]
        cells = []
        for name in METRICS[:3] if point["mean"] else ():
            spread = f" ± {point['std'][name]:.4f}" if point["std"] else ""
            cells.append(f"{point['mean'][name]:.4f}{spread}".rjust(15))
        lines.append("  ".join([*place, f"{point['runs']:4}", *cells, *point["failures"]]))
    return "\n".join(lines)

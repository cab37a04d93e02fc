"""The command `sweep`: train a grid of runs on this machine or a cluster and store each run."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import pandas as pd

from anoonly_core.cli.engines import add_engine_options, open_engine, train
from anoonly_core.cli.options import check_table_path, implied_protocol, parse_int, setting_help, write_table
from anoonly_core.cli.progress import download
from anoonly_core.cli.weak_supervision import QUESTION, compare_mechanisms
from anoonly_core.cli.wsadbench import add_option, check_option, write_runs
from anoonly_core.errors import InvalidConfig
from anoonly_core.execution.executor import stored_runs
from anoonly_core.metrics.ranking import METRICS
from anoonly_core.results.store import default_store
from anoonly_core.runs.device import check_device
from anoonly_core.sweeps.presets import LAMBDA_N_AXIS, SWEEP_PRESETS
from anoonly_core.sweeps.sweep import AXES, PUBLISHED, Sweep, make_sweep, sweep_table

__all__ = ["add_parser", "parse_sweep"]


def add_parser(commands: Any) -> None:
    """Add the command `sweep` and its options to the subparsers."""
    parser = commands.add_parser("sweep", help="train a grid of settings with several seeds")
    parser.add_argument("--dataset", metavar="VALUE", help=setting_help("dataset"))
    for name in AXES:
        default = "both 1 and 0" if name == "lambda_n" else None
        rule = setting_help(name, "; separate several values by commas to vary them", default)
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar="VALUES", help=rule)
    parser.add_argument(
        "--question",
        metavar="NAME",
        help=f"vary the settings of an experiment of the paper: {', '.join(SWEEP_PRESETS)}; or {QUESTION}: rank all "
        "mechanisms in the place of batch norm, at several strengths",
    )
    parser.add_argument(
        "--plugin",
        metavar="FILE",
        help=f"with --question {QUESTION}: rank the mechanism that this Python file defines among the others; the file "
        "is executed",
    )
    parser.add_argument("--seed", metavar="VALUE", help="first seed; default: 0")
    parser.add_argument("--seeds", metavar="N", default="5", help="seeds per grid point; default: 5")
    parser.add_argument("--device", default="auto", help="auto, cpu (all cores) or cuda")
    add_engine_options(parser)
    parser.add_argument("--out", metavar="FILE", help="write the table of all runs to a .csv or .parquet file")
    add_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_sweep)


def _sweep(options: argparse.Namespace) -> None:
    if options.question == QUESTION:
        if options.wsadbench is not None:
            raise InvalidConfig(f"--wsadbench cannot be written for --question {QUESTION}: leave one of them out.")
        compare_mechanisms(options)
        return
    if options.plugin is not None:
        raise InvalidConfig(f"--plugin needs --question {QUESTION}: add it, or leave --plugin out.")
    sweep = parse_sweep(options)
    check_device(options.device)
    out, result_file = check_table_path(options.out), check_option(options)
    download(str(sweep.settings.get("dataset", "digits_3")))
    for sentence in sweep.left_out:
        print(f"Left out: {sentence}", file=sys.stderr)
    store = default_store()
    failures = dict[str, str]()
    with open_engine(options) as engine:
        runs = stored_runs(store, sweep.configs, engine.device)
        train(sweep.configs, engine, store, runs, failures)
    table = sweep_table(sweep, runs, failures)
    if out is not None:
        write_table(table, out)
    write_runs(result_file, runs.values())
    print(json.dumps(_report(sweep, table), indent=1) if options.json else _as_text(sweep, table))


def parse_sweep(options: argparse.Namespace) -> Sweep:
    """Return the sweep that the parsed options of the command describe, with the axes of --question if given.

    Raise InvalidConfig, UnknownDataset or BadDataFile if an option or the data set is invalid.
    """
    given = {name: values.split(",") for name in AXES if (values := getattr(options, name)) is not None}
    if options.question is not None and options.question not in SWEEP_PRESETS:
        named = ", ".join([*SWEEP_PRESETS, QUESTION])
        raise InvalidConfig(f"question must be one of {named}, not {options.question!r}.")
    preset = dict(SWEEP_PRESETS[options.question].axes) if options.question else {}
    values = {name: [_value(name, text) for text in texts] for name, texts in given.items()}
    axes = [(name, values.pop(name, preset.get(name))) for name in preset]  # an option replaces the preset values
    axes += [(name, several) for name, several in values.items() if len(several) > 1]
    settings = {name: single[0] for name, single in values.items() if len(single) == 1}
    if "lambda_n" not in given and "lambda_n" not in preset:
        axes.append(LAMBDA_N_AXIS)
    settings |= {"dataset": options.dataset, "seed": options.seed}
    if "protocol" not in given and options.dataset and (protocol := implied_protocol(options.dataset)):
        settings["protocol"] = protocol
    return make_sweep(
        settings, [(name, list(several or ())) for name, several in axes], parse_int("seeds", options.seeds)
    )


def _value(name: str, text: str) -> str | None:
    text = text.strip()
    return None if text == PUBLISHED and name not in ("protocol", "contamination") else text


def _report(sweep: Sweep, table: pd.DataFrame) -> dict[str, Any]:
    points = []
    for number, point in enumerate(sweep.points):
        rows = table[table["point"] == number]
        finished = rows[rows["failure"] == ""]
        points.append(
            {
                "at": point.values,
                "runs": len(finished),
                "mean": {name: float(finished[name].mean()) for name in METRICS} if len(finished) else None,
                "std": {name: float(finished[name].std(ddof=1)) for name in METRICS} if len(finished) > 1 else None,
                "failures": sorted(set(rows["failure"]) - {""}),
            }
        )
    return {"settings": sweep.settings, "seeds": sweep.seeds, "points": points, "left_out": sweep.left_out}


def _as_text(sweep: Sweep, table: pd.DataFrame) -> str:
    """Format the results of a sweep as text: a heading, and one line per grid point with its values and figures.

    The figures are the number of runs and mean ± standard deviation of three metrics.
    """
    names = [axis.name for axis in sweep.axes]
    lines = ["  ".join([*(f"{name:>14}" for name in names), "runs", *(f"{name:>15}" for name in METRICS[:3])])]
    for point in _report(sweep, table)["points"]:
        values = [f"{'-' if point['at'][name] is None else point['at'][name]!s:>14}" for name in names]
        cells = []
        for name in METRICS[:3] if point["mean"] else ():
            spread = f" ± {point['std'][name]:.4f}" if point["std"] else ""
            cells.append(f"{point['mean'][name]:.4f}{spread}".rjust(15))
        lines.append("  ".join([*values, f"{point['runs']:4}", *cells, *point["failures"]]))
    return "\n".join(lines)

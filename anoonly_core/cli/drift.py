"""The command `drift`: score a stream whose rows change by statistics that follow, or do not."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from anoonly_core.cli.options import add_run_options, check_table_path, parse_configs, write_table
from anoonly_core.cli.progress import progress_bar
from anoonly_core.data.tables.files import printable
from anoonly_core.drift.config import RULES, DriftConfig, make_drift_config
from anoonly_core.drift.detectors import DETECTORS, SIGNALS, find_changes, signal
from anoonly_core.drift.report import figure_table, summarize, summarize_absorption
from anoonly_core.drift.result import Absorption, DriftResult
from anoonly_core.drift.summary import FIGURE_LABELS
from anoonly_core.drift.ways import WAYS
from anoonly_core.errors import InvalidConfig
from anoonly_core.results.store import default_store

__all__ = ["add_parser"]

FILLED_IN = {"amount": "that of the shift", "start": "a third of batches", "period": "a sixth of batches"}


def add_parser(commands: Any) -> None:
    """Add the command `drift` and its options to the subparsers."""
    parser = commands.add_parser("drift", help="score a stream whose rows change, by statistics that follow it")
    add_run_options(parser)
    for name, rule in RULES.items():
        option = f"--{name.replace('_', '-')}"
        if name == "standardize":
            parser.add_argument(option, action="store_true", help="scores in deviations from the mean of their batch")
        else:
            default = FILLED_IN.get(name, DriftConfig.model_fields[name].default)
            parser.add_argument(option, dest=name, metavar="VALUE", help=f"{rule}; default: {default}")
    parser.add_argument(
        "--absorption", action="store_true", help="also measure streams without a shift over the share of anomalies"
    )
    parser.add_argument(
        "--detector", metavar="NAME", help=f"mark changes of the first seed by {' or '.join(DETECTORS)} (river)"
    )
    parser.add_argument(
        "--signal", metavar="NAME", default="scores", help=f"what the detector reads: {' or '.join(SIGNALS)}"
    )
    parser.add_argument(
        "--out", metavar="FILE", help="write the figures by seed, way and batch to a .csv or .parquet file"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_drift)


def _drift(options: argparse.Namespace) -> None:
    if options.signal not in SIGNALS:
        raise InvalidConfig(f"signal must be one of {', '.join(SIGNALS)}, not {options.signal[:60]!r}.")
    if options.detector is not None:
        find_changes(np.empty((0, 0)), options.detector)  # raises before the training
    out = check_table_path(options.out)
    given = {name: getattr(options, name) for name in RULES}
    configs = [make_drift_config(run, **given) for run in parse_configs(options)]
    results, absorptions = _run(configs, options.absorption)
    if out is not None:
        write_table(figure_table(configs, results), out)
    changes = None
    if options.detector is not None:
        read = {way: signal(results[0], list(WAYS).index(way), options.signal) for way in configs[0].distinct_ways}
        changes = {way: find_changes(values, options.detector) for way, values in read.items()}
    report = summarize(configs, results, changes)
    if absorptions:
        report["absorption"] = summarize_absorption(configs[0], absorptions)
    print(json.dumps(report, indent=1) if options.json else _as_text(report))


def _run(configs: list[DriftConfig], absorbs: bool) -> tuple[list[DriftResult], list[Absorption]]:
    import torch  # imported after the options are checked, since torch takes seconds to load

    from anoonly_core.drift.run import run_absorption, run_drift
    from anoonly_core.runs.run import warm_up

    torch.set_num_threads(1)  # as in the workers of the page, which share the stored results
    warm_up()
    with progress_bar("step", leave=False) as show:
        results = run_drift(configs, default_store(), show)
        return results, run_absorption(configs, store=default_store(), report=show) if absorbs else []


def _as_text(report: dict[str, Any]) -> str:
    """Format the figures before and after, the changes, and the sentences on them."""
    config = report["config"]
    seeds = f"{report['seeds']} seed{'s' if report['seeds'] > 1 else ''}"
    lines = [
        f"{printable(config['run']['dataset'])}, {config['run']['baseline']}: {report['batches']} batches of "
        f"{config['rows']} rows, {seeds}; means ± 95 %",
        f"{'before → from the start':22}  " + "  ".join(f"{label:>22}" for label in FIGURE_LABELS.values()),
    ]
    for way, figures in report["ways"].items():
        cells = [f"{_show(figures[name]['before'])} → {_show(figures[name]['after'])}" for name in FIGURE_LABELS]
        lines.append(f"{WAYS[way].label:22}  " + "  ".join(f"{cell:>22}" for cell in cells))
    for way, figures in report["ways"].items():
        if figures["changes"] is not None:
            found = ", ".join(map(str, figures["changes"])) or "none"
            lines.append(f"changes in {WAYS[way].label}: {found}")
    if report["rows_return"]:
        lines.append("The stream is longer than the test rows at hand, so rows return.")
    lines.append(report["headline"])
    if "absorption" in report:
        lines.append(report["absorption"]["sentence"])
    return "\n".join(lines)


def _show(estimate: dict[str, float | None]) -> str:
    mean, margin = estimate["mean"], estimate["margin"]
    return "–" if mean is None else f"{mean:.3f}" if margin is None else f"{mean:.3f}±{margin:.3f}"

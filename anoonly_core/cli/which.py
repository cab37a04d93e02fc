"""The command `which`: rank all systems on a data set over the number of labeled anomalies."""

from __future__ import annotations

import argparse
import json
from typing import Any

from anoonly_core.cli.engines import add_engine_options, open_engine, train
from anoonly_core.cli.options import check_table_path, implied_protocol, parse_int, setting_help, write_table
from anoonly_core.cli.progress import download
from anoonly_core.cli.wsadbench import add_option, check_option, write_runs
from anoonly_core.config import RULES, make_config
from anoonly_core.data.tables.files import printable
from anoonly_core.execution.executor import stored_runs
from anoonly_core.results.store import default_store
from anoonly_core.runs.device import check_device
from anoonly_core.which.advice import advice, crossover_sentence
from anoonly_core.which.plan import COUNTS, SHARED_SETTINGS, WhichPlan, plan_which
from anoonly_core.which.result import WhichResult, which_result
from anoonly_core.which.summary import points_table, summarize
from anoonly_core.which.systems import DEFAULT_SYSTEMS, SYSTEMS

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command `which` and its options to the subparsers."""
    parser = commands.add_parser("which", help="rank all systems on a data set over the number of labels")
    parser.add_argument("dataset", metavar="DATASET", help=RULES["dataset"])
    parser.add_argument(
        "--systems",
        metavar="NAMES",
        help=f"separated by semicolons: {'; '.join(SYSTEMS)}, or all; default: {'; '.join(DEFAULT_SYSTEMS)}",
    )
    parser.add_argument("--labels", metavar="N", help="labeled anomalies at which to rank; default: the largest number")
    parser.add_argument(
        "--counts",
        metavar="NUMBERS",
        default=",".join(map(str, COUNTS)),
        help="numbers of labeled anomalies of the curves, separated by commas",
    )
    parser.add_argument("--seed", metavar="VALUE", default="0", help="first seed; default: 0")
    parser.add_argument("--seeds", metavar="N", default="5", help="seeds per system and number; default: 5")
    for name in SHARED_SETTINGS:
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar="VALUE", help=setting_help(name))
    parser.add_argument("--device", default="auto", help="auto, cpu (all cores) or cuda")
    add_engine_options(parser)
    parser.add_argument("--out", metavar="FILE", help="write the table of all points to a .csv or .parquet file")
    add_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_which)


def _which(options: argparse.Namespace) -> None:
    check_device(options.device)
    out, result_file = check_table_path(options.out), check_option(options)
    make_config(dataset=options.dataset)
    download(options.dataset)
    plan = _plan(options)
    store, failures = default_store(), dict[str, str]()
    with open_engine(options) as engine:
        runs = stored_runs(store, plan.configs, engine.device)
        for configs in filter(None, plan.stages):
            train(configs, engine, store, runs, failures)
    result = which_result(plan, runs, failures)
    if out is not None:
        write_table(points_table(result), out)
    write_runs(result_file, runs.values())
    print(json.dumps(summarize(result), indent=1) if options.json else _as_text(result))


def _plan(options: argparse.Namespace) -> WhichPlan:
    """Return the plan that the options describe; raises as `plan_which`."""
    names = DEFAULT_SYSTEMS if options.systems is None else options.systems.split(";")
    settings = {name: getattr(options, name) for name in SHARED_SETTINGS}
    return plan_which(
        options.dataset,
        tuple(SYSTEMS) if names == ["all"] else names,
        [parse_int("counts", text) for text in options.counts.split(",")],
        None if options.labels is None else parse_int("labels", options.labels),
        parse_int("seeds", options.seeds),
        parse_int("seed", options.seed),
        {**settings, "protocol": settings["protocol"] or implied_protocol(options.dataset)},
    )


def _as_text(result: WhichResult) -> str:
    """Format the ranking, the curves, and the sentences on both."""
    plan = result.plan
    width = max((len(rank.point.system) for rank in result.ranking), default=6)
    lines = [
        f"{printable(plan.dataset)}, {plan.labels} labeled, {len(plan.seeds)} seeds: AUCPR of the anomalies ± 95 %",
        f"{'system':{width}}  {'AUCPR':>15}  {'behind the best':>17}  {'p':>8}  {'seconds':>8}",
    ]
    for rank in result.ranking:
        p = "" if rank.p_corrected is None else f"{rank.p_corrected:.3f}"
        behind = _with_margin(rank.behind, rank.margin) if rank is not result.ranking[0] else ""
        value = _with_margin(rank.point.mean, rank.point.margin)
        lines.append(f"{rank.point.system:{width}}  {value:>15}  {behind:>17}  {p:>8}  {rank.point.seconds:8.2f}")
    lines += ["", f"{'AUCPR by labels':{width}}  {'  '.join(f'{count:>6}' for count in plan.counts)}"]
    for system, curve in result.curves.items():
        means = {point.labels: f"{point.mean:.3f}" for point in curve}
        lines.append(f"{system:{width}}  {'  '.join(f'{means.get(count, chr(8211)):>6}' for count in plan.counts)}")
    return "\n".join([*lines, "", *filter(None, [crossover_sentence(result), *result.failures, advice(result)])])


def _with_margin(value: float, margin: float | None) -> str:
    return f"{value:.3f}" if margin is None else f"{value:.3f} ± {margin:.3f}"

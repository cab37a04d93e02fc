"""The command `label`: simulate labeling of a data set whose labels are known, and print what labels earn by rule."""

from __future__ import annotations

import argparse
import json
from typing import Any

from anoonly_core.cli.options import check_table_path, parse_int, setting_help, write_table
from anoonly_core.cli.progress import download, progress_bar
from anoonly_core.config import RULES, make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.tables.files import printable
from anoonly_core.errors import InvalidConfig
from anoonly_core.labeling.budget_table import (
    MAX_SEEDS,
    BudgetCurve,
    BudgetPlan,
    budget_points,
    curves_table,
)
from anoonly_core.labeling.rules import QUERY_RULES

__all__ = ["add_parser"]

MIN_ROWS = 20
SETTINGS = ("baseline", "epochs", "batch_size", "learning_rate", "preset", "contamination", "protocol")


def add_parser(commands: Any) -> None:
    """Add the command `label` and its options to the subparsers."""
    parser = commands.add_parser("label", help="simulate labeling by query rules: what do labels earn?")
    parser.add_argument("dataset", metavar="DATASET", help=RULES["dataset"])
    parser.add_argument(
        "--rules",
        metavar="NAMES",
        default=",".join(name for name, rule in QUERY_RULES.items() if not rule.needs_other),
        help=f"separated by commas: {', '.join(QUERY_RULES)}",
    )
    parser.add_argument("--rounds", metavar="N", default="5", help="rounds of labeling")
    parser.add_argument("--rows", metavar="N", default="10", help="rows that are labeled in a round")
    parser.add_argument("--known", metavar="N", default="1", help="anomalies that are known at the start")
    parser.add_argument("--seeds", metavar="N", default="5", help="number of seeds")
    parser.add_argument("--seed", metavar="VALUE", default="0", help="first seed")
    parser.add_argument("--max-rows", metavar="N", default="3000", help="draw this many rows of a larger data set")
    for name in SETTINGS:
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar="VALUE", help=setting_help(name))
    parser.add_argument("--out", metavar="FILE", help="write the curve of each seed to a .csv or .parquet file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_label)


def _label(options: argparse.Namespace) -> None:
    out = check_table_path(options.out)
    settings = {name: value for name in SETTINGS if (value := getattr(options, name)) is not None}
    make_config(dataset=options.dataset, **settings)
    first, seeds, most = (parse_int(name, getattr(options, name)) for name in ("seed", "seeds", "max_rows"))
    if not 1 <= seeds <= MAX_SEEDS:
        raise InvalidConfig(f"seeds must be a whole number from 1 to {MAX_SEEDS}, not {seeds}.")
    if most < MIN_ROWS:
        raise InvalidConfig(f"max_rows must be a whole number of {MIN_ROWS} or more, not {most}.")
    plan = BudgetPlan(
        {"dataset": options.dataset, **settings},
        tuple(options.rules.split(",")),
        tuple(range(first, first + seeds)),
        parse_int("rounds", options.rounds),
        parse_int("rows", options.rows),
        parse_int("known", options.known),
    )
    download(options.dataset)
    curves = _simulate(plan, most)
    if out is not None:
        write_table(curves_table(curves), out)
    report = _report(plan, curves)
    print(json.dumps(report, indent=1) if options.json else _as_text(report))


def _simulate(plan: BudgetPlan, most: int) -> list[BudgetCurve]:
    import torch  # imported after the options are checked, since torch takes seconds to load

    from anoonly_core.labeling.budget import at_most, simulate

    torch.set_num_threads(1)
    dataset = at_most(load_cached(plan.settings["dataset"]), most)
    with progress_bar("round") as show:
        return simulate(dataset, plan, show)


def _report(plan: BudgetPlan, curves: list[BudgetCurve]) -> dict[str, Any]:
    return {
        "dataset": plan.settings["dataset"],
        "seeds": list(plan.seeds),
        "rows_a_round": plan.batch,
        "known": plan.known,
        "curves": [
            {
                "system": system,
                "rule": rule,
                "points": [vars(point) for point in budget_points(_of(curves, system, rule), plan.batch)],
            }
            for system in plan.systems
            for rule in plan.rules
        ],
    }


def _of(curves: list[BudgetCurve], system: str, rule: str) -> list[BudgetCurve]:
    return [curve for curve in curves if (curve.system, curve.rule) == (system, rule)]


def _as_text(report: dict[str, Any]) -> str:
    """Format the means of anomalies found and AUCPR by rule and labels, with half of the 95 % interval of the last."""
    spent = [point["labels"] for point in report["curves"][0]["points"]]
    header = "  ".join(f"{labels:>6}" for labels in spent)
    lines = [f"{printable(report['dataset'])}, {len(report['seeds'])} seeds, {report['known']} known at the start"]
    for name, title in (("found", "anomalies found"), ("aucpr", "AUCPR of test rows")):
        lines += ["", f"{title + ' by labels':32}  {header}"]
        for curve in report["curves"]:
            points = curve["points"]
            values = "  ".join(f"{point[name]:6.1f}" if name == "found" else f"{point[name]:6.3f}" for point in points)
            margin = points[-1][f"{name}_margin"]
            lines.append(
                f"{curve['system'] + ', ' + curve['rule']:32}  {values}"
                + ("" if margin is None else f" ± {margin:.{1 if name == 'found' else 3}f}")
            )
    return "\n".join(lines)

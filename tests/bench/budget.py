"""Budget curves of the query rules: AUCPR and anomalies found against labels spent, for DeepSAD with and without L_N.

    python -m tests.bench.budget              simulate what the file lacks and print the tables
    python -m tests.bench.budget --only a,b   simulate these data sets only
    python -m tests.bench.budget --tables     print the tables of the existing file

Five seeds, five rounds of ten rows from one known anomaly, 20 epochs, at most 2000 rows of a data set. The file is
written after each data set, so a simulation that was stopped continues; delete the lines of a data set to simulate it
again.
Files that are not on this machine are left out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anoonly_core.data.catalogue import resolve
from anoonly_core.files import write_atomic
from anoonly_core.labeling.budget_table import (
    ANOONLY,
    BASELINE,
    SHIPPED_FILE,
    BudgetCurve,
    BudgetPlan,
    budget_points,
    curves_table,
    paired_points,
    read_curves,
)
from anoonly_core.labeling.rules import QUERY_RULES
from anoonly_core.metrics.confidence import adjust_holm, margin_of_error, p_of_mean

DIGITS = tuple(f"digits_{digit}" for digit in range(10))
CLASSICAL = (
    *("39_vertebral", "14_glass", "4_breastw", "37_Stamps"),
    *("43_WDBC", "6_cardio", "47_yeast", "38_thyroid"),
)
EMBEDDINGS = ("MVTec-AD_carpet", "MVTec-AD_bottle", "SVHN_0", "CIFAR10_0", "20news_3")
FAMILIES = {"digits": DIGITS, "classical": CLASSICAL, "embeddings": EMBEDDINGS}
RULES = tuple(name for name, rule in QUERY_RULES.items() if not rule.needs_other)
MAX_ROWS = 2000
EPOCHS = 20


def simulate_missing(names: Sequence[str], out: Path) -> None:
    """Simulate the data sets that the file lacks; rewrite the file after each."""
    import torch

    from anoonly_core.data.catalogue import load_cached
    from anoonly_core.labeling.budget import at_most, simulate

    torch.set_num_threads(1)
    curves = read_curves(out) if out.exists() else []
    done = {curve.dataset for curve in curves}
    for name in names:
        if name in done or not resolve(name).is_local():
            continue
        begun = time.perf_counter()
        plan = BudgetPlan({"dataset": name, "epochs": EPOCHS}, RULES)
        curves += simulate(at_most(load_cached(name), MAX_ROWS), plan)
        write_atomic(out, curves_table(curves).to_csv(index=False).encode())
        print(f"{name}: {time.perf_counter() - begun:.0f} s", flush=True)


def table(curves: Sequence[BudgetCurve], batch: int) -> str:
    """Return a Markdown table: each rule with both systems at the last point, and its lead over random labeling."""
    lines = [
        "| rule | found, AnoOnly | found, baseline | AUCPR, AnoOnly | AUCPR, baseline | AnoOnly − baseline "
        "| AUCPR to random, AnoOnly | AUCPR to random, baseline |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for rule in RULES:
        of = {system: _of(curves, system, rule) for system in (ANOONLY, BASELINE)}
        last = {system: budget_points(each, batch)[-1] for system, each in of.items()}
        pair = paired_points(of[ANOONLY], of[BASELINE], batch)[-1]
        to_random = {
            system: paired_points(each, _of(curves, system, "random"), batch)[-1] for system, each in of.items()
        }
        cells = [
            *(f"{point.found:.1f} ± {point.found_margin or 0:.1f}" for point in last.values()),
            *(_percent(point.aucpr, point.aucpr_margin) for point in last.values()),
            *(_percent(point.aucpr, point.aucpr_margin, "+") for point in (pair, *to_random.values())),
        ]
        lines.append(f"| {rule} | {' | '.join(cells)} |")
    return "\n".join(lines)


def verdicts(curves: Sequence[BudgetCurve]) -> str:
    """Return the lead of AnoOnly over the baseline before any label, and the p values of the leads at the end.

    The p values are of Student's t test over data sets, corrected by Holm for the rules.
    """
    begin = _leads(curves, RULES[0], 0)
    margin = margin_of_error(begin)
    values = adjust_holm([p_of_mean(_leads(curves, rule, -1)) for rule in RULES])
    shown = ", ".join(f"{rule} {value:.3f}" for rule, value in zip(RULES, values, strict=True) if value is not None)
    return (
        f"Before any label AnoOnly leads by {_percent(float(np.mean(begin)), margin)}. "
        f"p of its lead after all labels, by Holm: {shown}."
    )


def _leads(curves: Sequence[BudgetCurve], rule: str, point: int) -> list[float]:
    """Return AUCPR of AnoOnly less that of the baseline at a point of the curves, a mean over seeds per data set."""
    means = {}
    for system in (ANOONLY, BASELINE):
        of_sets: dict[str, list[float]] = {}
        for curve in _of(curves, system, rule):
            of_sets.setdefault(curve.dataset, []).append(curve.aucpr[point])
        means[system] = {name: float(np.mean(values)) for name, values in of_sets.items()}
    return [means[ANOONLY][name] - means[BASELINE][name] for name in means[ANOONLY]]


def _of(curves: Sequence[BudgetCurve], system: str, rule: str) -> list[BudgetCurve]:
    return [curve for curve in curves if (curve.system, curve.rule) == (system, rule)]


def _percent(value: float, margin: float | None, sign: str = "") -> str:
    return f"{100 * value:{sign}.1f} ± {100 * (margin or 0):.1f}"


def main() -> None:
    """Simulate, write the file and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="do not train; print the tables of the file")
    parser.add_argument("--only", metavar="NAMES", help="data sets, separated by commas")
    parser.add_argument("--out", type=Path, default=SHIPPED_FILE)
    options = parser.parse_args()
    names = options.only.split(",") if options.only else [name for family in FAMILIES.values() for name in family]
    if not options.tables:
        simulate_missing(names, options.out)
    curves = read_curves(options.out)
    batch = BudgetPlan({}, RULES).batch
    for family, members in {**FAMILIES, "all": tuple(names)}.items():
        of_family = [curve for curve in curves if curve.dataset in members]
        if of_family:
            sets = len({curve.dataset for curve in of_family})
            print(f"\n{family}, {sets} data sets\n\n{table(of_family, batch)}\n\n{verdicts(of_family)}")


if __name__ == "__main__":
    main()

"""Plan, curves and summary of a labeling budget, and its table as CSV; does not load torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anoonly_core.config import RunConfig, make_config
from anoonly_core.errors import InvalidConfig
from anoonly_core.labeling.rules import QUERY_RULES
from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.paths import ASSETS

__all__ = [
    "ANOONLY",
    "BASELINE",
    "MAX_SEEDS",
    "SHIPPED_FILE",
    "BudgetCurve",
    "BudgetPlan",
    "BudgetPoint",
    "budget_points",
    "curves_table",
    "paired_points",
    "read_curves",
    "shipped_curves",
]

ANOONLY, BASELINE = "AnoOnly", "baseline"
MAX_ROUNDS, MAX_BATCH, MAX_SEEDS = 100, 1000, 100
SHIPPED_FILE = ASSETS / "results" / "budget.csv"


@dataclass(frozen=True)
class BudgetPlan:
    """Plan of a simulation: rules, seeds and rounds, for a head with (baseline) and without (AnoOnly) its pool loss.

    Attributes
    ----------
    settings
        Settings of both systems beside λ_n, by name; the data set is not used.
    rules
        Keys of QUERY_RULES.
    seeds
        Seeds of split, training and draws.
    rounds, batch
        Rounds of labeling, and rows of a round.
    known
        Anomalies that are known at the start, drawn by the seed; they are no labels spent and none found.
    """

    settings: Mapping[str, Any]
    rules: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    rounds: int = 5
    batch: int = 10
    known: int = 1
    systems = (ANOONLY, BASELINE)

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("rounds", self.rounds, 1, MAX_ROUNDS),
            ("batch", self.batch, 1, MAX_BATCH),
            ("seeds", len(self.seeds), 1, MAX_SEEDS),
            ("known", self.known, 0, MAX_BATCH),
        ):
            if not least <= value <= most:
                raise InvalidConfig(f"{name} must be a whole number from {least} to {most}, not {value}.")
        if not self.rules or (unknown := [rule for rule in self.rules if rule not in QUERY_RULES]):
            wrong = repr(unknown[0]) if self.rules else "an empty list"
            raise InvalidConfig(f"rules must be of {', '.join(QUERY_RULES)}, not {wrong}.")
        if (weight := self.config(BASELINE, 0).lambda_n) is None:
            raise InvalidConfig("A budget compares AnoOnly with its baseline: choose a system with λ_n, as DeepSAD.")
        assert weight == 1

    def config(self, system: str, seed: int) -> RunConfig:
        """Return the run of a system, ANOONLY or BASELINE, at one seed."""
        return make_config(**{**self.settings, "lambda_n": 0.0 if system == ANOONLY else 1.0, "seed": seed})


@dataclass(frozen=True)
class BudgetCurve:
    """Anomalies found and AUCPR of one labeling loop after 0, 1, … rounds.

    Attributes
    ----------
    dataset, system, rule, seed
        The loop.
    found
        Anomalies among the labeled rows.
    aucpr
        AUCPR of the anomalies among the test rows.
    """

    dataset: str
    system: str
    rule: str
    seed: int
    found: tuple[int, ...]
    aucpr: tuple[float, ...]


@dataclass(frozen=True)
class BudgetPoint:
    """Mean over seeds (and data sets) at a number of labels, with half of its 95 % interval.

    Attributes
    ----------
    labels
        Labels spent.
    found, aucpr
        Mean number of anomalies found, and mean AUCPR.
    found_margin, aucpr_margin
        Half-widths of the 95 % intervals of both; None for one value.
    """

    labels: int
    found: float
    found_margin: float | None
    aucpr: float
    aucpr_margin: float | None


def budget_points(curves: Sequence[BudgetCurve], batch: int) -> list[BudgetPoint]:
    """Average curves of equal length point by point.

    Several curves of one data set are first averaged if there are several data sets, so that the interval is that over
    data sets; else it is that over seeds. `batch` is the number of rows of a round.
    """
    values = _values(curves)
    return [
        BudgetPoint(
            batch * number,
            float(values[:, 0, number].mean()),
            margin_of_error(values[:, 0, number].tolist()),
            float(values[:, 1, number].mean()),
            margin_of_error(values[:, 1, number].tolist()),
        )
        for number in range(values.shape[2])
    ]


def paired_points(curves: Sequence[BudgetCurve], others: Sequence[BudgetCurve], batch: int) -> list[BudgetPoint]:
    """Average the differences of curves minus others of the same data sets and seeds, point by point."""
    by_pair = {(curve.dataset, curve.seed): curve for curve in others}
    differences = [
        BudgetCurve(
            curve.dataset,
            curve.system,
            curve.rule,
            curve.seed,
            tuple(np.subtract(curve.found, by_pair[curve.dataset, curve.seed].found).tolist()),
            tuple(np.subtract(curve.aucpr, by_pair[curve.dataset, curve.seed].aucpr).tolist()),
        )
        for curve in curves
    ]
    return budget_points(differences, batch)


def _values(curves: Sequence[BudgetCurve]) -> np.ndarray:
    """Return found and AUCPR by seed, or by data set if there are several, float64 [curves, 2, points]."""
    groups: dict[str, list[tuple[tuple[float, ...], tuple[float, ...]]]] = {}
    for curve in curves:
        groups.setdefault(curve.dataset, []).append((curve.found, curve.aucpr))
    if len(groups) == 1:
        return np.array(next(iter(groups.values())), dtype=np.float64)
    return np.array([np.mean(np.array(of_set, dtype=np.float64), axis=0) for of_set in groups.values()])


def curves_table(curves: Iterable[BudgetCurve]) -> pd.DataFrame:
    """Return one line per curve; found and aucpr hold their values separated by spaces, AUCPR to 4 digits."""
    return pd.DataFrame(
        [
            {
                "dataset": curve.dataset,
                "system": curve.system,
                "rule": curve.rule,
                "seed": curve.seed,
                "found": " ".join(map(str, curve.found)),
                "aucpr": " ".join(f"{value:.4f}" for value in curve.aucpr),
            }
            for curve in curves
        ]
    )


def read_curves(path: Path) -> list[BudgetCurve]:
    """Read the curves of a CSV that holds a `curves_table`."""
    table = pd.read_csv(path, keep_default_na=False)
    return [
        BudgetCurve(
            line["dataset"],
            line["system"],
            line["rule"],
            int(line["seed"]),
            tuple(map(int, line["found"].split())),
            tuple(map(float, line["aucpr"].split())),
        )
        for line in table.to_dict("records")
    ]


def shipped_curves(dataset: str | None = None) -> list[BudgetCurve]:
    """Return the curves that ship with the package, of one data set or of all; none if there are none."""
    curves = read_curves(SHIPPED_FILE) if SHIPPED_FILE.is_file() else []
    return curves if dataset is None else [curve for curve in curves if curve.dataset == dataset]

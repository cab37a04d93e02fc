"""Fig. 10 of the paper: scores and hidden features of the test rows, without and with AnoOnly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from anoonly_core.metrics.ranking import Metrics, metrics
from anoonly_core.paths import ASSETS
from anoonly_core.projection import project
from anoonly_core.reproduction.cells import signed
from anoonly_core.reproduction.experiments import ANOONLY, EXPERIMENTS, PlannedRun, planned_runs
from anoonly_core.reproduction.grid import Grid, GridValue
from anoonly_core.results.result import Role, RunResult

__all__ = [
    "DATASETS",
    "FILE",
    "ScoredRows",
    "fig10_runs",
    "read_scored_rows",
    "scored_rows_grid",
    "scored_rows_sentence",
    "write_scored_rows",
]

FILE = ASSETS / "results" / "fig10.csv"
DATASETS = ("CIFAR10_0", "SVHN_0", "20news_3")
HEAD = "DeepSAD"


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Test rows and labeled anomalies of one run.

    Attributes
    ----------
    dataset, system : str
        Data set and system of the run.
    role : ndarray
        A value of Role for each row, int [rows].
    scores : ndarray
        Anomaly scores, float [rows]; NaN for labeled anomalies, which are training rows.
    points : ndarray
        First two principal components of the hidden features, float [rows, 2]; NaN for rows whose features are not
        stored.
    """

    dataset: str
    system: str
    role: np.ndarray
    scores: np.ndarray
    points: np.ndarray

    @property
    def metrics(self) -> Metrics:
        """Metrics of the scores of the test rows."""
        is_test = self.role != Role.LABELED_ANOMALY
        return metrics((self.role[is_test] == Role.TEST_ANOMALY).astype(np.int8), self.scores[is_test])


def fig10_runs() -> list[PlannedRun]:
    """Return the runs of the figure: seed 0 of DeepSAD and DeepSAD + AnoOnly as in Table 3, by the text's settings."""
    planned = planned_runs(EXPERIMENTS["table3"], DATASETS, seeds=1)
    at = ((run, run.variant.at) for run in planned)
    return [run for run, variant in at if variant["source"] == "text" and variant["baseline"] == HEAD]


def write_scored_rows(results: Iterable[RunResult], path: Path = FILE) -> None:
    """Write the test rows and labeled anomalies of runs to a CSV file, one line each."""
    tables = []
    for result in results:
        sample = result.sample
        system = HEAD + ("" if result.config.lambda_n else ANOONLY)
        x, y = project(sample.hidden, "pca").T
        points = pd.DataFrame({"row": sample.rows, "role": sample.role, "x": x, "y": y})
        test = pd.DataFrame({"row": result.test_rows, "role": result.y_test, "score": result.scores})
        rows = test.merge(points, how="outer", on=["row", "role"], sort=True)
        rows[["x", "y"]] = rows[["x", "y"]].astype(float).map("{:.4g}".format).replace("nan", "")
        rows["score"] = rows["score"].map("{:.9g}".format).replace("nan", "")
        tables.append(rows.assign(dataset=result.config.dataset, system=system))
    columns = ["dataset", "system", "role", "score", "x", "y"]
    pd.concat(tables)[columns].to_csv(path, index=False)


@cache
def read_scored_rows(path: Path = FILE) -> tuple[ScoredRows, ...]:
    """Read what `write_scored_rows` wrote: one entry per run, in the order of the file; () without a file. Cached."""
    if not path.is_file():
        return ()
    table = pd.read_csv(path)
    return tuple(
        ScoredRows(
            str(dataset), str(system), rows["role"].to_numpy(), rows["score"].to_numpy(), rows[["x", "y"]].to_numpy()
        )
        for (dataset, system), rows in table.groupby(["dataset", "system"], sort=False)
    )


def scored_rows_grid(runs: Iterable[ScoredRows]) -> Grid:
    """Tabulate the runs of the figure: test rows, test anomalies, and metrics in percent."""
    rows: list[tuple[GridValue, ...]] = []
    for run in runs:
        found = run.metrics
        rows.append(
            (
                *(run.dataset, run.system),
                *(int((run.role == role).sum()) for role in (Role.TEST_NORMAL, Role.TEST_ANOMALY)),
                *(100 * found.aucroc, 100 * found.aucpr_anomaly),
            )
        )
    return Grid(
        "Fig. 10: runs of the figure, in %, measured as the paper's text describes it, without the leak",
        ("data set", "system", "normal test rows", "test anomalies", "AUCROC", "AUCPR of the anomalies"),
        tuple(rows),
        ("One seed each, 0, as a figure shows one run: Table 3 has all seeds.",),
    )


def scored_rows_sentence(runs: Iterable[ScoredRows]) -> str:
    """Return the AUCPR of each data set without and with AnoOnly, in one sentence, and its doubt; "" without a pair."""
    values = {(run.dataset, run.system): 100 * run.metrics.aucpr_anomaly for run in runs}
    clauses = [
        f"{dataset} {before:.1f} → {after:.1f} ({signed(after - before)})"
        for dataset in dict.fromkeys(dataset for dataset, _ in values)
        if (before := values.get((dataset, HEAD))) is not None
        and (after := values.get((dataset, HEAD + ANOONLY))) is not None
    ]
    if not clauses:
        return ""
    return (
        f"AUCPR of the anomalies in %, {HEAD} without and with AnoOnly: {'; '.join(clauses)}. This is one seed, which "
        "shows no spread: Table 3 has five."
    )

"""Published figures: the tables of the paper, the averages in its README, and runs of its code.

Sources: Tables 1 to 4 of arXiv 2305.18798, the README of github.com/cool-xuan/AnoOnly, and runs of that code, file by
file, with its splits and seeds. All lie in assets/published; metrics are in percent here.
"""

from __future__ import annotations

import csv
from functools import cache

import pandas as pd

from anoonly_core.paths import ASSETS
from anoonly_core.reproduction.families import family_of

__all__ = [
    "ASSETS",
    "AVERAGE",
    "authors_runs",
    "authors_splits",
    "paper_norms",
    "paper_tables",
    "readme",
]

PUBLISHED = ASSETS / "published"
AVERAGE = "average"  # the paper's name of the mean over its ten data sets

# Column of official_runs.csv -> our metric. The last one has the sign that Table 4 uses.
_METRICS = {
    "aucroc": "aucroc",
    "aucpr": "aucpr_anomaly",
    "aucpr_normal_correct": "aucpr_normal",
    "aucpr_normal_official": "aucpr_normal_published",
}


@cache
def paper_tables() -> dict[tuple[str, str, str], float]:
    """Return the figures of Tables 1, 3 and 4: (metric, system, family or AVERAGE) → percent."""
    return {
        (row["metric"], _system(row["method"], row["anomaly_only"]), row["dataset"]): float(row["percent"])
        for row in _rows("paper_tables.csv")
    }


@cache
def paper_norms() -> dict[tuple[str, str], float]:
    """Return the figures of Table 2: (system, norm) → AUCROC in percent over all ten data sets.

    Empty cells are left out.
    """
    columns = {"deepsad_aucroc_percent": "DeepSAD", "deepsad_anoonly_aucroc_percent": "DeepSAD + AnoOnly"}
    return {
        (system, row["norm"]): float(row[column])
        for row in _rows("paper_norm_ablation.csv")
        for column, system in columns.items()
        if row[column]
    }


@cache
def readme() -> dict[str, float]:
    """Return the table in the README of the paper's code: system → AUCROC in percent over all ten data sets."""
    columns = {"0": "aucroc_percent", "1": "aucroc_anoonly_percent"}
    return {
        _system(row["method"], anomaly_only): float(row[column])
        for row in _rows("readme_overall.csv")
        for anomaly_only, column in columns.items()
    }


@cache
def authors_runs() -> pd.DataFrame:
    """Return the results of the published code as a table with one row per run; cached, do not change it.

    Returns
    -------
    pandas.DataFrame
        Columns dataset, family, system, contamination (0.0 or "natural"), seed, and four metrics in percent.
    """
    table = pd.read_csv(PUBLISHED / "official_runs.csv", dtype={"anomaly_only": str})
    return pd.DataFrame(
        {
            "dataset": table["dataset"],
            "family": table["dataset"].map(family_of),
            "system": [_system(*row) for row in zip(table["method"], table["anomaly_only"], strict=True)],
            "contamination": [0.0 if clean else "natural" for clean in table["clean"]],
            "seed": table["data_seed"],
            **{metric: 100 * table[column] for column, metric in _METRICS.items()},
        }
    )


@cache
def authors_splits() -> dict[tuple[str, str, str], tuple[float, float]]:
    """Return the mean AUCROC of our engine and of the authors' code, both measured on the authors' splits.

    Over the files in official_runs.csv: two each of CIFAR10 and SVHN, and ten of MVTec-AD. Measured once on a GPU with
    the settings of the authors' code and five initializations per split. No command repeats this measurement, since
    only the authors' loader makes these splits.

    Returns
    -------
    dict
        (system, family, "clean" or "natural") → (ours, theirs), in percent.
    """
    with (ASSETS / "results" / "authors_splits.csv").open(newline="", encoding="utf-8") as file:
        return {
            (row["system"], row["family"], row["pool"]): (float(row["ours"]), float(row["theirs"]))
            for row in csv.DictReader(file)
        }


def _system(method: str, anomaly_only: str) -> str:
    return f"{method} + AnoOnly" if anomaly_only == "1" else method


def _rows(name: str) -> list[dict[str, str]]:
    with (PUBLISHED / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))

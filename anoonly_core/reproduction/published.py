"""What was published, as figures: the paper's tables, its README's averages, and its code as it runs.

The paper (arXiv 2305.18798), Tables 1 to 4; the README of github.com/cool-xuan/AnoOnly; and that
code run, file by file, under its own splits and seeds. All in assets/published, AUCs in percent here.
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
AVERAGE = "average"  # the paper's word for the mean over its ten data sets

# The published code's column -> what we call it. Its AUCPR of the normal rows has the sign that Table 4 has.
_METRICS = {
    "aucroc": "aucroc",
    "aucpr": "aucpr_anomaly",
    "aucpr_normal_correct": "aucpr_normal",
    "aucpr_normal_official": "aucpr_normal_published",
}


@cache
def paper_tables() -> dict[tuple[str, str, str], float]:
    """Tables 1, 3 and 4: (metric, system, family or AVERAGE) -> percent."""
    return {
        (row["metric"], _system(row["method"], row["anomaly_only"]), row["dataset"]): float(row["percent"])
        for row in _rows("paper_tables.csv")
    }


@cache
def paper_norms() -> dict[tuple[str, str], float]:
    """Table 2: (system, norm) -> AUCROC in percent, over all ten data sets; the text has no baseline with bn_loss."""
    columns = {"deepsad_aucroc_percent": "DeepSAD", "deepsad_anoonly_aucroc_percent": "DeepSAD + AnoOnly"}
    return {
        (system, row["norm"]): float(row[column])
        for row in _rows("paper_norm_ablation.csv")
        for column, system in columns.items()
        if row[column]
    }


@cache
def readme() -> dict[str, float]:
    """The README's table: system -> AUCROC in percent, over all ten data sets."""
    columns = {"0": "aucroc_percent", "1": "aucroc_anoonly_percent"}
    return {
        _system(row["method"], anomaly_only): float(row[column])
        for row in _rows("readme_overall.csv")
        for anomaly_only, column in columns.items()
    }


@cache
def authors_runs() -> pd.DataFrame:
    """The published code, run: dataset, family, system, contamination (0.0, "natural"), seed, metrics in percent."""
    table = pd.read_csv(PUBLISHED / "official_runs.csv", dtype={"anomaly_only": str})
    return pd.DataFrame(
        {
            "dataset": table["dataset"],
            "family": table["dataset"].map(family_of),
            "system": [_system(*row) for row in zip(table["method"], table["anomaly_only"], strict=True)],
            "contamination": [0.0 if clean else "natural" for clean in table["clean"]],
            "seed": table["data_seed"],
            **{ours: 100 * table[theirs] for theirs, ours in _METRICS.items()},
        }
    )


@cache
def authors_splits() -> dict[tuple[str, str, str], tuple[float, float]]:
    """Ours and theirs on the authors' own splits: (system, family, "clean" or "natural") -> AUCROC in percent.

    Over the two files of CIFAR10 and SVHN and the ten of MVTec-AD that official_runs.csv has. Measured once on a
    GPU, five first weights a split, their code's settings; no command of ours makes it again, for their
    splits are their loader's.
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

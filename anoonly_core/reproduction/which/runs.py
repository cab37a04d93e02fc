"""Runs of all systems on many data sets: the file that ships, and the points and scopes that it covers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from anoonly_core.data.adbench.files import manifest
from anoonly_core.errors import InvalidConfig
from anoonly_core.files import write_atomic
from anoonly_core.paths import ASSETS

__all__ = [
    "COLUMNS",
    "FILE",
    "POINT",
    "POOLS",
    "SCOPES",
    "Point",
    "points_of",
    "pools_of",
    "read_runs",
    "runs_at",
    "scopes_of_runs",
    "series_of",
    "shipped_runs",
    "write_runs",
]

FILE = ASSETS / "results" / "which.csv"
POINT = ("dataset", "system", "contamination", "labeled_ratio", "labeled_anomalies")
COLUMNS = (*POINT, "seed", "aucpr", "seconds")
# Families of data sets by name, each with the folders of ADBench that it takes; the systems rank differently in each.
SCOPES = {
    "embeddings": ("CV_by_ResNet18", "NLP_by_BERT"),
    "ResNet-18": ("CV_by_ResNet18",),
    "BERT": ("NLP_by_BERT",),
    "classical": ("Classical",),
}
CONTAMINATIONS = {"clean": ("0", "0.0"), "natural": ("natural",)}
POOLS = {"clean": "clean pool", "natural": "anomalies left in the pool"}


@dataclass(frozen=True)
class Point:
    """A pool and a number of labels at which systems are ranked.

    Attributes
    ----------
    pool
        A key of POOLS.
    share
        Share of the training anomalies that are labeled; 0 if `count` is given.
    count
        Number of labeled anomalies; 0 if `share` is given.
    """

    pool: str
    share: float = 0.0
    count: int = 0

    @property
    def name(self) -> str:
        """Short name, such as "10 %" for a share or "5" for a number of labels."""
        return str(self.count) if self.count else f"{100 * self.share:g} %"

    @property
    def words(self) -> str:
        """Name in a sentence, such as "10 % of the anomalies labeled" or "1 labeled anomaly"."""
        if self.count:
            return f"{self.count} labeled anomal{'y' if self.count == 1 else 'ies'}"
        return f"{self.name} of the anomalies labeled"


def write_runs(runs: pd.DataFrame, path: Path) -> None:
    """Write runs to a compact file: a row per point, the AUCPR of each seed in columns, and the mean seconds.

    Parameters
    ----------
    runs
        One row per run, with COLUMNS; `labeled_anomalies` is NaN where a share is labeled.
    path
        The CSV file, written anew.
    """
    indexed = runs.assign(labeled_anomalies=runs["labeled_anomalies"].fillna(0).astype(int))
    points = indexed.groupby([*POINT], sort=False)
    wide = indexed.set_index([*POINT, "seed"])["aucpr"].unstack().add_prefix("aucpr_").round(4)
    wide = wide.reindex(points["seconds"].mean().index)
    write_atomic(path, wide.assign(seconds=points["seconds"].mean().round(3)).to_csv().encode())


def read_runs(path: Path) -> pd.DataFrame:
    """Read what `write_runs` wrote: a row per run, with the mean seconds of its point; an empty table without a file.

    Raises
    ------
    InvalidConfig
        If it is not such a file.
    """
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    try:
        wide = pd.read_csv(path, dtype={"contamination": str})
        runs = wide.melt([*POINT, "seconds"], var_name="seed", value_name="aucpr").dropna(subset=["aucpr"])
        runs["seed"] = runs["seed"].str.removeprefix("aucpr_").astype(int)
    except (ValueError, KeyError, OSError) as error:
        raise InvalidConfig(f"{str(path)!r} cannot be read as a file of rankings ({error}).") from error
    return runs.assign(labeled_anomalies=runs["labeled_anomalies"].replace(0, np.nan))[[*COLUMNS]]


@cache
def shipped_runs() -> pd.DataFrame:
    """Read FILE once; an empty table if it does not ship. Do not change the table."""
    return read_runs(FILE)


def runs_at(runs: pd.DataFrame, scope: str, point: Point) -> pd.DataFrame:
    """Return the runs of the data sets of a scope, a key of SCOPES, at one point."""
    chosen = _in_pool(_in_scope(runs, scope), point.pool)
    if point.count:
        return chosen[chosen["labeled_anomalies"] == point.count]
    return chosen[chosen["labeled_anomalies"].isna() & np.isclose(chosen["labeled_ratio"].astype(float), point.share)]


def scopes_of_runs(runs: pd.DataFrame) -> list[str]:
    """Return the scopes, keys of SCOPES, of which the runs have data sets; one that equals another is left out."""
    datasets = {scope: frozenset(_in_scope(runs, scope)["dataset"]) for scope in SCOPES}
    narrowest = {covered: scope for scope, covered in datasets.items() if covered}
    return [scope for scope in SCOPES if scope in narrowest.values()]


def pools_of(runs: pd.DataFrame, scope: str) -> list[str]:
    """Return the pools, keys of POOLS, that the runs of a scope have."""
    return [pool for pool in POOLS if len(_in_pool(_in_scope(runs, scope), pool))]


def points_of(runs: pd.DataFrame, scope: str, pool: str) -> list[Point]:
    """Return the points of a scope and pool: shares of labels ascending, then numbers of labels ascending."""
    chosen = _in_pool(_in_scope(runs, scope), pool)
    counts = chosen["labeled_anomalies"]
    shares = sorted(set(chosen["labeled_ratio"][counts.isna()].astype(float)))
    numbers = sorted(set(counts.dropna().astype(int)))
    return [*(Point(pool, share) for share in shares), *(Point(pool, count=number) for number in numbers)]


def series_of(points: list[Point], point: Point) -> list[Point]:
    """Return the points that are measured in the same way as one of them: all shares, or all numbers of labels."""
    return [other for other in points if (other.count > 0) == (point.count > 0)]


def _in_scope(runs: pd.DataFrame, scope: str) -> pd.DataFrame:
    names = {name for name, entry in manifest().items() if entry.folder in SCOPES[scope]}
    return runs[runs["dataset"].isin(names)]


def _in_pool(runs: pd.DataFrame, pool: str) -> pd.DataFrame:
    return runs[runs["contamination"].astype(str).isin(CONTAMINATIONS[pool])]

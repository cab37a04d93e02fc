"""A cell of a results table: the measured figure and the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from anoonly_core.reproduction.families import files_of
from anoonly_core.reproduction.published import authors_runs, paper_norms, paper_tables

__all__ = [
    "REFERENCES",
    "Cell",
    "is_value",
    "make_cell",
    "means_by_seed",
    "paired_differences",
    "signed",
    "values_by_file",
]

REFERENCES = MappingProxyType({"paper": "the paper", "authors": "the authors' code"})


@dataclass(frozen=True)
class Cell:
    """A cell of a results table: a measured figure with the published figures of the same cell, in percent.

    Attributes
    ----------
    values : tuple of float
        One value per seed, each a mean over files.
    files : tuple of str
        Data sets that the values cover.
    total_files : int
        Number of files in the families of the cell.
    paper, authors : float or None
        The printed figure, and the mean of the published code over the same files.
    keys : tuple of str
        Keys of the runs.
    """

    values: tuple[float, ...]
    files: tuple[str, ...]
    total_files: int
    paper: float | None
    authors: float | None
    keys: tuple[str, ...]

    @property
    def mean(self) -> float:
        """Mean over seeds and files, in percent."""
        return float(np.mean(self.values))

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds of the mean over files, in percent; None with one seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    def published(self, reference: str) -> float | None:
        """Return the published figure of this cell, in percent; None if there is none.

        `reference` is a key of REFERENCES: "paper" for the printed figure, "authors" for the authors' code.
        """
        figure: float | None = getattr(self, reference)
        return figure

    def text(self) -> str:
        """Format mean and standard deviation in percent, such as "73.8 ± 1.1"; with one seed the mean alone."""
        return f"{self.mean:.1f}" + ("" if self.spread is None else f" ± {self.spread:.1f}")


def signed(value: float) -> str:
    """Format a difference with its sign and one decimal, such as "+5.1" or "−5.1"; zero has no sign."""
    text = f"{value:+.1f}".replace("-", "\u2212")
    return text[1:] if float(f"{value:.1f}") == 0 else text


def is_value(column: pd.Series, wanted: Any) -> np.ndarray:
    """Return a mask, bool [n], of the entries of a column of words and numbers that equal one value."""
    return np.array([value == wanted for value in column], dtype=bool)


def values_by_file(runs: pd.DataFrame, metric: str) -> dict[tuple[str, str], dict[int, float]]:
    """Return a metric of runs by (family, data set) and then by seed.

    `runs` has the columns family, dataset, seed and that of the metric.
    """
    values: dict[tuple[str, str], dict[int, float]] = {}
    columns = (runs[name].tolist() for name in ("family", "dataset", "seed", metric))
    for family, dataset, seed, value in zip(*columns, strict=True):
        values.setdefault((family, dataset), {})[seed] = value
    return values


def paired_differences(
    before: Mapping[tuple[str, str], Mapping[int, float]], after: Mapping[tuple[str, str], Mapping[int, float]]
) -> dict[tuple[str, str], dict[int, float]]:
    """Return `after` minus `before` for each file and seed that both have.

    Both hold values by (family, data set) and then by seed, as `values_by_file` returns them; so does the result.
    """
    differences = {
        file: {seed: after[file][seed] - by_seed[seed] for seed in sorted(by_seed.keys() & after[file].keys())}
        for file, by_seed in before.items()
        if file in after
    }
    return {file: by_seed for file, by_seed in differences.items() if by_seed}


def means_by_seed(values: Mapping[tuple[str, str], Mapping[int, float]]) -> list[float]:
    """Return the mean over files for each seed that all files have, in the order of the seeds.

    `values` holds values by (family, data set) and then by seed. Each family has equal weight.
    """
    families = list(dict.fromkeys(family for family, _ in values))
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in values.values()))) if values else []

    def mean_of(family: str, seed: int) -> np.floating[Any]:
        return np.mean([by_seed[seed] for (name, _), by_seed in values.items() if name == family])

    return [float(np.mean([mean_of(family, seed) for family in families])) for seed in seeds]


def make_cell(runs: pd.DataFrame, metric: str, families: Sequence[str], at_hand: Sequence[str] = ()) -> Cell | None:
    """Build the cell of runs over some families with equal weight; None if a family has no run.

    Files with fewer seeds than the others are left out.

    Parameters
    ----------
    runs : pandas.DataFrame
        Runs of one system and setting; see results.runs_frame.
    metric : str
        A column of `runs`, in percent.
    families : sequence of str
        Families that the cell covers.
    at_hand : sequence of str
        Paper families on this machine. The figures of Table 2 are averages over all families, so they are shown only
        if `families` equals `at_hand`.
    """
    values = values_by_file(runs[runs["family"].isin(families)], metric)
    most_seeds = max(map(len, values.values()), default=0)
    values = {file: by_seed for file, by_seed in values.items() if len(by_seed) == most_seeds}
    if not values or len({family for family, _ in values}) < len(families):
        return None
    means = means_by_seed(values)
    if not means:
        return None
    files = tuple(name for _, name in values)
    first = runs.iloc[0]
    return Cell(
        values=tuple(means),
        files=files,
        total_files=sum(len(files_of(family)) for family in families),
        paper=_paper(first, metric, families, at_hand),
        authors=_authors(first, metric, files),
        keys=tuple(runs["key"][runs["dataset"].isin(files)]),
    )


# Settings that are fixed in the paper's tables; a cell that varies one of them has no printed figure.
_VARIED = frozenset(
    {"norm", "labeled_ratio", "normal_ratio", "lambda_n", "batch_size", "learning_rate", "protocol", "preset"}
)


def _paper(first: pd.Series, metric: str, families: Sequence[str], at_hand: Sequence[str]) -> float | None:
    """Return the figure that the paper prints for a cell, in percent; None if it prints none.

    Of Table 2 this is the average over all data sets, else the mean over `families`. `first` is a run of the cell,
    with its settings; `at_hand` are the paper families on this machine.
    """
    varied = _VARIED.intersection(first.index)
    if varied == {"norm"}:
        over_all = len(families) > 1 and list(families) == list(at_hand)
        return paper_norms().get((first["system"], first["norm"])) if over_all else None
    if varied or first.get("contamination", 0.0) != 0.0:
        return None
    figures = [paper_tables().get((metric, first["system"], family)) for family in families]
    printed = [figure for figure in figures if figure is not None]
    return float(np.mean(printed)) if len(printed) == len(families) else None


def _authors(first: pd.Series, metric: str, files: Sequence[str]) -> float | None:
    """Return the mean in percent of runs of the published code over the same files as a cell.

    Return None if the code was not run on all files, or not with these settings. `first` is a run of the cell, with
    its settings.
    """
    if _VARIED.intersection(first.index):
        return None
    runs = authors_runs()
    of_cell = (runs["system"] == first["system"]) & is_value(runs["contamination"], first.get("contamination", 0.0))
    values = values_by_file(runs[of_cell & runs["dataset"].isin(files)], metric)
    return float(np.mean(means_by_seed(values))) if len(values) == len(files) else None

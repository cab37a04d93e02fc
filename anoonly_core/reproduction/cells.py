"""One cell: what our runs come to there, beside what was published for it."""

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
    """Ours: one value a seed, each a mean over files, in percent; and what was published, where it was.

    files: the data sets that it stands on. of: how many its families have. paper: the printed figure. authors: the
    published code's mean over the same files. keys: its runs.
    """

    values: tuple[float, ...]
    files: tuple[str, ...]
    of: int
    paper: float | None
    authors: float | None
    keys: tuple[str, ...]

    @property
    def mean(self) -> float:
        """Over seeds and files."""
        return float(np.mean(self.values))

    @property
    def spread(self) -> float | None:
        """The standard deviation over the seeds of the mean over files; None with one seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    def published(self, reference: str) -> float | None:
        """What one of REFERENCES says here; None where it says nothing."""
        found: float | None = getattr(self, reference)
        return found

    def text(self) -> str:
        """ "73.8 ± 1.1"."""
        return f"{self.mean:.1f}" + ("" if self.spread is None else f" ± {self.spread:.1f}")


def signed(value: float) -> str:
    """ "+5.1" or "−5.1"; what rounds to zero has no sign."""
    text = f"{value:+.1f}".replace("-", "\u2212")
    return text[1:] if float(f"{value:.1f}") == 0 else text


def is_value(column: pd.Series, wanted: Any) -> np.ndarray:
    """Which values of a column of words and numbers are this one, bool [n]."""
    return np.array([value == wanted for value in column], dtype=bool)


def values_by_file(runs: pd.DataFrame, metric: str) -> dict[tuple[str, str], dict[int, float]]:
    """A metric by family and data set, and there by seed."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    columns = (runs[name].tolist() for name in ("family", "dataset", "seed", metric))
    for family, dataset, seed, value in zip(*columns, strict=True):
        found.setdefault((family, dataset), {})[seed] = value
    return found


def paired_differences(
    before: Mapping[tuple[str, str], Mapping[int, float]], after: Mapping[tuple[str, str], Mapping[int, float]]
) -> dict[tuple[str, str], dict[int, float]]:
    """After less before at each file and seed that both have; see by_file."""
    found = {
        place: {seed: after[place][seed] - own[seed] for seed in sorted(own.keys() & after[place].keys())}
        for place, own in before.items()
        if place in after
    }
    return {place: own for place, own in found.items() if own}


def means_by_seed(values: Mapping[tuple[str, str], Mapping[int, float]]) -> list[float]:
    """The mean over files at each seed that all of them have, each family counting once; see by_file."""
    families = list(dict.fromkeys(family for family, _ in values))
    seeds = sorted(set.intersection(*(set(own) for own in values.values()))) if values else []
    return [
        float(np.mean([np.mean([own[seed] for (of, _), own in values.items() if of == family]) for family in families]))
        for seed in seeds
    ]


def make_cell(runs: pd.DataFrame, metric: str, families: Sequence[str], at_hand: Sequence[str] = ()) -> Cell | None:
    """One cell over these families, each counting once.

    Files with fewer seeds than others, as of a run begun by hand, are left out; at_hand: the families that the
    table stands on, over which Table 2's figures are shown.
    """
    values = values_by_file(runs[runs["family"].isin(families)], metric)
    most = max(map(len, values.values()), default=0)
    values = {place: own for place, own in values.items() if len(own) == most}
    if not values or len({family for family, _ in values}) < len(families):
        return None
    means = means_by_seed(values)
    if not means:
        return None
    files = tuple(name for _, name in values)
    about = runs.iloc[0]
    return Cell(
        values=tuple(means),
        files=files,
        of=sum(len(files_of(family)) for family in families),
        paper=_paper(about, metric, families, at_hand),
        authors=_authors(about, metric, files),
        keys=tuple(runs["key"][runs["dataset"].isin(files)]),
    )


# What the paper's tables leave as it is published; a cell that varies one of these has no figure in them.
_VARIED = frozenset(
    {"norm", "labeled_ratio", "normal_ratio", "lambda_n", "batch_size", "learning_rate", "protocol", "preset"}
)


def _paper(about: pd.Series, metric: str, families: Sequence[str], at_hand: Sequence[str]) -> float | None:
    """The paper's figure: of Table 2 over all ten data sets; of the others the mean of its figures for the families."""
    varied = _VARIED.intersection(about.index)
    if varied == {"norm"}:
        over_all = len(families) > 1 and list(families) == list(at_hand)
        return paper_norms().get((about["system"], about["norm"])) if over_all else None
    if varied or about.get("contamination", 0.0) != 0.0:
        return None
    found = [paper_tables().get((metric, about["system"], family)) for family in families]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if len(known) == len(families) else None


def _authors(about: pd.Series, metric: str, files: Sequence[str]) -> float | None:
    """The published code's mean over the same files, families counting once; None where it was not run on all."""
    if _VARIED.intersection(about.index):
        return None
    own = authors_runs()
    same = (own["system"] == about["system"]) & is_value(own["contamination"], about.get("contamination", 0.0))
    values = values_by_file(own[same & own["dataset"].isin(files)], metric)
    return float(np.mean(means_by_seed(values))) if len(values) == len(files) else None

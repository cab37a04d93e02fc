"""A discrepancy, and helpers to measure its effect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.reproduction.cells import is_value, means_by_seed, paired_differences, signed, values_by_file
from anoonly_core.reproduction.evidence import Evidence
from anoonly_core.reproduction.experiments import ANOONLY
from anoonly_core.reproduction.families import PAPER_FAMILIES, files_of
from anoonly_core.reproduction.grid import Grid, GridValue
from anoonly_core.reproduction.significance import Gain, gain
from anoonly_core.reproduction.tables import ALL

__all__ = [
    "NOT_MEASURED",
    "Discrepancy",
    "Finding",
    "Rows",
    "change_text",
    "changes_by_seed",
    "gain_of",
    "gain_text",
    "is_all",
    "mean_of",
    "mean_text",
    "means_text",
    "of_system",
    "pair_text",
    "runs_of",
    "scopes",
]

Rows = list[tuple[GridValue, ...]]
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Finding:
    """The measured effect of a discrepancy: sentences in Markdown and a table of figures."""

    sentence: str
    grid: Grid


@dataclass(frozen=True)
class Discrepancy:
    """A discrepancy between paper, code and measurements.

    Attributes
    ----------
    name, title : str
        Its name on the command line, and its title on the page.
    claim : str
        The published statement with its section.
    experiments : tuple of str
        Experiments that measure it; empty if only published figures are compared.
    measure : callable
        Return the Finding from the evidence; None if its runs are missing.
    """

    name: str
    title: str
    claim: str
    experiments: tuple[str, ...]
    measure: Callable[[Evidence], Finding | None]

    @property
    def command(self) -> str:
        """Command that measures the discrepancy again."""
        return f"python -m anoonly_core reproduce {self.name}"


def runs_of(evidence: Evidence, name: str, **where: object) -> pd.DataFrame:
    """Return the runs of an experiment that have the given column values."""
    runs = evidence.frame(name)
    for field, wanted in where.items():
        if runs.empty:
            break
        runs = runs[is_value(runs[field], wanted)]
    return runs


def scopes(runs: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Return (label, families) for each paper family that has runs, and for all of them together."""
    families = [family for family in PAPER_FAMILIES if len(runs) and (runs["family"] == family).any()]
    single = [(_with_files(family, runs, [family]), [family]) for family in families]
    return [*single, *([(_with_files(ALL, runs, families), families)] if len(families) > 1 else [])]


def _with_files(name: str, runs: pd.DataFrame, families: Sequence[str]) -> str:
    """Format a scope with its files, such as "SVHN (2 of 10 files)"."""
    files = runs[runs["family"].isin(families)]["dataset"].nunique()
    return f"{name} ({files} of {sum(len(files_of(family)) for family in families)} files)"


def is_all(families: Sequence[str]) -> bool:
    """Tell whether there are several families."""
    return len(families) > 1


def mean_of(runs: pd.DataFrame, families: Sequence[str], metric: str = "aucroc", system: str | None = None) -> float:
    """Return the mean over files and seeds, families with equal weight; NaN if a family has no run."""
    chosen = runs[runs["family"].isin(families)] if len(runs) else runs
    chosen = chosen[chosen["system"] == system] if system is not None and len(chosen) else chosen
    if chosen.empty or chosen["family"].nunique() < len(families):
        return float("nan")
    means: dict[str, list[float]] = {}
    for (family, _), seeds in values_by_file(chosen, metric).items():
        means.setdefault(family, []).append(float(np.mean(list(seeds.values()))))
    return float(np.mean([np.mean(by_file) for by_file in means.values()]))


def pair_text(baseline: float, anoonly: float) -> str:
    """Format two means, such as "79.2 → 78.5"."""
    if np.isnan(baseline) or np.isnan(anoonly):
        return NOT_MEASURED
    return f"{baseline:.1f} → {anoonly:.1f}"


def means_text(runs: pd.DataFrame, head: str, families: Sequence[str], metric: str = "aucroc") -> str:
    """Format the means of a head alone and with AnoOnly, such as "79.2 → 78.5"."""
    return pair_text(*(mean_of(runs, families, metric, system) for system in (head, f"{head}{ANOONLY}")))


def gain_of(runs: pd.DataFrame, head: str, families: Sequence[str], metric: str = "aucroc") -> Gain | None:
    """Return the gain of AnoOnly for a head on these families; None if it was not measured."""
    return gain(runs, head, metric, families, "") if len(runs) else None


def gain_text(measured: Gain | None) -> str:
    """Format a gain in points with its 95 % margin, such as "+5.1 ± 1.3"; "not measured" for None."""
    return NOT_MEASURED if measured is None else measured.text()


def changes_by_seed(
    before: pd.DataFrame, after: pd.DataFrame, families: Sequence[str], metric: str = "aucroc"
) -> list[float]:
    """Return after minus before by seed, paired by file, as means over files; empty if a family has no pair."""
    sides = (
        values_by_file(runs[runs["family"].isin(families)], metric) if len(runs) else {} for runs in (before, after)
    )
    differences = paired_differences(*sides)
    return means_by_seed(differences) if {family for family, _ in differences} == set(families) else []


def mean_text(values: Sequence[float]) -> str:
    """Format a mean over seeds with its 95 % interval, such as "+3.2 ± 2.0"."""
    if not len(values):
        return NOT_MEASURED
    half = margin_of_error(values)
    return signed(float(np.mean(values))) + ("" if half is None else f" ± {half:.1f}")


def change_text(before: pd.DataFrame, after: pd.DataFrame, families: Sequence[str], metric: str = "aucroc") -> str:
    """Format after minus before, paired by file and seed, with a 95 % interval, such as "+3.2 ± 2.0"."""
    return mean_text(changes_by_seed(before, after, families, metric))


def of_system(runs: pd.DataFrame, system: str) -> pd.DataFrame:
    """Return the runs of one system."""
    return runs[runs["system"] == system] if len(runs) else runs

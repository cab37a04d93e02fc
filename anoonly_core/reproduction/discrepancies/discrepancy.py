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
    """Measured effect of a discrepancy: sentences in Markdown and a table of figures."""

    sentence: str
    grid: Grid


@dataclass(frozen=True)
class Discrepancy:
    """A point on which paper, code and measurements differ.

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
        """Shell command that measures the discrepancy again."""
        return f"python -m anoonly_core reproduce {self.name}"


def runs_of(evidence: Evidence, name: str, **where: object) -> pd.DataFrame:
    """Return the measured runs of an experiment, given by name, as a table with one row per run.

    Keyword arguments select rows by the value of a column.
    """
    runs = evidence.frame(name)
    for field, wanted in where.items():
        if runs.empty:
            break
        runs = runs[is_value(runs[field], wanted)]
    return runs


def scopes(runs: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Return (label, families) for each paper family that has runs, and for all of them together if there are several.

    The label has the number of files, such as "SVHN (2 of 10 files)".
    """
    families = [family for family in PAPER_FAMILIES if len(runs) and (runs["family"] == family).any()]
    single = [(_with_files(family, runs, [family]), [family]) for family in families]
    return [*single, *([(_with_files(ALL, runs, families), families)] if len(families) > 1 else [])]


def _with_files(name: str, runs: pd.DataFrame, families: Sequence[str]) -> str:
    """Append the number of measured files of some families to a name, such as "SVHN (2 of 10 files)"."""
    files = runs[runs["family"].isin(families)]["dataset"].nunique()
    return f"{name} ({files} of {sum(len(files_of(family)) for family in families)} files)"


def is_all(families: Sequence[str]) -> bool:
    """Return True if a scope holds several families, so that it is the mean of all."""
    return len(families) > 1


def mean_of(runs: pd.DataFrame, families: Sequence[str], metric: str = "aucroc", system: str | None = None) -> float:
    """Return the mean of a metric over files and seeds, in percent, families with equal weight.

    Return NaN if a family has no run. `system` selects the runs of one system; None takes all.
    """
    chosen = runs[runs["family"].isin(families)] if len(runs) else runs
    chosen = chosen[chosen["system"] == system] if system is not None and len(chosen) else chosen
    if chosen.empty or chosen["family"].nunique() < len(families):
        return float("nan")
    means: dict[str, list[float]] = {}
    for (family, _), seeds in values_by_file(chosen, metric).items():
        means.setdefault(family, []).append(float(np.mean(list(seeds.values()))))
    return float(np.mean([np.mean(by_file) for by_file in means.values()]))


def pair_text(baseline: float, anoonly: float) -> str:
    """Format two means in percent, of a baseline and AnoOnly, such as "79.2 → 78.5"; "not measured" if one is NaN."""
    if np.isnan(baseline) or np.isnan(anoonly):
        return NOT_MEASURED
    return f"{baseline:.1f} → {anoonly:.1f}"


def means_text(runs: pd.DataFrame, head: str, families: Sequence[str], metric: str = "aucroc") -> str:
    """Format the means of a metric of a head alone and with AnoOnly over families, such as "79.2 → 78.5"."""
    return pair_text(*(mean_of(runs, families, metric, system) for system in (head, f"{head}{ANOONLY}")))


def gain_of(runs: pd.DataFrame, head: str, families: Sequence[str], metric: str = "aucroc") -> Gain | None:
    """Return the gain of AnoOnly over a head on these families; None unless each family has a pair of runs."""
    return gain(runs, head, metric, families, "") if len(runs) else None


def gain_text(measured: Gain | None) -> str:
    """Format a gain in points with its 95 % margin, "+5.1 ± 1.3", without it for one seed; "not measured" for None."""
    return NOT_MEASURED if measured is None else measured.text()


def changes_by_seed(
    before: pd.DataFrame, after: pd.DataFrame, families: Sequence[str], metric: str = "aucroc"
) -> list[float]:
    """Return the change of a metric between two settings for each seed, as means over files, in points.

    `before` and `after` have the runs of both settings, which are paired by file. Return [] if a family has no pair.
    """
    sides = (
        values_by_file(runs[runs["family"].isin(families)], metric) if len(runs) else {} for runs in (before, after)
    )
    differences = paired_differences(*sides)
    return means_by_seed(differences) if {family for family, _ in differences} == set(families) else []


def mean_text(values: Sequence[float]) -> str:
    """Format the mean of differences, one per seed, with its 95 % interval, such as "+3.2 ± 2.0".

    "not measured" if there are none.
    """
    if not len(values):
        return NOT_MEASURED
    half = margin_of_error(values)
    return signed(float(np.mean(values))) + ("" if half is None else f" ± {half:.1f}")


def change_text(before: pd.DataFrame, after: pd.DataFrame, families: Sequence[str], metric: str = "aucroc") -> str:
    """Format the mean change of a metric between two settings with a 95 % interval, such as "+3.2 ± 2.0".

    `before` and `after` have the runs of both settings, which are paired by file and seed.
    """
    return mean_text(changes_by_seed(before, after, families, metric))


def of_system(runs: pd.DataFrame, system: str) -> pd.DataFrame:
    """Return the rows of a table of runs that belong to one system, given by name."""
    return runs[runs["system"] == system] if len(runs) else runs

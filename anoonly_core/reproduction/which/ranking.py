"""Rank systems over data sets: mean ranks, Friedman, Wilcoxon with Holm's correction, and Nemenyi's difference.

Source: Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7 (2006); docs/methods.md § 14.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from anoonly_core.metrics.confidence import ALPHA, CONFIDENCE, adjust_holm, clear_together, p_of_mean, wilcoxon_p
from anoonly_core.which.systems import SYSTEMS

__all__ = ["REFERENCE", "Ranking", "SystemRank", "complete_means", "critical_difference", "rank_systems", "tied_ranges"]

REFERENCE = "DeepSAD + AnoOnly"
LEAST = 3  # systems and data sets: Friedman's test compares no fewer
COVERAGE = 0.8  # share of the data sets that a system needs, or it is left out
PERCENT = 100


@dataclass(frozen=True)
class SystemRank:
    """A system among others over several data sets.

    Attributes
    ----------
    name, kind
        Name of the system, and `System.kind`; "other" for a system that this version does not have.
    mean
        AUCPR of the anomalies in percent, mean over seeds and data sets.
    rank
        Mean rank over the data sets; 1 is the best.
    seconds
        Mean seconds of training and scoring of a run.
    p
        Two-sided p of Wilcoxon's signed-rank test against the reference over the data sets, corrected by Holm for all
        systems; None for the reference, without one, and if both are equal on each data set.
    wins, ties, losses
        Data sets on which the system is clearly better than the reference, not clearly different, and clearly worse:
        paired t tests over the seeds, corrected by Holm for all data sets. 0 for the reference and without one.
    """

    name: str
    kind: str
    mean: float
    rank: float
    seconds: float
    p: float | None = None
    wins: int = 0
    ties: int = 0
    losses: int = 0

    @property
    def is_clear(self) -> bool:
        """True if the corrected test tells the system from the reference."""
        return self.p is not None and self.p < ALPHA


@dataclass(frozen=True)
class Ranking:
    """Systems at one point, best mean rank first.

    Attributes
    ----------
    systems
        The systems, which all have runs on all data sets.
    datasets
        The data sets.
    reference
        Name of the system that the others are compared with; "" if it has no runs.
    friedman_p
        p of Friedman's test that all systems rank alike.
    critical_difference
        Nemenyi's: two systems whose mean ranks differ by less cannot be told apart, all pairs together at 95 %.
    ties
        First and last position in `systems` of each range that Nemenyi's test cannot tell apart; the longest ones.
    left_out
        Systems with runs on less than four fifths of the data sets.
    """

    systems: tuple[SystemRank, ...]
    datasets: tuple[str, ...]
    reference: str
    friedman_p: float
    critical_difference: float
    ties: tuple[tuple[int, int], ...]
    left_out: tuple[str, ...]

    def system(self, name: str) -> SystemRank | None:
        """Return the system with this name; None if it is not ranked."""
        return next((system for system in self.systems if system.name == name), None)


def rank_systems(runs: pd.DataFrame, reference: str = REFERENCE) -> Ranking | None:
    """Rank the systems of runs at one point; None with less than three systems or data sets that all of them have.

    Parameters
    ----------
    runs
        One row per run, with `dataset`, `system`, `seed`, `aucpr` in 0 to 1 and `seconds`.
    reference
        Name of the system that the others are compared with.
    """
    means, left_out = complete_means(runs)
    if min(means.shape) < LEAST:
        return None
    from scipy import stats  # only now: it takes as long to load as a command that needs none

    runs = runs[runs["dataset"].isin(means.index) & runs["system"].isin(means.columns)]
    ranks = means.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    difference = critical_difference(means.shape[1], len(means))
    return Ranking(
        systems=tuple(_compared(runs, means[list(ranks.index)], ranks, reference)),
        datasets=tuple(map(str, means.index)),
        reference=reference if reference in means else "",
        friedman_p=float(stats.friedmanchisquare(*(means[name] for name in means)).pvalue),
        critical_difference=difference,
        ties=tied_ranges(ranks.tolist(), difference),
        left_out=left_out,
    )


def critical_difference(systems: int, datasets: int) -> float:
    """Return Nemenyi's critical difference of mean ranks at 95 %.

    Source: Demšar 2006, § 3.2.2: q √(k (k + 1) / 6 N) for k systems and N data sets, where q is the quantile of the
    studentized range with infinitely many degrees of freedom, divided by √2.
    """
    from scipy import stats

    quantile = float(stats.studentized_range.ppf(CONFIDENCE, systems, np.inf)) / 2**0.5
    return float(quantile * (systems * (systems + 1) / (6 * datasets)) ** 0.5)


def tied_ranges(ranks: Sequence[float], difference: float) -> tuple[tuple[int, int], ...]:
    """Return first and last index of each longest range of ascending ranks that spans less than a difference.

    A range has at least two ranks; one inside another is left out.
    """
    ranges: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = max(index for index, other in enumerate(ranks) if index >= first and other - rank < difference)
        if last > first and (not ranges or last > ranges[-1][1]):
            ranges.append((first, last))
    return tuple(ranges)


def complete_means(runs: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the mean AUCPR over seeds, a row per data set and a column per system, without gaps, and who is left out.

    Systems that lack more than a fifth of the data sets are left out, then data sets that one of the others lacks.
    """
    means = runs.groupby(["dataset", "system"], sort=False)["aucpr"].mean().unstack()
    is_kept = means.notna().sum() >= COVERAGE * len(means)
    return means.loc[:, is_kept].dropna(), tuple(map(str, means.columns[~is_kept]))


def _compared(runs: pd.DataFrame, means: pd.DataFrame, ranks: pd.Series, reference: str) -> list[SystemRank]:
    """Compare each system with the reference, over the data sets and on each; `means` has the order of ranks."""
    seconds = runs.groupby("system")["seconds"].mean()
    plain = [
        SystemRank(
            name,
            SYSTEMS[name].kind if name in SYSTEMS else "other",
            float(PERCENT * means[name].mean()),
            float(ranks[name]),
            float(seconds[name]),
        )
        for name in map(str, means.columns)
    ]
    if reference not in means:
        return plain
    others = [system.name for system in plain if system.name != reference]
    p_values = adjust_holm([wilcoxon_p((means[name] - means[reference]).tolist()) for name in others])
    corrected = dict(zip(others, p_values, strict=True))
    values = runs.pivot_table(index=["dataset", "seed"], columns="system", values="aucpr")
    ranked = []
    for system in plain:
        if system.name != reference:
            wins, ties, losses = _counts(values[system.name] - values[reference])
            system = replace(system, p=corrected[system.name], wins=wins, ties=ties, losses=losses)
        ranked.append(system)
    return ranked


def _counts(differences: pd.Series) -> tuple[int, int, int]:
    """Count data sets with a clear lead, no clear difference, and a clear deficit.

    `differences` are indexed by dataset and seed.
    """
    by_dataset = [group.tolist() for _, group in differences.dropna().groupby(level="dataset", sort=False)]
    is_clear = clear_together([p_of_mean(group) for group in by_dataset])
    wins = sum(clear and sum(group) > 0 for clear, group in zip(is_clear, by_dataset, strict=True))
    losses = sum(clear and sum(group) < 0 for clear, group in zip(is_clear, by_dataset, strict=True))
    return wins, len(by_dataset) - wins - losses, losses

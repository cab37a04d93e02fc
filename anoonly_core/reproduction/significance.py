"""Gains of AnoOnly over its baselines, paired by file and seed, with intervals and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from anoonly_core.metrics.confidence import (
    adjust_holm,
    clear_together,
    margin_of_error,
    margin_over_splits,
    p_of_mean,
    wilcoxon_p,
)
from anoonly_core.reproduction.cells import means_by_seed, paired_differences, signed, values_by_file
from anoonly_core.reproduction.experiments import ANOONLY, HEADS, tied_norms_sentence
from anoonly_core.reproduction.families import FAMILIES, PAPER_FAMILIES, files_of
from anoonly_core.reproduction.grid import Grid
from anoonly_core.reproduction.published import paper_tables
from anoonly_core.reproduction.tables import ALL, METRIC_LABELS

__all__ = ["Gain", "GainCounts", "claimed_gain", "count_gains", "gain", "gains", "gains_grid"]

TEST_SHARE = 0.3  # of the rows of each split; docs/methods.md § 3


@dataclass(frozen=True)
class Gain:
    """Gain of AnoOnly: its metric minus that of its baseline, in points of a percent, with tests.

    Attributes
    ----------
    head : str
        The baseline.
    scope : str
        A family, or ALL.
    mean : float
        Mean over seeds, files and families; families have equal weight.
    margin : float or None
        Half-width of the 95 % interval over seeds (Student's t); None with one seed.
    pairs, files, total_files : int
        Pairs of file and seed, files measured, and files of the families.
    better : int
        Pairs in which AnoOnly is better.
    p_pairs, p_files : float or None
        Two-sided p of Wilcoxon's signed-rank test over all pairs, and over the means of the files.
        None with fewer than two values, or without any difference. Pairs of one file share most of their rows, so
        `p_pairs` is too small.
    p_seeds : float or None
        Two-sided p of the t test over seeds, the test of `margin`; None with one seed.
    margin_splits : float or None
        Half-width of the 95 % interval that allows for splits that share rows; see `margin_over_splits`.
    claimed : float or None
        The gain that the paper prints, in points; None if it prints none.
    source : str
        A key of SOURCES, where the settings come from; "" if they are others.
    """

    head: str
    scope: str
    mean: float
    margin: float | None
    pairs: int
    files: int
    total_files: int
    better: int
    p_pairs: float | None
    p_files: float | None
    p_seeds: float | None = None
    margin_splits: float | None = None
    claimed: float | None = None
    source: str = ""

    @property
    def where(self) -> str:
        """Name of the scope with its number of files, such as "SVHN (2 of 10 files)"."""
        return f"{self.scope} ({self.files} of {self.total_files} files)"

    @property
    def is_clear(self) -> bool:
        """True if the 95 % interval over seeds excludes zero; False with one seed."""
        return self.margin is not None and abs(self.mean) > self.margin

    @property
    def is_clear_over_splits(self) -> bool:
        """True if the 95 % interval that allows for splits that share rows excludes zero; False with one seed."""
        return self.margin_splits is not None and abs(self.mean) > self.margin_splits

    def text(self) -> str:
        """Format mean and margin in points, such as "+5.1 ± 1.3"."""
        return signed(self.mean) + ("" if self.margin is None else f" ± {self.margin:.1f}")


def gain(runs: pd.DataFrame, head: str, metric: str, families: Sequence[str], scope: str) -> Gain | None:
    """Compute the gain of AnoOnly for one head, paired by file and seed.

    Parameters
    ----------
    runs : pandas.DataFrame
        Runs that differ in system, data set and seed only; see results.runs_frame.
    head : str
        The baseline.
    metric : str
        A column of `runs`, in percent.
    families : sequence of str
        Families to average over.
    scope : str
        Name of these families.

    Returns
    -------
    Gain or None
        None unless each family has at least one pair.
    """
    of_families = runs[runs["family"].isin(families)]
    differences = paired_differences(
        *(values_by_file(of_families[of_families["system"] == system], metric) for system in (head, f"{head}{ANOONLY}"))
    )
    if not differences or len({family for family, _ in differences}) < len(families):
        return None
    over_seeds = means_by_seed(differences)
    pairs = np.array([value for by_seed in differences.values() for value in by_seed.values()])
    files = np.array([np.mean(list(by_seed.values())) for by_seed in differences.values()])
    return Gain(
        head=head,
        scope=scope,
        mean=float(np.mean(over_seeds)) if over_seeds else float(files.mean()),
        margin=margin_of_error(over_seeds),
        pairs=len(pairs),
        files=len(files),
        total_files=sum(len(files_of(family)) for family in families),
        better=int((pairs > 0).sum()),
        p_pairs=wilcoxon_p(pairs.tolist()),
        p_files=wilcoxon_p(files.tolist()),
        p_seeds=p_of_mean(over_seeds),
        margin_splits=margin_over_splits(over_seeds, TEST_SHARE),
    )


@dataclass(frozen=True)
class GainCounts:
    """Numbers of clear gains (better) and clear losses (worse) of AnoOnly among some comparisons.

    Attributes
    ----------
    better, worse : int
        After Holm's correction for all comparisons.
    better_alone, worse_alone : int
        Each comparison by itself, uncorrected.
    better_splits, worse_splits : int
        Each by itself, with the interval of Nadeau and Bengio.
    of : int
        Number of comparisons.
    """

    better: int
    worse: int
    better_alone: int
    worse_alone: int
    better_splits: int
    worse_splits: int
    of: int

    def beside(self) -> str:
        """Return the uncorrected counts as a clause in brackets, to follow the corrected counts in a sentence."""
        return (
            f"(uncorrected: {self.better_alone} and {self.worse_alone}; {self.better_splits} and {self.worse_splits} "
            "with Nadeau and Bengio's intervals for splits that share rows)"
        )


def count_gains(gains: Sequence[Gain]) -> GainCounts:
    """Count the clear gains and losses among some gains, with and without correction for their number."""
    together = clear_together([gain.p_seeds for gain in gains])
    ups = [gain.mean > 0 for gain in gains]
    verdicts = (together, [gain.is_clear for gain in gains], [gain.is_clear_over_splits for gain in gains])
    counts = [
        sum(is_clear and up == wanted for is_clear, up in zip(clear, ups, strict=True))
        for clear in verdicts
        for wanted in (True, False)
    ]
    better, worse, better_alone, worse_alone, better_splits, worse_splits = counts
    return GainCounts(better, worse, better_alone, worse_alone, better_splits, worse_splits, len(gains))


def gains(frame: pd.DataFrame, source: str, metric: str) -> list[Gain]:
    """Compute the gain of AnoOnly for each head on each family, and on all paper families that have runs.

    Parameters
    ----------
    frame : pandas.DataFrame
        Runs of an experiment; see Evidence.frame.
    source : str
        A key of SOURCES: "text" or "code".
    metric : str
        A name of METRIC_LABELS.
    """
    runs = frame[frame["source"] == source] if len(frame) else frame
    results = []
    for head in HEADS:
        of_head = runs[runs["baseline"] == head] if len(runs) else runs
        families = [family for family in FAMILIES if len(of_head) and (of_head["family"] == family).any()]
        in_paper = [family for family in families if family in PAPER_FAMILIES]
        scopes = [*((family, [family]) for family in families), *([(ALL, in_paper)] if len(in_paper) > 1 else [])]
        for scope, of_scope in scopes:
            if (measured := gain(of_head, head, metric, of_scope, scope)) is not None:
                results.append(replace(measured, claimed=claimed_gain(head, metric, of_scope), source=source))
    return results


def claimed_gain(head: str, metric: str, families: Sequence[str]) -> float | None:
    """Return the gain of AnoOnly that Table 1, 3 or 4 prints for a head, in points, as a mean over families.

    Return None if the paper does not print it for each family. `metric` is a name of METRIC_LABELS.
    """
    printed = [
        [paper_tables().get((metric, system, family)) for family in families] for system in (head, f"{head}{ANOONLY}")
    ]
    before, after = ([figure for figure in side if figure is not None] for side in printed)
    if not families or len(before) < len(families) or len(after) < len(families):
        return None
    return float(np.mean(after) - np.mean(before))


def gains_grid(results: Sequence[Gain], metric: str) -> Grid:
    """Lay out gains as a table with one row per head and scope, with intervals, p values and notes on the tests.

    `metric` is the name of the metric that the gains compare.
    """
    family = [each for each in results if each.scope in PAPER_FAMILIES]
    adjusted = dict(zip(map(id, family), adjust_holm([each.p_seeds for each in family]), strict=True))
    rows = tuple(
        (
            f"{each.head}{ANOONLY}",
            each.scope,
            each.text(),
            None if each.claimed is None else signed(each.claimed),
            None if each.margin_splits is None else f"± {each.margin_splits:.1f}",
            _p_text(each.p_seeds),
            _p_text(adjusted.get(id(each))),
            f"{each.better} of {each.pairs}",
            _p_text(each.p_pairs),
            f"{each.files} of {each.total_files}",
            _p_text(each.p_files),
        )
        for each in results
    )
    return Grid(
        f"Gain of AnoOnly, {METRIC_LABELS[metric]} in points",
        (
            *("system", "where", "gain ± 95 %", "claimed", "± for shared rows", "p, seeds", "p, seeds, Holm"),
            *("better", "p, files × seeds", "files", "p, files"),
        ),
        rows,
        (
            "Paired by file and seed. The interval is over the seeds, and p over seeds is its t test. The other p are "
            "those of Wilcoxon's signed-rank test. Pairs of one file share most of their rows, so p over files × seeds "
            "is too small; p over files is cautious. ± for shared rows: the interval with the correction of Nadeau and "
            f"Bengio (2003). Holm: p over seeds, corrected for the {len(family)} pairs of head and data set of the "
            "paper (Holm 1979).",
            f"These are {len(results)} tests: one in twenty falls below 0.05 by chance. Of 5 pairs p cannot fall "
            "below 0.06, of 10 below 0.002.",
            "Claimed: the gain that the paper prints.",
            *filter(
                None, [tied_norms_sentence({each.head for each in results}, {each.source for each in results}).strip()]
            ),
        ),
    )


def _p_text(value: float | None) -> str | None:
    if value is None:
        return None
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"

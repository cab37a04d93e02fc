"""What AnoOnly changes, paired by file and seed, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.reproduction.cells import means_by_seed, paired_differences, signed, values_by_file
from anoonly_core.reproduction.experiments import ANOONLY, HEADS
from anoonly_core.reproduction.families import FAMILIES, PAPER_FAMILIES, files_of
from anoonly_core.reproduction.grid import Grid
from anoonly_core.reproduction.tables import ALL, METRIC_LABELS

__all__ = ["Gain", "gain", "gains", "gains_grid"]


@dataclass(frozen=True)
class Gain:
    """AnoOnly less its baseline, in points of a percent.

    mean: over seeds, files and families, each family counting once. margin: half of its 95 % interval over the seeds
    (Student's t), None with one seed. files, of: on how many files of how many it stands. p_pairs, p_files:
    Wilcoxon's signed-rank test, two-sided, over all pairs of file and seed, and over the files' means; None where
    nothing can be tested. Pairs of a file share most of their rows: p_pairs is too sure.
    """

    head: str
    scope: str
    mean: float
    margin: float | None
    pairs: int
    files: int
    of: int
    better: int
    p_pairs: float | None
    p_files: float | None

    @property
    def where(self) -> str:
        """The place with its files: "SVHN (2 of 10 files)"."""
        return f"{self.scope} ({self.files} of {self.of} files)"

    @property
    def is_clear(self) -> bool:
        """Whether the interval over the seeds leaves zero out."""
        return self.margin is not None and abs(self.mean) > self.margin

    def text(self) -> str:
        """ "+5.1 ± 1.3"."""
        return signed(self.mean) + ("" if self.margin is None else f" ± {self.margin:.1f}")


def gain(runs: pd.DataFrame, head: str, metric: str, families: Sequence[str], scope: str) -> Gain | None:
    """What AnoOnly changes for a head on these families; None where there is no pair in each of them.

    runs: of one reading, otherwise alike.
    """
    own = runs[runs["family"].isin(families)]
    found = paired_differences(
        *(values_by_file(own[own["system"] == system], metric) for system in (head, f"{head}{ANOONLY}"))
    )
    if not found or len({family for family, _ in found}) < len(families):
        return None
    over_seeds = means_by_seed(found)
    pairs = np.array([value for one in found.values() for value in one.values()])
    files = np.array([np.mean(list(one.values())) for one in found.values()])
    return Gain(
        head=head,
        scope=scope,
        mean=float(np.mean(over_seeds)) if over_seeds else float(files.mean()),
        margin=margin_of_error(over_seeds),
        pairs=len(pairs),
        files=len(files),
        of=sum(len(files_of(family)) for family in families),
        better=int((pairs > 0).sum()),
        p_pairs=_wilcoxon(pairs),
        p_files=_wilcoxon(files),
    )


def _wilcoxon(differences: np.ndarray) -> float | None:
    if len(differences) < 2 or not differences.any():
        return None
    return float(stats.wilcoxon(differences).pvalue)


def gains(frame: pd.DataFrame, reading: str, metric: str) -> list[Gain]:
    """What AnoOnly changes for each head, on each family and on the paper's families that are at hand together."""
    runs = frame[frame["reading"] == reading] if len(frame) else frame
    found = []
    for head in HEADS:
        own = runs[runs["baseline"] == head] if len(runs) else runs
        families = [family for family in FAMILIES if len(own) and (own["family"] == family).any()]
        in_paper = [family for family in families if family in PAPER_FAMILIES]
        scopes = [*((family, [family]) for family in families), *([(ALL, in_paper)] if len(in_paper) > 1 else [])]
        found += [one for scope, where in scopes if (one := gain(own, head, metric, where, scope)) is not None]
    return found


def gains_grid(found: Sequence[Gain], metric: str) -> Grid:
    """The gains as a table: one row a head and place."""
    rows = tuple(
        (
            f"{one.head}{ANOONLY}",
            one.scope,
            one.text(),
            f"{one.better} of {one.pairs}",
            _p(one.p_pairs),
            f"{one.files} of {one.of}",
            _p(one.p_files),
        )
        for one in found
    )
    return Grid(
        f"What AnoOnly changes, {METRIC_LABELS[metric]} in points",
        ("system", "where", "gain ± 95 %", "better", "p, files × seeds", "files", "p, files"),
        rows,
        (
            "Paired by file and seed. The interval is over the seeds. p: Wilcoxon's signed-rank test; pairs of one "
            "file share most of their rows, so that p over files × seeds is too sure, p over files the careful one.",
            f"These are {len(found)} tests: one in twenty falls below 0.05 by chance. Of 5 pairs p cannot fall "
            "below 0.06, of 10 below 0.002.",
        ),
    )


def _p(value: float | None) -> str | None:
    if value is None:
        return None
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"

"""Our figures beside the authors' code and beside the paper: what agrees, what is explained, and what is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anoonly_core.metrics.confidence import t_quantile
from anoonly_core.reproduction.cells import is_value, means_by_seed, signed, values_by_file
from anoonly_core.reproduction.evidence import Evidence
from anoonly_core.reproduction.experiments import ANOONLY, COMPARATORS, HEADS
from anoonly_core.reproduction.families import PAPER_FAMILIES, files_of
from anoonly_core.reproduction.grid import Grid
from anoonly_core.reproduction.published import AVERAGE, authors_runs, authors_splits, paper_tables, readme
from anoonly_core.reproduction.tables import METRIC_LABELS

__all__ = [
    "VERDICTS",
    "PublishedDifference",
    "authors_grid",
    "compare_with_authors_code",
    "compare_with_paper",
    "paper_grid",
    "readme_grid",
]

VERDICTS = {
    "unexplained": "unexplained",
    "explained": "explained",
    "agrees": "within the doubt",
    "untold": "cannot be told from so few files",
}

ROUNDED = 0.15  # points between figures that were printed to one place
MIN_FILES = 4  # of a family's; fewer say next to nothing about the others
SAME_SPLITS = 1.0  # points; on the very same splits only first weights and batches differ
KNOWN_OTHERWISE = {"REPEN": "ours trains as first published, the paper's as ADBench has it"}


@dataclass(frozen=True)
class PublishedDifference:
    """Ours with the published code's settings, beside a published figure, in percent.

    doubt: how far two such figures lie apart by chance, 95 % of the time at most; None where that is not known.
    text: ours as the paper's text says, where that is compared too. why: what explains the difference, or what is
    known of it.
    """

    system: str
    family: str
    metric: str
    pool: str
    ours: float
    theirs: float
    doubt: float | None
    files: int
    verdict: str
    text: float | None = None
    why: str = ""

    @property
    def points(self) -> float:
        """Ours less theirs."""
        return self.ours - self.theirs


def compare_with_authors_code(evidence: Evidence, metric: str = "aucroc") -> list[PublishedDifference]:
    """Family by family, clean and natural: our splits beside those that the authors' code was run on.

    On the same files. The doubt is that of two means over different splits, from our spread over seeds.
    """
    runs, found = authors_runs(), []
    for system, family, pool, own in _cells(evidence.frame("fig8"), HEADS, "code"):
        same = (runs["system"] == system) & (runs["family"] == family) & is_value(runs["contamination"], pool)
        files = set(runs[same]["dataset"]) & set(own["dataset"])
        ours = means_by_seed(values_by_file(own[own["dataset"].isin(files)], metric))
        theirs = means_by_seed(values_by_file(runs[same & runs["dataset"].isin(files)], metric))
        if len(ours) < 2 or not theirs:
            continue
        doubt = t_quantile(len(ours)) * float(np.std(ours, ddof=1)) * (1 / len(ours) + 1 / len(theirs)) ** 0.5
        mean, published = float(np.mean(ours)), float(np.mean(theirs))
        name = "clean" if pool == 0.0 else "natural"
        verdict, why = ("agrees", "") if abs(mean - published) <= doubt else ("unexplained", "")
        there = authors_splits().get((system, family, name)) if metric == "aucroc" else None
        if verdict == "unexplained" and there is not None and abs(there[1] - published) <= ROUNDED:  # the same files
            why = f"on their own splits ours gives {there[0]:.1f}"
            verdict = "explained" if abs(there[0] - there[1]) <= SAME_SPLITS else verdict
        found.append(
            PublishedDifference(system, family, metric, name, mean, published, doubt, len(files), verdict, why=why)
        )
    return found


def compare_with_paper(evidence: Evidence, metric: str) -> list[PublishedDifference]:
    """Table 1, 3 or 4, cell by cell, beside ours as the published code does it and as the text says.

    The doubt is of one more split, for the paper has one seed, and of the files that are not at hand, from how far
    apart those at hand lie; with fewer than MIN_FILES of several it is not known. A printed figure that the
    code's settings give and the text's do not is explained by what the code does otherwise.
    """
    frame, found = evidence.frame("table1"), []
    systems = (*COMPARATORS, *HEADS)
    texts = {(system, family): own for system, family, _, own in _cells(frame, systems, "text")}
    for system, family, _, own in _cells(frame, systems, "code"):
        printed = paper_tables().get((metric, system, family))
        values = values_by_file(own, metric)
        said = values_by_file(texts[system, family], metric) if (system, family) in texts else {}
        if printed is None or len(means_by_seed(values)) < 2 or len(means_by_seed(said)) < 2:
            continue
        mean, doubt = _mean_and_doubt(values, len(files_of(family)))
        text, text_doubt = _mean_and_doubt(said, len(files_of(family)))
        their_code = _their_code(system, metric, [name for _, name in values])
        verdict, why = "agrees", ""
        if doubt is None or text_doubt is None:
            verdict = "untold"
        elif abs(mean - printed) > doubt:
            verdict, why = "unexplained", their_code or KNOWN_OTHERWISE.get(system, "")
        elif abs(text - printed) > text_doubt and abs(text - printed) > abs(mean - printed):
            verdict, why = "explained", "what the code does otherwise than the text"
        found.append(
            PublishedDifference(system, family, metric, "clean", mean, printed, doubt, len(values), verdict, text, why)
        )
    return found


def _mean_and_doubt(values: dict[tuple[str, str], dict[int, float]], of: int) -> tuple[float, float | None]:
    """The mean over files and seeds, and how far one more split of all `of` files may lie from it."""
    means = means_by_seed(values)
    by_split = t_quantile(len(means)) * float(np.std(means, ddof=1)) * (1 / len(means) + 1) ** 0.5
    if len(values) == of:
        return float(np.mean(means)), by_split
    if len(values) < MIN_FILES:
        return float(np.mean(means)), None
    apart = float(np.std([np.mean(list(seeds.values())) for seeds in values.values()], ddof=1))
    by_files = t_quantile(len(values)) * apart * (1 / len(values) - 1 / of) ** 0.5
    return float(np.mean(means)), float(np.hypot(by_split, by_files))


def _their_code(system: str, metric: str, files: Sequence[str]) -> str:
    """What the authors' own code gives on the same files, where it was run on all of them."""
    runs = authors_runs()
    same = (runs["system"] == system) & is_value(runs["contamination"], 0.0) & runs["dataset"].isin(files)
    found = values_by_file(runs[same], metric)
    return (
        f"their own code gives {np.mean(means_by_seed(found)):.1f} on these files" if len(found) == len(files) else ""
    )


def _cells(
    frame: pd.DataFrame, baselines: Sequence[str], reading: str
) -> Iterator[tuple[str, str, float | str, pd.DataFrame]]:
    """System, family, contamination and runs of one reading, in the tables' order."""
    if frame.empty:
        return
    runs = frame[(frame["reading"] == reading) & frame["family"].isin(PAPER_FAMILIES)]
    pools = runs["contamination"] if "contamination" in runs else pd.Series(0.0, index=runs.index)
    for (baseline, system, family, pool), own in runs.groupby(["baseline", "system", "family", pools], sort=False):
        if baseline in baselines:
            contamination = 0.0 if pool == 0.0 else "natural"
            yield str(system), str(family), contamination, own


def authors_grid(found: Sequence[PublishedDifference]) -> Grid:
    """Ours beside the authors' code, what nothing explains first."""
    rows = tuple(
        (
            *(one.system, one.family, one.pool, one.ours, one.theirs, signed(one.points), f"± {one.doubt:.1f}"),
            f"{one.files} of {len(files_of(one.family))}",
            VERDICTS[one.verdict] + (f": {one.why}" if one.why else ""),
        )
        for one in _in_order(found)
    )
    columns = ("system", "data set", "pool", "ours", "their code", "difference", "doubt", "files", "")
    title = f"Ours beside the authors' code, {METRIC_LABELS[found[0].metric]} in %"
    chance = f"By chance about {0.05 * len(found):.0f} of {len(found)} would lie beyond the doubt."
    return Grid(title, columns, rows, (_counted(found), chance))


def paper_grid(found: Sequence[PublishedDifference], table: str) -> Grid:
    """Ours beside a table of the paper's, what nothing explains first."""
    rows = tuple(
        (
            *(one.system, one.family, one.theirs, one.ours, signed(one.points)),
            None if one.doubt is None else f"± {one.doubt:.1f}",
            *(one.text, None if one.text is None else signed(one.text - one.theirs)),
            f"{one.files} of {len(files_of(one.family))}",
            VERDICTS[one.verdict] + (f": {one.why}" if one.why else ""),
        )
        for one in _in_order(found)
    )
    columns = (
        *("system", "data set", "printed", "as the code does it", "difference", "doubt"),
        *("as the text says", "difference", "files", ""),
    )
    return Grid(f"Ours beside {table}, {METRIC_LABELS[found[0].metric]} in %", columns, rows, (_counted(found),))


def _in_order(found: Sequence[PublishedDifference]) -> list[PublishedDifference]:
    return sorted(found, key=lambda one: (list(VERDICTS).index(one.verdict), -abs(one.points)))


def _counted(found: Sequence[PublishedDifference]) -> str:
    counts = {words: sum(one.verdict == name for one in found) for name, words in VERDICTS.items()}
    return f"Of {len(found)}: {', '.join(f'{count} {words}' for words, count in counts.items() if count)}."


def readme_grid() -> Grid:
    """The averages over ten data sets that the paper prints, beside those that its README prints."""
    rows = []
    for head in HEADS:
        for system in (head, f"{head}{ANOONLY}"):
            printed, said = paper_tables()["aucroc", system, AVERAGE], readme()[system]
            rows.append((system, printed, said, signed(said - printed)))
    return Grid("AUCROC in %, average over ten data sets", ("", "the paper", "its README", "difference"), tuple(rows))

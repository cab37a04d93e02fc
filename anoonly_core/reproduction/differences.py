"""Measured results compared with the authors' code and the paper: agreeing, explained or unexplained."""

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
    "agrees": "within the margin",
    "undecided": "undecided (too few files)",
}

ROUNDED = 0.15  # points by which two values with one decimal may differ
MIN_FILES = 4  # fewer files of a family do not represent it
SAME_SPLITS = 1.0  # points; on equal splits only initial weights and batches differ
KNOWN_CAUSES = {"REPEN": "ours follows the first publication, the paper uses ADBench's version"}


@dataclass(frozen=True)
class PublishedDifference:
    """A measured mean compared with a published figure; all values in percent.

    Attributes
    ----------
    system, family, metric : str
        Table row, data set and metric.
    pool : str
        "clean", or "natural" with the anomalies left in the pool.
    measured, published : float
        The measured mean with the settings of the published code, and the published figure.
    margin : float or None
        Half-width of the 95 % interval of a difference by chance; None with fewer than MIN_FILES files.
    files : int
        Number of files measured.
    verdict : str
        A key of VERDICTS.
    measured_as_text : float or None
        The measured mean with the settings of the paper's text; None if it is not compared.
    explanation : str
        Known cause of the difference, or "".
    """

    system: str
    family: str
    metric: str
    pool: str
    measured: float
    published: float
    margin: float | None
    files: int
    verdict: str
    measured_as_text: float | None = None
    explanation: str = ""

    @property
    def points(self) -> float:
        """Measured minus published, in points of a percent."""
        return self.measured - self.published


def compare_with_authors_code(evidence: Evidence, metric: str = "aucroc") -> list[PublishedDifference]:
    """Compare our mean with that of the authors' code on the same files, for each head, family and pool.

    The margin is that of two means over different splits, from the measured deviation over seeds.

    Parameters
    ----------
    evidence : Evidence
        Results of experiment "fig8".
    metric : str
        A name of METRIC_LABELS.

    Returns
    -------
    list of PublishedDifference
        One per system, family and pool with two seeds or more and a run of the authors' code.
    """
    authors, differences = authors_runs(), []
    for system, family, contamination, runs in _cells(evidence.frame("fig8"), HEADS, "code"):
        of_cell = (authors["system"] == system) & (authors["family"] == family)
        of_cell &= is_value(authors["contamination"], contamination)
        files = set(authors[of_cell]["dataset"]) & set(runs["dataset"])
        ours = means_by_seed(values_by_file(runs[runs["dataset"].isin(files)], metric))
        theirs = means_by_seed(values_by_file(authors[of_cell & authors["dataset"].isin(files)], metric))
        if len(ours) < 2 or not theirs:
            continue
        margin = t_quantile(len(ours)) * float(np.std(ours, ddof=1)) * (1 / len(ours) + 1 / len(theirs)) ** 0.5
        measured, published = float(np.mean(ours)), float(np.mean(theirs))
        pool = "clean" if contamination == 0.0 else "natural"
        verdict, explanation = ("agrees", "") if abs(measured - published) <= margin else ("unexplained", "")
        on_splits = authors_splits().get((system, family, pool)) if metric == "aucroc" else None
        # Equal published means show that both comparisons cover the same files.
        if verdict == "unexplained" and on_splits is not None and abs(on_splits[1] - published) <= ROUNDED:
            explanation = f"on the authors' splits ours gives {on_splits[0]:.1f}"
            verdict = "explained" if abs(on_splits[0] - on_splits[1]) <= SAME_SPLITS else verdict
        differences.append(
            PublishedDifference(
                *(system, family, metric, pool, measured, published, margin, len(files), verdict),
                explanation=explanation,
            )
        )
    return differences


def compare_with_paper(evidence: Evidence, metric: str) -> list[PublishedDifference]:
    """Compare each printed figure of Table 1, 3 or 4 with two measured means, by the settings of code and text.

    The margin allows for one more split, since the paper has one seed. It also allows for missing files, from the
    deviation between the measured ones. A printed figure is explained if the settings of the code give it and those
    of the text do not.

    Parameters
    ----------
    evidence : Evidence
        Results of experiment "table1".
    metric : str
        "aucroc" for Table 1, "aucpr_anomaly" for Table 3, "aucpr_normal_published" for Table 4.

    Returns
    -------
    list of PublishedDifference
        One per printed cell with two seeds or more under both settings.
    """
    frame, differences = evidence.frame("table1"), []
    systems = (*COMPARATORS, *HEADS)
    as_text = {(system, family): runs for system, family, _, runs in _cells(frame, systems, "text")}
    for system, family, _, runs in _cells(frame, systems, "code"):
        printed = paper_tables().get((metric, system, family))
        values = values_by_file(runs, metric)
        text_values = values_by_file(as_text[system, family], metric) if (system, family) in as_text else {}
        if printed is None or len(means_by_seed(values)) < 2 or len(means_by_seed(text_values)) < 2:
            continue
        mean, margin = _mean_and_margin(values, len(files_of(family)))
        text_mean, text_margin = _mean_and_margin(text_values, len(files_of(family)))
        authors_mean = _authors_mean(system, metric, [name for _, name in values])
        verdict, explanation = "agrees", ""
        if margin is None or text_margin is None:
            verdict = "undecided"
        elif abs(mean - printed) > margin:
            verdict, explanation = "unexplained", authors_mean or KNOWN_CAUSES.get(system, "")
        elif abs(text_mean - printed) > text_margin and abs(text_mean - printed) > abs(mean - printed):
            verdict, explanation = "explained", "the code differs from the text"
        differences.append(
            PublishedDifference(
                *(system, family, metric, "clean", mean, printed, margin, len(values), verdict, text_mean, explanation)
            )
        )
    return differences


def _mean_and_margin(values: dict[tuple[str, str], dict[int, float]], total_files: int) -> tuple[float, float | None]:
    """Return the mean over files and seeds, and its 95 % margin for one more split of all files of the family.

    `values` holds values by (family, data set) and then by seed; `total_files` is the number of files of the family.
    The margin is None if files are missing and fewer than MIN_FILES are measured.
    """
    means = means_by_seed(values)
    by_split = t_quantile(len(means)) * float(np.std(means, ddof=1)) * (1 / len(means) + 1) ** 0.5
    if len(values) == total_files:
        return float(np.mean(means)), by_split
    if len(values) < MIN_FILES:
        return float(np.mean(means)), None
    deviation = float(np.std([np.mean(list(seeds.values())) for seeds in values.values()], ddof=1))
    by_files = t_quantile(len(values)) * deviation * (1 / len(values) - 1 / total_files) ** 0.5
    return float(np.mean(means)), float(np.hypot(by_split, by_files))


def _authors_mean(system: str, metric: str, files: Sequence[str]) -> str:
    """Return a clause for a sentence with the mean of the authors' code over these files with a clean pool.

    Return "" unless the code was run on all of them.
    """
    runs = authors_runs()
    of_files = (runs["system"] == system) & is_value(runs["contamination"], 0.0) & runs["dataset"].isin(files)
    values = values_by_file(runs[of_files], metric)
    if len(values) != len(files):
        return ""
    return f"the authors' code gives {np.mean(means_by_seed(values)):.1f} on these files"


def _cells(
    frame: pd.DataFrame, baselines: Sequence[str], source: str
) -> Iterator[tuple[str, str, float | str, pd.DataFrame]]:
    """Yield system, family, contamination and runs of each cell of a table, in the order of the table.

    Only runs on paper families, of these baselines and with the settings of `source` ("text" or "code") count.
    """
    if frame.empty:
        return
    runs = frame[(frame["source"] == source) & frame["family"].isin(PAPER_FAMILIES)]
    pools = runs["contamination"] if "contamination" in runs else pd.Series(0.0, index=runs.index)
    groups = runs.groupby(["baseline", "system", "family", pools], sort=False)
    for (baseline, system, family, pool), runs_of_cell in groups:
        if baseline in baselines:
            contamination = 0.0 if pool == 0.0 else "natural"
            yield str(system), str(family), contamination, runs_of_cell


def authors_grid(differences: Sequence[PublishedDifference]) -> Grid:
    """Lay out comparisons with the authors' code as a table, unexplained ones first.

    `differences` must not be empty.
    """
    rows = tuple(
        (
            *(difference.system, difference.family, difference.pool, difference.measured, difference.published),
            *(signed(difference.points), f"± {difference.margin:.1f}"),
            *(_files_text(difference), _verdict_text(difference)),
        )
        for difference in _sorted(differences)
    )
    columns = ("system", "data set", "pool", "ours", "authors' code", "difference", "margin", "files", "")
    title = f"Our results and the authors' code, {METRIC_LABELS[differences[0].metric]} in %"
    by_chance = f"By chance about {0.05 * len(differences):.0f} of {len(differences)} would be beyond the margin."
    return Grid(title, columns, rows, (_counts_text(differences), by_chance))


def paper_grid(differences: Sequence[PublishedDifference], table: str) -> Grid:
    """Lay out comparisons with a table of the paper, given by name for the title, unexplained ones first.

    `differences` must not be empty.
    """
    rows = tuple(
        (
            *(difference.system, difference.family, difference.published, difference.measured),
            *(signed(difference.points), None if difference.margin is None else f"± {difference.margin:.1f}"),
            difference.measured_as_text,
            None if (text := difference.measured_as_text) is None else signed(text - difference.published),
            *(_files_text(difference), _verdict_text(difference)),
        )
        for difference in _sorted(differences)
    )
    columns = (
        *("system", "data set", "printed", "as the code does it", "difference", "margin"),
        *("with the text's settings", "difference", "files", ""),
    )
    title = f"Our results and {table}, {METRIC_LABELS[differences[0].metric]} in %"
    return Grid(title, columns, rows, (_counts_text(differences),))


def _files_text(difference: PublishedDifference) -> str:
    return f"{difference.files} of {len(files_of(difference.family))}"


def _verdict_text(difference: PublishedDifference) -> str:
    return VERDICTS[difference.verdict] + (f": {difference.explanation}" if difference.explanation else "")


def _sorted(differences: Sequence[PublishedDifference]) -> list[PublishedDifference]:
    """Sort differences by verdict in the order of VERDICTS, then from the largest to the smallest."""
    order = list(VERDICTS)
    return sorted(differences, key=lambda difference: (order.index(difference.verdict), -abs(difference.points)))


def _counts_text(differences: Sequence[PublishedDifference]) -> str:
    counts = {words: sum(each.verdict == name for each in differences) for name, words in VERDICTS.items()}
    return f"Of {len(differences)}: {', '.join(f'{count} {words}' for words, count in counts.items() if count)}."


def readme_grid() -> Grid:
    """Lay out the printed averages over ten data sets: those of the paper and those of the README of its code."""
    rows = []
    for head in HEADS:
        for system in (head, f"{head}{ANOONLY}"):
            in_paper, in_readme = paper_tables()["aucroc", system, AVERAGE], readme()[system]
            rows.append((system, in_paper, in_readme, signed(in_readme - in_paper)))
    return Grid("AUCROC in %, average over ten data sets", ("", "the paper", "its README", "difference"), tuple(rows))

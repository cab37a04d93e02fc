"""Fig. 4 of the paper: the spread of each system over the data sets, as the quartiles of a box plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anoonly_core.metrics.confidence import clear_together, wilcoxon_p
from anoonly_core.reproduction.cells import signed, values_by_file
from anoonly_core.reproduction.experiments import ANOONLY, HEADS, SOURCES
from anoonly_core.reproduction.families import PAPER_FAMILIES
from anoonly_core.reproduction.grid import Grid
from anoonly_core.reproduction.tables import METRIC_LABELS, systems_first

__all__ = ["BOXES", "Box", "boxes_grid", "boxes_sentence", "make_boxes"]

BOXES = "fig4"  # the experiment that is drawn as a box plot
QUARTILES = (0, 25, 50, 75, 100)


@dataclass(frozen=True)
class Box:
    """A system over several data sets.

    Attributes
    ----------
    system : str
        Name of the system.
    values : mapping of str to float
        Metric in percent by data set, mean over the seeds.
    """

    system: str
    values: Mapping[str, float]

    @property
    def quartiles(self) -> tuple[float, ...]:
        """Smallest value, lower quartile, median, upper quartile and largest value, in percent."""
        return tuple(np.percentile(list(self.values.values()), QUARTILES).tolist())

    @property
    def median(self) -> float:
        """Median over the data sets, in percent."""
        return self.quartiles[2]


def make_boxes(frame: pd.DataFrame, source: str, metric: str) -> list[Box]:
    """Return the box of each system over the data sets of the paper that all systems have, in the order of its tables.

    Parameters
    ----------
    frame : pandas.DataFrame
        Runs of an experiment; see Evidence.frame.
    source : str
        A key of SOURCES: "text" or "code".
    metric : str
        A key of METRIC_LABELS.
    """
    if frame.empty:
        return []
    runs = frame[(frame["source"] == source) & frame["family"].isin(PAPER_FAMILIES)]
    means = {
        str(system): {file: float(np.mean(list(by_seed.values()))) for (_, file), by_seed in values.items()}
        for system, of_system in runs.groupby("system", sort=False)
        if (values := values_by_file(of_system, metric))
    }
    shared = set.intersection(*map(set, means.values())) if means else set()
    return [
        Box(system, {file: value for file, value in means[system].items() if file in shared})
        for system in systems_first([*means])
        if shared
    ]


def boxes_grid(boxes: Sequence[Box], source: str, metric: str) -> Grid:
    """Tabulate boxes: a row per system with the number of data sets and the five values of its box."""
    return Grid(
        f"Spread over the data sets; {METRIC_LABELS[metric]} in %, {SOURCES[source]}",
        ("system", "data sets", "smallest", "lower quartile", "median", "upper quartile", "largest"),
        tuple((box.system, len(box.values), *box.quartiles) for box in boxes),
        ("Each data set counts once, by its mean over the seeds. The paper prints no figures for this box plot.",),
    )


def boxes_sentence(boxes: Sequence[Box], metric: str) -> str:
    """Return Markdown on the change of each head's median with AnoOnly, with tests over the data sets (Holm)."""
    of = {box.system: box for box in boxes}
    pairs = [(of[head], of[f"{head}{ANOONLY}"]) for head in HEADS if {head, f"{head}{ANOONLY}"} <= of.keys()]
    if not pairs:
        return ""
    clear = clear_together(
        [wilcoxon_p([with_it.values[file] - value for file, value in plain.values.items()]) for plain, with_it in pairs]
    )
    clauses = [
        f"**{plain.system}** {plain.median:.1f} → {with_it.median:.1f} ({signed(with_it.median - plain.median)}"
        f"{', clear' if is_clear else ''})"
        for (plain, with_it), is_clear in zip(pairs, clear, strict=True)
    ]
    return (
        f"Median {METRIC_LABELS[metric]} in % over {len(boxes[0].values)} data sets, without and with AnoOnly: "
        f"{'; '.join(clauses)}. Clear for {sum(clear) or 'none'} of {len(pairs)} heads (Wilcoxon over the pairs, Holm)."
    )

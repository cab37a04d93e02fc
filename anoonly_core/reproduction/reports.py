"""Tables of experiments, discrepancies and differences by name, for printing and for files."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from anoonly_core.reproduction.boxes import BOXES, boxes_grid, make_boxes
from anoonly_core.reproduction.cells import REFERENCES
from anoonly_core.reproduction.differences import (
    authors_grid,
    compare_with_authors_code,
    compare_with_paper,
    paper_grid,
)
from anoonly_core.reproduction.discrepancies import DISCREPANCIES
from anoonly_core.reproduction.evidence import Evidence
from anoonly_core.reproduction.experiments import EXPERIMENTS, SOURCES
from anoonly_core.reproduction.grid import Grid
from anoonly_core.reproduction.significance import gains, gains_grid
from anoonly_core.reproduction.tables import ALL, LAYOUTS, make_table, scopes_of
from anoonly_core.reproduction.which.runs import shipped_runs
from anoonly_core.reproduction.which.tables import which_reports

__all__ = ["DIFFERENCES", "GAIN_TABLES", "PAPER_TABLES", "REPORTS", "RIGHT_SIGN", "WHICH", "experiments_for", "reports"]

DIFFERENCES, WHICH = "differences", "which"
GAIN_TABLES = ("table1", "table3", "table4")  # the tables that compare AnoOnly with its baselines
RIGHT_SIGN = "aucpr_normal"
PAPER_TABLES = MappingProxyType({"aucroc": "Table 1", "aucpr_anomaly": "Table 3", "aucpr_normal_published": "Table 4"})
REPORTS = (*EXPERIMENTS, *(name for name in DISCREPANCIES if name not in EXPERIMENTS), DIFFERENCES, WHICH)


def experiments_for(name: str) -> list[str]:
    """Return the names of the experiments whose runs a report, one of REPORTS, needs."""
    if name in EXPERIMENTS:
        return [name]
    if name == DIFFERENCES:
        return ["table1", "fig8"]
    if name == WHICH:
        return []  # its runs ship
    return [experiment for experiment in DISCREPANCIES[name].experiments if experiment in EXPERIMENTS]


def reports(name: str, evidence: Evidence) -> Iterator[tuple[str, Grid]]:
    """Yield the tables of a report, each with a file name; parts without results are left out.

    Parameters
    ----------
    name : str
        One of REPORTS.
    evidence : Evidence
        The results.

    Yields
    ------
    tuple of str and Grid
        The file name without suffix, and the table.
    """
    if name == DIFFERENCES:
        yield from _differences(evidence)
    if name == WHICH:
        yield from which_reports(shipped_runs())
    if name in EXPERIMENTS:
        yield from _tables(name, evidence)
    if name in DISCREPANCIES and (finding := DISCREPANCIES[name].measure(evidence)) is not None:
        grid, sentence = finding.grid, finding.sentence.replace("**", "")
        yield f"point-{name}", Grid(grid.title, grid.columns, grid.rows, (sentence, *grid.notes))


def _tables(name: str, evidence: Evidence) -> Iterator[tuple[str, Grid]]:
    frame = evidence.frame(name)
    metrics = [LAYOUTS[name].metric, *([RIGHT_SIGN] if name == "table4" else [])]
    for source in SOURCES:
        for metric in metrics:
            stem = f"{name}-{source}" + ("-right-sign" if metric == RIGHT_SIGN else "")
            for scope in scopes_of(name, frame) or [""]:
                table = make_table(name, frame, source, scope, metric)
                if not table.cells:
                    continue
                suffix = "" if scope in ("", ALL) else f"-{scope}"
                for reference in REFERENCES:
                    if (
                        any(cell.published(reference) is not None for cell in table.cells.values())
                        or reference == "paper"
                    ):
                        yield f"{stem}{suffix}-beside-{reference}", table.grid(reference)
                yield f"{stem}{suffix}-cells", table.cells_grid()
            if name == BOXES and (boxes := make_boxes(frame, source, metric)):
                yield f"{stem}-boxes", boxes_grid(boxes, source, metric)
            if name in GAIN_TABLES and (results := gains(frame, source, metric)):
                yield f"{stem}-gains", gains_grid(results, metric)


def _differences(evidence: Evidence) -> Iterator[tuple[str, Grid]]:
    if with_code := compare_with_authors_code(evidence):
        yield "differences-authors", authors_grid(with_code)
    for metric, table in PAPER_TABLES.items():
        if with_paper := compare_with_paper(evidence, metric):
            yield f"differences-{table.lower().replace(' ', '')}", paper_grid(with_paper, f"the paper's {table}")

"""Every table that an experiment comes to, by name, as it is printed and written to files."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from anoonly_core.reproduction.cells import REFERENCES
from anoonly_core.reproduction.differences import (
    authors_grid,
    compare_with_authors_code,
    compare_with_paper,
    paper_grid,
)
from anoonly_core.reproduction.discrepancies import DISCREPANCIES
from anoonly_core.reproduction.evidence import Evidence
from anoonly_core.reproduction.experiments import EXPERIMENTS, READINGS
from anoonly_core.reproduction.grid import Grid
from anoonly_core.reproduction.significance import gains, gains_grid
from anoonly_core.reproduction.tables import ALL, LAYOUTS, make_table, scopes_of

__all__ = ["DIFFERENCES", "GAINED", "PAPER_TABLES", "REPORTS", "RIGHT_SIGN", "experiments_for", "reports"]

DIFFERENCES = "differences"
GAINED = ("table1", "table3", "table4")  # what every claim of AnoOnly's rests on
RIGHT_SIGN = "aucpr_normal"
PAPER_TABLES = MappingProxyType({"aucroc": "Table 1", "aucpr_anomaly": "Table 3", "aucpr_normal_published": "Table 4"})
REPORTS = (*EXPERIMENTS, *(name for name in DISCREPANCIES if name not in EXPERIMENTS), DIFFERENCES)


def experiments_for(name: str) -> list[str]:
    """The experiments whose runs a report rests on."""
    if name in EXPERIMENTS:
        return [name]
    if name == DIFFERENCES:
        return ["table1", "fig8"]
    return [own for own in DISCREPANCIES[name].experiments if own in EXPERIMENTS]


def reports(name: str, evidence: Evidence) -> Iterator[tuple[str, Grid]]:
    """The tables of one of REPORTS, each with the stem of its file's name; none of what has not been trained."""
    if name == DIFFERENCES:
        yield from _differences(evidence)
    if name in EXPERIMENTS:
        yield from _tables(name, evidence)
    if name in DISCREPANCIES and (found := DISCREPANCIES[name].measure(evidence)) is not None:
        said = found.sentence.replace("**", "")
        yield f"point-{name}", Grid(found.grid.title, found.grid.columns, found.grid.rows, (said, *found.grid.notes))


def _tables(name: str, evidence: Evidence) -> Iterator[tuple[str, Grid]]:
    frame = evidence.frame(name)
    metrics = [LAYOUTS[name].metric, *([RIGHT_SIGN] if name == "table4" else [])]
    for reading in READINGS:
        for metric in metrics:
            stem = f"{name}-{reading}" + ("-right-sign" if metric == RIGHT_SIGN else "")
            for scope in scopes_of(name, frame) or [""]:
                table = make_table(name, frame, reading, scope, metric)
                if not table.cells:
                    continue
                at = "" if scope in ("", ALL) else f"-{scope}"
                for reference in REFERENCES:
                    if (
                        any(cell.published(reference) is not None for cell in table.cells.values())
                        or reference == "paper"
                    ):
                        yield f"{stem}{at}-beside-{reference}", table.grid(reference)
                yield f"{stem}{at}-cells", table.cells_grid()
            if name in GAINED and (found := gains(frame, reading, metric)):
                yield f"{stem}-gains", gains_grid(found, metric)


def _differences(evidence: Evidence) -> Iterator[tuple[str, Grid]]:
    if code := compare_with_authors_code(evidence):
        yield "differences-authors", authors_grid(code)
    for metric, table in PAPER_TABLES.items():
        if found := compare_with_paper(evidence, metric):
            yield f"differences-{table.lower().replace(' ', '')}", paper_grid(found, f"the paper's {table}")

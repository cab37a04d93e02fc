"""Results of an experiment as a table of cells, each compared with published figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd

from anoonly_core.baselines import NORM_LABELS
from anoonly_core.reproduction.cells import REFERENCES, Cell, make_cell, signed
from anoonly_core.reproduction.experiments import EXPERIMENTS, HEADS, READINGS
from anoonly_core.reproduction.families import FAMILIES, PAPER_FAMILIES
from anoonly_core.reproduction.grid import Grid

__all__ = [
    "ALL",
    "LAYOUTS",
    "METRIC_LABELS",
    "VALUE_LABELS",
    "Table",
    "TableLayout",
    "make_table",
    "scopes_of",
    "value_label",
]

ALL = "mean of these"  # over the paper's data sets that are at hand, each counting once


@dataclass(frozen=True)
class TableLayout:
    """The fields that give the rows and columns of a table; "family" makes one column per family."""

    rows: str
    columns: str
    metric: str = "aucroc"


_SYSTEMS = TableLayout("system", "family")
LAYOUTS = MappingProxyType(
    {
        "table1": _SYSTEMS,
        "table2": TableLayout("norm", "system"),
        "table3": TableLayout("system", "family", "aucpr_anomaly"),
        "table4": TableLayout("system", "family", "aucpr_normal_published"),
        "fig5": TableLayout("system", "labeled_ratio"),
        "fig6": TableLayout("system", "normal_ratio"),
        "fig7": TableLayout("baseline", "lambda_n"),
        "fig8": TableLayout("system", "contamination"),
        "fig9": TableLayout("system", "batch_size"),
        "learning-rate": TableLayout("system", "learning_rate"),
        "leak": TableLayout("system", "protocol"),
        "hinge": TableLayout("system", "preset"),
        "tied-norm": TableLayout("system", "norm"),
    }
)
METRIC_LABELS = {
    "aucroc": "AUCROC",
    "aucpr_anomaly": "AUCPR of the anomalies",
    "aucpr_normal": "AUCPR of the normal rows",
    "aucpr_normal_published": "AUCPR of the normal rows with the published sign",
}


VALUE_LABELS: Mapping[tuple[str, Any], str] = MappingProxyType(
    {
        ("contamination", 0.0): "clean pool",
        ("contamination", "natural"): "anomalies left in",
        ("protocol", "published"): "with copies in the test",
        ("protocol", "leak_free"): "without",
        ("preset", "published_code"): "as the code has it",
        ("preset", "paper"): "as the paper has it",
        **{("norm", norm): words for norm, words in NORM_LABELS.items()},
    }
)


@dataclass(frozen=True)
class Table:
    """Cells by (row, column); scope: the family that they cover, ALL, or "" if families are columns."""

    name: str
    title: str
    metric: str
    reading: str
    scope: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]

    def cell_text(self, row: str, column: str) -> str:
        """ "73.8 ± 1.1", with its files where they are fewer than its column's."""
        cell = self.cells[row, column]
        fewer = len(cell.files) < self._most_files(column)
        return cell.text() + (f" [{len(cell.files)} file{'s' * (len(cell.files) > 1)}]" if fewer else "")

    def _most_files(self, column: str) -> int:
        return max(len(own.files) for (_, at), own in self.cells.items() if at == column)

    def files_words(self, column: str) -> str:
        """On how many files a column stands, such as "2 of 10 files"."""
        of = next(own.of for (_, at), own in self.cells.items() if at == column)
        return f"{self._most_files(column)} of {of} files"

    def heading(self, column: str) -> str:
        """Return the heading of a column."""
        return column if self.scope else f"{column} ({self.files_words(column).removesuffix(' files')})"

    def grid(self, reference: str = "paper") -> Grid:
        """The table as text: ours, and the difference to one of REFERENCES where that has a figure."""
        rows = []
        for row in self.rows:
            texts: list[str | None] = [row]
            for column in self.columns:
                cell = self.cells.get((row, column))
                texts.append(None if cell is None else self.cell_text(row, column) + _difference(cell, reference))
            rows.append(tuple(texts))
        note = "Mean ± standard deviation over seeds of the mean over files"
        note += "" if self.scope else ", of which a data set's name says how many of all are at hand"
        if any(cell.published(reference) is not None for cell in self.cells.values()):
            note += f"; in brackets the difference to {REFERENCES[reference]}"
        return Grid(self.caption, ("", *map(self.heading, self.columns)), tuple(rows), (f"{note}.",))

    @property
    def caption(self) -> str:
        """What the table shows, where, and in which reading."""
        where = f", {self.scope} ({self.files_words(self.columns[0])})" if self.scope else ""
        return f"{self.title}; {METRIC_LABELS[self.metric]} in %{where}, {READINGS[self.reading]}"

    def cells_grid(self) -> Grid:
        """Return one row per cell: mean, deviation, number of seeds and files, published figures, data sets."""
        columns = ("row", "column", "mean", "deviation", "seeds", "files", "of", *REFERENCES, "data sets")
        rows = tuple(
            (
                *(row, column, cell.mean, cell.spread),
                *(len(cell.values), len(cell.files), cell.of),
                *(cell.published(reference) for reference in REFERENCES),
                " ".join(cell.files),
            )
            for (row, column), cell in self.cells.items()
        )
        return Grid(f"{self.caption}: cells", columns, rows)


def _difference(cell: Cell, reference: str) -> str:
    published = cell.published(reference)
    return "" if published is None else f" ({signed(cell.mean - published)})"


def scopes_of(name: str, frame: pd.DataFrame) -> list[str]:
    """Return the scopes that a table can have: families and ALL; none if families are its columns."""
    if LAYOUTS[name].columns == "family" or frame.empty:
        return []
    at_hand = [family for family in FAMILIES if (frame["family"] == family).any()]
    return [ALL, *at_hand] if len(at_hand) > 1 else at_hand


def make_table(name: str, frame: pd.DataFrame, reading: str, scope: str = "", metric: str | None = None) -> Table:
    """Make the table of an experiment in one reading ("text" or "code"); scope: one of scopes_of, or ""."""
    layout = LAYOUTS[name]
    metric = metric or layout.metric
    own = frame[frame["reading"] == reading] if len(frame) else frame
    rows = list(dict.fromkeys(own[layout.rows])) if len(own) else []
    cells: dict[tuple[str, str], Cell] = {}
    if layout.columns == "family":
        rows = _systems_first(rows)
        families = [family for family in FAMILIES if (own["family"] == family).any()] if len(own) else []
        in_paper = [family for family in families if family in PAPER_FAMILIES]
        columns = [*in_paper, *([ALL] if len(in_paper) > 1 else []), *(own for own in families if own not in in_paper)]
        by_row = dict(tuple(own.groupby("system", sort=False))) if len(own) else {}
        for column in columns:
            for row in rows:
                where = by_row[row]
                if (cell := make_cell(where, metric, in_paper if column == ALL else [column])) is not None:
                    cells[row, column] = cell
    else:
        at_hand = [family for family in PAPER_FAMILIES if len(own) and (own["family"] == family).any()]
        families = at_hand if scope == ALL else [scope]
        columns = list(dict.fromkeys(own[layout.columns])) if len(own) else []
        if layout.columns == "batch_size":  # the smallest are trained on the small sets alone, which come last
            columns.sort()
        grouped = dict(tuple(own.groupby([layout.rows, layout.columns], sort=False))) if len(own) else {}
        for row in rows:
            for column in columns:
                if (here := grouped.get((row, column))) is None:
                    continue
                if (cell := make_cell(here, metric, families, at_hand)) is not None:
                    cells[value_label(layout.rows, row), value_label(layout.columns, column)] = cell
    found = (
        tuple(dict.fromkeys(row for row, _ in cells)),
        tuple(dict.fromkeys(value_label(layout.columns, column) for column in columns)),
    )
    kept = tuple(column for column in found[1] if any((row, column) in cells for row in found[0]))
    title = EXPERIMENTS[name].title
    return Table(name, title, metric, reading, scope, found[0], kept, MappingProxyType(cells))


def value_label(field: str, value: Any) -> str:
    """Return the label of a value in a table."""
    if (word := VALUE_LABELS.get((field, value))) is not None:
        return word
    return f"{value:g}" if isinstance(value, float) else str(value)


def _systems_first(names: Sequence[str]) -> list[str]:
    """In the order of the paper's tables: comparators, then each head with AnoOnly behind it."""
    order = [own for head in HEADS for own in (head, f"{head} + AnoOnly")]
    return sorted(names, key=lambda name: order.index(name) if name in order else -1)

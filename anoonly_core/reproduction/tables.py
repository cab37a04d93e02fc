"""Results of an experiment as a table of cells, each compared with published figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd

from anoonly_core.baselines import NORM_LABELS
from anoonly_core.reproduction.cells import REFERENCES, Cell, make_cell, signed
from anoonly_core.reproduction.experiments import EXPERIMENTS, HEADS, SOURCES
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
    "systems_first",
    "value_label",
]

ALL = "mean of these"  # scope of all paper families with runs, with equal weight


@dataclass(frozen=True)
class TableLayout:
    """Columns of a runs table whose values give the rows and columns of a printed table, and its metric.

    For `columns` "family", there is one column per family.
    """

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
        "fig4": TableLayout("system", "family", "aucpr_anomaly"),
        "fig5": TableLayout("system", "labeled_ratio"),
        "fig6": TableLayout("system", "normal_ratio"),
        "fig7": TableLayout("baseline", "lambda_n"),
        "fig8": TableLayout("system", "contamination"),
        "fig9": TableLayout("system", "batch_size"),
        "learning-rate": TableLayout("system", "learning_rate"),
        "leak": TableLayout("system", "protocol"),
        "hinge": TableLayout("system", "preset"),
        "tied-norm": TableLayout("system", "norm"),
        "feawad-score": TableLayout("system", "preset", "aucpr_anomaly"),
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
        ("preset", "paper_printed"): "as the paper prints it",
        **{("norm", norm): words for norm, words in NORM_LABELS.items()},
    }
)


@dataclass(frozen=True)
class Table:
    """Table of cells of one experiment, each with published figures.

    Attributes
    ----------
    name, title, metric : str
        Experiment with its title, and a key of METRIC_LABELS.
    source : str
        A key of SOURCES: "text" or "code".
    scope : str
        The family that the cells cover, ALL, or "" if families are columns.
    rows, columns : tuple of str
        Headings.
    cells : mapping
        Cells by (row, column); those without results are absent.
    """

    name: str
    title: str
    metric: str
    source: str
    scope: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]

    def cell_text(self, row: str, column: str) -> str:
        """Format the cell at a row and column heading, such as "73.8 ± 1.1".

        The number of its files follows if another cell of the column has more.
        """
        cell = self.cells[row, column]
        fewer = len(cell.files) < self._most_files(column)
        return cell.text() + (f" [{len(cell.files)} file{'s' * (len(cell.files) > 1)}]" if fewer else "")

    def _most_files(self, column: str) -> int:
        return max(len(cell.files) for (_, heading), cell in self.cells.items() if heading == column)

    def files_words(self, column: str) -> str:
        """Return the number of files behind the column with this heading, such as "2 of 10 files"."""
        total = next(cell.total_files for (_, heading), cell in self.cells.items() if heading == column)
        return f"{self._most_files(column)} of {total} files"

    def heading(self, column: str) -> str:
        """Return the heading to print for a column: with its number of files if families are columns."""
        return column if self.scope else f"{column} ({self.files_words(column).removesuffix(' files')})"

    def grid(self, reference: str = "paper") -> Grid:
        """Lay out the table as text, with the difference of each cell to a published figure in brackets.

        `reference` is a key of REFERENCES: "paper" or "authors".
        """
        rows = []
        for row in self.rows:
            texts: list[str | None] = [row]
            for column in self.columns:
                cell = self.cells.get((row, column))
                texts.append(None if cell is None else self.cell_text(row, column) + _difference(cell, reference))
            rows.append(tuple(texts))
        note = "Mean ± standard deviation over seeds of the mean over files"
        note += "" if self.scope else "; brackets after a data set give the files on this machine, of all its files"
        if any(cell.published(reference) is not None for cell in self.cells.values()):
            note += f"; brackets after a value give the difference to {REFERENCES[reference]}"
        return Grid(self.caption, ("", *map(self.heading, self.columns)), tuple(rows), (f"{note}.",))

    @property
    def caption(self) -> str:
        """Caption on one line: title, metric in %, scope with its number of files, and source of the settings."""
        where = f", {self.scope} ({self.files_words(self.columns[0])})" if self.scope else ""
        return f"{self.title}; {METRIC_LABELS[self.metric]} in %{where}, {SOURCES[self.source]}"

    def cells_grid(self) -> Grid:
        """Lay out the table with one row per cell: mean, deviation, seeds, files, published figures and data sets."""
        columns = ("row", "column", "mean", "deviation", "seeds", "files", "of", *REFERENCES, "data sets")
        rows = tuple(
            (
                *(row, column, cell.mean, cell.spread),
                *(len(cell.values), len(cell.files), cell.total_files),
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
    """List the data set families that a table can be restricted to, preceded by ALL if there are several.

    Parameters
    ----------
    name : str
        A key of LAYOUTS.
    frame : DataFrame
        The runs, from `runs_frame`.

    Returns
    -------
    list of str
        Empty for a table that has the families as its columns.
    """
    if LAYOUTS[name].columns == "family" or frame.empty:
        return []
    at_hand = [family for family in FAMILIES if (frame["family"] == family).any()]
    return [ALL, *at_hand] if len(at_hand) > 1 else at_hand


def make_table(name: str, frame: pd.DataFrame, source: str, scope: str = "", metric: str | None = None) -> Table:
    """Build the table of an experiment from its runs.

    Parameters
    ----------
    name : str
        A key of LAYOUTS.
    frame : pandas.DataFrame
        The runs; see Evidence.frame.
    source : str
        A key of SOURCES: "text" or "code".
    scope : str
        One of scopes_of, or "" if families are columns.
    metric : str, optional
        A key of METRIC_LABELS; that of the layout if not given.

    Returns
    -------
    Table
        Without cells if there are no runs.
    """
    layout = LAYOUTS[name]
    metric = metric or layout.metric
    runs = frame[frame["source"] == source] if len(frame) else frame
    rows = list(dict.fromkeys(runs[layout.rows])) if len(runs) else []
    cells: dict[tuple[str, str], Cell] = {}
    if layout.columns == "family":
        rows = systems_first(rows)
        families = [family for family in FAMILIES if (runs["family"] == family).any()] if len(runs) else []
        in_paper = [family for family in families if family in PAPER_FAMILIES]
        others = [family for family in families if family not in in_paper]
        columns = [*in_paper, *([ALL] if len(in_paper) > 1 else []), *others]
        by_row = dict(tuple(runs.groupby("system", sort=False))) if len(runs) else {}
        for column in columns:
            for row in rows:
                if (cell := make_cell(by_row[row], metric, in_paper if column == ALL else [column])) is not None:
                    cells[row, column] = cell
    else:
        at_hand = [family for family in PAPER_FAMILIES if len(runs) and (runs["family"] == family).any()]
        families = at_hand if scope == ALL else [scope]
        columns = list(dict.fromkeys(runs[layout.columns])) if len(runs) else []
        if layout.columns == "batch_size":  # batches of 1 and 2 are trained on the last families only
            columns.sort()
        grouped = dict(tuple(runs.groupby([layout.rows, layout.columns], sort=False))) if len(runs) else {}
        for row in rows:
            for column in columns:
                if (of_cell := grouped.get((row, column))) is None:
                    continue
                if (cell := make_cell(of_cell, metric, families, at_hand)) is not None:
                    cells[value_label(layout.rows, row), value_label(layout.columns, column)] = cell
    row_labels = tuple(dict.fromkeys(row for row, _ in cells))
    filled = {column for _, column in cells}
    labels = dict.fromkeys(value_label(layout.columns, column) for column in columns)
    column_labels = tuple(label for label in labels if label in filled)
    title = EXPERIMENTS[name].title
    return Table(name, title, metric, source, scope, row_labels, column_labels, MappingProxyType(cells))


def value_label(field: str, value: Any) -> str:
    """Return the label in a table of a value of a field, such as "clean pool" for contamination 0."""
    if (word := VALUE_LABELS.get((field, value))) is not None:
        return word
    return f"{value:g}" if isinstance(value, float) else str(value)


def systems_first(names: Sequence[str]) -> list[str]:
    """Sort names of systems as in the paper's tables: comparators, then each head followed by its AnoOnly."""
    order = [system for head in HEADS for system in (head, f"{head} + AnoOnly")]
    return sorted(names, key=lambda name: order.index(name) if name in order else -1)

"""A figure of panels that is collected as dictionaries and passed to Plotly once.

Plotly validates a figure at every change, which takes five times as long as one validation at the end (`make bench`).
One interpreter builds the figures of all sessions of a server, so the time counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import plotly.graph_objects as go

__all__ = ["Panels"]

PanelPosition = tuple[int, int]


class Panels:
    """Panels in rows and columns, numbered from 1 at the upper left, each with its own axes.

    Parameters
    ----------
    rows, columns : int
        Size of the grid.
    spacing : tuple of float
        Gap between two columns and between two rows, as shares of the figure.
    widths, heights : sequence of float, optional
        Relative size of each column and row; equal by default.
    spans : mapping, optional
        Number of columns that a panel covers, by its (row, column).
    """

    def __init__(
        self,
        rows: int = 1,
        columns: int = 1,
        spacing: tuple[float, float] = (0.0, 0.0),
        widths: Sequence[float] | None = None,
        heights: Sequence[float] | None = None,
        spans: Mapping[PanelPosition, int] | None = None,
    ) -> None:
        self.data: list[dict[str, Any]] = []
        self.layout: dict[str, Any] = {}
        self._axes: dict[PanelPosition, str] = {}
        self._legends = 1  # Plotly's first one, "legend", belongs to the figure
        across = _intervals(widths or [1.0] * columns, spacing[0])
        down = _intervals((heights or [1.0] * rows)[::-1], spacing[1])[::-1]  # Plotly counts rows from the bottom
        for row in range(1, rows + 1):
            column = 1
            while column <= columns:
                span = (spans or {}).get((row, column), 1)
                number = str(len(self._axes) + 1) if self._axes else ""
                self._axes[row, column] = number
                ends = [across[column - 1][0], across[column + span - 2][1]]
                self.layout[f"xaxis{number}"] = {"anchor": f"y{number}", "domain": ends}
                self.layout[f"yaxis{number}"] = {"anchor": f"x{number}", "domain": list(down[row - 1])}
                column += span

    def add_scatter(self, row: int = 1, col: int = 1, **trace: Any) -> None:
        """Add a scatter trace (points or lines) to a panel.

        Parameters
        ----------
        row, col : int
            The panel, counted from 1 at the upper left.
        **trace
            Attributes of the Plotly trace, such as x and y.
        """
        self._add("scatter", row, col, trace)

    def add_bar(self, row: int = 1, col: int = 1, **trace: Any) -> None:
        """Add a bar trace to a panel.

        Parameters
        ----------
        row, col : int
            The panel, counted from 1 at the upper left.
        **trace
            Attributes of the Plotly trace, such as x and y.
        """
        self._add("bar", row, col, trace)

    def add_heatmap(self, row: int = 1, col: int = 1, **trace: Any) -> None:
        """Add a heatmap trace to a panel.

        Parameters
        ----------
        row, col : int
            The panel, counted from 1 at the upper left.
        **trace
            Attributes of the Plotly trace, such as z.
        """
        self._add("heatmap", row, col, trace)

    def traces(self, row: int, col: int) -> list[dict[str, Any]]:
        """Return the traces of the panel at (`row`, `col`), counted from 1, as dictionaries in the order added."""
        return [trace for trace in self.data if trace["xaxis"] == f"x{self._axes[row, col]}"]

    def add_vline(self, x: float, line: Mapping[str, Any], row: int = 1, col: int = 1) -> None:
        """Draw a vertical line at `x`, in data units, over the full height of the panel at (`row`, `col`).

        `line` holds Plotly attributes of the line, such as color and width.
        """
        number = self._axes[row, col]
        ends = {"xref": f"x{number}", "x0": x, "x1": x, "yref": f"y{number} domain", "y0": 0, "y1": 1}
        self.layout.setdefault("shapes", []).append({"type": "line", **ends, "line": line})

    def add_hline(self, y: float, line: Mapping[str, Any], row: int = 1, col: int = 1) -> None:
        """Draw a horizontal line at `y`, in data units, over the full width of the panel at (`row`, `col`).

        `line` holds Plotly attributes of the line, such as color and width.
        """
        number = self._axes[row, col]
        ends = {"xref": f"x{number} domain", "x0": 0, "x1": 1, "yref": f"y{number}", "y0": y, "y1": y}
        self.layout.setdefault("shapes", []).append({"type": "line", **ends, "line": line})

    def add_text(self, text: str, row: int = 1, col: int = 1, **attributes: Any) -> None:
        """Write a text into the panel at (`row`, `col`).

        `attributes` are those of a Plotly annotation, with x and y from 0 to 1 over the panel by default.
        """
        number = self._axes[row, col]
        refs = {"xref": f"x{number} domain", "yref": f"y{number} domain"}
        self.layout.setdefault("annotations", []).append({"text": text, "showarrow": False, **(refs | attributes)})

    def add_mark_text(self, text: str, x: float, row: int = 1, col: int = 1) -> None:
        """Write the label of a vertical line at `x`, in data units, into the panel at (`row`, `col`).

        The text stands at the upper edge of the panel, right of the line.
        """
        number = self._axes[row, col]
        corner = {"x": x, "xref": f"x{number}", "y": 1, "xanchor": "left", "yanchor": "top"}
        self.add_text(text, row, col, **corner)

    def add_title(self, text: str, row: int = 1, col: int = 1, size: int = 13, yshift: int = 0) -> None:
        """Write a title above the panel at (`row`, `col`), at its left edge.

        `size` is that of the font, and `yshift` a further distance from the panel, both in pixels.
        """
        corner = {"x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom", "align": "left"}
        self.add_text(text, row, col, **corner, font={"size": size}, **({"yshift": yshift} if yshift else {}))

    def add_legend(
        self, row: int = 1, col: int = 1, orientation: str = "h", above: float = 0.0, title: str = "", size: int = 11
    ) -> str:
        """Add a legend above the panel at (`row`, `col`), at its left edge.

        Parameters
        ----------
        row, col : int
            The panel, counted from 1 at the upper left.
        orientation : str
            "h" for one line, "v" for one line a trace.
        above : float
            Distance from the panel, in shares of the plot.
        title : str
            Text in front of the entries.
        size : int
            Size of the font in pixels.

        Returns
        -------
        str
            The value of the attribute `legend` of the traces that it lists.
        """
        self._legends += 1
        name = f"legend{self._legends}"
        number = self._axes[row, col]
        self.layout[name] = {
            "orientation": orientation,
            "x": self.layout[f"xaxis{number}"]["domain"][0],
            "xanchor": "left",
            "y": self.layout[f"yaxis{number}"]["domain"][1] + above,
            "yanchor": "bottom",
            "font": {"size": size},
            "title": {"text": title, "side": "left", "font": {"size": size}},
            "bgcolor": "rgba(0,0,0,0)",
            "tracegroupgap": 0,
        }
        return name

    def yaxis(self, row: int = 1, col: int = 1) -> Mapping[str, Any]:
        """Return the Plotly attributes of the y axis of the panel at (`row`, `col`)."""
        axis: Mapping[str, Any] = self.layout[f"yaxis{self._axes[row, col]}"]
        return axis

    def update_xaxes(self, row: int | None = None, col: int | None = None, **settings: Any) -> None:
        """Set Plotly attributes of the x axes in a row and column of panels; None stands for all rows or columns.

        `settings` holds the attributes, such as title or range.
        """
        self._update("xaxis", row, col, settings)

    def update_yaxes(self, row: int | None = None, col: int | None = None, **settings: Any) -> None:
        """Set Plotly attributes of the y axes in a row and column of panels; None stands for all rows or columns.

        `settings` holds the attributes, such as title or range.
        """
        self._update("yaxis", row, col, settings)

    def update_layout(self, **settings: Any) -> None:
        """Set attributes of the Plotly layout, such as height or legend; each replaces the earlier value."""
        self.layout.update(settings)

    def figure(self) -> go.Figure:
        """Return what was collected as a Plotly figure; raise ValueError for an attribute unknown to Plotly."""
        return go.Figure({"data": self.data, "layout": self.layout})

    def _add(self, kind: str, row: int, col: int, trace: Mapping[str, Any]) -> None:
        """Add a trace to the panel at (`row`, `col`), counted from 1.

        `kind` is the Plotly type, such as "scatter". `trace` holds the other attributes.
        """
        number = self._axes[row, col]
        self.data.append({"type": kind, "xaxis": f"x{number}", "yaxis": f"y{number}", **trace})

    def _update(self, axis: str, row: int | None, col: int | None, settings: Mapping[str, Any]) -> None:
        """Set attributes of the axes of the panels in a row and column; None stands for all rows or columns.

        `axis` is "xaxis" or "yaxis". `settings` holds the Plotly attributes.
        """
        for number in self._numbers(row, col):
            self.layout[f"{axis}{number}"].update(settings)

    def _numbers(self, row: int | None, col: int | None) -> Iterator[str]:
        """Yield the Plotly axis numbers of the panels in a row and column.

        The first panel has the number "", the others "2", "3" and so on. None stands for all rows or columns.
        """
        for (at_row, at_column), number in self._axes.items():
            if row in (None, at_row) and col in (None, at_column):
                yield number


def _intervals(shares: Sequence[float], spacing: float) -> list[tuple[float, float]]:
    """Split the range from 0 to 1 into intervals with gaps between them.

    Parameters
    ----------
    shares : sequence of float
        Relative sizes of the intervals.
    spacing : float
        Width of a gap between two intervals.

    Returns
    -------
    list of tuple of float
        Begin and end of each interval.
    """
    unit = (1 - spacing * (len(shares) - 1)) / sum(shares)
    ends = list(accumulate(share * unit for share in shares))
    return [
        (end - share * unit + index * spacing, end + index * spacing)
        for index, (share, end) in enumerate(zip(shares, ends, strict=True))
    ]

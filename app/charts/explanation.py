"""Figures of an explanation, as pure functions: contributions of columns, heat maps, and the deletion test."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from anoonly_core.explanation.result import Explanation

from .panels import Panels
from .style import ANOMALY, NEUTRAL, NORMAL, apply_layout, horizontal_legend

__all__ = ["contributions_figure", "deletion_figure", "summary_figure"]

SHOWN = 8  # columns with a bar of their own
DIVERGING = [[0.0, NORMAL], [0.5, "#F5F5F5"], [1.0, ANOMALY]]
SEQUENTIAL = [[0.0, "#F5F5F5"], [1.0, ANOMALY]]
GRAY = [[0.0, "#000000"], [1.0, "#FFFFFF"]]
MAX_NAME, MAX_WORD = 20, 14  # characters of a column's name, and of a word in it
ORDER_COLOR = "#009E73"
BAND = "rgba(128, 128, 128, 0.25)"


def contributions_figure(
    titles: Sequence[str], explanations: Sequence[Explanation], row: int, picture: np.ndarray | None = None
) -> go.Figure:
    """Draw the contributions to the score of one row by several systems, one panel each.

    Parameters
    ----------
    titles : sequence of str
        Title of each panel, in Plotly HTML.
    explanations : sequence of Explanation
        One per panel, of the same rows.
    row : int
        Index of the row in the explanations.
    picture : np.ndarray, optional
        The row as a gray image, [height, width]: it is drawn first, and contributions are heat maps beside it.
    """
    if picture is not None:
        maps = [explanation.contributions[row].reshape(picture.shape) for explanation in explanations]
        return _heat_maps([*titles], maps, picture)
    figure = Panels(1, len(titles), spacing=(0.24 if len(titles) > 1 else 0, 0))
    for column, (title, explanation) in enumerate(zip(titles, explanations, strict=True), start=1):
        order = explanation.order(row)
        names = [_named(explanation, row, place) for place in order[:SHOWN]]
        values = explanation.contributions[row][order]
        bars = [*values[:SHOWN]]
        if len(order) > SHOWN:
            names.append(f"{len(order) - SHOWN} other columns")
            bars.append(float(values[SHOWN:].sum()))
        _add_bars(figure, names, bars, title, column)
    _label_axes(figure, "part of the score above that of the median row")
    return apply_layout(figure, 290, {}, top=44)


def summary_figure(
    titles: Sequence[str], explanations: Sequence[Explanation], shape: tuple[int, int] | None = None
) -> go.Figure:
    """Draw the mean absolute contribution of the columns over all explained rows, one panel a system.

    Parameters
    ----------
    titles : sequence of str
        Title of each panel, in Plotly HTML.
    explanations : sequence of Explanation
        One per panel.
    shape : tuple of int, optional
        Height and width if each row is a gray image: the panels are heat maps.
    """
    means = [explanation.mean_absolute() for explanation in explanations]
    if shape is not None:
        return _heat_maps([*titles], [mean.reshape(shape) for mean in means], None)
    figure = Panels(1, len(titles), spacing=(0.24 if len(titles) > 1 else 0, 0))
    for column, (title, explanation, mean) in enumerate(zip(titles, explanations, means, strict=True), start=1):
        order = np.argsort(-mean, kind="stable")[:SHOWN]
        _add_bars(figure, [_short(explanation.columns[place]) for place in order], [*mean[order]], title, column)
    _label_axes(figure, "mean absolute contribution")
    return apply_layout(figure, 270, {}, top=44)


def deletion_figure(titles: Sequence[str], explanations: Sequence[Explanation], row: int) -> go.Figure:
    """Draw the fall of the score of one row while columns take their medians, one panel a system.

    Parameters
    ----------
    titles : sequence of str
        Title of each panel, in Plotly HTML.
    explanations : sequence of Explanation
        One per panel, with a deletion test.
    row : int
        Index of the row in the explanations.
    """
    figure = Panels(1, len(titles), spacing=(0.08, 0))
    for column, (title, explanation) in enumerate(zip(titles, explanations, strict=True), start=1):
        test = explanation.deletion
        assert test is not None
        shares = 100 * test.shares
        here: dict[str, Any] = {"row": 1, "col": column, "showlegend": column == 1}
        low, high = 100 * test.random_low[row], 100 * test.random_high[row]
        band: dict[str, Any] = {"mode": "lines", "line": {"width": 0}, "legendgroup": "random", "hoverinfo": "skip"}
        figure.add_scatter(x=shares, y=low, **(here | band | {"showlegend": False}))
        figure.add_scatter(
            x=shares, y=high, fill="tonexty", fillcolor=BAND, name="95 % of random orders", **(here | band)
        )
        for name, curve, line in (
            ("order of |x − median|", test.magnitude[row], {"color": NEUTRAL, "dash": "dash", "width": 2}),
            ("order of the contributions", test.curve[row], {"color": ORDER_COLOR, "width": 3}),
        ):
            hover = f"%{{y:.0f}} % left of the difference at %{{x:.0f}} % of the columns<extra>{name}</extra>"
            figure.add_scatter(
                x=shares,
                y=100 * curve,
                mode="lines",
                name=name,
                line=line,
                legendgroup=name,
                hovertemplate=hover,
                **here,
            )
        figure.add_title(title, 1, column)
        figure.update_yaxes(col=column, **_range(test.curve[row], test.magnitude[row], low / 100, high / 100))
    figure.update_xaxes(title={"text": "columns set to their median, %", "standoff": 4, "font": {"size": 12}})
    figure.update_yaxes(title={"text": "difference left, %", "font": {"size": 12}}, col=1)
    return apply_layout(figure, 250, horizontal_legend(-0.24), top=40)


def _range(*curves: np.ndarray) -> dict[str, Any]:
    """Return the attributes of a y axis from 0 to 100 % that grows with the curves, but not beyond ±300 %."""
    values = np.concatenate(curves)
    if not np.isfinite(values).all():
        return {"range": [0, 105]}
    return {"range": [max(100 * values.min(), -300) - 5, min(100 * max(values.max(), 1), 300) + 5]}


def _add_bars(figure: Panels, names: Sequence[str], values: Sequence[float], title: str, column: int) -> None:
    """Add horizontal bars, the first on top, to the panel in a column; names that occur twice stay apart."""
    places = [*range(len(names))]
    figure.add_bar(
        x=[*values],
        y=places,
        orientation="h",
        marker={"color": [ANOMALY if value >= 0 else NORMAL for value in values]},
        customdata=[*names],
        hovertemplate="%{customdata}: %{x:.4g}<extra></extra>",
        showlegend=False,
        row=1,
        col=column,
    )
    figure.update_yaxes(
        row=1, col=column, tickvals=places, ticktext=[*names], range=[len(names) - 0.4, -0.6], showgrid=False
    )
    figure.add_title(title, 1, column)


def _label_axes(figure: Panels, words: str) -> None:
    figure.update_xaxes(zeroline=True, zerolinecolor=NEUTRAL, nticks=5)
    figure.update_xaxes(title={"text": words, "standoff": 4, "font": {"size": 12}})


def _heat_maps(titles: list[str], maps: Sequence[np.ndarray], picture: np.ndarray | None) -> go.Figure:
    """Draw maps [height, width] side by side, each with its own scale; with a picture, around 0 and behind it."""
    first = [] if picture is None else [picture]
    figure = Panels(1, len(first) + len(maps), spacing=(0.1, 0))
    if picture is not None:
        figure.add_heatmap(z=picture, colorscale=GRAY, showscale=False, hovertemplate="%{z:g}<extra></extra>")
        titles = ["the row", *titles]
    for column, values in enumerate(maps, start=len(first) + 1):
        largest = float(np.abs(values).max()) or 1.0
        figure.add_heatmap(
            z=values,
            colorscale=SEQUENTIAL if picture is None else DIVERGING,
            zmin=0 if picture is None else -largest,
            zmax=largest,
            showscale=False,
            hovertemplate="pixel %{y}, %{x}: %{z:.4g}<extra></extra>",
            col=column,
        )
    for column, title in enumerate(titles, start=1):
        figure.add_title(title, 1, column)
    figure.update_xaxes(showticklabels=False, ticks="", showgrid=False, zeroline=False, constrain="domain")
    for column in range(1, len(titles) + 1):
        anchor = "x" if column == 1 else f"x{column}"
        figure.update_yaxes(
            col=column,
            showticklabels=False,
            ticks="",
            showgrid=False,
            zeroline=False,
            autorange="reversed",
            scaleanchor=anchor,
            constrain="domain",
        )
    return apply_layout(figure, 290, {}, top=44)


def _named(explanation: Explanation, row: int, column: int) -> str:
    """Return a column's name with its value in a row and in the median row, for an axis."""
    value, median = explanation.values[row][column], explanation.medians[column]
    return f"{_short(explanation.columns[column])} = {_text(value)} ({_text(median)})"


def _text(value: float | str) -> str:
    return _short(value, MAX_WORD) if isinstance(value, str) else f"{value:.3g}".replace("-", "−")


def _short(text: str, characters: int = MAX_NAME) -> str:
    """Return a text of the user for an axis: shortened, with Plotly's HTML signs escaped."""
    cut = text if len(text) <= characters else f"{text[: characters - 1]}…"
    return html.escape(cut, quote=False)

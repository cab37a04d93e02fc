"""The chart of Which method?: the ranking at one number of labels, and the curves over the number of labels."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from anoonly_core.which.plan import WhichPlan
from anoonly_core.which.result import CurvePoint, Rank, WhichResult

from ...charts.panels import Panels
from ...charts.style import NEUTRAL, PALETTE, SYMBOLS, apply_layout
from .text import place, seconds

__all__ = ["Style", "system_styles", "which_figure"]

ROW, LEAST, AROUND, TOP = 27, 8, 84, 34  # pixels for a system, the fewest systems, and pixels around them
PHONE_ROW, PHONE_LETTERS = 36, 19  # pixels for a system whose name is broken after this many letters
CLICK = "<br>click to open it in Compare<extra></extra>"
DASHES = "5px,3px"  # also of an interval, which may be short
BAND = "rgba(128, 128, 128, 0.18)"


@dataclass(frozen=True)
class Style:
    """Color, dash and symbol of a system, the same in both panels."""

    color: str
    dash: str
    symbol: str


def system_styles(plan: WhichPlan) -> dict[str, Style]:
    """Return the style of each system of a ranking, by name.

    Systems of one baseline share color and symbol; λ_n = 1 and tuned presets are dashed.
    """
    families = list(dict.fromkeys(system.settings["baseline"] for system in plan.systems))
    styles = {}
    for system in plan.systems:
        number = families.index(system.settings["baseline"])
        is_dashed = system.kind == "baseline" or system.settings.get("preset") == "tuned"
        styles[system.name] = Style(
            PALETTE[number % len(PALETTE)], DASHES if is_dashed else "solid", SYMBOLS[number % len(SYMBOLS)]
        )
    return styles


def which_figure(result: WhichResult, is_narrow: bool = False) -> go.Figure:
    """Draw the ranking beside the curves of all systems over the number of labels.

    Parameters
    ----------
    result : WhichResult
        The ranking, finished or not.
    is_narrow : bool
        True for a phone: names are broken into lines, and no share stands below a number of labels.

    Returns
    -------
    go.Figure
        Two panels. The customdata of a mark begins with the name of the system and the number of labels.
    """
    figure, plan = Panels(1, 2, spacing=(0.09, 0), widths=(1, 1.15)), result.plan
    styles = system_styles(plan)
    _draw_ranking(figure, result, styles, PHONE_LETTERS if is_narrow else None)
    _draw_curves(figure, result, styles, with_shares=not is_narrow)
    figure.add_title(f"<b>Ranking</b>, {plan.labels} labeled", 1, 1)
    figure.add_title("<b>Over the number of labels</b>", 1, 2)
    drawn = apply_layout(
        figure, (PHONE_ROW if is_narrow else ROW) * max(len(plan.systems), LEAST) + AROUND, {}, top=TOP
    )
    return drawn.update_layout(showlegend=False, clickmode="event+select", dragmode=False)


def _draw_ranking(figure: Panels, result: WhichResult, styles: Mapping[str, Style], letters: int | None) -> None:
    """Add one row for each system: mean and interval, best on top; those without a finished run at the bottom.

    Names are broken into lines of this many letters, or not at all.
    """
    texts = []
    for row, rank in enumerate(result.ranking):
        style, point = styles[rank.point.system], rank.point
        texts.append(f"{point.system}, {seconds(point.seconds)}")
        if point.margin is not None:
            figure.add_scatter(
                x=[point.mean - point.margin, point.mean + point.margin],
                y=[row, row],
                mode="lines",
                line={"color": style.color, "dash": style.dash, "width": 3},
                hoverinfo="skip",
            )
        figure.add_scatter(
            x=[point.mean],
            y=[row],
            customdata=[[point.system, point.labels]],
            mode="markers",
            marker=_mark(style, 12, is_open=not rank.is_tied),
            unselected={"marker": {"opacity": 1}},
            name=point.system,
            hovertemplate=_hover(rank, result.ranking[0]),
        )
    ranked = {rank.point.system for rank in result.ranking}
    texts += [f"{system.name}, waiting" for system in result.plan.systems if system.name not in ranked]
    if letters is not None:
        texts = ["<br>".join(textwrap.wrap(text, letters, break_long_words=False)) for text in texts]
    figure.update_yaxes(tickvals=list(range(len(texts))), ticktext=texts, range=[len(texts) - 0.4, -0.6], col=1)
    figure.update_yaxes(zeroline=False, showgrid=True, col=1)
    figure.update_xaxes(title={"text": "AUCPR of the anomalies"}, zeroline=False, col=1)
    if not ranked:
        figure.update_xaxes(range=[0, 1], col=1)


def _draw_curves(figure: Panels, result: WhichResult, styles: Mapping[str, Style], with_shares: bool) -> None:
    """Add the curve of each system, and a band where the lead changes between AnoOnly and the best classifier.

    These two curves are thick and have intervals. `with_shares` is True to write the share of all anomalies in training
    below each number of labels.
    """
    plan, crossover = result.plan, result.crossover
    thick = () if crossover is None else (crossover.anoonly, crossover.classifier)
    for name, points in sorted(result.curves.items(), key=lambda item: item[0] in thick):
        style, is_thick = styles[name], name in thick
        margins = {"array": [point.margin or 0.0 for point in points], "thickness": 1.5, "width": 3}
        figure.add_scatter(
            x=[_x(point.labels) for point in points],
            y=[point.mean for point in points],
            error_y={**margins, "visible": is_thick},
            customdata=[[name, point.labels, _margin(point), len(point.values)] for point in points],
            mode="lines+markers",
            line={"color": style.color, "dash": style.dash, "width": 3.5 if is_thick else 1.5},
            marker=_mark(style, 10 if is_thick else 7),
            unselected={"marker": {"opacity": 1}},
            opacity=1.0 if is_thick else 0.7,
            name=name,
            hovertemplate=f"{name}, %{{customdata[1]}} labeled<br>mean of %{{customdata[3]}} seeds: "
            f"%{{y:.3f}}%{{customdata[2]}}{CLICK}",
            col=2,
        )
    texts = [f"{count}<br>{100 * count / plan.possible:.2g} %" if with_shares else f"{count}" for count in plan.counts]
    ends = _x(plan.counts[0]) - 0.12, _x(plan.counts[-1]) + 0.12
    figure.update_xaxes(tickvals=[_x(count) for count in plan.counts], ticktext=texts, range=list(ends), col=2)
    title = "labeled anomalies, log scale; share of all in training" if with_shares else "labeled anomalies, log scale"
    figure.update_xaxes(title={"text": title}, tickangle=0, zeroline=False, col=2)
    figure.update_yaxes(zeroline=False, range=None if result.curves else [0, 1], col=2)
    figure.add_vline(_x(plan.labels), {"color": NEUTRAL, "width": 1, "dash": "dot"}, col=2)
    if crossover is not None and crossover.between is not None:
        before, after = (_x(count) for count in crossover.between)
        band = {"x0": before, "x1": after, "xref": "x2", "y0": 0, "y1": 1, "yref": "y2 domain", "layer": "below"}
        figure.layout["shapes"].append({"type": "rect", "fillcolor": BAND, "line": {"width": 0}, **band})


def _x(labels: int) -> float:
    return float(np.log10(labels))


def _mark(style: Style, size: int, is_open: bool = False) -> dict[str, object]:
    symbol = f"{style.symbol}-open" if is_open else style.symbol
    return {"color": style.color, "symbol": symbol, "size": size, "line": {"width": 2 if is_open else 0}}


def _margin(point: CurvePoint) -> str:
    return "" if point.margin is None else f" ± {point.margin:.3f}"


def _hover(rank: Rank, best: Rank) -> str:
    """Return the text that a mark of the ranking shows under the pointer."""
    point, standing = rank.point, place(rank, best)
    behind = "" if rank.margin is None else f", {rank.behind:.3f} ± {rank.margin:.3f} behind the best"
    return (
        f"{point.system}: {standing}<br>mean of {len(point.values)} seeds: {point.mean:.3f}{_margin(point)}"
        f"{behind}<br>{seconds(point.seconds)} a run{CLICK}"
    )

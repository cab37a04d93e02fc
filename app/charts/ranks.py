"""Critical-difference diagram: systems by their mean rank over data sets, with bars over those that tie."""

from __future__ import annotations

import textwrap

import plotly.graph_objects as go

from anoonly_core.reproduction.which.ranking import Ranking, SystemRank

from .panels import Panels
from .style import NEUTRAL, PALETTE, SYMBOLS, apply_layout

__all__ = ["ranks_figure"]

ROW, AROUND, TOP = 17, 96, 54  # pixels for a system and around all of them
PHONE_ROW, PHONE_LETTERS, PHONE_TOP = 34, 18, 100  # names are broken after this many letters
KINDS = {
    "anoonly": "AnoOnly",
    "baseline": "its baseline",
    "classifier": "classifier",
    "comparator": "comparator",
    "unsupervised": "without labels",
    "other": "other",
}
STEP = 0.035  # share of the ranks between two bars


def ranks_figure(ranking: Ranking, is_narrow: bool = False) -> go.Figure:
    """Draw the mean rank of each system, one row each, and a bar over each range that Nemenyi's test cannot tell apart.

    Filled marks cannot be told from the reference by the corrected Wilcoxon tests; open ones can. The reference has a
    vertical line, and the critical difference is drawn to scale below.

    Parameters
    ----------
    ranking : Ranking
        Systems, best mean rank first.
    is_narrow : bool
        True for a phone: names are broken into lines.
    """
    figure, total = Panels(), len(ranking.systems)
    _draw_marks(figure, ranking)
    last = ranking.systems[-1].rank
    right = _draw_bars(figure, ranking, last + 0.04 * total, STEP * total)
    _draw_difference(figure, ranking, total)
    names = [_name(system, ranking, is_narrow) for system in ranking.systems]
    figure.update_yaxes(tickvals=list(range(total)), ticktext=names, range=[total + 0.6, -0.7], zeroline=False)
    step = 5 if total > 12 else 1
    figure.update_xaxes(
        title={"text": "mean rank over the data sets"},
        tickvals=[1, *range(step, int(last) + 1, step)] if step > 1 else list(range(1, int(last) + 1)),
        range=[0.3, max(right, 1.5 + ranking.critical_difference)],
        zeroline=False,
    )
    if (reference := ranking.system(ranking.reference)) is not None:
        figure.add_vline(reference.rank, {"color": NEUTRAL, "width": 1, "dash": "dot"})
    height = (PHONE_ROW if is_narrow else ROW) * (total + 1) + AROUND + (PHONE_TOP - TOP if is_narrow else 0)
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.01, "yanchor": "bottom"}
    drawn = apply_layout(figure, height, legend, top=PHONE_TOP if is_narrow else TOP)
    return drawn.update_layout(dragmode=False)


def _draw_marks(figure: Panels, ranking: Ranking) -> None:
    """Add one trace per kind of system, with a mark at the mean rank of each."""
    for number, (kind, label) in enumerate(KINDS.items()):
        rows = [(row, system) for row, system in enumerate(ranking.systems) if system.kind == kind]
        if not rows:
            continue
        symbols = [f"{SYMBOLS[number]}{'-open' if system.is_clear else ''}" for _, system in rows]
        figure.add_scatter(
            x=[system.rank for _, system in rows],
            y=[row for row, _ in rows],
            mode="markers",
            name=label,
            marker={"color": PALETTE[number], "symbol": symbols, "size": 10, "line": {"width": 2}},
            text=[_hover(system, ranking) for _, system in rows],
            hovertemplate="%{text}<extra></extra>",
        )


def _draw_bars(figure: Panels, ranking: Ranking, left: float, step: float) -> float:
    """Add a vertical bar per tied range, from `left` on, each `step` right of the one before; return the right edge."""
    for number, (first, last) in enumerate(ranking.ties):
        names = f"{ranking.systems[first].name} to {ranking.systems[last].name}"
        figure.add_scatter(
            x=[left + number * step] * 2,
            y=[first, last],
            mode="lines",
            line={"color": NEUTRAL, "width": 4},
            showlegend=False,
            hovertemplate=f"cannot be told apart: {names}<extra></extra>",
        )
    return left + len(ranking.ties) * step


def _draw_difference(figure: Panels, ranking: Ranking, row: int) -> None:
    """Add the critical difference, drawn to scale from rank 1 on in a row below the systems."""
    difference = ranking.critical_difference
    figure.add_scatter(
        x=[1, 1 + difference],
        y=[row, row],
        mode="lines+markers+text",
        line={"color": NEUTRAL, "width": 2},
        marker={"symbol": "line-ns-open", "size": 10, "color": NEUTRAL},
        text=["", f"  critical difference {difference:.1f}"],
        textposition="middle right",
        showlegend=False,
        hoverinfo="skip",
    )


def _name(system: SystemRank, ranking: Ranking, is_narrow: bool) -> str:
    """Return the name of a system for the axis: bold for the reference, broken into lines on a phone."""
    name = "<br>".join(textwrap.wrap(system.name, PHONE_LETTERS, break_long_words=False)) if is_narrow else system.name
    return f"<b>{name}</b>" if system.name == ranking.reference else name


def _hover(system: SystemRank, ranking: Ranking) -> str:
    """Return the text that a mark shows under the pointer."""
    text = f"{system.name}<br>mean rank {system.rank:.2f}, AUCPR {system.mean:.1f} %, {system.seconds:.2g} s a run"
    if system.p is None:
        return text
    return (
        f"{text}<br>against {ranking.reference}: corrected p {system.p:.2g}; "
        f"{system.wins} wins, {system.ties} ties, {system.losses} losses"
    )

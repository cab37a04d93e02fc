"""The section "Which method when": all systems ranked over data sets and numbers of labels, from the shipped runs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from anoonly_core.reproduction.which.ranking import Ranking
from anoonly_core.reproduction.which.runs import (
    FILE,
    POOLS,
    Point,
    points_of,
    pools_of,
    scopes_of_runs,
    series_of,
    shipped_runs,
)
from anoonly_core.reproduction.which.tables import (
    COMMAND,
    crossover_of,
    crossover_sentence,
    means_grid,
    ranking_sentence,
    ranks_grid,
    shipped_rankings,
)

from ...charts.ranks import ranks_figure
from ...widgets.figure import FigureNote, draw_figure
from ...widgets.window import is_narrow
from .controls import draw_choice, draw_segments
from .grid import draw_figure_export, draw_grid

__all__ = ["draw_which"]

ABSENT = f"The file {FILE.name} of these runs is not in this installation."
FEW = "Fewer than three systems or data sets were measured here: too few to rank."
CAPTION = (
    "Filled marks cannot be told from {reference} by Wilcoxon's tests over the data sets (Holm); open ones can. Gray "
    "bars join systems that Nemenyi's test of all pairs cannot tell apart; the more systems, the more cautious it is."
)


def draw_which() -> None:
    """Draw the section: headline, controls, critical-difference diagram, ranks and means with exports, and command."""
    runs = shipped_runs()
    scopes = scopes_of_runs(runs)
    if not scopes:
        st.markdown(f"##### {ABSENT}")
        st.markdown(f"`{COMMAND}` measures them, from the data files on the machine.")
        return
    headline = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        scope = draw_choice(st.selectbox, "Where", scopes, {name: name for name in scopes}, "where", width=180)
        pool = draw_segments("Pool", pools_of(runs, scope), POOLS, "pool")
        rankings = shipped_rankings(scope, pool)
        points = {_address(point): point for point in rankings}
        if not points:
            headline.markdown(f"##### {FEW}")
        else:
            words = {name: each.words for name, each in points.items()}
            point = points[draw_choice(st.selectbox, "Labels", list(points), words, "labels", width=260)]
    if not points:
        _draw_means(runs, scope, points_of(runs, scope, pool))
        return
    ranking = rankings[point]
    series = {each: rankings[each] for each in series_of(list(rankings), point)}
    first, dot, rest = ranking_sentence(ranking, scope, point).partition("%. ")
    headline.markdown(f"##### {first}{dot}")
    crossover = crossover_of(runs, scope, series)
    below = [rest, "" if crossover is None else crossover_sentence(crossover)]
    headline.markdown("  \n".join(f":small[{text}]" for text in below if text))
    _draw_diagram(ranking, scope, point)
    draw_grid(ranks_grid(ranking, scope, point), f"which-ranks-{scope}-{pool}-{_address(point)}")
    _draw_means(runs, scope, list(series))
    st.markdown(f"`{COMMAND}`, and `python -m anoonly_core reproduce which --shipped` for all tables")


def _draw_means(runs: pd.DataFrame, scope: str, points: Sequence[Point]) -> None:
    """Draw the table of means at some points of a pool: one over the shares and one over the numbers of labels."""
    for kind in ("shares", "counts"):
        if of_kind := [point for point in points if (point.count > 0) == (kind == "counts")]:
            grid = means_grid(runs, scope, of_kind)
            draw_grid(grid, f"which-means-{scope}-{of_kind[0].pool}-{kind}")


def _draw_diagram(ranking: Ranking, scope: str, point: Point) -> None:
    """Draw the critical-difference diagram of a ranking, its caption and its export."""
    title = f"{scope}, {POOLS[point.pool]}, {point.words}"
    figure = ranks_figure(ranking, is_narrow())
    draw_figure(
        figure,
        "ranks",
        f"Mean ranks of {len(ranking.systems)} systems on {len(ranking.datasets)} data sets, as in the table below.",
        FigureNote(f"ranks {title}", f"{title}. Diagram after Demšar, JMLR 7 (2006)."),
    )
    if ranking.reference:
        st.caption(CAPTION.format(reference=ranking.reference))
    draw_figure_export(figure.update_layout(title=title), f"which-{scope}-{point.pool}-{_address(point)}")


def _address(point: Point) -> str:
    """Return the name of the labels of a point in the address, such as "10pct" for a share or "5" for a number."""
    return str(point.count) if point.count else f"{100 * point.share:g}pct"

"""The view Weak supervision of Reproduce: mechanisms in the place of batch norm, ranked across data sets."""

from __future__ import annotations

from functools import cache

import plotly.graph_objects as go
import streamlit as st

from anoonly_core.baselines import NORM_LABELS
from anoonly_core.weak_supervision.across import (
    AcrossRanking,
    points_grid,
    ranked_across,
    shipped_measures,
    systems_grid,
)
from anoonly_core.weak_supervision.points import LAMBDAS

from ...charts.style import NEUTRAL, NORMAL
from ...navigation import open_page
from ...widgets.figure import FigureNote, draw_figure
from .controls import draw_segments
from .grid import draw_grid, page_markdown
from .mechanisms_text import across_sentence, describe, failed_sentences, single_sets_sentence

__all__ = ["across_figure", "draw_mechanisms"]

ROW, EDGES = 21, 80  # pixels of a mechanism, and above and below all of them
COMMAND = "python -m tests.bench.mechanisms"


@cache
def _ranking(baseline: str, lambda_n: float) -> AcrossRanking:
    return ranked_across(shipped_measures(), baseline, lambda_n)


def draw_mechanisms() -> None:
    """Draw the ranking of one system at one λ_n across its data sets, and a table over all systems."""
    systems = sorted(shipped_measures()["baseline"].unique())
    sentence = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        baseline = draw_segments("System", systems, {name: name for name in systems}, "system")
        weights = {f"{lambda_n:g}": lambda_n for lambda_n in LAMBDAS}
        weight = draw_segments("λₙ", list(weights), {text: text for text in weights}, "weight")
        ranking = _ranking(baseline, weights[weight])
        _draw_link(ranking)
    sentence.markdown(f"##### {across_sentence(ranking)}")
    if not ranking.points:
        return
    draw_figure(
        across_figure(ranking),
        "across",
        "Mechanisms ranked by their mean difference in AUCPR to batch norm over data sets, with 95 % intervals.",
        FigureNote(f"weak supervision {baseline}", f"{baseline}, λₙ = {weight}, {len(ranking.base)} data sets"),
    )
    st.markdown("  \n".join([single_sets_sentence(ranking), " ".join(failed_sentences(ranking))]))
    every = points_grid(ranking, ranking.points)
    draw_grid(points_grid(ranking, ranking.best), f"mechanisms-{baseline}-{weight}", every)
    with st.expander("All systems"):
        st.markdown(page_markdown(systems_grid([_ranking(name, value) for name in systems for value in LAMBDAS])))
    st.markdown(f"`{COMMAND}`, and `python -m anoonly_core reproduce mechanisms --shipped` for all tables")
    st.caption(
        "Each mechanism stands at its best strength, which these data chose; the tests count all strengths, which the "
        "CSV holds. Five seeds, natural pool, published settings, no leak. The first command trains all runs again."
    )


def _draw_link(ranking: AcrossRanking) -> None:
    """Draw a list of the data sets, of which one opens in Weak supervision."""
    dataset = st.selectbox(
        "Open in Weak supervision",
        list(ranking.base),
        index=None,
        placeholder="data set",
        key=f"across {ranking.baseline}",
        width=220,
    )
    if dataset is not None:
        open_page(
            "weak_supervision",
            {"dataset": dataset, "baseline": ranking.baseline, "lambda_n": f"{ranking.lambda_n:g}"},
        )


def across_figure(ranking: AcrossRanking) -> go.Figure:
    """Draw the mean difference of each mechanism to batch norm at its best strength, with each data set as a pale mark.

    Filled marks differ clearly. Differences are in AUCPR points of 100.
    """
    best = ranking.best
    places = [-number for number in range(len(best))]
    figure = go.Figure()
    figure.add_scatter(
        x=[100 * delta for point in best for delta in point.deltas.values()],
        y=[place for place, point in zip(places, best, strict=True) for _ in point.deltas],
        customdata=[[describe(point), dataset] for point in best for dataset in point.deltas],
        mode="markers",
        name="a data set",
        marker={"color": NORMAL, "size": 7, "opacity": 0.35},
        hovertemplate="%{customdata[0]}, %{customdata[1]}: %{x:+.1f}<extra></extra>",
    )
    figure.add_scatter(
        x=[100 * point.delta for point in best],
        y=places,
        error_x={"array": [100 * (point.margin or 0.0) for point in best], "thickness": 1.5, "width": 3}
        if len(ranking.base) > 1
        else None,
        customdata=[[describe(point), f"{point.ahead} of {len(point.deltas)}"] for point in best],
        mode="markers",
        name="mean, 95 % interval",
        marker={
            "color": NORMAL,
            "symbol": ["circle" if point.is_clear else "circle-open" for point in best],
            "size": 10,
            "line": {"width": 2, "color": NORMAL},
        },
        hovertemplate="%{customdata[0]}: %{x:+.1f}, ahead on %{customdata[1]}<extra></extra>",
    )
    figure.add_vline(0, line={"color": NEUTRAL, "width": 1.5, "dash": "dot"})
    figure.update_yaxes(
        tickvals=places,
        ticktext=[NORM_LABELS[point.norm].removeprefix("no norm, ") for point in best],
        range=[-len(best) + 0.4, 0.6],
        zeroline=False,
        automargin=True,
    )
    figure.update_xaxes(title_text="AUCPR minus batch norm's, in points", zeroline=False, automargin=True)
    figure.update_layout(
        height=ROW * len(best) + EDGES,
        margin={"l": 10, "r": 10, "t": 30, "b": 8},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.01, "yanchor": "bottom"},
        dragmode=False,
        uirevision="keep",
    )
    return figure

"""The view of Fig. 10: scores and hidden features without and with AnoOnly, side by side on three data sets."""

from __future__ import annotations

import streamlit as st

from anoonly_core.reproduction.scored_rows import (
    FILE,
    fig10_runs,
    read_scored_rows,
    scored_rows_grid,
    scored_rows_sentence,
)

from ...charts.scored_rows import scored_rows_figure
from ...controls.choice import compare_parameters
from ...navigation import open_page
from ...text.citations import ANOONLY
from ...widgets.figure import FigureNote, draw_figure
from .controls import FIG10_TITLE
from .grid import draw_figure_export, draw_grid

__all__ = ["draw_fig10"]

COMMAND = "python -m app.bundled_results --only fig10"
CAPTION = (
    "Scores: percent of each class, on a scale that is linear around the median and logarithmic far from it. Features: "
    "the first two principal components of the last hidden layer, which may hide a separation in other directions."
)


def draw_fig10() -> None:
    """Draw the figure with its headline, table, exports, command, and the way to Compare."""
    runs = read_scored_rows()
    if not runs:
        st.markdown(f"##### The file {FILE.name} of these runs is not in this installation.")
        st.markdown(f"`{COMMAND}` writes it, from the data files on the machine.")
        return
    first, dot, rest = scored_rows_sentence(runs).partition(". This")
    st.markdown(f"##### {first}{'.' if dot else ''}\n:small[{dot.removeprefix('. ')}{rest}]")
    figure = scored_rows_figure(runs)
    draw_figure(
        figure,
        "scored rows",
        "Histograms of scores and maps of hidden features of DeepSAD without and with AnoOnly on three data sets.",
        FigureNote("reproduced fig10", f"{FIG10_TITLE}. {ANOONLY.short}."),
    )
    st.caption(CAPTION)
    with st.container(horizontal=True):
        for planned in fig10_runs():
            if planned.config.lambda_n == 0 and st.button(f"{planned.config.dataset} in Compare", key=planned.key):
                open_page("compare", compare_parameters(planned.config, None, 1))
    with st.expander("Take away"):
        draw_figure_export(figure.update_layout(title=FIG10_TITLE), "fig10")
        st.download_button("Rows as CSV", FILE.read_bytes, FILE.name, on_click="ignore")
        draw_grid(scored_rows_grid(runs), "fig10-runs")
        st.markdown(f"`{COMMAND}`")

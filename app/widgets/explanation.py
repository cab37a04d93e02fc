"""Contributions to the score of a row, with their verdict and their test, as pages draw them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from anoonly_core.explanation.result import Explanation

from ..charts.explanation import contributions_figure, deletion_figure
from ..text.explanation import METHOD_NOTE, verdict_sentence
from .figure import FigureNote, draw_figure

__all__ = ["draw_row_explanation"]


def draw_row_explanation(
    titles: Sequence[str],
    explanations: Sequence[Explanation],
    row: int,
    note: FigureNote,
    picture: np.ndarray | None = None,
    letters: Sequence[str] = ("",),
) -> None:
    """Draw the contributions to the score of one row by one or more systems, a verdict for each, and the test.

    Parameters
    ----------
    titles : sequence of str
        Name of each system, in Plotly HTML.
    explanations : sequence of Explanation
        One per system, of the same rows.
    row : int
        Index of the row in the explanations.
    note : FigureNote
        File name and footer of exported figures.
    picture : np.ndarray, optional
        The row as a gray image, [height, width]; contributions are then heat maps.
    letters : sequence of str
        Letter of each system in front of its verdict, such as A and B; "" for none.
    """
    draw_figure(
        contributions_figure(titles, explanations, row, picture),
        "contributions",
        "Contributions of the columns to the score of the row, largest first.",
        note,
    )
    for column, letter, explanation in zip(st.columns(len(explanations)), letters, explanations, strict=True):
        column.markdown(f"{letter and f'**{letter}**  '}{verdict_sentence(explanation, row)}")
    draw_figure(
        deletion_figure(titles, explanations, row),
        "deletion",
        "Fall of the score while columns take their medians, by the order of the contributions and by other orders.",
        note,
    )
    st.caption(METHOD_NOTE)

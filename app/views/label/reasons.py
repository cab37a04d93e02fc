"""Why this row? The columns behind the score of the selected row, by the system that was trained on the labels."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import streamlit as st

from anoonly_core.execution import tasks
from anoonly_core.explanation.result import Explanation
from anoonly_core.results.keys import ranked_row_key

from ...server.jobs import Jobs
from ...widgets.explanation import draw_row_explanation
from ...widgets.figure import FigureNote
from ...widgets.worker_result import await_worker_result

__all__ = ["draw_reason"]

SELECT_ONE = "Select one row to see which columns raise its score."
NEEDS_LABELS = "Label an anomaly, and the system that is trained on it says which columns raise the score of a row."


def draw_reason(
    table: str,
    title: str,
    file: bytes | None,
    key: str,
    chosen: Collection[int],
    jobs: Jobs,
    session: str,
    picture: np.ndarray | None = None,
) -> None:
    """Draw the contributions to the score of the selected row; they are computed in a worker, and the call blocks.

    Parameters
    ----------
    table : str
        Name of the table.
    title : str
        Name of the ranking, for the panels.
    file : bytes or None
        Detector file of the ranking; None for a ranking without labels, which is not explained.
    key : str
        Result key of the ranking.
    chosen : collection of int
        Row numbers in the file of the selected rows; one is explained.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    picture : np.ndarray, optional
        The selected row as a gray image, [height, width].
    """
    st.markdown("**Why this row?**")
    if file is None or len(chosen) != 1:
        st.caption(NEEDS_LABELS if file is None else SELECT_ONE)
        return
    (row,) = chosen
    arguments = (tasks.explain_ranked_row, file, table, row)
    result_key = ranked_row_key(key, row)
    found: Explanation | None = jobs.results.worker_result(result_key)
    if found is None:
        found = await_worker_result(jobs, session, result_key, "Explaining", *arguments, name="reason")
    if found is not None:
        draw_row_explanation([f"{title}, row {row}"], [found], 0, FigureNote("reasons", title), picture)

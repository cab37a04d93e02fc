"""Why this row? The columns behind the scores of A and B, for a selected row or over the highest ones."""

from __future__ import annotations

import numpy as np
import streamlit as st

from anoonly_core.data.dataset import Dataset
from anoonly_core.execution import tasks
from anoonly_core.explanation.result import Explanation
from anoonly_core.results.keys import explanation_key
from anoonly_core.results.result import RunResult

from ...charts.explanation import summary_figure
from ...charts.pair import Pair
from ...server.jobs import JobKind, Jobs
from ...text.explanation import METHOD_NOTE, summary_sentence
from ...widgets.comparison_note import comparison_note
from ...widgets.explanation import draw_row_explanation
from ...widgets.figure import draw_figure
from ...widgets.worker_result import await_worker_result

__all__ = ["draw_reasons"]

ROW, TOP = "row", "top"
TOP_ROWS = 20
SUBJECTS = {ROW: "Selected row", TOP: f"{TOP_ROWS} highest rows"}
SELECT = "Select a row in the table to see which columns raise its score."


def draw_reasons(pair: Pair, dataset: Dataset, row_id: int | None, jobs: Jobs, session: str) -> None:
    """Draw the contributions to the scores of A and B; both train again in worker processes, and the call blocks.

    Parameters
    ----------
    pair : Pair
        A and B of the first seed.
    dataset : Dataset
        Their data set.
    row_id : int or None
        Id of the selected test row; None if no row is selected.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    """
    st.markdown("**Why this row?**")
    subject = st.segmented_control(
        "Rows to explain",
        list(SUBJECTS),
        default=ROW,
        required=True,
        format_func=SUBJECTS.__getitem__,
        key="explained_rows",
        label_visibility="collapsed",
    )
    if subject == TOP:
        _draw_summary(pair, dataset, jobs, session)
        return
    if row_id is None:
        jobs.release(session, [JobKind.WORKER_RESULT])
        st.caption(SELECT)
        return
    position = int(np.flatnonzero(dataset.row_ids == row_id)[0])
    found = [_explain(run, np.array([position]), jobs, session) for run in (pair.a, pair.b)]
    explanations = [explanation for explanation in found if explanation is not None]
    if len(explanations) == len(found):
        picture = None if dataset.image_shape is None else dataset.X[position].reshape(dataset.image_shape)
        titles = [side.title for side in pair.sides]
        draw_row_explanation(titles, explanations, 0, comparison_note(pair.a, pair.b), picture, "AB")


def _draw_summary(pair: Pair, dataset: Dataset, jobs: Jobs, session: str) -> None:
    """Draw the mean absolute contributions over the highest test rows of A, and over those of B."""
    titles, explanations = [], []
    for run, side in zip((pair.a, pair.b), pair.sides, strict=True):
        highest = run.test_rows[np.argsort(-run.scores, kind="stable")[:TOP_ROWS]]
        if (explanation := _explain(run, highest, jobs, session)) is None:
            return
        titles.append(f"{side.title}<br>{summary_sentence(explanation)}")
        explanations.append(explanation)
    draw_figure(
        summary_figure(titles, explanations, dataset.image_shape),
        "mean_contributions",
        "Mean absolute contribution of the columns over the rows with the highest scores.",
        comparison_note(pair.a, pair.b),
    )
    st.caption(f"Over the {TOP_ROWS} test rows with the highest scores of each run. {METHOD_NOTE}")


def _explain(run: RunResult, rows: np.ndarray, jobs: Jobs, session: str) -> Explanation | None:
    """Return the explanation of rows of the data set, given by index; None if it failed or was canceled."""
    key = explanation_key(run.config, rows.tolist())
    arguments = (tasks.explain_rows, run.config, rows.tolist())
    found: Explanation | None = jobs.results.worker_result(key)
    if found is None:
        found = await_worker_result(jobs, session, key, "Explaining, step", *arguments, name=f"explain_{key[:8]}")
    return found

"""The rows of a ranking on the page Label: order, map and list, in which rows are selected and labeled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from anoonly_core.config import RunConfig
from anoonly_core.errors import AnoOnlyError
from anoonly_core.labeling.history import BY_HAND, Answer, Label
from anoonly_core.labeling.orders import order_by, order_in_turn, places, shared_at_top
from anoonly_core.results.keys import hidden_points_key

from ...charts.pictures import row_pictures
from ...server.jobs import Jobs
from ...widgets import notices
from ...widgets.figure import FigureNote, draw_figure
from ...widgets.rows import ROW_COLUMNS, with_row_columns
from .charts import label_map_figure
from .loop import BY_LABELS, RANK_KEY, use_all_answers
from .source import LabelSource
from .text import agreement_sentence

if TYPE_CHECKING:
    from anoonly_core.labeling.run import Ranking

__all__ = ["TOP", "OneRanking", "ShownRows", "draw_rows"]

TOP = 20
LISTED = 100
SHOWN_FEATURES = 12
CHOSEN, OTHER, IN_TURN = "chosen", "other", "in turn"
ORDER_HELP = (
    "The system is trained on the labels twice, with and without the loss on the pool. λₙ = 0 finds more anomalies of "
    "the labeled kinds, λₙ = 1 more of other kinds. **in turn** lists the best row of each, one after the other."
)


@dataclass(frozen=True, eq=False)
class OneRanking:
    """A ranking with its settings and its result key."""

    config: RunConfig
    ranking: Ranking
    key: str


@dataclass(frozen=True, eq=False)
class ShownRows:
    """The ranking that the page shows, and the order of its list.

    Attributes
    ----------
    one : OneRanking
        The ranking.
    order : np.ndarray
        Row indices in the order of the list, int64 [rows of the table].
    ranks : dict of str to np.ndarray
        Rank of each row, from 1, by column heading, int64 [rows of the table]; empty if there is one ranking only.
    """

    one: OneRanking
    order: np.ndarray
    ranks: dict[str, np.ndarray]


def draw_rows(
    source: LabelSource,
    first: OneRanking,
    other_config: RunConfig | None,
    other: OneRanking | None,
    known_labels: dict[int, bool],
    is_trained: bool,
    jobs: Jobs,
) -> tuple[ShownRows, set[int]]:
    """Draw the rows as a map and as a list, with buttons that label the selected ones.

    Parameters
    ----------
    source : LabelSource
        The table.
    first : OneRanking
        The ranking by the chosen system or scorer.
    other_config : RunConfig or None
        Settings with the other λₙ; None without.
    other : OneRanking or None
        The ranking by these; None without, or while it is computed.
    known_labels : dict of int to bool
        Known labels by row number in the file, True for an anomaly.
    is_trained : bool
        True if networks were trained on the labels, so that the features of the map are hidden ones.
    jobs : Jobs
        The job queue of the server, with its result cache.

    Returns
    -------
    shown : ShownRows
        The ranking and order that the user chose.
    selected : set of int
        Row numbers in the file of the selected rows.
    """
    left, right = st.columns([1, 1.15])
    with right:
        with st.container(horizontal=True, vertical_alignment="center"):
            shown = ShownRows(first, order_by(first.ranking.scores), {})
            if other_config is not None:
                shown = _draw_order(shown, other_config, other)
            include_known = st.toggle("Include known rows", key="label_all", persist_state="session")
        agreement = st.container()  # there without its text, too, so that the list keeps its place
        if other is not None:
            agreement.caption(_agreement(first, other))
        selected = _draw_list(source, shown, known_labels, include_known)
    with left:
        ranks = places(shown.order) / len(shown.order)
        selected |= _draw_map(shown.one, is_trained, source, ranks, known_labels, jobs)
    with right:
        _draw_buttons(source, selected, shown.one.ranking.scores)
    return shown, selected


def _agreement(first: OneRanking, other: OneRanking) -> str:
    """Return a sentence on how many of their first 20 rows two rankings share."""
    a, b = (f"λₙ = {one.config.lambda_n:g}" for one in (first, other))
    shared = shared_at_top(order_by(first.ranking.scores), order_by(other.ranking.scores), TOP)
    return agreement_sentence(a, b, shared, min(TOP, len(first.ranking.scores)))


def _draw_order(shown: ShownRows, other_config: RunConfig, other: OneRanking | None) -> ShownRows:
    """Draw the choice of the list's order: by the first ranking, by the second, or both in turn.

    Parameters
    ----------
    shown : ShownRows
        The ranking by the chosen λₙ.
    other_config : RunConfig
        The configuration with the other λₙ.
    other : OneRanking or None
        Its ranking; None while it is computed.

    Returns
    -------
    ShownRows
        The ranking to show, in the chosen order; `shown` while the other one is computed.
    """
    weight = shown.one.config.lambda_n
    names = {CHOSEN: f"λₙ = {weight:g}", OTHER: f"λₙ = {other_config.lambda_n:g}", IN_TURN: "in turn"}
    chosen: str | None = st.segmented_control(
        "Order of the list",
        list(names),
        default=CHOSEN,
        required=True,
        format_func=names.__getitem__,
        key="label_order",
        persist_state="session",
        help=ORDER_HELP,
    )
    if other is None:
        return shown
    first, second = shown.order, order_by(other.ranking.scores)
    ranks = {f"rank, {names[CHOSEN]}": places(first) + 1, f"rank, {names[OTHER]}": places(second) + 1}
    if chosen == OTHER:
        return ShownRows(other, second, ranks)
    return replace(shown, order=order_in_turn(first, second) if chosen == IN_TURN else first, ranks=ranks)


def _draw_map(
    one: OneRanking,
    trained: bool,
    source: LabelSource,
    ranks: np.ndarray,
    known_labels: dict[int, bool],
    jobs: Jobs,
) -> set[int]:
    """Draw the map of the rows: the PCA of their features, in which rows with higher ranks are larger.

    Parameters
    ----------
    one : OneRanking
        Scores of all rows and features of the rows in the map; its projection is cached by its key.
    trained : bool
        True if a network was trained on the labels, so that the features are its hidden ones; else the inputs.
    source : LabelSource
        The table.
    ranks : np.ndarray
        From 0 for the most anomalous row to 1 for the least, float [rows of the table].
    known_labels : dict of int to bool
        Known labels by row number in the file, True for an anomaly.
    jobs : Jobs
        Its result cache holds the projection; a missing one is computed in this thread.

    Returns
    -------
    set of int
        Row numbers in the file of the points that the user selected.
    """
    ranked = one.ranking
    points = jobs.results.points_now(hidden_points_key(one.key, "pca"), ranked.hidden, "pca")
    features = "the hidden features" if trained else "the input features"
    about = f"PCA of {features}: {len(ranked.rows):,} of {len(source.dataset.X):,} rows, with all at the top."
    event = draw_figure(
        label_map_figure(points, source.row_ids[ranked.rows], ranks[ranked.rows], known_labels),
        f"label_map_{st.session_state.get('label_round', 0)}",
        "Rows of the table in a plane; higher ranks are larger, and labeled rows have their own symbols.",
        FigureNote("labels", about),
        pictures=row_pictures(source.dataset, ranked.rows),
        on_select="rerun",
    )
    st.caption(f"{about} Draw a lasso around points to select their rows.")
    return {int(point["customdata"][0]) for point in event["selection"]["points"] if "customdata" in point}


def _draw_list(source: LabelSource, shown: ShownRows, known_labels: dict[int, bool], include_known: bool) -> set[int]:
    """Draw the first 100 rows of the ranking as a table with labels, ranks, scores and features.

    Parameters
    ----------
    source : LabelSource
        The table.
    shown : ShownRows
        The ranking and its order.
    known_labels : dict of int to bool
        Known labels by row number in the file, True for an anomaly.
    include_known : bool
        True to list the rows with a known label too.

    Returns
    -------
    set of int
        Row numbers in the file of the rows that the user selected.
    """
    order = shown.order
    known = np.isin(source.row_ids[order], list(known_labels))
    listed = (order if include_known or known.all() else order[~known])[:LISTED]
    names = source.features[:SHOWN_FEATURES]
    rows = source.row_ids[listed].tolist()
    table = pd.DataFrame(
        {
            "row": rows,
            "label": [{True: "★ anomaly", False: "× normal", None: ""}[known_labels.get(row)] for row in rows],
            **{heading: ranks[listed] for heading, ranks in shown.ranks.items()},
            "score": shown.one.ranking.scores[listed],
        }
    )
    table = with_row_columns(table, source.dataset)
    for index, name in enumerate(names):
        table[f"{name} (in the file)" if name in table else name] = source.dataset.X[listed, index]
    event = st.dataframe(
        table,
        height=270,
        hide_index=True,
        key=f"label_list_{st.session_state.get('label_round', 0)}",
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            **ROW_COLUMNS,
            "text": st.column_config.TextColumn("text", width="medium"),
            "score": st.column_config.NumberColumn(format="%.4g"),
            "row": st.column_config.NumberColumn(pinned=True),
        },
        alt="The rows with the highest ranks, highest first.",
    )
    return {rows[index] for index in event["selection"]["rows"] if index < len(rows)}


def _draw_buttons(source: LabelSource, chosen: set[int], scores: np.ndarray) -> None:
    many = f" ({len(chosen)})" if chosen else ""
    with st.container(horizontal=True):
        for words, label in (
            ("Label as anomaly", Label.ANOMALY),
            ("Label as normal", Label.NORMAL),
            ("Remove label", None),
        ):
            st.button(
                f"{words}{many}",
                type="primary" if label == Label.ANOMALY else "secondary",
                disabled=not chosen,
                on_click=_set_label,
                args=(source, chosen, label, scores),
            )
    if not chosen:
        st.caption("Select rows in the list or on the map, then label them.")


def _set_label(source: LabelSource, rows: set[int], label: Label | None, scores: np.ndarray) -> None:
    """Store or remove labels of rows chosen by hand; runs in the callback of a button.

    Also resets the selection and begins a new round; for anomalies, chooses the ranking by labels. An error is queued
    for the next page run.

    Parameters
    ----------
    source : LabelSource
        The table.
    rows : set of int
        Row numbers in the file.
    label : Label or None
        The label; None to remove the labels of the rows.
    scores : float [rows of the table]
        Anomaly scores, which the history keeps.
    """
    source = source.reloaded()
    history = source.history
    if label is None:
        history = history.without(rows)
    else:
        at = history.rounds + 1
        answers = [Answer(at, row, label, BY_HAND, float(scores[source.index_of(row)])) for row in sorted(rows)]
        history = history.add(answers)
    try:
        source.save(history)
    except AnoOnlyError as error:
        notices.queue_error(str(error))
        return
    use_all_answers(source)
    st.session_state.label_round = st.session_state.get("label_round", 0) + 1
    if label == Label.ANOMALY:
        st.session_state[RANK_KEY] = BY_LABELS

"""The labeling loop of the page Label: a batch of rows by a query rule, one row at a time, by keyboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from anoonly_core.errors import AnoOnlyError
from anoonly_core.labeling.history import Answer, Label
from anoonly_core.labeling.orders import order_by, places
from anoonly_core.labeling.rules import QUERY_RULES, Query, choose_rows
from anoonly_core.rng import numpy_generator

from ...charts.pictures import gallery, row_cell
from ...widgets import notices
from ...widgets.rows import draw_card
from .export import draw_labels_file
from .source import LabelSource
from .text import LABEL_NAMES, progress_sentence

__all__ = ["BY_LABELS", "RANK_KEY", "LoopRanking", "draw_loop", "use_all_answers", "used_answers"]

BY_LABELS, RANK_KEY = "marks", "label_rank"  # the ranking by labels, and the widget that chooses the ranking
NEW_ROUND = "label_new_round"
BATCH_SIZES = (5, 10, 20, 50)
NEIGHBORS = 4
FEATURES = 24
NEIGHBOR_PICTURE = 64  # pixels
ANSWERS = ((Label.ANOMALY, "A", "Anomaly"), (Label.NORMAL, "N", "Normal"), (Label.UNSURE, "U", "Unsure"))
KEYS = "The next round trains on all labels. Each button has its key beside its name."
RULE_HELP = " ".join(f"**{rule.label}**: {rule.summary}" for rule in QUERY_RULES.values())
NO_CANDIDATES = "Every row has been asked about."


@dataclass(frozen=True, eq=False)
class LoopRanking:
    """The ranking from which rows are chosen.

    Attributes
    ----------
    key : str
        Its result key.
    scores : float [rows]
        Anomaly score of each row.
    other_scores : float [rows] or None
        Scores by the other λₙ; None while it is trained, or without one.
    rows : int64 [m]
        Indices of the rows with features.
    features : float [m, features]
        Hidden features of these rows.
    """

    key: str
    scores: np.ndarray
    other_scores: np.ndarray | None
    rows: np.ndarray
    features: np.ndarray


@dataclass(frozen=True)
class _Batch:
    """The rows of a round, given by number, with the rule that chose them; `token` says from what they were chosen."""

    token: tuple[Any, ...]
    round: int
    rule: str
    rows: tuple[int, ...]


def used_answers(source: LabelSource) -> int:
    """Return how many answers of the history the present ranking uses: those of finished rounds."""
    count = len(source.history.answers)
    used: int = st.session_state.setdefault(f"label_used_{source.name}", count)
    return min(used, count)


def use_all_answers(source: LabelSource) -> None:
    """Begin a new round: the next ranking uses all answers of the stored history, and a new batch is chosen."""
    st.session_state[f"label_used_{source.name}"] = len(source.reloaded().history.answers)
    st.session_state.pop(f"label_batch_{source.name}", None)
    st.session_state.pop(f"label_place_{source.name}", None)


@st.fragment
def draw_loop(source: LabelSource, ranking: LoopRanking) -> None:
    """Draw the loop: the rule, the row in question with its label buttons, its values and its labeled neighbors.

    Parameters
    ----------
    source : LabelSource
        The table, whose stored history the answers extend.
    ranking : LoopRanking
        The ranking from which the batch is chosen.
    """
    if st.session_state.pop(NEW_ROUND, False):
        st.rerun()
    source = source.reloaded()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        rule, count = _draw_rule(ranking)
    batch = _batch(source, ranking, rule, count)
    if batch is None:
        st.caption(NO_CANDIDATES)
        draw_labels_file(source, _begin_round)
        return
    place = _place(source, batch)
    row, labels = batch.rows[place], source.history.labels
    left, middle, right = st.columns([1.25, 1.1, 1.1])
    with left:
        rank = places(order_by(ranking.scores))[source.index_of(row)] + 1
        shown = LABEL_NAMES[labels[row]] if row in labels else "not labeled"
        with st.container(key="label_question"):
            st.markdown(f"**Row {row}** · {place + 1} of {len(batch.rows)} · rank {rank:,} · {shown}")
        with st.container(horizontal=True):
            draw_card(source.dataset, row)
            _draw_answers(source, ranking, batch, row)
    with middle:
        _draw_values(source, row)
    with right:
        _draw_neighbors(source, row)
    _draw_moves(source, ranking, batch, place)
    with st.container(key="label_progress"):
        st.caption(f"{progress_sentence(source.history, batch.round, source.truth, source.row_ids)} {KEYS}")
    draw_labels_file(source, _begin_round)


def _draw_rule(ranking: LoopRanking) -> tuple[str, int]:
    """Draw the choice of the query rule and the number of rows of a round; return both."""
    offered = [name for name, rule in QUERY_RULES.items() if ranking.other_scores is not None or not rule.needs_other]
    rule = st.segmented_control(
        "Ask about",
        offered,
        default=offered[0],
        required=True,
        format_func=lambda name: QUERY_RULES[name].label,
        key="label_rule",
        persist_state="session",
        help=RULE_HELP,
    )
    count = st.selectbox("Rows per round", BATCH_SIZES, index=1, key="label_count", persist_state="session", width=130)
    return rule or offered[0], int(count)


def _batch(source: LabelSource, ranking: LoopRanking, rule: str, count: int) -> _Batch | None:
    """Return the present batch: the stored one if it was begun or still fits, else a new one; None without candidates.

    A batch that was begun stays until the next round, whatever rule is chosen meanwhile.
    """
    key = f"label_batch_{source.name}"
    stored: _Batch | None = st.session_state.get(key)
    token = (ranking.key, rule, count)
    labels = source.history.labels
    begun = stored is not None and any(row in labels for row in stored.rows)
    if stored is not None and (begun or stored.token == token):
        return stored
    asked = np.array([*labels, *source.from_file], dtype=np.int64)
    candidates = np.flatnonzero(~np.isin(source.row_ids, asked))
    if not len(candidates):
        return None
    features = np.full((len(ranking.scores), ranking.features.shape[1]), np.nan, dtype=np.float32)
    features[ranking.rows] = ranking.features
    round_number = source.history.rounds + 1
    random = numpy_generator(round_number, f"label {rule}")
    query = Query(ranking.scores, features, candidates, random, ranking.other_scores)
    rows = source.row_ids[choose_rows(rule, query, count)]
    batch = _Batch(token, round_number, rule, tuple(rows.tolist()))
    st.session_state[key] = batch
    st.session_state.pop(f"label_place_{source.name}", None)
    return batch


def _place(source: LabelSource, batch: _Batch) -> int:
    """Return the index of the row on display within the batch: where the user moved, else the first without a label."""
    labels = source.history.labels
    open_places = [place for place, row in enumerate(batch.rows) if row not in labels]
    place: int = st.session_state.get(f"label_place_{source.name}", open_places[0] if open_places else 0)
    return min(max(place, 0), len(batch.rows) - 1)


def _draw_answers(source: LabelSource, ranking: LoopRanking, batch: _Batch, row: int) -> None:
    """Draw the buttons that label the row on display, each with its key: beside a picture, below words."""
    previews = source.dataset.previews
    is_text = previews is not None and previews.kind == "text"
    with st.container(key="label_answers", horizontal=is_text, width="stretch" if is_text else 140):
        for label, key, words in ANSWERS:
            st.button(
                words,
                shortcut=key,
                key=f"answer_{label}",
                on_click=_answer,
                args=(source, ranking, batch, [row], label),
                width="content" if is_text else "stretch",
            )


def _draw_moves(source: LabelSource, ranking: LoopRanking, batch: _Batch, place: int) -> None:
    """Draw the buttons that move, undo, reveal the truth of a data set to practise on, and begin the next round."""
    labels = source.history.labels
    rest = [row for row in batch.rows if row not in labels]
    with st.container(horizontal=True, key="label_moves"):
        for name, key, aim in (("Previous", "Left", place - 1), ("Next", "Right", place + 1)):
            inside = 0 <= aim < len(batch.rows)
            st.button(name, shortcut=key, on_click=_move, args=(source, aim), disabled=not inside)
        st.button("Undo", shortcut="Z", on_click=_undo, args=(source,), disabled=not source.history.answers)
        if source.truth is not None:
            for name, rows in (("Reveal", [batch.rows[place]]), ("Reveal all", rest)):
                st.button(name, on_click=_answer, args=(source, ranking, batch, rows, None), disabled=not rows)
        st.button(
            "Next round",
            shortcut="Enter",
            type="primary" if not rest else "secondary",
            on_click=_begin_round,
            args=(source,),
            disabled=len(rest) == len(batch.rows),
        )


def _answer(source: LabelSource, ranking: LoopRanking, batch: _Batch, rows: list[int], label: Label | None) -> None:
    """Store the label of rows, or their true labels for None, and go on to the next row without a label."""
    source = source.reloaded()
    answers = [
        Answer(
            batch.round,
            row,
            source.truth_of(row) if label is None else label,
            batch.rule,
            float(ranking.scores[source.index_of(row)]),
        )
        for row in rows
    ]
    try:
        source.save(source.history.add(answers))
    except AnoOnlyError as error:
        notices.queue_error(str(error))
        return
    labels = {*source.history.labels, *rows}
    at = batch.rows.index(rows[-1])
    following = [*range(at + 1, len(batch.rows)), *range(at)]
    st.session_state[f"label_place_{source.name}"] = next(
        (place for place in following if batch.rows[place] not in labels), at
    )


def _begin_round(source: LabelSource) -> None:
    """Train on all labels: rank by them if an anomaly is among them; the next run of the fragment reruns the page."""
    use_all_answers(source)
    source = source.reloaded()
    if any(source.known(len(source.history.answers)).values()):
        st.session_state[RANK_KEY] = BY_LABELS
    st.session_state[NEW_ROUND] = True


def _move(source: LabelSource, place: int) -> None:
    st.session_state[f"label_place_{source.name}"] = place


def _undo(source: LabelSource) -> None:
    """Take back the last answer, and show its row again if it is of the present batch."""
    source = source.reloaded()
    last = source.history.answers[-1].row if source.history.answers else None
    try:
        source.save(source.history.undo())
    except AnoOnlyError as error:
        notices.queue_error(str(error))
        return
    batch: _Batch | None = st.session_state.get(f"label_batch_{source.name}")
    if batch is not None and last in batch.rows:
        _move(source, batch.rows.index(last))


def _draw_values(source: LabelSource, row: int) -> None:
    """Draw the values of a row by column, with the share of rows that have a smaller value, most unusual first."""
    values = source.dataset.X[source.index_of(row)]
    table = source.dataset.X
    with np.errstate(invalid="ignore"):
        below = (table < values).mean(axis=0) + (table == values).mean(axis=0) / 2
    order = np.argsort(-np.abs(below - 0.5), kind="stable")[:FEATURES]
    frame = pd.DataFrame(
        {
            "column": [source.features[index] for index in order],
            "value": [f"{value:.4g}" for value in values[order]],
            "percentile": [f"{value:.0f}" for value in 100 * below[order]],
        }
    )
    with st.container(height=230, border=False):
        st.table(frame.set_index("column"))


def _draw_neighbors(source: LabelSource, row: int) -> None:
    """Draw the labeled rows that are nearest to a row in the scaled columns, with their labels."""
    labels = {
        **{known: Label.ANOMALY if anomalous else Label.NORMAL for known, anomalous in source.from_file.items()},
        **source.history.labels,
    }
    others = [other for other, label in labels.items() if other != row and label != Label.UNSURE]
    st.markdown("**Nearest labeled rows**")
    if not others:
        st.caption("No other row is labeled yet.")
        return
    indices = np.flatnonzero(np.isin(source.row_ids, others))
    scaled = source.split.scaled(source.dataset, indices)
    mine = source.split.scaled(source.dataset, np.array([source.index_of(row)]))
    distances = np.sqrt(((scaled - mine) ** 2).sum(axis=1))
    nearest = np.argsort(distances, kind="stable")[:NEIGHBORS]
    rows = [int(source.row_ids[indices[index]]) for index in nearest]
    cells = [row_cell(source.dataset, other, NEIGHBOR_PICTURE) for other in rows]
    with st.container(horizontal=any(cell is not None and cell.picture for cell in cells)):
        for index, other, cell in zip(nearest, rows, cells, strict=True):
            words = f"row {other}, {LABEL_NAMES[labels[other]]}, distance {distances[index]:.2f}"
            if cell is not None and cell.picture:
                caption = f"{other} {LABEL_NAMES[labels[other]]}"
                st.image(cell.picture, caption=caption, width=NEIGHBOR_PICTURE, alt=words)
            else:
                st.caption(words)
                if cell is not None:
                    st.html(gallery([cell], [labels[other] == Label.ANOMALY]))

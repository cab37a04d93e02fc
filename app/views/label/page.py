"""Label: rank the rows of a table, label a batch of them by a query rule, train on the labels and repeat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from anoonly_core.baselines import BASELINES, BATCH_NORMS, GRADIENT_SHARES
from anoonly_core.config import LABEL_SETTINGS, RunConfig
from anoonly_core.errors import AnoOnlyError, InvalidConfig
from anoonly_core.execution import tasks
from anoonly_core.labeling.history import BY_HAND, Answer, Label
from anoonly_core.labeling.orders import order_by, order_in_turn, places, shared_at_top
from anoonly_core.labeling.scorers import UNSUPERVISED_SCORERS
from anoonly_core.results.keys import hidden_points_key, ranking_key
from anoonly_core.snippets import file_name, labeled_script, score_command

from ...controls.headline import draw_headline, headline_place
from ...controls.locked_links import LOCKS
from ...controls.page_address import PageAddress, register
from ...controls.registry import CONTROLS, Control
from ...controls.sidebar import draw_control, draw_sidebar, value_of
from ...navigation import draw_page_link, open_page
from ...server.examples import EXAMPLE_NOTE, add_example
from ...server.jobs import Jobs
from ...server.table_owners import can_see, visible_uploads
from ...widgets import notices
from ...widgets.figure import FigureNote, draw_figure
from ...widgets.session import begin_page
from ...widgets.worker_result import await_worker_result
from .budget import draw_budget
from .charts import label_map_figure
from .loop import MARKS, RANK_KEY, LoopRanking, draw_loop, use_all_answers, used_answers
from .reasons import draw_reason
from .source import PRACTICE, LabelSource, load_source
from .text import agreement_sentence, label_sentence

if TYPE_CHECKING:
    from anoonly_core.labeling.run import Ranking

__all__ = ["page"]

AWAITED = "The ranking stands here once it is computed."
TOP = 20
LISTED = 100
SHOWN_FEATURES = 12
WITHOUT = ("dataset", "labeled_ratio", "normal_ratio", "contamination", "seeds", "protocol", *LABEL_SETTINGS)
NO_TABLE = "No table uploaded yet. Practise on an example, or upload a table on the page Your table."
PRACTISE_ON = "digits_7"


def _tables() -> tuple[str, ...]:
    return tuple(table.name for table in visible_uploads() if table.counts is not None)


def _offered() -> tuple[str, ...]:
    return (*_tables(), *PRACTICE)


TABLE = Control(
    "table",
    offers=_offered,
    rule=f"one that your browser uploaded, or one of {', '.join(PRACTICE)} to practise on",
    label="Table",
    help="A table that you uploaded on the page Your table, or a data set with hidden labels to practise on.",
)
ADDRESS = register(PageAddress("label", (*CONTROLS, TABLE, *LOCKS)))
RANK_HELP = (
    " ".join(f"**{scorer.label}**: {scorer.summary}" for scorer in UNSUPERVISED_SCORERS.values())
    + " **marks**: the system in the sidebar, trained on the rows that are marked, with all others as its pool."
)
CHOSEN, OTHER, IN_TURN = "chosen", "other", "in turn"
ORDER_HELP = (
    "The system is trained on the marks twice, with and without the loss on the pool. λₙ = 0 finds more anomalies of "
    "the marked kinds, λₙ = 1 more of other kinds. **in turn** lists the best row of each, one after the other."
)
RANK_LABELS = {**{name: scorer.label for name, scorer in UNSUPERVISED_SCORERS.items()}, MARKS: "marks"}


def page() -> None:
    """Draw the page Label; Streamlit calls this on every change of a control and after each mark.

    The page ranks the rows of a table by anomaly score, and asks about a batch of them by a query rule. The user labels
    them, trains a system on the labels and goes on with the next batch, or marks rows in the map and in the list. The
    labels, the scores and the detector can be downloaded.
    """
    jobs, session = begin_page()
    ADDRESS.arrive()
    ADDRESS.remember()
    try:
        if not _tables() and value_of(TABLE) not in PRACTICE:
            st.markdown(f"##### {NO_TABLE}")
            ADDRESS.draw_notices(NO_TABLE)
            _draw_start()
            return
        sentence = st.container()
        choice = draw_sidebar(without=WITHOUT)
        ADDRESS.draw_notices(choice)
        baseline = BASELINES[choice.b.baseline]
        if not baseline.has("epochs"):
            raise InvalidConfig(f"{baseline.name} cannot be trained on marks: choose another baseline.")
        left, right = st.columns([1, 2.6], vertical_alignment="bottom")
        with left:
            name = draw_control(replace(TABLE, default=_offered()[0]), baseline, choice.b.preset)
        if name not in PRACTICE and not can_see(name):
            raise InvalidConfig("This table is another browser's.")
        source = load_source(name)
        known_labels = source.known(used_answers(source))
        with right:
            rank = _draw_rank(any(known_labels.values()))
        _draw(source, known_labels, choice.b.with_(dataset=name), rank, sentence, jobs, session)
        draw_budget(source)
    except AnoOnlyError as error:
        notices.error(str(error))


def _draw_start() -> None:
    """Draw what the page shows without a table: a button that adds the example, and a link to the page Your table."""
    st.markdown(
        "Label ranks the rows of a table by how strange they are, and asks about some of them. You say which are "
        "anomalies, a system is trained on your labels, and the next ranking is better."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Practise on digits", key="label_digits"):
            open_page("label", {"table": PRACTISE_ON})
        st.button("Practise on an example", type="primary", on_click=_add_example, key="label_example")
        draw_page_link("your_table", "Upload a table")
    st.caption(f"{EXAMPLE_NOTE} The example comes without its labels.")


def _add_example() -> None:
    try:
        add_example(labeled=False)
    except AnoOnlyError as error:
        notices.queue_error(str(error))


def _draw_rank(has_marks: bool) -> str:
    """Draw the choice of the ranking; return a key of UNSUPERVISED_SCORERS, or MARKS to train on marked rows.

    MARKS is offered only with `has_marks`, and then is the default.
    """
    options = [*UNSUPERVISED_SCORERS, *([MARKS] if has_marks else [])]
    if st.session_state.get(RANK_KEY) not in options:
        st.session_state[RANK_KEY] = options[-1] if has_marks else options[0]
    chosen: str | None = st.segmented_control(
        "Rank rows by",
        options,
        required=True,
        format_func=RANK_LABELS.__getitem__,
        key=RANK_KEY,
        persist_state="session",
        help=RANK_HELP,
    )
    return chosen or options[0]  # the browser has not answered yet


def _draw(
    source: LabelSource,
    known_labels: dict[int, bool],
    config: RunConfig,
    rank: str,
    sentence: Any,
    jobs: Jobs,
    session: str,
) -> None:
    """Compute the ranking in a worker, blocking, then draw it as a map and as a list.

    Rows can be marked in both. A system with λₙ is trained on the marks a second time, with the other λₙ, while the
    first ranking is shown.

    Parameters
    ----------
    source : LabelSource
        The table, with which the labels are stored.
    known_labels : dict of int to bool
        Known labels by row number in the file, True for an anomaly.
    config : RunConfig
        System and settings to train on the marks; its data set is the table.
    rank : str
        A key of UNSUPERVISED_SCORERS, or MARKS to train the system on the marked anomalies.
    sentence : DeltaGenerator
        The container of the headline.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    """
    anomalies = sorted(row for row, anomalous in known_labels.items() if anomalous)
    is_trained = rank == MARKS
    normals = sorted(row for row, anomalous in known_labels.items() if not anomalous)
    of = (anomalies, normals) if is_trained else (rank,)
    key = ranking_key(config, *of)
    sentence = headline_place(sentence, AWAITED)
    name = config.baseline if is_trained else UNSUPERVISED_SCORERS[rank].label
    work: Any = tasks.rank_labeled_table if is_trained else tasks.score_unlabeled_table
    words = f"Training on {len(known_labels)} marked rows, epoch" if is_trained else "Scoring, epoch"
    # The elements below are there for each ranking, so that none of another ranking is left in between.
    main, progress = st.container(), st.container()
    with main:  # a result is not requested again, since that would stop the training of the other weight
        ranked: Ranking | None = jobs.results.worker_result(key)
        if ranked is None:
            ranked = await_worker_result(jobs, session, key, words, work, config, *of)
    if ranked is None:
        return
    other_config = _other_weight(config) if is_trained else None
    other_key = "" if other_config is None else ranking_key(other_config, anomalies, normals)
    other: Ranking | None = jobs.results.worker_result(other_key) if other_key else None
    other_scores = None if other is None else other.scores
    draw_loop(source, LoopRanking(key, ranked.scores, other_scores, ranked.rows, ranked.hidden))
    left, right = st.columns([1, 1.15])
    with right:
        with st.container(horizontal=True, vertical_alignment="center"):
            shown = _Shown(config, ranked, key, order_by(ranked.scores), {})
            if other_config is not None:
                shown = _draw_order(shown, other_config, other, other_key)
            include_known = st.toggle("Include known rows", key="label_all", persist_state="session")
        agreement = st.container()
        if other_config is not None and other is not None:
            first, second = (f"λₙ = {one.lambda_n:g}" for one in (config, other_config))
            shared = shared_at_top(order_by(ranked.scores), order_by(other.scores), TOP)
            agreement.caption(agreement_sentence(first, second, shared, min(TOP, len(ranked.scores))))
        chosen = _draw_list(source, shown, known_labels, include_known)
    with left:
        ranks = places(shown.order) / len(shown.order)
        chosen |= _draw_map(shown.ranked, shown.key, is_trained, source, ranks, known_labels, jobs)
    with right:
        _draw_buttons(source, chosen, shown.ranked.scores)
    top_rows = [int(row) for row in source.row_ids[shown.order[:TOP]]]
    draw_headline(sentence, label_sentence(name, is_trained, len(shown.order), anomalies, known_labels, top_rows))
    _draw_export(shown.config, source, shown.ranked, known_labels, is_trained)
    if other_config is not None and other is None:
        with progress:
            words = f"λₙ = {other_config.lambda_n:g} for comparison, epoch"
            arguments = (tasks.rank_labeled_table, other_config, anomalies, normals)
            if await_worker_result(jobs, session, other_key, words, *arguments, name="other") is not None:
                st.rerun()
        return  # a request for reasons would stop this training
    title = f"{name}, λₙ = {shown.config.lambda_n:g}" if shown.config.lambda_n is not None else name
    picture = source.picture(next(iter(chosen))) if len(chosen) == 1 else None
    draw_reason(source.name, title, shown.ranked.file, shown.key, chosen, jobs, session, picture)


@dataclass(frozen=True, eq=False)
class _Shown:
    """The ranking that the page shows.

    Attributes
    ----------
    config : RunConfig
        System and settings of the ranking.
    ranked : Ranking
        Its scores, features of rows for the map, and detector.
    key : str
        Its result key.
    order : np.ndarray
        Row indices in the order of the list, int64 [rows of the table].
    ranks : dict of str to np.ndarray
        Rank of each row, from 1, by column heading, int64 [rows of the table]; empty if there is one ranking only.
    """

    config: RunConfig
    ranked: Ranking
    key: str
    order: np.ndarray
    ranks: dict[str, np.ndarray]


def _other_weight(config: RunConfig) -> RunConfig | None:
    """Return the same configuration with the other λₙ, to compare with; None for a system without λₙ.

    The other λₙ is 1, or 0 if `config` has 1. A norm that is published for λₙ changes with it; any other norm is kept.
    """
    if config.lambda_n is None:
        return None
    weight, baseline = (0.0 if config.lambda_n == 1 else 1.0), BASELINES[config.baseline]
    if config.norm != baseline.paired_norm(config.lambda_n, config.preset):
        return config.with_(lambda_n=weight)
    norm = baseline.paired_norm(weight, config.preset)
    shares = {} if norm in BATCH_NORMS else dict.fromkeys(GRADIENT_SHARES)
    return config.with_(lambda_n=weight, norm=norm, **shares)


def _draw_order(shown: _Shown, other_config: RunConfig, other: Ranking | None, other_key: str) -> _Shown:
    """Draw the choice of the list's order: by the first ranking, by the second, or both in turn.

    Parameters
    ----------
    shown : _Shown
        The ranking by the chosen λₙ.
    other_config : RunConfig
        The configuration with the other λₙ.
    other : Ranking or None
        Its ranking; None while it is computed.
    other_key : str
        Result key of that ranking.

    Returns
    -------
    _Shown
        The ranking to show, in the chosen order; `shown` while the other one is computed.
    """
    names = {CHOSEN: f"λₙ = {shown.config.lambda_n:g}", OTHER: f"λₙ = {other_config.lambda_n:g}", IN_TURN: "in turn"}
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
    first, second = shown.order, order_by(other.scores)
    ranks = {f"rank, {names[CHOSEN]}": places(first) + 1, f"rank, {names[OTHER]}": places(second) + 1}
    if chosen == OTHER:
        return _Shown(other_config, other, other_key, second, ranks)
    return replace(shown, order=order_in_turn(first, second) if chosen == IN_TURN else first, ranks=ranks)


def _draw_map(
    ranked: Ranking,
    key: str,
    trained: bool,
    source: LabelSource,
    ranks: np.ndarray,
    known_labels: dict[int, bool],
    jobs: Jobs,
) -> set[int]:
    """Draw the map of the rows: the PCA of their features, in which rows with higher ranks are larger.

    Parameters
    ----------
    ranked : Ranking
        Scores of all rows, and the features of the rows in the map.
    key : str
        Result key of the ranking, under which its projection is cached.
    trained : bool
        True if a network was trained on the marks, so that the features are its hidden ones; else the inputs.
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
    points = jobs.results.points_now(hidden_points_key(key, "pca"), ranked.hidden, "pca")
    features = "the hidden features" if trained else "the input features"
    about = f"PCA of {features}: {len(ranked.rows):,} of {len(source.dataset.X):,} rows, with all at the top."
    event = draw_figure(
        label_map_figure(points, source.row_ids[ranked.rows], ranks[ranked.rows], known_labels),
        f"label_map_{st.session_state.get('label_round', 0)}",
        "Rows of the table in a plane; higher ranks are larger, and marked rows have their own symbols.",
        FigureNote("labels", about),
        on_select="rerun",
    )
    st.caption(f"{about} Draw a lasso around points to select their rows.")
    return {int(point["customdata"][0]) for point in event["selection"]["points"] if "customdata" in point}


def _draw_list(source: LabelSource, shown: _Shown, known_labels: dict[int, bool], include_known: bool) -> set[int]:
    """Draw the first 100 rows of the ranking as a table with marks, ranks, scores and features.

    Parameters
    ----------
    source : LabelSource
        The table.
    shown : _Shown
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
            "mark": [{True: "★ anomaly", False: "× none", None: ""}[known_labels.get(row)] for row in rows],
            **{heading: ranks[listed] for heading, ranks in shown.ranks.items()},
            "score": shown.ranked.scores[listed],
        }
    )
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
            ("Mark as anomaly", Label.ANOMALY),
            ("Not an anomaly", Label.NORMAL),
            ("Remove mark", None),
        ):
            st.button(
                f"{words}{many}",
                type="primary" if label == Label.ANOMALY else "secondary",
                disabled=not chosen,
                on_click=_mark,
                args=(source, chosen, label, scores),
            )
    if not chosen:
        st.caption("Select rows in the list or on the map, then mark them.")


def _mark(source: LabelSource, rows: set[int], label: Label | None, scores: np.ndarray) -> None:
    """Store or remove labels of rows chosen by hand; runs in the callback of a button.

    Also resets the selection and begins a new round; for anomalies, chooses the ranking by marks. An error is queued
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
        st.session_state[RANK_KEY] = MARKS


def _draw_export(
    config: RunConfig, source: LabelSource, ranked: Ranking, known_labels: dict[int, bool], is_trained: bool
) -> None:
    """Draw the download of all scores and, for a ranking by marks, of the detector, with command and script.

    Parameters
    ----------
    config : RunConfig
        System and settings of the ranking; they name the files and fill the command and script.
    source : LabelSource
        The table.
    ranked : Ranking
        Scores of all rows, and the detector file if a network was trained on the marks.
    known_labels : dict of int to bool
        Known labels by row number in the file, True for an anomaly; a column of the CSV.
    is_trained : bool
        True for a ranking by marks, which the script trains on; False for an unsupervised ranking.
    """

    def scores() -> bytes:
        labels = [{True: "anomaly", False: "normal", None: ""}[known_labels.get(int(row))] for row in source.row_ids]
        table = pd.DataFrame({"row": source.row_ids, "score": ranked.scores, "mark": labels})
        return table.sort_values("score", ascending=False).to_csv(index=False).encode()

    with st.container(horizontal=True):
        name = file_name(config, "scores.csv")
        st.download_button("Download all scores", scores, name, "text/csv", on_click="ignore")
        if is_trained and ranked.file is not None:
            name = file_name(config, "detector.safetensors")
            st.download_button("Download detector", ranked.file, name, "application/octet-stream", on_click="ignore")
    if not is_trained:
        return
    anomalies, normals = (sorted(row for row, known in known_labels.items() if known is kind) for kind in (True, False))
    with st.expander("Command and script"):
        st.caption("Score the rows of any file on the command line")
        st.code(score_command(config), language="bash", wrap_lines=True)
        st.caption("In Python, from your file and the marked rows")
        st.code(labeled_script(config, anomalies, normals), language="python", wrap_lines=True)

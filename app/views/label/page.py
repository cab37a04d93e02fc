"""Label: rank the rows of a table, label a batch of them by a query rule, train on the labels and repeat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from anoonly_core.baselines import BASELINES, BATCH_NORMS, GRADIENT_PLACE, GRADIENT_SHARES
from anoonly_core.config import LABEL_SETTINGS, RunConfig
from anoonly_core.errors import AnoOnlyError, InvalidConfig
from anoonly_core.execution import tasks
from anoonly_core.labeling.scorers import UNSUPERVISED_SCORERS
from anoonly_core.results.keys import ranking_key

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
from ...widgets.session import begin_page
from ...widgets.worker_result import await_worker_result
from .budget import draw_budget
from .export import draw_downloads
from .loop import BY_LABELS, RANK_KEY, LoopRanking, draw_loop, used_answers
from .reasons import draw_reason
from .rows import TOP, OneRanking, draw_rows
from .source import PRACTICE, LabelSource, load_source
from .text import label_sentence

if TYPE_CHECKING:
    from anoonly_core.labeling.run import Ranking

__all__ = ["page"]

AWAITED = "The ranking stands here once it is computed."
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
    + " **labels**: the system in the sidebar, trained on your labels, with all others as its pool."
)
RANK_LABELS = {**{name: scorer.label for name, scorer in UNSUPERVISED_SCORERS.items()}, BY_LABELS: "labels"}


def page() -> None:
    """Draw the page Label; Streamlit calls this on every change of a control and after each label.

    The page ranks the rows of a table by anomaly score, and asks about a batch of them by a query rule. The user labels
    them, trains a system on the labels and goes on with the next batch, or labels rows in the map and in the list. The
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
            raise InvalidConfig(f"{baseline.name} cannot be trained on labels: choose another baseline.")
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


def _draw_rank(has_labels: bool) -> str:
    """Draw the choice of the ranking; return a key of UNSUPERVISED_SCORERS, or BY_LABELS to train on labeled rows.

    BY_LABELS is offered only with `has_labels`, and then is the default.
    """
    options = [*UNSUPERVISED_SCORERS, *([BY_LABELS] if has_labels else [])]
    if st.session_state.get(RANK_KEY) not in options:
        st.session_state[RANK_KEY] = options[-1] if has_labels else options[0]
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


@dataclass(frozen=True, eq=False)
class _Rankings:
    """The ranking of the page, and the one by the other λ_n that stands beside it.

    Attributes
    ----------
    first : OneRanking
        The ranking by the chosen system or scorer.
    other : OneRanking or None
        That of the same system with the other λ_n, where there is one and it is computed.
    other_config : RunConfig or None
        Its settings, also while it is computed; None without another λ_n.
    labeled : tuple of list of int
        Row numbers in the file of the labeled anomalies and of the rows labeled normal, ascending.
    """

    first: OneRanking
    other: OneRanking | None
    other_config: RunConfig | None
    labeled: tuple[list[int], list[int]]


def _draw(
    source: LabelSource,
    known_labels: dict[int, bool],
    config: RunConfig,
    rank: str,
    sentence: Any,
    jobs: Jobs,
    session: str,
) -> None:
    """Compute the ranking in a worker, blocking, then draw the loop, the map, the list, the downloads and the reasons.

    A system with λₙ is trained on the labels a second time, with the other λₙ, while the first ranking is shown.

    Parameters
    ----------
    source : LabelSource
        The table, with which the labels are stored.
    known_labels : dict of int to bool
        Known labels by row number in the file, True for an anomaly.
    config : RunConfig
        System and settings to train on the labels; its data set is the table.
    rank : str
        A key of UNSUPERVISED_SCORERS, or BY_LABELS to train the system on the labels.
    sentence : DeltaGenerator
        The container of the headline.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    """
    is_trained = rank == BY_LABELS
    name = config.baseline if is_trained else UNSUPERVISED_SCORERS[rank].label
    sentence = headline_place(sentence, AWAITED)
    # The elements below are there for each ranking, so that none of another ranking is left in between.
    main, progress = st.container(), st.container()
    with main:
        rankings = _rankings(known_labels, config, rank, jobs, session)
    if rankings is None:
        return
    ranked = rankings.first.ranking
    other_scores = None if rankings.other is None else rankings.other.ranking.scores
    draw_loop(source, LoopRanking(rankings.first.key, ranked.scores, other_scores, ranked.rows, ranked.hidden))
    shown, chosen = draw_rows(
        source, rankings.first, rankings.other_config, rankings.other, known_labels, is_trained, jobs
    )
    top_rows = [int(row) for row in source.row_ids[shown.order[:TOP]]]
    anomalies = rankings.labeled[0]
    draw_headline(sentence, label_sentence(name, is_trained, len(shown.order), anomalies, known_labels, top_rows))
    draw_downloads(shown.one.config, source, shown.one.ranking, known_labels, is_trained)
    if rankings.other_config is not None and rankings.other is None:
        with progress:
            _train_other(rankings.other_config, rankings.labeled, jobs, session)
        return  # a request for reasons would stop this training
    weight = shown.one.config.lambda_n
    title = name if weight is None else f"{name}, λₙ = {weight:g}"
    picture = source.picture(next(iter(chosen))) if len(chosen) == 1 else None
    draw_reason(source.name, title, shown.one.ranking.file, shown.one.key, chosen, jobs, session, picture)


def _rankings(
    known_labels: dict[int, bool], config: RunConfig, rank: str, jobs: Jobs, session: str
) -> _Rankings | None:
    """Return the ranking, computed in a worker while the call blocks, and the other one if it is there.

    None if the job failed or was canceled. The parameters are those of `_draw`.
    """
    anomalies, normals = (sorted(row for row, known in known_labels.items() if known is kind) for kind in (True, False))
    is_trained = rank == BY_LABELS
    of = (anomalies, normals) if is_trained else (rank,)
    key = ranking_key(config, *of)
    work: Any = tasks.rank_labeled_table if is_trained else tasks.score_unlabeled_table
    words = f"Training on {len(known_labels)} labeled rows, epoch" if is_trained else "Scoring, epoch"
    # A result is not requested again, since that would stop the training of the other weight.
    ranked: Ranking | None = jobs.results.worker_result(key)
    if ranked is None:
        ranked = await_worker_result(jobs, session, key, words, work, config, *of)
    if ranked is None:
        return None
    first, other_config = OneRanking(config, ranked, key), _other_weight(config) if is_trained else None
    other = None
    if other_config is not None:
        other_key = ranking_key(other_config, anomalies, normals)
        of_other: Ranking | None = jobs.results.worker_result(other_key)
        other = None if of_other is None else OneRanking(other_config, of_other, other_key)
    return _Rankings(first, other, other_config, (anomalies, normals))


def _train_other(config: RunConfig, labeled: tuple[list[int], list[int]], jobs: Jobs, session: str) -> None:
    """Train the system with the other λₙ on the labels in a worker, blocking, then draw the page again."""
    words = f"λₙ = {config.lambda_n:g} for comparison, epoch"
    arguments = (tasks.rank_labeled_table, config, *labeled)
    if await_worker_result(jobs, session, ranking_key(config, *labeled), words, *arguments, name="other") is not None:
        st.rerun()


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
    shares = {} if norm in BATCH_NORMS else dict.fromkeys((*GRADIENT_SHARES, GRADIENT_PLACE))
    return config.with_(lambda_n=weight, norm=norm, **shares)

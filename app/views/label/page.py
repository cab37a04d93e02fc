"""Label: a table that nobody has labeled; mark a few anomalies, train on them, look, mark more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import ParsedTable
from anoonly_core.data.tables.uploads import Upload
from anoonly_core.errors import AnoOnlyError, InvalidConfig
from anoonly_core.execution import tasks
from anoonly_core.labeling.scorers import UNSUPERVISED_SCORERS
from anoonly_core.results.keys import hidden_points_key, ranking_key
from anoonly_core.snippets import file_name, labeled_script, score_command
from app.charts.style import MODEBAR
from app.controls.locked_links import LOCKS
from app.controls.page_address import PageAddress, register
from app.controls.registry import Control, controls_with
from app.controls.sidebar import draw_control, draw_sidebar
from app.server.jobs import Jobs
from app.server.table_owners import can_see, visible_uploads
from app.views.label.charts import label_map_figure
from app.views.label.text import label_sentence
from app.widgets import notices
from app.widgets.session import begin_page
from app.widgets.worker_result import await_worker_result

if TYPE_CHECKING:
    from anoonly_core.labeling.run import Ranking

__all__ = ["page"]

MARKS = "marks"
TOP = 20
LISTED = 100
SHOWN_FEATURES = 12
# Few labels and many kinds of anomaly are where AnoOnly is worse, as the lesson "When it hurts" measures.
DEFAULTS: Mapping[str, Any] = {"lambda_n": 1.0}
WITHOUT = ("dataset", "labeled_ratio", "normal_ratio", "contamination", "seeds", "protocol")
NOTHING = "No table of yours is here. Bring one on the page Your table, with labels or without."


def _tables() -> tuple[str, ...]:
    return tuple(table.name for table in visible_uploads() if table.counts is not None)


TABLE = Control(
    "table",
    offers=_tables,
    rule="one that your browser uploaded",
    label="Table",
    help="A table that you uploaded on the page Your table.",
)
RUN_CONTROLS = controls_with(DEFAULTS)
ADDRESS = register(PageAddress("label", (*RUN_CONTROLS, TABLE, *LOCKS)))
RANK_KEY = "label_rank"
RANK_HELP = (
    " ".join(f"**{one.label}**: {one.summary}" for one in UNSUPERVISED_SCORERS.values())
    + " **what is marked**: the system in the sidebar, trained on the marked anomalies with all other rows as its pool."
)
RANK_WORDS = {**{name: one.label for name, one in UNSUPERVISED_SCORERS.items()}, MARKS: "what is marked"}


def page() -> None:
    """Draw the page once; Streamlit calls this on every change of a control, and after each mark."""
    jobs, session = begin_page()
    ADDRESS.arrive()
    ADDRESS.remember()
    try:
        if not (tables := TABLE.offered()):
            st.markdown(f"##### {NOTHING}")
            ADDRESS.draw_notices(NOTHING)
            return
        sentence = st.container()
        choice = draw_sidebar(RUN_CONTROLS, without=WITHOUT)
        ADDRESS.draw_notices(choice)
        baseline = BASELINES[choice.b.baseline]
        if not baseline.has("epochs"):
            raise InvalidConfig(f"{baseline.name} cannot be trained on marks: choose another baseline.")
        left, right = st.columns([1, 2.6], vertical_alignment="bottom")
        with left:
            table = uploads.get(draw_control(replace(TABLE, default=tables[0]), baseline, choice.b.preset))
        if not can_see(table.name):
            raise InvalidConfig("This table is another browser's.")
        read, marks = uploads.load(table), uploads.load_marks(table)
        judged = _judged(read, marks)
        with right:
            rank = _draw_rank(any(judged.values()))
        _draw(table, read, judged, choice.b.with_(dataset=table.name), rank, sentence, jobs, session)
    except AnoOnlyError as error:
        notices.error(str(error))


def _draw_rank(has_marks: bool) -> str:
    """By what the rows are ranked: marks can only be trained on where there are some."""
    options = [*UNSUPERVISED_SCORERS, *([MARKS] if has_marks else [])]
    if st.session_state.get(RANK_KEY) not in options:
        st.session_state[RANK_KEY] = options[-1] if has_marks else options[0]
    chosen: str | None = st.segmented_control(
        "Rank the rows by",
        options,
        required=True,
        format_func=RANK_WORDS.__getitem__,
        key=RANK_KEY,
        persist_state="session",
        help=RANK_HELP,
    )
    return chosen or options[0]  # while the browser has not answered yet


def _judged(read: ParsedTable, marks: Mapping[int, bool]) -> dict[int, bool]:
    """What is known of rows, by their places in the file; a mark by hand counts more than the file."""
    known = read.y >= 0
    from_file = dict(zip(read.file_rows[known].tolist(), (read.y[known] == 1).tolist(), strict=True))
    return {**from_file, **marks}


def _draw(
    table: Upload,
    read: ParsedTable,
    judged: dict[int, bool],
    config: RunConfig,
    rank: str,
    sentence: Any,
    jobs: Jobs,
    session: str,
) -> None:
    """The ranking, as soon as it is there: as a map and as a list, from both of which rows can be marked."""
    anomalies = sorted(row for row, anomalous in judged.items() if anomalous)
    of = anomalies if rank == MARKS else rank
    work: Any = tasks.rank_upload if rank == MARKS else tasks.score_unlabeled_upload
    what = f"Training on {len(anomalies)} marked rows, epoch" if rank == MARKS else "Scoring, epoch"
    key = ranking_key(config, of)
    ranked: Ranking | None = await_worker_result(jobs, session, key, what, work, config, of)
    if ranked is None:
        return
    order = np.argsort(-ranked.scores, kind="stable")
    ranks = np.empty(len(order))
    ranks[order] = np.arange(len(order)) / len(order)
    name = config.baseline if rank == MARKS else UNSUPERVISED_SCORERS[rank].label
    on_top = [int(row) for row in read.file_rows[order[:TOP]]]
    sentence.markdown(f"##### {label_sentence(name, rank == MARKS, len(order), anomalies, judged, on_top)}")
    left, right = st.columns([1, 1.15])
    with left:
        chosen = _draw_map(ranked, key, rank == MARKS, read, ranks, judged, jobs)
    with right:
        chosen |= _draw_list(read, ranked, order, judged)
        _draw_buttons(table, chosen)
    _draw_taking_away(config, read, ranked, judged, anomalies if rank == MARKS else None)


def _draw_map(
    ranked: Ranking, key: str, trained: bool, read: ParsedTable, ranks: np.ndarray, judged: dict[int, bool], jobs: Jobs
) -> set[int]:
    """The rows as points; returns those that are selected."""
    points = jobs.results.points_now(hidden_points_key(key, "pca"), ranked.hidden, "pca")
    event = st.plotly_chart(
        label_map_figure(points, read.file_rows[ranked.rows], ranks[ranked.rows], judged),
        key=f"label_map_{st.session_state.get('label_round', 0)}",
        config=MODEBAR,
        on_select="rerun",
        alt="Rows of the table in a plane, larger where they are ranked as more anomalous, with what is marked.",
    )
    seen = "what the trained network sees in the rows" if trained else "the rows' features"
    st.caption(f"PCA of {seen}: {len(ranked.rows):,} of {len(read.X):,} rows, with all at the top. Draw a lasso.")
    return {int(point["customdata"][0]) for point in event["selection"]["points"] if "customdata" in point}


def _draw_list(read: ParsedTable, ranked: Ranking, order: np.ndarray, judged: dict[int, bool]) -> set[int]:
    """The rows at the top of the ranking; returns those that are selected."""
    everything = st.toggle("List also what is marked or labeled already", key="label_all", persist_state="session")
    known = np.isin(read.file_rows[order], list(judged))
    listed = (order if everything or known.all() else order[~known])[:LISTED]
    names = read.preprocessing.features[:SHOWN_FEATURES]
    rows = read.file_rows[listed].tolist()
    table = pd.DataFrame(
        {
            "row": rows,
            "mark": [{True: "★ anomaly", False: "× none", None: ""}[judged.get(row)] for row in rows],
            "score": ranked.scores[listed],
        }
    )
    for place, name in enumerate(names):
        table[f"{name} (in the file)" if name in table else name] = read.X[listed, place]
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
        alt="The rows that rank highest, the highest first.",
    )
    return {rows[place] for place in event["selection"]["rows"] if place < len(rows)}


def _draw_buttons(table: Upload, chosen: set[int]) -> None:
    many = f" ({len(chosen)})" if chosen else ""
    with st.container(horizontal=True):
        for words, mark in (("Mark as anomaly", True), ("Not an anomaly", False), ("Take the mark back", None)):
            st.button(
                f"{words}{many}",
                type="primary" if mark else "secondary",
                disabled=not chosen,
                on_click=_mark,
                args=(table, chosen, mark),
            )
    if not chosen:
        st.caption("Select rows in the list or the map, then say what they are.")


def _mark(table: Upload, rows: set[int], mark: bool | None) -> None:
    """Keep the mark, and begin a new round: what was selected was of the ranking before."""
    marks = uploads.load_marks(table)
    for row in rows:
        if mark is None:
            marks.pop(row, None)
        else:
            marks[row] = mark
    try:
        uploads.save_marks(table, marks)
    except AnoOnlyError as error:
        notices.queue_error(str(error))
        return
    st.session_state.label_round = st.session_state.get("label_round", 0) + 1
    if mark:
        st.session_state[RANK_KEY] = MARKS


def _draw_taking_away(
    config: RunConfig, read: ParsedTable, ranked: Ranking, judged: dict[int, bool], anomalies: list[int] | None
) -> None:
    """The scores of all rows; and of marks the detector that was trained on them, its command and its script."""

    def scores() -> bytes:
        labels = [{True: "anomaly", False: "normal", None: ""}[judged.get(int(row))] for row in read.file_rows]
        found = pd.DataFrame({"row": read.file_rows, "score": ranked.scores, "mark": labels})
        return found.sort_values("score", ascending=False).to_csv(index=False).encode()

    with st.container(horizontal=True):
        name = file_name(config, "scores.csv")
        st.download_button("Download all scores", scores, name, "text/csv", on_click="ignore")
        if anomalies is None or ranked.file is None:
            return
        name = file_name(config, "detector.safetensors")
        st.download_button("Download detector", ranked.file, name, "application/octet-stream", on_click="ignore")
    with st.expander("The same elsewhere"):
        st.caption("The detector's scores of any file's rows, on the command line")
        st.code(score_command(config), language="bash", wrap_lines=True)
        st.caption("In Python, from your file and the rows that are marked")
        st.code(labeled_script(config, anomalies), language="python", wrap_lines=True)

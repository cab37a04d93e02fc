"""Reproduce: the tables and figures of the paper, measured again, with discrepancies; and mechanisms of our own."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from anoonly_core.data.catalogue import DATASETS
from anoonly_core.errors import AnoOnlyError, StoreBusy
from anoonly_core.reproduction.boxes import BOXES, Box, boxes_grid, boxes_sentence, make_boxes
from anoonly_core.reproduction.cells import REFERENCES, Cell
from anoonly_core.reproduction.differences import (
    authors_grid,
    compare_with_authors_code,
    compare_with_paper,
    paper_grid,
)
from anoonly_core.reproduction.discrepancies import DISCREPANCIES
from anoonly_core.reproduction.evidence import Evidence, shipped_evidence
from anoonly_core.reproduction.experiments import SOURCES
from anoonly_core.reproduction.reports import GAIN_TABLES, PAPER_TABLES, RIGHT_SIGN
from anoonly_core.reproduction.significance import Gain, gains, gains_grid
from anoonly_core.reproduction.tables import ALL, LAYOUTS, METRIC_LABELS, Table, make_table, scopes_of

from ...controls.choice import compare_parameters
from ...controls.page_address import current_link
from ...navigation import open_page
from ...server.evidence_cache import CellRuns, cell_runs, read_findings, server_evidence
from ...server.sweep_queue import SweepQueue, server_sweeps
from ...text.citations import ANOONLY
from ...text.labels import SETTING_LABELS
from ...widgets import notices
from ...widgets.figure import FigureNote, draw_figure
from ...widgets.scroll import scroll_into_view
from ...widgets.session import begin_page
from .charts import boxes_figure, table_figure
from .controls import (
    ADDRESS,
    DIFFERENCES_VIEW,
    FIG10_VIEW,
    MECHANISMS_VIEW,
    POINTS_VIEW,
    SHOWN,
    SIGNS,
    WHICH_VIEW,
    draw_choice,
    draw_segments,
    write_address,
)
from .grid import draw_exports, draw_grid, page_markdown
from .mechanisms import draw_mechanisms
from .scored_rows import draw_fig10
from .table import LEGEND, cell_sentence, draw_cells, file_table
from .text import (
    NO_RESULT,
    differences_sentence,
    figure_sentence,
    gains_sentence,
    norms_sentence,
    second_cause_sentence,
)
from .which import draw_which

__all__ = ["page"]

FOLLOW_S = 0.5
DETAIL = "cell_detail"
WHERE_FROM = {"text": "text's settings, no leak", "code": "code's settings"}
TERMS = (
    "Head: the published system that AnoOnly is added to. Gain: AnoOnly minus its head, paired, ± 95 %; claimed: the "
    "same difference in the paper. Leak: the published loader copies rows of sets under 1000 rows before it splits "
    "them, so that test rows are copies of training rows."
)
HOW_TO_READ = (
    "Mean ± standard deviation over the seeds of the mean over files; in brackets the difference from {reference}. "
    f"{LEGEND} Select a cell to see its runs and to train them again."
)


def page() -> None:
    """Draw the page Reproduce; Streamlit calls this on every change of a control.

    The page shows one table or figure of the paper with the measured values beside the published ones. Further views
    list the discrepancies of the paper, the differences between its tables, the authors' code and the measured values,
    the ranks of all systems over data sets and numbers of labels, and the ranking of mechanisms that may replace batch
    norm.
    """
    jobs, _ = begin_page()
    sweeps = server_sweeps()
    ADDRESS.arrive()
    with st.sidebar:
        name = draw_choice(st.radio, "Show", list(SHOWN), SHOWN, "show")
    top = st.container()
    try:
        evidence = server_evidence(jobs.store)
        if name == POINTS_VIEW:
            _draw_points(evidence)
        elif name == DIFFERENCES_VIEW:
            _draw_differences(evidence)
        elif name == WHICH_VIEW:
            draw_which()
        elif name == MECHANISMS_VIEW:
            draw_mechanisms()
        elif name == FIG10_VIEW:
            draw_fig10()
        else:
            _draw_experiment(name, evidence, sweeps)
    except AnoOnlyError as error:
        notices.error(str(error))
    write_address()
    with top:
        ADDRESS.draw_notices(dict(current_link().values))


def _draw_experiment(name: str, evidence: Evidence, sweeps: SweepQueue) -> None:
    """Draw the page for one table or figure: headline, controls, chart, cells, significance and exports.

    Parameters
    ----------
    name : str
        The experiment, such as "table2".
    evidence : Evidence
        The results of all experiments.
    sweeps : SweepQueue
        The queue that trains the runs of a cell again.
    """
    sentence, controls = st.container(), st.container(horizontal=True, vertical_alignment="bottom")
    frame = evidence.frame(name)
    sources = [name for name in SOURCES if len(frame) and (frame["source"] == name).any()]
    if not sources:
        sentence.markdown(f"##### {NO_RESULT}")
        return
    with controls:
        source = draw_segments("Measured with the", sources, WHERE_FROM, "ours")
        scopes = scopes_of(name, frame[frame["source"] == source])
        words = {scope: scope for scope in scopes}
        scope = draw_choice(st.selectbox, "Where", scopes, words, "where", width=260) if scopes else ""
        metric = LAYOUTS[name].metric
        if name == "table4" and draw_segments("The sign", list(SIGNS), SIGNS, "sign") == "right":
            metric = RIGHT_SIGN
        table = evidence.cached(
            ("table", name, source, scope, metric), lambda: make_table(name, frame, source, scope, metric)
        )
        references = [
            name for name in REFERENCES if any(cell.published(name) is not None for cell in table.cells.values())
        ]
        reference = draw_segments("Beside", references or ["paper"], REFERENCES, "beside")
    gains_found = evidence.cached(
        ("gains", name, source, metric), lambda: gains(frame, source, metric) if name in GAIN_TABLES else []
    )
    if not table.cells:
        sentence.markdown(f"##### {NO_RESULT}")
        return
    boxes = evidence.cached(
        ("boxes", name, source, metric), lambda: make_boxes(frame, source, metric) if name == BOXES else []
    )
    with sentence:
        st.markdown(f"##### {_headline(name, table, gains_found, boxes)}")
        if second_cause := second_cause_sentence(name, table, gains_found):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button("Separate norm and λₙ", on_click=_show_tied_norm, help="Opens “What does not add up”.")
                st.caption(second_cause)
    figure = _draw_chart(name, table, boxes)
    _draw_table(name, table, reference, gains_found, evidence, sweeps)
    if gains_found:
        with st.expander("Is it significant? AnoOnly against its baseline, paired"):
            st.markdown(page_markdown(gains_grid(gains_found, metric)))
    if boxes:
        with st.expander("The quartiles"):
            draw_grid(boxes_grid(boxes, source, metric), f"{name}-boxes-{source}")
    draw_exports(name, table, reference, figure)


def _headline(name: str, table: Table, gains: Sequence[Gain], boxes: Sequence[Box]) -> str:
    """Return the headline of a table or figure, made from its gains, boxes or cells."""
    if gains:
        return gains_sentence(gains, METRIC_LABELS[table.metric], table.source)
    if boxes:
        return boxes_sentence(boxes, table.metric)
    return norms_sentence(table) if name == "table2" else figure_sentence(name, table)


def _draw_chart(name: str, table: Table, boxes: Sequence[Box]) -> go.Figure | None:
    """Draw the chart of a figure of the paper and return it; None for a table."""
    if not name.startswith("fig"):
        return None
    if boxes:
        figure, content = boxes_figure(boxes, f"{METRIC_LABELS[table.metric]} in %"), "boxes over the data sets"
    else:
        figure, content = table_figure(table, SETTING_LABELS[LAYOUTS[name].columns]), "means with 95 % intervals"
    draw_figure(
        figure,
        f"figure {name}",
        f"{table.caption}: {content}; the table below has the figures.",
        FigureNote(f"reproduced {table.source} {table.scope}", f"{table.caption}. {ANOONLY.short}."),
    )
    return figure


def _show_tied_norm() -> None:
    """Switch the page to the list of discrepancies, one of which measures the effects of norm and λ_n separately.

    Runs in the callback of a button.
    """
    st.session_state[ADDRESS.key("show")] = POINTS_VIEW


def _draw_table(
    name: str, table: Table, reference: str, gains: Sequence[Gain], evidence: Evidence, sweeps: SweepQueue
) -> None:
    """Draw the cells of a table, the notes about them, and the details of the selected cell.

    Parameters
    ----------
    name : str
        The experiment, such as "table2".
    table : Table
        The measured values.
    reference : str
        The published values to compare with, a key of REFERENCES.
    gains : sequence of Gain
        Gains of AnoOnly over its baselines in this table; empty if the table is not about them.
    evidence : Evidence
        The results of all experiments.
    sweeps : SweepQueue
        The queue that trains the runs of a cell again.
    """
    chosen = draw_cells(table, reference, f"cells {name} {table.source} {table.scope} {table.metric}", gains)
    note = f"{METRIC_LABELS[table.metric]} in %. {HOW_TO_READ.format(reference=REFERENCES[reference])}"
    if table.scope:
        note = f"{table.scope}, {table.files_words(table.columns[0])}. {note}"
    if name == "table2" and table.scope == ALL:
        note += " The paper's figures here are averages over ten data sets, ours over those at hand."
    if table.source == "text" and reference == "authors":
        note += " The authors' code has the leak; these figures do not."
    st.caption(f"{note} {TERMS}" if gains else note)
    # The container is always drawn: expanders below it keep their state when a cell is selected.
    with st.container(key=DETAIL):
        if chosen is not None:
            _draw_cell(name, table, *chosen, evidence, sweeps)
            scroll_into_view(DETAIL, " ".join((name, *chosen)))


def _draw_cell(name: str, table: Table, row: str, column: str, evidence: Evidence, sweeps: SweepQueue) -> None:
    """Draw the details of one cell: its runs by data set, a button to train them, and links to Compare.

    Parameters
    ----------
    name : str
        The experiment, such as "table2".
    table : Table
        The measured values.
    row, column : str
        The cell.
    evidence : Evidence
        The results of all experiments.
    sweeps : SweepQueue
        The queue that trains the runs again.
    """
    cell = table.cells[row, column]
    frame = evidence.frame(name)
    runs = cell_runs(name, cell, evidence)
    here = int(frame[frame["key"].isin(set(cell.keys))]["is_local"].sum())
    with st.container(border=True):
        shipped = _shipped(name, table, row, column) if here else None
        st.markdown(cell_sentence(table, row, column, here, shipped))
        left, right = st.columns([1.3, 1])
        with right:
            st.dataframe(file_table(table, row, column, frame).round(1), height=180)
        with left:
            _draw_training(runs, here, sweeps)
            files = list(dict.fromkeys(config.dataset for config in runs.configs.values()))
            file = st.selectbox("Open one of its data sets in Compare", files, index=None, placeholder="choose")
            if file is not None:
                config = next(run for run in runs.configs.values() if run.dataset == file)
                open_page("compare", compare_parameters(config, None, len(cell.values)))


def _shipped(name: str, table: Table, row: str, column: str) -> Cell | None:
    """Return the cell at (row, column) computed from the shipped results alone; None if they lack it.

    `name` is the experiment; `table` has the settings of the table on show.
    """
    frame = shipped_evidence().frame(name)
    return make_table(name, frame, table.source, table.scope, table.metric).cells.get((row, column))


def _draw_training(runs: CellRuns, here: int, sweeps: SweepQueue) -> None:
    """Draw a button that trains the runs of a cell on this machine, or the progress while they train.

    If data sets are missing, a note is drawn instead.

    Parameters
    ----------
    runs : CellRuns
        The runs of the cell.
    here : int
        Number of these runs that this machine has trained.
    sweeps : SweepQueue
        The queue that trains them.
    """
    absent = sorted({run.dataset for run in runs.configs.values() if not DATASETS[run.dataset].is_local()})
    if absent:
        st.caption(f"To train it here, first fetch {', '.join(absent)} on the page Data sets.")
        return
    view = sweeps.view(runs)
    if view.state != "idle":
        st.fragment(_follow, run_every=FOLLOW_S)(runs, sweeps)
        return
    missing = len(runs.configs) - here
    st.button(
        f"Run it on this machine, {missing} runs" if missing else "All of it was run on this machine",
        type="primary",
        disabled=not missing,
        on_click=sweeps.start,
        args=(runs,),
        key="again",
    )
    if missing and (gpu := sweeps.devices.gpu_phrase(runs.configs.values())):  # a phone would cut a button off
        st.caption(f"It trains on {gpu}.")
    for complaint in sorted({view.problem, *view.failures.values()} - {""}):
        notices.warning(complaint)


def _follow(runs: CellRuns, sweeps: SweepQueue) -> None:
    """Draw the progress of the runs of a cell and a button Stop; rerun the page when they have ended."""
    try:
        view = sweeps.view(runs)
    except StoreBusy as error:
        notices.error(str(error))
        return  # the next look may find the store free
    st.progress(len(view.runs) / len(runs.configs), f"{len(view.runs)} of {len(runs.configs)} runs, {view.state}")
    st.button("Stop", on_click=sweeps.stop, args=(runs,), key="again_stop", disabled=view.state == "stopping")
    if view.state == "idle":
        st.rerun()


def _draw_points(evidence: Evidence) -> None:
    """Draw the list of discrepancies between the paper, its code and the measurements, each with values and command."""
    findings = read_findings(evidence)
    measured = sum(finding is not None for finding in findings.values())
    st.markdown(
        f"##### {measured} discrepancies between the paper, its code and our measurements. Each sentence is made from "
        "our runs."
    )
    for name, point in DISCREPANCIES.items():
        finding = findings[name]
        st.markdown(f"**{point.title}.** *{point.claim}*")
        st.markdown(finding.sentence if finding else NO_RESULT)
        with st.expander("Figures and command", key=f"point {name}"):
            if finding:
                st.markdown(page_markdown(finding.grid))
            st.markdown(f"`{point.command}`")


def _draw_differences(evidence: Evidence) -> None:
    """Draw tables of the measured values beside those of the authors' code, and beside the paper's printed tables."""
    code = evidence.cached("authors", lambda: compare_with_authors_code(evidence))
    papers = evidence.cached("papers", lambda: [compare_with_paper(evidence, metric) for metric in PAPER_TABLES])
    paper = papers[0]
    st.markdown(f"##### {differences_sentence(code, paper)}")
    if code:
        draw_grid(authors_grid(code), "differences-authors")
    for table, differences in zip(PAPER_TABLES.values(), papers, strict=True):
        if differences:
            draw_grid(paper_grid(differences, f"the paper's {table}"), f"differences-{table.lower().replace(' ', '')}")
    st.markdown("`python -m anoonly_core reproduce differences`")

"""Reproduce: the paper's tables and figures, measured again, beside what was published; and what does not add up."""

from __future__ import annotations

import streamlit as st

from anoonly_core.data.catalogue import DATASETS
from anoonly_core.errors import AnoOnlyError
from anoonly_core.reproduction.cells import REFERENCES, Cell
from anoonly_core.reproduction.differences import (
    authors_grid,
    compare_with_authors_code,
    compare_with_paper,
    paper_grid,
)
from anoonly_core.reproduction.discrepancies import DISCREPANCIES
from anoonly_core.reproduction.evidence import Evidence, shipped_evidence
from anoonly_core.reproduction.experiments import READINGS
from anoonly_core.reproduction.reports import GAINED, PAPER_TABLES, RIGHT_SIGN
from anoonly_core.reproduction.significance import gains, gains_grid
from anoonly_core.reproduction.tables import ALL, LAYOUTS, METRIC_LABELS, Table, make_table, scopes_of
from app.charts.style import MODEBAR
from app.controls.choice import compare_parameters
from app.controls.page_address import current_link
from app.navigation import open_page
from app.server.evidence_cache import CellRuns, cell_runs, read_findings, server_evidence
from app.server.sweep_queue import SweepQueue, server_sweeps
from app.text.labels import SETTING_LABELS
from app.views.reproduce.charts import table_figure
from app.views.reproduce.controls import (
    ADDRESS,
    DIFFERENCES_VIEW,
    POINTS_VIEW,
    SHOWN,
    SIGNS,
    draw_choice,
    draw_segments,
    write_address,
)
from app.views.reproduce.grid import draw_exports, draw_grid, page_markdown
from app.views.reproduce.table import LEGEND, cell_sentence, draw_cells, file_table
from app.views.reproduce.text import differences_sentence, figure_sentence, gains_sentence, norms_sentence, nothing_yet
from app.widgets import notices
from app.widgets.session import begin_page

__all__ = ["page"]

FOLLOW_S = 0.5
WHERE_FROM = {"text": "The paper's text, no leak", "code": "The published code"}
HOW_TO_READ = (
    "Mean ± standard deviation over the seeds of the mean over files; in brackets the difference to {reference}. "
    f"{LEGEND} Choose a cell to see what it stands on and to run it again."
)


def page() -> None:
    """Draw the page once; Streamlit calls this on every change of a control."""
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
        else:
            _draw_experiment(name, evidence, sweeps)
    except AnoOnlyError as error:
        notices.error(str(error))
    write_address()
    with top:
        ADDRESS.draw_notices(dict(current_link().values))


def _draw_experiment(name: str, evidence: Evidence, sweeps: SweepQueue) -> None:
    """A table or a figure with its sentence, its controls, and what can be done with it."""
    sentence, controls = st.container(), st.container(horizontal=True, vertical_alignment="bottom")
    frame = evidence.frame(name)
    readings = [own for own in READINGS if len(frame) and (frame["reading"] == own).any()]
    if not readings:
        sentence.markdown(f"##### {nothing_yet()}")
        return
    with controls:
        reading = draw_segments("Ours", readings, WHERE_FROM, "ours")
        places = scopes_of(name, frame[frame["reading"] == reading])
        names = {own: own for own in places}
        place = draw_choice(st.selectbox, "Where", places, names, "where", width=190) if places else ""
        metric = LAYOUTS[name].metric
        if name == "table4" and draw_segments("The sign", list(SIGNS), SIGNS, "sign") == "right":
            metric = RIGHT_SIGN
        table = evidence.cached(
            ("table", name, reading, place, metric), lambda: make_table(name, frame, reading, place, metric)
        )
        beside = [own for own in REFERENCES if any(cell.published(own) is not None for cell in table.cells.values())]
        reference = draw_segments("Beside", beside or ["paper"], REFERENCES, "beside")
    is_figure = name.startswith("fig")
    found = evidence.cached(
        ("gains", name, reading, metric), lambda: gains(frame, reading, metric) if name in GAINED else []
    )
    if not table.cells:
        sentence.markdown(f"##### {nothing_yet()}")
        return
    if found:
        said = gains_sentence(found, METRIC_LABELS[metric], reading)
    else:
        said = norms_sentence(table) if name == "table2" else figure_sentence(name, table)
    sentence.markdown(f"##### {said}")
    if is_figure:
        st.plotly_chart(
            table_figure(table, SETTING_LABELS[LAYOUTS[name].columns]),
            key=f"figure {name}",
            config=MODEBAR,
            alt=f"{table.caption}: means with 95 % intervals over seeds; the table below has the same figures.",
        )
    _draw_table(name, table, reference, evidence, sweeps)
    if found:
        with st.expander("Is it significant? AnoOnly against its baseline, paired"):
            st.markdown(page_markdown(gains_grid(found, metric)))
    draw_exports(name, table, reference)


def _draw_table(name: str, table: Table, reference: str, evidence: Evidence, sweeps: SweepQueue) -> None:
    """The cells, what each column stands on, and the selected cell."""
    chosen = draw_cells(table, reference, f"cells {name} {table.reading} {table.scope} {table.metric}")
    note = f"{METRIC_LABELS[table.metric]} in %. {HOW_TO_READ.format(reference=REFERENCES[reference])}"
    if table.scope:
        note = f"{table.scope}, {table.files_words(table.columns[0])}. {note}"
    if name == "table2" and table.scope == ALL:
        note += " The paper's figures here are averages over ten data sets, ours over those at hand."
    if table.reading == "text" and reference == "authors":
        note += " The authors' code has the leak, which these figures have not."
    st.caption(note)
    # The cell's place is always there: what stands below it stays the same elements, open or shut as they were.
    with st.container():
        if chosen is not None:
            _draw_cell(name, table, *chosen, evidence, sweeps)


def _draw_cell(name: str, table: Table, row: str, column: str, evidence: Evidence, sweeps: SweepQueue) -> None:
    """What a cell stands on; its runs again, on this machine; and in Compare."""
    cell = table.cells[row, column]
    frame = evidence.frame(name)
    runs = cell_runs(name, cell, evidence)
    here = int(frame[frame["key"].isin(set(cell.keys))]["here"].sum())
    with st.container(border=True):
        shipped = _shipped(name, table, row, column) if here else None
        st.markdown(cell_sentence(table, row, column, here, shipped))
        left, right = st.columns([1.3, 1])
        with right:
            st.dataframe(file_table(table, row, column, frame).round(1), height=180)
        with left:
            _draw_again(runs, here, sweeps)
            files = list(dict.fromkeys(config.dataset for config in runs.configs.values()))
            file = st.selectbox("Open one of its data sets in Compare", files, index=None, placeholder="choose")
            if file is not None:
                config = next(own for own in runs.configs.values() if own.dataset == file)
                open_page("compare", compare_parameters(config, None, len(cell.values)))


def _shipped(name: str, table: Table, row: str, column: str) -> Cell | None:
    """The same cell from the results that ship alone."""
    frame = shipped_evidence().frame(name)
    return make_table(name, frame, table.reading, table.scope, table.metric).cells.get((row, column))


def _draw_again(runs: CellRuns, here: int, sweeps: SweepQueue) -> None:
    """The button that trains a cell's runs on this machine, and how far that has come."""
    absent = sorted({own.dataset for own in runs.configs.values() if not DATASETS[own.dataset].is_local()})
    if absent:
        st.caption(f"To run it again, fetch {', '.join(absent)} on the page Datasets first.")
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
    """How far a cell's runs have come; the whole page anew when they are done."""
    view = sweeps.view(runs)
    st.progress(len(view.runs) / len(runs.configs), f"{len(view.runs)} of {len(runs.configs)} runs, {view.state}")
    st.button("Stop", on_click=sweeps.stop, args=(runs,), key="again_stop", disabled=view.state == "stopping")
    if view.state == "idle":
        st.rerun()


def _draw_points(evidence: Evidence) -> None:
    """Each thing that does not add up, with its effect, its figures and its command."""
    found = read_findings(evidence)
    measured = sum(own is not None for own in found.values())
    st.markdown(
        f"##### {measured} places where the paper, its code and the measurements do not agree at first sight: each "
        "with what was measured, in a sentence made from the runs."
    )
    for name, point in DISCREPANCIES.items():
        finding = found[name]
        st.markdown(f"**{point.title}.** *{point.claim}*")
        st.markdown(finding.sentence if finding else nothing_yet())
        with st.expander("Figures and command", key=f"point {name}"):
            if finding:
                st.markdown(page_markdown(finding.grid))
            st.markdown(f"`{point.command}`")


def _draw_differences(evidence: Evidence) -> None:
    """Ours beside the authors' code and beside the paper's three tables."""
    code = evidence.cached("authors", lambda: compare_with_authors_code(evidence))
    papers = evidence.cached("papers", lambda: [compare_with_paper(evidence, metric) for metric in PAPER_TABLES])
    paper = papers[0]
    st.markdown(f"##### {differences_sentence(code, paper)}")
    if code:
        draw_grid(authors_grid(code), "differences-authors")
    for table, found in zip(PAPER_TABLES.values(), papers, strict=True):
        if found:
            draw_grid(paper_grid(found, f"the paper's {table}"), f"differences-{table.lower().replace(' ', '')}")
    st.markdown("`python -m anoonly_core reproduce differences`")

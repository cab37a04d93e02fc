"""Reproduce: the paper's tables and figures, measured again, beside what was published; and what does not add up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import streamlit as st

from anoonly_core.data.catalogue import DATASETS
from anoonly_core.errors import AnoOnlyError
from anoonly_core.evidence.cells import REFERENCES, Cell
from anoonly_core.evidence.differences import authors_grid, paper_grid, to_the_authors_code, to_the_paper
from anoonly_core.evidence.evidence import Evidence, evidence_shipped
from anoonly_core.evidence.experiments import EXPERIMENTS, READINGS
from anoonly_core.evidence.grid import FORMATS, Grid, to_markdown
from anoonly_core.evidence.points import POINTS
from anoonly_core.evidence.reports import GAINED, PAPER_TABLES, RIGHT_SIGN
from anoonly_core.evidence.significance import gains, gains_grid
from anoonly_core.evidence.tables import ALL, LAYOUTS, METRIC_WORDS, Table, make_table, places_of
from app import notices
from app.links import compare_parameters, draw_unknown
from app.reproduced import CellRuns, findings_of, runs_of_cell, server_evidence
from app.reproduced_chart import table_figure
from app.reproduced_table import LEGEND, cell_words, draw_cells, file_table
from app.reproduced_words import differences_sentence, figure_sentence, gains_sentence, norms_sentence, nothing_yet
from app.sweep_curves import NOUNS
from app.sweeps import Sweeps, server_sweeps
from app.tabs import MODEBAR
from app.views import compare
from app.visit import visit

__all__ = ["URL_PATH", "page"]

URL_PATH = "reproduce"
FOLLOW_S = 0.5
POINTS_PAGE, DIFFERENCES_PAGE = "points", "differences"
# Of the experiments, those that the paper prints; the others stand behind the points.
PRINTED = ("table1", "table2", "table3", "table4", "fig5", "fig6", "fig7", "fig8", "fig9")
PARAMETERS = ("show", "ours", "where", "sign", "beside")  # of the address
SHOWN = {
    **{name: EXPERIMENTS[name].title for name in PRINTED},
    POINTS_PAGE: "What does not add up",
    DIFFERENCES_PAGE: "Differences",
}
WHERE_FROM = {"text": "The paper's text, no leak", "code": "The published code"}
SIGNS = {"published": "as published", "right": "the right one"}
HOW_TO_READ = (
    "Mean ± standard deviation over the seeds of the mean over files; in brackets the difference to {reference}. "
    f"{LEGEND} Choose a cell to see what it stands on and to run it again."
)


def page() -> None:
    """Draw the page once; Streamlit calls this on every change of a control."""
    jobs, _ = visit()
    sweeps = server_sweeps()
    draw_unknown(PARAMETERS)
    st.session_state.reproduce_drawn = set()
    with st.sidebar:
        name = _chosen(st.radio, "Show", list(SHOWN), SHOWN, "show")
    place = st.container()
    try:
        evidence = server_evidence(jobs.store)
        if name == POINTS_PAGE:
            _draw_points(evidence)
        elif name == DIFFERENCES_PAGE:
            _draw_differences(evidence)
        else:
            _draw_experiment(name, evidence, sweeps)
    except AnoOnlyError as error:
        notices.error(str(error))
    with place:
        for complaint in [*st.session_state.pop("reproduce_complaints", []), *_passed_over()]:
            notices.warning(complaint)


def _passed_over() -> list[str]:
    """A sentence about each choice in the address that this view does not have, unless it was made on another one."""
    state, asked = st.session_state, st.query_params.to_dict()
    return [
        f"The link asks for {name}={asked[name][:60]!r}, and there is no such choice here."
        for name in PARAMETERS
        if name in asked and name not in state.reproduce_drawn and asked[name] != state.get(f"{URL_PATH}_{name}")
    ]


def _draw_experiment(name: str, evidence: Evidence, sweeps: Sweeps) -> None:
    """A table or a figure with its sentence, its controls, and what can be done with it."""
    sentence, controls = st.container(), st.container(horizontal=True, vertical_alignment="bottom")
    frame = evidence.frame(name)
    readings = [own for own in READINGS if len(frame) and (frame["reading"] == own).any()]
    if not readings:
        sentence.markdown(f"##### {nothing_yet()}")
        return
    with controls:
        reading = _segments("Ours", readings, WHERE_FROM, "ours")
        places = places_of(name, frame[frame["reading"] == reading])
        names = {own: own for own in places}
        place = _chosen(st.selectbox, "Where", places, names, "where", width=190) if places else ""
        metric = LAYOUTS[name].metric
        if name == "table4" and _segments("The sign", list(SIGNS), SIGNS, "sign") == "right":
            metric = RIGHT_SIGN
        table = evidence.once(
            ("table", name, reading, place, metric), lambda: make_table(name, frame, reading, place, metric)
        )
        beside = [own for own in REFERENCES if any(cell.beside(own) is not None for cell in table.cells.values())]
        reference = _segments("Beside", beside or ["paper"], REFERENCES, "beside")
    is_figure = name.startswith("fig")
    found = evidence.once(
        ("gains", name, reading, metric), lambda: gains(frame, reading, metric) if name in GAINED else []
    )
    if not table.cells:
        sentence.markdown(f"##### {nothing_yet()}")
        return
    if found:
        said = gains_sentence(found, METRIC_WORDS[metric], reading)
    else:
        said = norms_sentence(table) if name == "table2" else figure_sentence(name, table)
    sentence.markdown(f"##### {said}")
    if is_figure:
        st.plotly_chart(
            table_figure(table, NOUNS[LAYOUTS[name].columns]),
            key=f"figure {name}",
            config=MODEBAR,
            alt=f"{table.caption}: means with 95 % intervals over seeds; the table below has the same figures.",
        )
    _draw_table(name, table, reference, evidence, sweeps)
    if found:
        with st.expander("Is it significant? AnoOnly against its baseline, paired"):
            st.markdown(_markdown(gains_grid(found, metric)))
    _draw_take_away(name, table, reference)


def _chosen(widget: Any, label: str, options: list[str], words: Mapping[str, str], key: str, **more: Any) -> str:
    """A choice that stands in the address, and that the session keeps while it is on other pages."""
    state, kept = st.session_state, f"{URL_PATH}_{key}"
    state.reproduce_drawn.add(key)
    if key not in state:
        asked = st.query_params.get(key)
        if asked is not None and asked not in options and asked != state.get(kept):
            sentence = (
                f"The link asks for {key}={asked[:60]!r}, which there is not: {words[options[0]]} stands instead."
            )
            state.setdefault("reproduce_complaints", []).append(sentence)
        state[key] = asked if asked in options else state.get(kept)
    if state[key] not in options:
        state[key] = options[0]
    found: str = widget(label, options, format_func=lambda own: words[own], key=key, **more)
    state[kept] = found
    if st.query_params.get(key) != found and (found != options[0] or key in st.query_params):
        st.query_params[key] = found
    return found


def _segments(label: str, options: list[str], words: Mapping[str, str], key: str) -> str:
    """A choice beside others, left out where there is none."""
    if len(options) < 2:
        return options[0]
    return _chosen(st.segmented_control, label, options, words, key, required=True)


def _draw_table(name: str, table: Table, reference: str, evidence: Evidence, sweeps: Sweeps) -> None:
    """The cells, what each column stands on, and the selected cell."""
    chosen = draw_cells(table, reference, f"cells {name} {table.reading} {table.place} {table.metric}")
    note = f"{METRIC_WORDS[table.metric]} in %. {HOW_TO_READ.format(reference=REFERENCES[reference])}"
    if table.place:
        note = f"{table.place}, {table.files_words(table.columns[0])}. {note}"
    if name == "table2" and table.place == ALL:
        note += " The paper's figures here are averages over ten data sets, ours over those at hand."
    if table.reading == "text" and reference == "authors":
        note += " The authors' code has the leak, which these figures have not."
    st.caption(note)
    # The cell's place is always there: what stands below it stays the same elements, open or shut as they were.
    with st.container():
        if chosen is not None:
            _draw_cell(name, table, *chosen, evidence, sweeps)


def _draw_cell(name: str, table: Table, row: str, column: str, evidence: Evidence, sweeps: Sweeps) -> None:
    """What a cell stands on; its runs again, on this machine; and in Compare."""
    cell = table.cells[row, column]
    frame = evidence.frame(name)
    runs = runs_of_cell(name, cell, evidence)
    here = int(frame[frame["key"].isin(set(cell.keys))]["here"].sum())
    with st.container(border=True):
        shipped = _shipped(name, table, row, column) if here else None
        st.markdown(cell_words(table, row, column, here, shipped))
        left, right = st.columns([1.3, 1])
        with right:
            st.dataframe(file_table(table, row, column, frame).round(1), height=180)
        with left:
            _draw_again(runs, here, sweeps)
            files = list(dict.fromkeys(config.dataset for config in runs.configs.values()))
            file = st.selectbox("Open one of its data sets in Compare", files, index=None, placeholder="choose")
            if file is not None:
                config = next(own for own in runs.configs.values() if own.dataset == file)
                compare.open_link(compare_parameters(config, None, len(cell.values)))


def _shipped(name: str, table: Table, row: str, column: str) -> Cell | None:
    """The same cell from the results that ship alone."""
    frame = evidence_shipped().frame(name)
    return make_table(name, frame, table.reading, table.place, table.metric).cells.get((row, column))


def _draw_again(runs: CellRuns, here: int, sweeps: Sweeps) -> None:
    """The button that trains a cell's runs on this machine, and how far that has come."""
    absent = sorted({own.dataset for own in runs.configs.values() if not DATASETS[own.dataset].at_hand()})
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
    for complaint in sorted({view.problem, *view.failures.values()} - {""}):
        notices.warning(complaint)


def _follow(runs: CellRuns, sweeps: Sweeps) -> None:
    """How far a cell's runs have come; the whole page anew when they are done."""
    view = sweeps.view(runs)
    st.progress(len(view.runs) / len(runs.configs), f"{len(view.runs)} of {len(runs.configs)} runs, {view.state}")
    st.button("Stop", on_click=sweeps.stop, args=(runs,), key="again_stop", disabled=view.state == "stopping")
    if view.state == "idle":
        st.rerun()


def _draw_points(evidence: Evidence) -> None:
    """Each thing that does not add up, with its effect, its figures and its command."""
    found = findings_of(evidence)
    measured = sum(own is not None for own in found.values())
    st.markdown(
        f"##### {measured} places where the paper, its code and the measurements do not agree at first sight: each "
        "with what was measured, in a sentence made from the runs."
    )
    for name, point in POINTS.items():
        finding = found[name]
        st.markdown(f"**{point.title}.** *{point.claim}*")
        st.markdown(finding.sentence if finding else nothing_yet())
        with st.expander("Figures and command", key=f"point {name}"):
            if finding:
                st.markdown(_markdown(finding.grid))
            st.markdown(f"`{point.command}`")


def _draw_differences(evidence: Evidence) -> None:
    """Ours beside the authors' code and beside the paper's three tables."""
    code = evidence.once("authors", lambda: to_the_authors_code(evidence))
    papers = evidence.once("papers", lambda: [to_the_paper(evidence, metric) for metric in PAPER_TABLES])
    paper = papers[0]
    st.markdown(f"##### {differences_sentence(code, paper)}")
    if code:
        _draw_grid(authors_grid(code), "differences-authors")
    for table, found in zip(PAPER_TABLES.values(), papers, strict=True):
        if found:
            _draw_grid(paper_grid(found, f"the paper's {table}"), f"differences-{table.lower().replace(' ', '')}")
    st.markdown("`python -m anoonly_core reproduce differences`")


def _draw_grid(grid: Grid, stem: str) -> None:
    st.markdown(_markdown(grid))
    _downloads(grid, stem)


def _draw_take_away(name: str, table: Table, reference: str) -> None:
    """The table as files, the figure as HTML, the command that makes both again.

    Commands stand in plain letters here: what colours code takes the browser half a second to load.
    """
    with st.expander("Take away"):
        st.markdown(f"`python -m anoonly_core reproduce {name}`")
        at = "" if table.place in ("", ALL) else f"-{table.place}"
        stem = f"{name}-{table.reading}{at}"
        _downloads(table.grid(reference), stem, table.cells_grid())
        if name.startswith("fig"):
            figure = table_figure(table, NOUNS[LAYOUTS[name].columns]).update_layout(title=table.caption)
            st.download_button(
                "Figure as HTML",
                lambda: figure.to_html(include_plotlyjs=True).encode(),
                f"{stem}.html",
                on_click="ignore",
            )
            st.caption("The camera above the figure saves it as PNG.")


def _downloads(grid: Grid, stem: str, cells: Grid | None = None) -> None:
    """A button a format; the CSV has all that is known of each cell, where there are cells."""
    names = {"csv": "CSV", "md": "Markdown", "tex": "LaTeX"}
    with st.container(horizontal=True):
        for suffix, text in FORMATS.items():
            own = cells if suffix == "csv" and cells is not None else grid
            st.download_button(
                names[suffix],
                partial(_encoded, text, own),
                f"{stem}.{suffix}",
                on_click="ignore",
                key=f"{stem} {suffix}",
            )


def _encoded(text: Callable[[Grid], str], grid: Grid) -> bytes:
    return text(grid).encode()


def _markdown(grid: Grid) -> str:
    """The grid for the page, which would take a tilde for the beginning of a strike-through."""
    return to_markdown(grid).replace("~", "\\~").replace("$", "\\$")

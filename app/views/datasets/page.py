"""Data sets: filter the catalogue, preview, download and remove data sets; content of the cache."""

from __future__ import annotations

import html
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from anoonly_core.data.adbench import files as adbench
from anoonly_core.data.cache import cache_usage, is_cached, remove
from anoonly_core.data.catalogue import DATASETS, resolve
from anoonly_core.errors import AnoOnlyError, StoreBusy
from anoonly_core.lru import LRU
from anoonly_core.paths import cache_folder
from anoonly_core.results.store import Store

from ...controls.choice import compare_parameters, default_choice
from ...controls.page_address import PageAddress, register
from ...navigation import open_page
from ...server.jobs import Jobs
from ...text.markdown import escape_markdown
from ...widgets import download, notices
from ...widgets.figure import FigureNote, draw_figure
from ...widgets.selection import keep_selection
from ...widgets.session import begin_page
from .preview import LISTED_COLUMNS, Preview, make_preview, preview_figure
from .table import (
    catalogue_sentence,
    datasets_table,
    describe_dataset,
    filter_datasets,
    format_download_size,
    format_megabytes,
    missing_datasets,
)

__all__ = ["page"]

ADDRESS = register(PageAddress("datasets"))
FIRST = "digits_3"
HEADER_HEIGHT, ROW_HEIGHT = 38, 30
ROWS_SHOWN = 5  # so that the preview below fits on a projector
HINT = "Select a data set to preview it, open it in Compare or download it."
CACHED_PREVIEWS = 64

_text, _number = st.column_config.TextColumn, st.column_config.NumberColumn
COLUMNS = {
    "name": _text("Data set", width=212),
    "family": _text("Family", width=112),
    "rows": _number("Rows", width=64, format="%d"),
    "columns": _number("Columns", width=64, format="%d"),
    "share": _number("Anomalies %", width=90, format="%.2f"),
    "state": _text("Where", width=122),
    "size": _number("MB", width=50, format="%.1f", help="Size of the file. Empty if unknown or bundled."),
    "license": _text("License", width=92),
    "source": _text("Source", width=92),
}

_previews = LRU[Preview](CACHED_PREVIEWS)


def page() -> None:
    """Draw the page Data sets; Streamlit calls this on every change of a filter or of the selection.

    The page lists the data sets of the catalogue, previews the selected one, and downloads or removes files in the
    cache.
    """
    jobs, session = begin_page()
    ADDRESS.arrive()
    ADDRESS.draw_notices()
    try:
        _draw(jobs, session)
    except AnoOnlyError as error:
        notices.error(str(error))


def _draw(jobs: Jobs, session: str) -> None:
    under_way = jobs.downloads()  # before the table and the failures: a download may end in between
    table = datasets_table()
    sentence = st.empty()
    listed = _filters(table)
    cache = cache_usage()
    headline = catalogue_sentence(table, len(listed), cache, cache_folder())
    sentence.markdown(f"##### {escape_markdown(headline)}")
    name = _draw_table(listed)
    narrowed = len(listed) < len(table)
    family = [] if name is None else [other for other in DATASETS if DATASETS[other].family == DATASETS[name].family]
    _draw_buttons(name, missing_datasets(list(listed.index) if narrowed else family), narrowed, jobs, session)
    status = st.container()
    if complaint := st.session_state.pop("datasets_complaint", None):
        notices.error(complaint)
    download.draw_failures(st.session_state.get("datasets_asked", ()), jobs)
    if name is None:
        st.caption(HINT)
    else:
        _draw_about(name)
    _draw_cache(jobs.store)
    if under_way:
        with status:  # last, because this waits for the downloads
            download.follow_downloads(under_way, jobs, session)


def _filters(table: pd.DataFrame) -> pd.DataFrame:
    """Draw the filters (family, words in the name, on this machine) and return the rows of `table` that match them.

    `table` is from `datasets_table`. The session keeps the filters while other pages are open.
    """
    # The buttons of the table appear at the right: leave room for them.
    *places, _ = st.columns([2.2, 3, 2, 2.5], vertical_alignment="bottom")
    families = list(dict.fromkeys(table["family"]))
    family = places[0].selectbox(
        "Family", families, index=None, placeholder="all", key="datasets_family", persist_state="session"
    )
    words = places[1].text_input("Words in name", key="datasets_words", placeholder="MVTec", persist_state="session")
    is_local_only = places[2].toggle("On this machine", key="datasets_here", persist_state="session")
    return filter_datasets(table, family, is_local_only, words or "")


def _draw_table(listed: pd.DataFrame) -> str | None:
    """Draw the table of the data sets in `listed`, filtered, and return the name of the selected one or None.

    The selection survives a change of the filters, and is kept in the session state.
    """
    names: list[str] = listed.index.tolist()
    keep_selection("datasets_table", names, [st.session_state.get("datasets_chosen", FIRST)])
    event = st.dataframe(
        listed.assign(share=100 * listed["share"]),
        height=HEADER_HEIGHT + ROW_HEIGHT * min(max(len(listed), 1), ROWS_SHOWN),
        row_height=ROW_HEIGHT,
        hide_index=True,
        column_order=list(COLUMNS),
        column_config=COLUMNS,
        key="datasets_table",
        on_select="rerun",
        selection_mode="single-row",
        placeholder="",
        alt="The catalogue, a data set a row.",
    )
    rows = [row for row in event["selection"]["rows"] if row < len(names)]
    name = names[rows[0]] if rows else None
    st.session_state.datasets_chosen = name
    return name


def _draw_buttons(name: str | None, several: Sequence[str], narrowed: bool, jobs: Jobs, session: str) -> None:
    """Draw the buttons that open, download or remove the selected data set, and one that downloads several.

    Parameters
    ----------
    name : str or None
        The selected data set.
    several : sequence of str
        Missing data sets that one button downloads: of the filtered list, or of the selected family.
    narrowed : bool
        True if a filter is active, so that `several` are those of the list.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    """
    with st.container(horizontal=True):
        if st.button("Open in Compare", type="primary", disabled=name is None) and name is not None:
            choice = default_choice()
            open_page("compare", compare_parameters(choice.b.with_(dataset=name), None, choice.seeds))
        if name is not None and (missing := missing_datasets([name])):
            st.button(
                f"Download {escape_markdown(name)}, {format_download_size(missing)}",
                key="fetch_one",
                on_click=_request_downloads,
                args=(missing, jobs, session),
            )
        file = DATASETS[name].file if name is not None else None
        if file is not None and is_cached(file) and st.button("Remove from the cache …"):
            _confirm_removal(file)
        if len(several) > 1:
            which = f"all {len(several)} missing sets" if narrowed else f"the family, {len(several)} sets"
            st.button(
                f"Download {which}, {format_download_size(several)}",
                key="fetch_several",
                on_click=_request_downloads,
                args=(several, jobs, session),
            )


def _request_downloads(names: Sequence[str], jobs: Jobs, session: str) -> None:
    """Request the download of the data sets `names` for this session, and note the names, to show their failures.

    Runs in the callback of a button.
    """
    st.session_state.datasets_asked = list(names)
    jobs.request_downloads(session, names)


@st.dialog("Remove from the cache")
def _confirm_removal(file: adbench.ManifestEntry) -> None:
    st.markdown(
        f"Remove {escape_markdown(file.catalogue_name)} from the cache folder? It can be downloaded again. "
        "Stored runs and files in your ANOONLY_DATA folder are not touched."
    )
    if st.button("Remove", type="primary", key="remove_for_good", on_click=_remove, args=(file,)):
        st.rerun()


def _remove(file: adbench.ManifestEntry) -> None:
    try:
        remove(file)
    except AnoOnlyError as error:
        st.session_state.datasets_complaint = str(error)


def _draw_about(name: str) -> None:
    """Draw the facts about the data set `name`, and its preview if it is on this machine."""
    facts, origin = describe_dataset(DATASETS[name])
    st.markdown(f"**{escape_markdown(name)}**: {escape_markdown(facts)}")
    st.caption(escape_markdown(origin))
    try:
        file = DATASETS[name].file
        if not DATASETS[name].is_local():
            st.caption("Download it to see a preview.")
        elif file is not None and adbench.verified_path(file) is None:  # reading it would start a download
            notices.error(f"The cache's file of {name} is damaged: remove it and download it again.")
        else:
            _draw_preview(name, _preview(name))
    except AnoOnlyError as error:
        notices.error(str(error))


def _draw_preview(name: str, preview: Preview) -> None:
    """Draw the preview of the data set `name`.

    The preview has a map, up to nine images of each class, and two rows of each class.
    """
    left, right = st.columns([1, 1.15])
    with left:
        draw_figure(preview_figure(preview), "look", f"{name}: {preview.caption}", FigureNote(name, preview.caption))
        st.caption(preview.caption)
    with right:
        for label, pictures in preview.pictures.items():
            images = "".join(f'<img src="{url}" alt="{label}, row {row}" title="row {row}">' for row, url in pictures)
            st.html(f'<div class="digits"><span>{html.escape(label)}</span>{images}</div>')
        st.dataframe(
            preview.rows,
            hide_index=True,
            row_height=28,
            column_config={"row": _number(pinned=True, format="%d"), "label": _text(pinned=True)},
            alt="A few rows of each class.",
        )
        first = (
            f" and the first {LISTED_COLUMNS} of {preview.columns} columns" if preview.columns > LISTED_COLUMNS else ""
        )
        st.caption(f"A few rows of each class{first}, without scaling.")


def _preview(name: str) -> Preview:
    """Return the preview of the data set `name`, computed on the first call and then cached for all sessions.

    Reads the data set, which must be on this machine; a spinner is drawn meanwhile.
    """
    entry = resolve(name)
    preview = _previews.get(entry.identity)
    if preview is None:
        with st.spinner(f"Reading {name}"):
            preview = make_preview(entry.load())
        _previews.put(entry.identity, preview)
    return preview


def _draw_cache(store: Store) -> None:
    """Draw a table of the cache folder: number and size of files by kind, and the bound on the run store's size."""
    most = format_megabytes(store.max_bytes)
    try:
        bounds = {"finished runs": f"{format_megabytes(store.size())} of at most {most} used; see Runs"}
    except StoreBusy:
        bounds = {"finished runs": f"at most {most}; another program holds the file locked now"}
    shares = cache_usage()
    lines = [
        f"| {share.kind} | {share.files} | {format_megabytes(share.bytes)} | {bounds.get(share.kind, 'none')} |"
        for share in shares
    ]
    head = f"| In the cache folder {escape_markdown(str(cache_folder()))} | Files | Size | Bound |"
    st.markdown("\n".join([head, "|---|--:|--:|---|", *lines]))

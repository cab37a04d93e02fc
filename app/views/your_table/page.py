"""Your table: upload a file, set how it is read, check its content and open it on the other pages."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from anoonly_core.data.row_names import printable_text
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.files import FILE_SUFFIXES, FORMATS, MAX_BYTES, ReadOptions, printable
from anoonly_core.data.tables.limits import LONG_CELL
from anoonly_core.data.tables.profile import TableProfile
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.data.tables.upload_metadata import Upload
from anoonly_core.errors import AnoOnlyError
from anoonly_core.execution import tasks
from anoonly_core.features.raw_uploads import LISTED_ROWS, RawSurvey

from ...charts.pictures import preview_columns
from ...controls.page_address import PageAddress, register
from ...navigation import open_page
from ...server import table_owners
from ...server.examples import EXAMPLE_NOTE, IMAGES_NOTE, add_example, add_example_images
from ...server.jobs import Jobs
from ...server.upload_limit import discard_upload
from ...text.markdown import escape_markdown
from ...widgets import notices
from ...widgets.rows import ROW_COLUMNS
from ...widgets.session import begin_page
from ...widgets.worker_result import SpeedWords, TimeLimit, await_worker_result
from .controls import LARGE_ROWS, draw_file_options, draw_reading
from .features import OPEN_NEXT, draw_features, draw_left_out, holds_only_texts, may_hold_texts
from .text import EMPTY, found_sentence, reading_sentences, share_text, table_sentence
from .times import draw_times

__all__ = ["page"]

ADDRESS = register(PageAddress("your_table"))
READING_S = 60.0
TOO_LONG = TimeLimit(
    READING_S,
    f"Reading the table took more than {READING_S:.0f} s and was stopped. Upload a smaller table or a part of it.",
)
PRIVACY = (
    "The file stays on the machine that serves this page, and nobody else sees it. It is deleted with all its results "
    "two minutes after you close your last page here, unless you keep it."
)
NOT_YOURS = "Only the browser that uploaded this table can change how it is read."
TEXTS_FIT = "**Its texts can become features all the same.**"
TEXTS, COLUMNS = "texts", "columns"
USES = {TEXTS: "its texts", COLUMNS: "its other columns"}
KEPT = "Every user of this server sees it now. It is not deleted when you leave."


def page() -> None:
    """Draw the page Your table; Streamlit calls this on every change of a choice.

    The page uploads a file, profiles its columns and sets its schema: the label column, the anomaly values and the
    features. It then opens the table on the other pages.
    """
    jobs, session = begin_page()
    ADDRESS.arrive()
    ADDRESS.draw_notices()
    try:
        sentence = st.empty()
        table = _choose()
        if table is None:
            sentence.markdown(f"##### {EMPTY}")
            return
        sentence.markdown(f"##### {escape_markdown(table.file_name)}")
        try:
            _draw(table, sentence, jobs, session)
        except AnoOnlyError as error:
            notices.error(str(error))
            _draw_removal(table)
    except AnoOnlyError as error:
        notices.error(str(error))


def _choose() -> Upload | None:
    """Draw the uploader and the choice among the visitor's tables; return the chosen table, None if there is none.

    A newly uploaded file is stored, and then the page is rerun.
    """
    tables = {table.name: table for table in table_owners.visible_uploads()}
    if (made := st.session_state.pop(OPEN_NEXT, None)) in tables:
        st.session_state.own_table = made
    number = st.session_state.setdefault("own_uploads", 0)
    title = "Upload another file" if tables else "Upload a table, images or texts"
    with st.expander(title, expanded=not tables, key=f"own_bring_{number}"):
        file = st.file_uploader(
            f"{FORMATS} with an array X; rows with or without labels. Images: one .zip, in a folder for each label.",
            type=[suffix.rpartition(".")[2] for suffix in FILE_SUFFIXES],
            key=f"own_upload_{number}",
            max_upload_size=MAX_BYTES >> 20,
        )
        st.caption(PRIVACY)
        if complaint := st.session_state.get("own_complaint"):
            notices.error(complaint)
    if not tables:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Use an example", on_click=_add_example, key="own_example")
            st.button("Use images", on_click=_add_example, kwargs={"images": True}, key="own_example_images")
            st.caption(f"No file at hand? {EXAMPLE_NOTE} {IMAGES_NOTE}")
    if file is not None:
        _store_upload(file)
    if not tables:
        return None
    if st.session_state.get("own_table") not in tables:
        st.session_state.own_table = next(iter(tables))
    if len(tables) > 1:
        st.pills(
            "Your tables",
            list(tables),
            format_func=lambda name: escape_markdown(tables[name].file_name),
            key="own_table",
            required=True,
            label_visibility="collapsed",
        )
    return tables[st.session_state.own_table]


def _store_upload(file: Any) -> None:
    """Store an uploaded file as a table of this visitor, free the uploader's memory, and rerun the page.

    `file` is from `st.file_uploader`. An error is kept in the session, for the rerun to show.
    """
    st.session_state.own_uploads += 1
    try:
        table = uploads.add(file.name, file, table_owners.owner(), table_owners.server_table_owners().server)
        st.session_state.own_table = table.name
        st.session_state.own_complaint = None
    except AnoOnlyError as error:
        st.session_state.own_complaint = str(error)
    finally:
        discard_upload(file)
    st.rerun()


def _add_example(images: bool = False) -> None:
    st.session_state.own_uploads += 1  # the uploader folds up
    try:
        st.session_state.own_table = (add_example_images() if images else add_example(labeled=True)).name
    except AnoOnlyError as error:
        notices.queue_error(str(error))


def _draw(table: Upload, sentence: Any, jobs: Jobs, session: str) -> None:
    """Draw an upload: the step from images or texts to features, or how its table is read."""
    if table.suffix == ".zip":
        survey = _survey(table, jobs, session)
        if survey is None or survey.kind == "image":
            if survey is not None:
                _draw_raw_rows(table, survey, sentence, jobs, session)
            _draw_removal(table)
            return
    options = _draw_file_options(table)
    profile = _look(table, options, sentence, jobs, session)
    if profile is None:
        _draw_removal(table)
    elif _takes_texts(table, profile, sentence, jobs, session):
        _draw_head(profile, table)
        _draw_removal(table)
    elif table.permanent and table.owner != table_owners.owner():
        sentence.markdown(f"##### {table_sentence(table)}")
        st.markdown("\n".join(f"- {line}" for line in reading_sentences(table)))
        st.caption(NOT_YOURS)
        _draw_next_steps(table)
        _draw_head(profile, table)
    else:
        if (known := _first_reading(table)) not in st.session_state:
            st.session_state[known] = (profile.read, profile.sheets)
            st.rerun()
        _draw_reading(table, profile, options, sentence, jobs, session)


def _look(table: Upload, options: ReadOptions, sentence: Any, jobs: Jobs, session: str) -> TableProfile | None:
    """Return the profile of a table, made in a worker while the call blocks; None if that failed or was canceled.

    A table that cannot be read because of a long text gets the step from texts to features instead.
    """
    key = f"look {table.name} {options}"
    profile: TableProfile | None = await_worker_result(
        *(jobs, session, key, "Reading", tasks.profile_upload, table.name, options),
        name="look",
        limit=TOO_LONG,
        describe=SpeedWords(partial(share_text, "Reading")).describe,
    )
    if profile is None and LONG_CELL in (jobs.results.failure(key) or ""):  # a long text is no fault
        survey = _survey(table, jobs, session)
        if survey is not None and survey.kind == "text":
            st.markdown(TEXTS_FIT)
            _draw_raw_rows(table, survey, sentence, jobs, session)
    return profile


def _takes_texts(table: Upload, profile: TableProfile, sentence: Any, jobs: Jobs, session: str) -> bool:
    """Draw the choice between the texts of a table and its other columns, and the step to features for texts.

    Returns True if the user chose the texts.
    """
    if not may_hold_texts(profile):
        return False
    survey = _survey(table, jobs, session)
    if survey is None or survey.kind != "text" or _draw_use(table, profile, survey) != TEXTS:
        return False
    _draw_raw_rows(table, survey, sentence, jobs, session)
    return True


def _draw_reading(
    table: Upload, profile: TableProfile, options: ReadOptions, sentence: Any, jobs: Jobs, session: str
) -> None:
    """Draw the choices on how a table is read, the result, and what can be done with it."""
    left, right = st.columns([1, 1.35], gap="medium")
    with left:
        reading = draw_reading(table, profile, options)
    with right:
        settled = _settle(table, reading, jobs, session)
        if settled is None:
            _draw_head(profile, table)
            _draw_removal(table)
            return
        sentence.markdown(f"##### {table_sentence(settled)}")
        _draw_notes(settled)
        st.markdown("\n".join(f"- {line}" for line in reading_sentences(settled)))
        _draw_next_steps(settled)
        times = st.empty()
    _draw_head(profile, table)
    if settled.can_be_tested and profile.rows > LARGE_ROWS:
        draw_times(settled, times, jobs, session)


def _settle(table: Upload, reading: TableSchema, jobs: Jobs, session: str) -> Upload | None:
    """Return a table as read under a schema, which a worker applies while the call blocks; None if that failed."""
    if table.counts is not None and table.get_schema() == reading:
        return table
    key = f"settle {table.name} {reading.model_dump_json()}"
    result: Upload | None = await_worker_result(
        *(jobs, session, key, "Taking the rows", tasks.apply_schema, table.name, reading),
        name="settle",
        limit=TOO_LONG,
        describe=SpeedWords(partial(share_text, "Taking the rows")).describe,
    )
    if result is None:
        jobs.results.forget_failures([key])  # the error is on the page; the next choice starts a new job
        return None
    settled = uploads.get(table.name)
    if settled.get_schema() != reading:  # the result is older than the current schema
        jobs.results.forget_worker_result(key)
        st.rerun()
    return settled


def _draw_notes(table: Upload) -> None:
    """Draw what was noted while a table was read, and the rows of a feature file that were left out."""
    shown = uploads.previews(table)
    left_out = () if shown is None else shown.about.left_out
    in_list = {printable(shown.about.sentences[-1])} if shown is not None and left_out else set()
    for note in table.notes:
        if note not in in_list:
            notices.warning(note)
    draw_left_out(left_out[:LISTED_ROWS], len(left_out))


def _survey(table: Upload, jobs: Jobs, session: str) -> RawSurvey | None:
    """Return what an upload holds, listed in a worker while the call blocks; None if that failed or was canceled."""
    survey: RawSurvey | None = await_worker_result(
        *(jobs, session, f"survey {table.name}", "Listing", tasks.survey_upload, table.name),
        name="survey",
        limit=TOO_LONG,
    )
    return survey


def _draw_use(table: Upload, profile: TableProfile, survey: RawSurvey) -> str:
    """Draw the choice between the texts of a table and its other columns, and return it."""
    is_text = table.counts is None and holds_only_texts(profile, survey)
    chosen: str = st.segmented_control(
        "Make features of",
        list(USES),
        default=TEXTS if is_text else COLUMNS,
        required=True,
        format_func=USES.__getitem__,
        key=f"{table.name} use",
        help="The texts become features by an encoder; the other columns are numbers and words as they are.",
    )
    return chosen


def _draw_raw_rows(table: Upload, survey: RawSurvey, sentence: Any, jobs: Jobs, session: str) -> None:
    """Draw what was found among images or texts, and the step that makes features of them."""
    sentence.markdown(f"##### {found_sentence(table, survey)}")
    for note in survey.notes:
        st.caption(escape_markdown(note))
    draw_left_out(survey.left_out, survey.left_out_rows)
    draw_features(table, survey, jobs, session)


def _draw_file_options(table: Upload) -> ReadOptions:
    """Draw the choices on how the file is read once it was read, and return them."""
    known = st.session_state.get(_first_reading(table))
    return table.get_schema().read_options if known is None else draw_file_options(table, *known)


def _first_reading(table: Upload) -> str:
    """Return the session-state key of the options with which the file of an upload was first read, and its sheets."""
    return f"{table.name} first_reading"


def _draw_next_steps(table: Upload) -> None:
    """Draw the buttons that open a table on other pages, keep it for all visitors, or remove it."""
    with st.container(horizontal=True):
        protocols = table.get_schema().protocols
        split = {"protocol": protocols[0]} if protocols else {}
        if st.button("Compare", type="primary", disabled=not table.can_be_tested):
            open_page("compare", {"dataset": table.name, **split})
        if st.button("Which method?", disabled=not table.can_be_tested):
            open_page("which", {"dataset": table.name, **split})
        if st.button("Clean", disabled=not table.can_be_tested):
            open_page("clean", {"dataset": table.name})
        if st.button("Drift", disabled=not table.can_be_tested):
            order = {"shift": "order"} if "by_time" in protocols else {}
            open_page("drift", {"dataset": table.name, **order})
        if st.button("Label by hand", type="secondary" if table.can_be_tested else "primary"):
            open_page("label", {"table": table.name})
        if st.button(
            "Zero-shot", disabled=not table.label_values, help="Needs a label column with three values or more."
        ):
            open_page("zero_shot", {"table": table.name})
    with st.container(horizontal=True, vertical_alignment="center"):
        if table.permanent:
            st.caption(KEPT)
        elif st.button("Keep on this machine …"):
            _confirm_keeping(table)
        _draw_removal(table)


@st.dialog("Keep a table")
def _confirm_keeping(table: Upload) -> None:
    st.markdown(
        f"{escape_markdown(table.file_name)} stays on this machine when you leave. **Every user of this server sees "
        "it** and its results until somebody removes it."
    )
    if st.button("Keep", type="primary", on_click=_keep, args=(table,)):
        st.rerun()


def _keep(table: Upload) -> None:
    try:
        uploads.set_permanent(table)
    except AnoOnlyError as error:
        notices.queue_error(str(error))


def _draw_removal(table: Upload) -> None:
    if st.button("Remove table", key=f"remove {table.name}", help="Deletes the table and all its results."):
        table_owners.server_table_owners().remove(table)
        if uploads.find(table.name) is not None:
            notices.queue_error(
                f"{table.file_name} cannot be removed from {table.folder}: allow writing to that folder."
            )
        st.session_state.pop("own_table", None)
        st.rerun()


def _draw_head(profile: TableProfile, table: Upload) -> None:
    shown, columns = profile.head.shape[1], len(profile.columns)
    beside = f" and {shown} of {columns:,} columns" if shown < columns else ""
    st.caption(f"The first {len(profile.head)} of {profile.rows:,} rows{beside}, as read")
    head = profile.head.astype(str).where(profile.head.notna(), "").map(printable_text)
    if (previews := uploads.previews(table)) is not None:
        for place, (name, cells) in enumerate(preview_columns(previews, list(range(len(head)))).items()):
            head.insert(place, f"its {name}", cells)
    st.dataframe(head, height=213, column_config={f"its {name}": config for name, config in ROW_COLUMNS.items()})

"""The step from images or texts to features on Your table: what was found, the encoder, and making them."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from anoonly_core.data.feature_files import LeftOut
from anoonly_core.data.row_names import snippet
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.columns import CATEGORY, TEXT
from anoonly_core.data.tables.profile import TableProfile
from anoonly_core.data.tables.upload_metadata import Upload
from anoonly_core.execution import tasks
from anoonly_core.features.encoders.registry import ENCODERS, EncoderSpec
from anoonly_core.features.raw_uploads import MAX_RAW_ROWS, RawChoice, RawSurvey, check_dimension

from ...server import table_owners
from ...server.jobs import Jobs
from ...text.markdown import escape_markdown
from ...widgets.worker_result import CancelWords, SpeedWords, TimeLimit, await_worker_result
from .text import encoder_text, rate_text, unusable_text

__all__ = ["OPEN_NEXT", "draw_features", "draw_left_out", "holds_only_texts", "may_hold_texts"]

OPEN_NEXT = "own_open_next"  # session state: name of the upload to show in the next page run
PREFERRED = ("resnet18", "minilm-int8")  # where they are usable
LONG_WORD = 12  # characters
NO_LABEL_COLUMN = "no label column"
FEATURES_S = 1800.0
TOO_LONG = TimeLimit(
    FEATURES_S,
    f"Making features took more than {FEATURES_S / 60:.0f} minutes and was stopped. What is done is kept: try again to "
    "go on there.",
)
STOPPING = CancelWords("Stop", "Stopped. What is done is kept.", "Continue")
LIMITS = (
    f"At most {MAX_RAW_ROWS:,} rows and {FEATURES_S / 60:.0f} minutes at a time here; `anoonly features` on your own "
    "machine has no such limit. Stay on this page meanwhile: if you leave, it stops. What is done is kept: choose "
    "the same encoder when you come back, and it goes on, or press the button."
)
ABOUT = (
    "An encoder turns each {} into a row of numbers, the features. Everything else on these pages works on features. "
    "The {} stays in your list, for another encoder, until you remove it or leave."
)


def may_hold_texts(profile: TableProfile) -> bool:
    """Return True if a column of a table may hold texts, so that it is worth reading them again.

    Its words have spaces, or are long in a script that may do without.
    """
    columns = [column for column in profile.columns if column.kind in (TEXT, CATEGORY)]
    words = [word.strip() for column in columns for word in (*column.words, column.example)]
    return any(" " in word or (len(word) > LONG_WORD and not word.isascii()) for word in words)


def holds_only_texts(profile: TableProfile, survey: RawSurvey) -> bool:
    """Return True if a table has no columns of features beside its texts, their label and names of rows."""
    no_features = {*survey.columns, *survey.label_columns, *profile.identifiers}
    return all(column.name in no_features or not column.usable for column in profile.columns)


def draw_features(table: Upload, survey: RawSurvey, jobs: Jobs, session: str) -> None:
    """Draw the choice of the encoder and the button that makes features; once pressed, make them, blocking.

    The features become another upload, which the page then shows.

    Parameters
    ----------
    table : Upload
        The upload with the raw rows.
    survey : RawSurvey
        What it holds.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    """
    st.markdown(ABOUT.format(survey.kind, "archive" if survey.kind == "image" else "table"))
    choice = _draw_choice(table, survey)
    if choice is None:
        return
    owner, server = table_owners.owner(), table_owners.server_table_owners().server
    key = f"features {table.name} {choice} {owner}"
    asked = st.session_state.get("features_asked") == key
    st.button(
        "Make features",
        type="primary",
        disabled=asked and not st.session_state.get("canceled_result"),
        on_click=_ask,
        args=(key, jobs),
        key=f"features {table.name}",
    )
    st.caption(LIMITS)
    if not asked:
        return
    made: str | None = await_worker_result(
        *(jobs, session, key, "Making features, row", tasks.encode_upload, table.name, choice, owner, server),
        name="features",
        limit=TOO_LONG,
        words=STOPPING,
        describe=SpeedWords(partial(rate_text, f"{survey.kind}s")).describe,
    )
    if made is None:
        return
    del st.session_state.features_asked
    if uploads.find(made) is not None:
        st.session_state[OPEN_NEXT] = made
    st.rerun()


def _ask(key: str, jobs: Jobs) -> None:
    """Note that features are to be made; runs in the callback of the button.

    Features that are there already are opened; another tab may wait for the same result, so it is forgotten only once
    they were removed.
    """
    made = jobs.results.worker_result(key)
    if made is not None and uploads.find(made) is None:
        jobs.results.forget_worker_result(key)
    st.session_state.features_asked = key
    st.session_state.pop("canceled_result", None)
    jobs.results.forget_failures([key])


def _draw_choice(table: Upload, survey: RawSurvey) -> RawChoice | None:
    """Draw the choices of columns and encoder, and return them; None if no encoder is usable here."""
    column = label = ""
    if survey.kind == "text":
        left, right = st.columns(2)
        column = left.selectbox("Text column", survey.columns, key=f"{table.name} text")
        names = [name for name in survey.label_columns if name != column]
        chosen = right.selectbox(
            "Label column",
            [*names, ""],
            format_func=lambda name: name or NO_LABEL_COLUMN,
            key=f"{table.name} text_label",
            help="Its words come along as labels; which of them mean an anomaly is chosen afterwards.",
        )
        label = chosen or ""
    specs = [spec for spec in ENCODERS.values() if spec.kind == survey.kind]
    missing = {spec: spec.missing() or check_dimension(survey.rows, spec.dimension) for spec in specs}
    ready = {spec.name: spec for spec in specs if not missing[spec]}
    unusable = {spec.name: why for spec, why in missing.items() if why}
    encoder = _draw_encoder(table, ready) if ready else None
    if unusable:
        details = "  \n".join(f"**{name}**: {escape_markdown(why)}" for name, why in unusable.items())
        st.caption(escape_markdown(unusable_text(unusable)), help=f"What is missing:  \n{details}")
    return None if encoder is None else RawChoice(encoder, column, label)


def _draw_encoder(table: Upload, ready: dict[str, EncoderSpec]) -> str:
    """Draw the choice among the encoders that are usable now, and return the name of the chosen one."""
    chosen: str = st.radio(
        "Encoder",
        list(ready),
        captions=[escape_markdown(encoder_text(spec)) for spec in ready.values()],
        index=next((place for place, name in enumerate(ready) if name in PREFERRED), 0),
        key=f"{table.name} encoder",
    )
    return chosen


def draw_left_out(rows: tuple[LeftOut, ...], total: int) -> None:
    """Draw an expander that lists the first raw rows that were left out, with the reasons; nothing without any."""
    if not rows:
        return
    shown = f"{total:,}" if len(rows) == total else f"the first {len(rows):,}"
    with st.expander(f"Left out ({shown})"):
        table = pd.DataFrame({"name": [snippet(row.name) for row in rows], "reason": [row.reason for row in rows]})
        st.dataframe(table, hide_index=True, height=min(240, 38 + 35 * len(rows)))

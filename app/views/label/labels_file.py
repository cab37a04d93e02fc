"""Export and import of the labels of a table as CSV."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from anoonly_core.errors import AnoOnlyError, InvalidInput

from ...widgets import notices
from .source import LabelSource

__all__ = ["draw_labels_file"]

MAX_IMPORT_BYTES = 8 << 20


def draw_labels_file(source: LabelSource, begin_round: Callable[[LabelSource], None]) -> None:
    """Draw the download of the history of labels, and the upload that replaces it.

    `begin_round` is called with the table in the callback of the upload, after the labels were stored.
    """
    with st.expander("Labels as CSV"):
        st.download_button(
            "Download labels",
            source.history.to_csv(),
            f"{source.name}_labels.csv",
            "text/csv",
            on_click="ignore",
        )
        key = f"label_import_{st.session_state.get('label_imports', 0)}"
        st.file_uploader(
            "Import labels",
            type="csv",
            key=key,
            on_change=_import,
            args=(source, key, begin_round),
            help="A CSV with the columns row and label (anomaly, normal or unsure). It replaces all labels set here.",
        )


def _import(source: LabelSource, key: str, begin_round: Callable[[LabelSource], None]) -> None:
    """Replace the history by that of an uploaded CSV; runs in the callback of the uploader with this widget key."""
    if (file := st.session_state.get(key)) is None:
        return
    try:
        if file.size > MAX_IMPORT_BYTES:
            raise InvalidInput(f"A file of labels may have at most {MAX_IMPORT_BYTES >> 20} MiB: shorten it.")
        source.save(source.read_csv(file.getvalue().decode("utf-8", errors="replace")))
    except AnoOnlyError as error:
        notices.queue_error(str(error))
    begin_round(source)  # also after an error, so that the page is drawn again with its notice
    st.session_state.label_imports = st.session_state.get("label_imports", 0) + 1

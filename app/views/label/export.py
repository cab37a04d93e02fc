"""Downloads of the page Label: labels as CSV, which can be imported, all scores, and the detector."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from anoonly_core.config import RunConfig
from anoonly_core.data.row_names import insert_names
from anoonly_core.errors import AnoOnlyError, InvalidInput
from anoonly_core.snippets import file_name, labeled_script, score_command

from ...widgets import notices
from .source import LabelSource

if TYPE_CHECKING:
    from anoonly_core.labeling.run import Ranking

__all__ = ["draw_downloads", "draw_labels_file"]

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


def draw_downloads(
    config: RunConfig, source: LabelSource, ranked: Ranking, known_labels: dict[int, bool], is_trained: bool
) -> None:
    """Draw the download of all scores and, for a ranking by labels, of the detector, with command and script.

    Parameters
    ----------
    config : RunConfig
        System and settings of the ranking; they name the files and fill the command and script.
    source : LabelSource
        The table.
    ranked : Ranking
        Scores of all rows, and the detector file if a network was trained on the labels.
    known_labels : dict of int to bool
        Known labels by row number in the file, True for an anomaly; a column of the CSV.
    is_trained : bool
        True for a ranking by labels, which the script trains on; False for an unsupervised ranking.
    """

    def scores() -> bytes:
        labels = [{True: "anomaly", False: "normal", None: ""}[known_labels.get(int(row))] for row in source.row_ids]
        table = pd.DataFrame({"row": source.row_ids, "score": ranked.scores, "label": labels})
        named = insert_names(table, source.dataset.previews)
        return named.sort_values("score", ascending=False).to_csv(index=False).encode()

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
        st.caption("In Python, from your file and the labeled rows")
        st.code(labeled_script(config, anomalies, normals), language="python", wrap_lines=True)

"""Runs: list, filter, compare, pin, delete and export finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from anoonly_core.baselines import NORM_LABELS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.errors import AnoOnlyError, InvalidConfig, StoreUnavailable
from anoonly_core.results.keys import run_key
from anoonly_core.results.parquet import to_parquet
from anoonly_core.results.store import RunSummary, Store
from anoonly_core.snippets import python_script, run_command

from ...controls.choice import baseline_of, compare_parameters
from ...controls.isolation import draw_isolation
from ...controls.page_address import PageAddress, register
from ...navigation import draw_page_link, open_page, page_url
from ...server.table_owners import can_see
from ...text.differences import cause_sentence
from ...text.labels import format_value
from ...text.markdown import escape_markdown
from ...text.verdict import describe_run
from ...widgets import notices
from ...widgets.selection import keep_selection
from ...widgets.session import begin_page
from .table import filter_runs, in_words, runs_sentence, runs_table

__all__ = ["page"]

ADDRESS = register(PageAddress("runs"))
TABLE_HEIGHT = 283  # seven rows, so that the selected run below fits on a projector
ROW_HEIGHT = 35
EMPTY = "No runs yet. Change a setting on Compare or use the command line: every finished run is listed here."
TO_COME = (
    "Each row will show a run's settings, metrics, time and device. Select one for its link, command and script; "
    "select two to compare them. Filter the list by words, pin the runs to keep, and export all as CSV or Parquet."
)
HINT = "Select one run for its link, command and script; select two to compare them."

SHORT_NORMS = {NORM_LABELS["batch_no_affine"]: "batch norm, no affine"}  # the usual norm fits into its column

# Columns in this order; widths in pixels, so that the metrics fit on a projector.
_text, _number = st.column_config.TextColumn, st.column_config.NumberColumn
COLUMNS: dict[str, Any] = {
    "pinned": _text("Pin", width=40, help="A pinned run is never removed when the store is full."),
    "dataset": _text("Data set", width=84),
    "baseline": _text("Baseline", width=72),
    "lambda_n": _number("λₙ", width=42, format="%g", help="1 is the baseline, 0 is AnoOnly."),
    "norm": _text("Norm", width=142, help="No affine: without the learned scale and shift."),
    "batch_size": _number("Batch", width=48, format="%d", help="Batch size."),
    "labeled_ratio": _number("Labeled", width=62, format="percent", help="Share of the training anomalies."),
    "contamination": _text("Contam.", width=68, help="Contamination: the share of the pool that is anomalous."),
    "seed": _number("Seed", width=45, format="%d"),
    "aucroc": _number("AUCROC", width=68, format="%.3f"),
    "aucpr_anomaly": _number("AUCPR anomaly", width=108, format="%.3f"),
    "aucpr_normal": _number("AUCPR normal", width=102, format="%.3f"),
    "created": "When",
    "seconds_train": _number("Seconds", format="%.2f", help="Of training."),
    "normal_ratio": _number("Normal rows kept", format="percent"),
    "epochs": _number("Epochs", format="%d"),
    "learning_rate": _number("Learning rate", format="%g"),
    "labeled_anomalies": _number("Labels", format="%d", help="Labeled anomalies where their number was chosen."),
    "labeled_normals": _number("Known normal rows", format="%d"),
    "labeled_normal_ratio": _number("Known normal rows per label", format="%g"),
    "unlabeled_ratio": _number("Unlabeled rows used", format="percent"),
    "flipped_anomalies": _number("Anomalies labeled normal", format="percent"),
    "flipped_normals": _number("Normal rows labeled anomalous", format="percent"),
    "unseen_types": _number("Unseen types", format="%d"),
    "preset": "Preset",
    "protocol": "Protocol",
    "device": "Device",
}


@dataclass(frozen=True)
class Chosen:
    """A selected run.

    Attributes
    ----------
    run : RunSummary
        The stored run.
    config : RunConfig or None
        Its settings; None if this version does not accept them.
    as_stored : bool
        True if Compare shows the stored result; False if Compare would train the run again.
    notice : str
        A sentence on why Compare cannot show the stored result; "" if it can.
    """

    run: RunSummary
    config: RunConfig | None
    as_stored: bool
    notice: str = ""


def page() -> None:
    """Draw the page Runs; Streamlit calls this on every change of a filter or of the selection.

    The page lists the finished runs of the store; selected runs can be compared, pinned, deleted or exported.
    """
    jobs, _ = begin_page()
    ADDRESS.arrive()
    ADDRESS.draw_notices()
    try:
        _draw(jobs.store)
    except AnoOnlyError as error:
        notices.error(str(error))


def _draw(store: Store) -> None:
    if complaint := st.session_state.pop("runs_complaint", None):
        notices.error(complaint)
    stored = {key: run for key, run in store.runs().items() if can_see(str(run.config["dataset"]))}
    if not stored:
        st.markdown(f"##### {EMPTY}")
        st.markdown(TO_COME)
        draw_page_link("compare", "Open Compare")
        return
    table = runs_table(stored.values())
    sentence = st.empty()
    listed = _filters(table)
    sentence.markdown(f"##### {runs_sentence(table, len(listed), store.size(), store.max_bytes)}")
    selected = sorted((stored[key] for key in _draw_table(listed)), key=lambda run: run.created)
    chosen = [_chosen(run) for run in selected] if len(selected) <= 2 else []
    parameters, explanation = _comparison(selected, chosen)
    _draw_buttons(store, selected, parameters, all(selection.as_stored for selection in chosen), listed)
    st.caption(explanation)
    if parameters is not None and len(chosen) == 2:
        a, b = (selection.config for selection in chosen)
        assert a is not None and b is not None
        draw_isolation(a.with_(seed=b.seed), b, lambda only: open_page("compare", compare_parameters(b, only, seeds=1)))
    for selection in chosen:
        if selection.notice:
            notices.warning(selection.notice)
    if len(chosen) == 1 and chosen[0].config is not None:
        _draw_recipes(chosen[0].config)


def _filters(table: pd.DataFrame) -> pd.DataFrame:
    """Draw the filters and return the rows of `table` that match them.

    `table` is from `runs_table`. The session keeps the filters while other pages are open.
    """
    # The buttons of the table appear at the right: leave room for them.
    *columns, _ = st.columns([2.5, 1.9, 1.4, 2.9, 1.9, 1.6], vertical_alignment="bottom")
    picked: dict[str, Any] = {}
    for column, (name, label) in zip(
        columns[:3], (("dataset", "Data set"), ("baseline", "Baseline"), ("lambda_n", "λₙ")), strict=True
    ):
        picked[name] = column.selectbox(
            label,
            sorted(table[name].dropna().unique(), reverse=name == "lambda_n"),
            index=None,
            placeholder="all",
            format_func=format_value,
            key=f"runs_{name}",
            persist_state="session",
        )
    words = columns[3].text_input(
        "Words in settings",
        key="runs_words",
        placeholder="norm=layer seed=3",
        persist_state="session",
    )
    only_pinned = columns[4].toggle("Only pinned", key="runs_pinned", persist_state="session")
    return filter_runs(table, **picked, only_pinned=only_pinned, words=words or "")


def _draw_table(listed: pd.DataFrame) -> list[str]:
    """Draw the table of the runs in `listed`, filtered, and return the run keys of the selected rows.

    The selection survives a change of the filters.
    """
    keys: list[str] = listed.index.tolist()
    keep_selection("runs_table", keys)
    when = st.column_config.DatetimeColumn("When", format="YYYY-MM-DD HH:mm", timezone=st.context.timezone)
    event = st.dataframe(
        in_words(listed).replace({"norm": SHORT_NORMS}),
        height=min(TABLE_HEIGHT, ROW_HEIGHT * (max(len(listed), 1) + 1) + 3),
        row_height=ROW_HEIGHT,
        hide_index=True,
        column_order=list(COLUMNS),
        column_config={**COLUMNS, "created": when},
        key="runs_table",
        on_select="rerun",
        selection_mode="multi-row",
        placeholder="",
        alt="The stored runs, one a row, the latest first.",
    )
    return [keys[row] for row in event["selection"]["rows"] if row < len(keys)]


def _chosen(run: RunSummary) -> Chosen:
    try:
        config = make_config(**run.config)
    except InvalidConfig as error:
        return Chosen(
            run, None, False, f"A selected run is from an earlier version and cannot be trained again: {error}"
        )
    try:
        now = {device: run_key(config, device) for device in ("cpu", "cuda")}
    except AnoOnlyError as error:
        notice = f"The data of the run of {describe_run(config)} can no longer be read: {error}"
        return Chosen(run, config, False, notice)
    if run.key == now["cpu"]:
        return Chosen(run, config, True)
    if run.key == now["cuda"]:
        origin = "was trained on a CUDA GPU"
    else:
        origin = "is from an earlier version of the code or of its data"
    anew = "Compare trains it again, so its figures may differ."
    return Chosen(run, config, False, f"The run of {describe_run(config)} {origin}: {anew}")


def _comparison(selected: Sequence[RunSummary], chosen: Sequence[Chosen]) -> tuple[dict[str, str] | None, str]:
    """Return the URL parameters with which Compare shows the selected runs, and a sentence about the selection.

    Parameters
    ----------
    selected : sequence of RunSummary
        All selected runs.
    chosen : sequence of Chosen
        The same runs, the older first, if they are one or two; else empty.

    Returns
    -------
    parameters : dict of str to str, or None
        Of two runs, the older becomes A. None if Compare cannot show the selection.
    explanation : str
        What Compare will show, or what to select; Markdown.
    """
    configs = [selection.config for selection in chosen if selection.config is not None]
    if not selected:
        return None, HINT
    if not chosen:
        return None, f"{len(selected)} runs are selected; Compare shows one or two."
    if len(configs) < len(chosen):
        return None, ""
    *pinned, b = configs
    a = pinned[0] if pinned else None
    try:
        parameters = compare_parameters(b, a, seeds=1)
    except InvalidConfig as error:
        return None, escape_markdown(str(error))
    if a is None:
        if b == baseline_of(b):
            return parameters, "Compare shows it as B, beside the published baseline, which is the same run."
        cause = escape_markdown(cause_sentence(baseline_of(b), b))
        return parameters, f"Compare shows it as B, beside the published baseline. {cause}"
    seeds = "" if a.seed == b.seed else f" Compare shows both on B's seed, {b.seed}."
    cause = cause_sentence(a.with_(seed=b.seed), b)
    return parameters, escape_markdown(f"A, the older: {describe_run(a, b)}. B: {describe_run(b, a)}. {cause}{seeds}")


def _draw_buttons(
    store: Store,
    selected: Sequence[RunSummary],
    parameters: dict[str, str] | None,
    as_stored: bool,
    listed: pd.DataFrame,
) -> None:
    """Draw the buttons that compare, pin and delete the selected runs, and the downloads of the listed ones.

    Parameters
    ----------
    store : Store
        The run store.
    selected : sequence of RunSummary
        The selected runs.
    parameters : dict of str to str, or None
        URL parameters of Compare; None disables its button.
    as_stored : bool
        True if Compare shows the stored results; False labels the button "Train and compare".
    listed : pd.DataFrame
        The filtered rows of `runs_table`, to download.
    """
    keys = [run.key for run in selected]
    all_pinned = bool(selected) and all(run.pinned for run in selected)
    with st.container(horizontal=True):
        label = "Compare" if as_stored else "Train and compare"
        if st.button(label, type="primary", disabled=parameters is None) and parameters is not None:
            open_page("compare", parameters)
        if st.button("Unpin" if all_pinned else "Pin", disabled=not keys, help="A pinned run is never removed."):
            store.pin(keys, not all_pinned)
            st.rerun()
        if st.button("Delete …", disabled=not keys):
            _confirm_deletion(store, selected)
        st.space("stretch")
        st.download_button("Download CSV", lambda: listed.to_csv().encode(), "runs.csv", "text/csv", on_click="ignore")
        st.download_button("Download Parquet", lambda: to_parquet(listed), "runs.parquet", on_click="ignore")


@st.dialog("Delete runs")
def _confirm_deletion(store: Store, selected: Sequence[RunSummary]) -> None:
    count = "this run" if len(selected) == 1 else f"these {len(selected)} runs"
    pinned = sum(run.pinned for run in selected)
    st.markdown(f"Delete {count}{f', of which {pinned} pinned' if pinned else ''}? This cannot be undone.")
    keys = [run.key for run in selected]
    if st.button("Delete", type="primary", key="delete_for_good", on_click=_delete, args=(store, keys)):
        st.rerun()


def _delete(store: Store, keys: Sequence[str]) -> None:
    try:
        store.delete(keys)
    except StoreUnavailable as error:
        st.session_state.runs_complaint = str(error)


def _draw_recipes(config: RunConfig) -> None:
    """Draw what repeats a run: the link to Compare, the shell command and the Python script."""
    left, right = st.columns(2)
    with left:
        try:
            link = page_url("compare", compare_parameters(config, None, seeds=1), st.context.url, "runs")
            st.caption("Link")
            st.code(link, language=None, wrap_lines=True)
        except InvalidConfig:
            st.caption("Compare cannot show a file on your machine, so there is no link.")
        st.caption("On the command line")
        st.code(run_command(config), language="bash", wrap_lines=True)
    with right:
        st.caption("In Python")
        st.code(python_script(config), language="python", wrap_lines=True)

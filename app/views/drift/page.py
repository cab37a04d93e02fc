"""Drift: a stream whose normal rows move, scored by one network whose statistics follow or stand still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anoonly_core.data.catalogue import load_cached
from anoonly_core.data.split import make_split
from anoonly_core.drift.config import ABSORPTION_SHARES, DriftConfig
from anoonly_core.drift.detectors import signal
from anoonly_core.drift.report import figure_table
from anoonly_core.drift.result import Absorption, DriftResult
from anoonly_core.drift.shifts import SHIFTS
from anoonly_core.drift.stream import batch_features, shift_context
from anoonly_core.drift.summary import absorption_sentence, headline
from anoonly_core.errors import AnoOnlyError
from anoonly_core.execution import tasks
from anoonly_core.snippets import drift_command, file_name

from ...charts.animation import Animation, Pictures, RowPreviews, export_html
from ...charts.pictures import preview_pictures
from ...controls.headline import draw_headline, headline_place
from ...server.jobs import Jobs
from ...text.conditions import seeds_text
from ...text.verdict import describe_run
from ...widgets import notices
from ...widgets.download import ensure_downloaded
from ...widgets.figure import FigureNote, draw_figure
from ...widgets.player import draw_player
from ...widgets.session import begin_page
from ...widgets.worker_result import await_worker_result
from .absorption_chart import absorption_animation
from .charts import drift_animation
from .controls import ADDRESS, BATCH, DriftChoice, draw_run, draw_stream_controls, draw_view_controls
from .pictures import batch_pictures, batch_previews
from .text import explanation, stream_note, threshold_sentence
from .view import NO_DETECTOR, StreamView, stream_curves, way_index

__all__ = ["page"]

CHART, ABSORPTION = "drift", "absorption"
WINDOW = 5  # batches behind each value of a curve, fewer in a short stream
AWAITED = "The outcome stands here once the stream is scored."
RAW_ROWS = " The {}s are those of the raw rows, which no shift moves."


def page() -> None:
    """Draw the page Drift; Streamlit calls this on every change of a control.

    The page scores a stream whose rows shift, with one network in several ways. It shows the figures of the ways over
    the stream, each batch, and the share of anomalies at which following turns into surrender.
    """
    jobs, session = begin_page()
    ADDRESS.arrive()
    ADDRESS.remember()
    try:
        run = draw_run()
        ADDRESS.draw_notices(run)
        sentence = st.container(key="drift_headline")
        choice = draw_stream_controls(run)
        if ensure_downloaded(run.b.dataset, jobs, session):
            top = st.container()
            view = _view(choice.first, draw_view_controls(run, choice.first))
            with top:
                is_scored = _draw_stream(choice, view, headline_place(sentence, AWAITED), jobs, session)
            if is_scored:
                _draw_absorption(choice, view, jobs, session)
            with st.expander("On the command line"):
                st.code(drift_command(choice.first, len(choice.configs)), language="bash", wrap_lines=True)
            with st.expander("How to read the charts"):
                st.markdown(explanation(choice.first))
    except AnoOnlyError as error:
        notices.error(str(error))


def _view(config: DriftConfig, values: dict[str, Any]) -> StreamView:
    """Return what the charts show, from the settings of the first seed and the options chosen on the page."""
    is_shifted = config.schedule != "none" and config.amount > 0
    return StreamView(
        ways=config.distinct_ways,
        way=values["way"],
        measure=values["measure"],
        window=max(1, min(WINDOW, config.batches // 6)),
        level=config.level,
        start=config.start if is_shifted else None,
        unit=SHIFTS[config.shift].unit,
        recalibrated=values["thresholds"] == "recalibrated",
        detector=values["detector"],
    )


def _draw_stream(choice: DriftChoice, view: StreamView, place: DeltaGenerator, jobs: Jobs, session: str) -> bool:
    """Score the stream in a worker, blocking, then draw headline, player, animation and downloads.

    Returns False if a job failed or was canceled, which is drawn with a button to try again.

    Parameters
    ----------
    choice : DriftChoice
        The streams.
    view : StreamView
        What the charts show.
    place : DeltaGenerator
        Where the headline is drawn.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    """
    configs = list(choice.configs)
    key = choice.stream_key
    # A finished result is not requested again: that would cancel the absorption.
    results: list[DriftResult] | None = jobs.results.worker_result(key) or await_worker_result(
        jobs, session, key, "Scoring the stream, step", tasks.score_streams, configs
    )
    if results is None:
        return False
    first = results[0]
    changes = _changes(view, first, key, jobs, session)
    view = replace(view, changes=changes or {})
    ADDRESS.draw_refused("batch", range(1, len(first.rows) + 1))
    draw_headline(place, headline(choice.first, results))
    st.markdown(threshold_sentence(choice.first, results, view))
    dataset = load_cached(choice.first.run.dataset)
    animation = drift_animation(
        first, stream_curves(results, view), view, dataset.row_ids[first.rows], _pictures(choice.first, first, view)
    )
    draw_player(
        animation, key=f"{key} {view}", chart=CHART, label="batch", jump=10, jump_label="+10", address=BATCH.name
    )
    draw_figure(
        animation.figure,
        CHART,
        "Figures of the ways of scoring over the stream; scores and hidden features of one batch.",
        _note(choice),
        pictures=preview_pictures(dataset.previews, np.unique(dataset.row_ids[first.rows]).tolist()),
    )
    of_raw_rows = "" if dataset.previews is None else RAW_ROWS.format(dataset.previews.kind)
    st.caption(f"{stream_note(choice.first, first, len(results))}{of_raw_rows}")
    _draw_downloads(choice, results, animation)
    return changes is not None


def _changes(
    view: StreamView, result: DriftResult, key: str, jobs: Jobs, session: str
) -> Mapping[str, tuple[int, ...]] | None:
    """Return the batches in which the chosen detector finds a change, by way; blocks while a worker reads the scores.

    None if the detector is not installed, or was canceled. `result` is the stream of the first seed, and `key` the key
    of all streams.
    """
    if view.detector == NO_DETECTOR:
        return {}
    signals = {way: signal(result, way_index(way)) for way in view.ways}
    key = f"{key} {view.detector}"
    found: Mapping[str, tuple[int, ...]] | None = jobs.results.worker_result(key) or await_worker_result(
        *(jobs, session, key, "Reading scores", tasks.find_stream_changes, signals, view.detector), name="changes"
    )
    return found


def _pictures(config: DriftConfig, result: DriftResult, view: StreamView) -> Pictures | RowPreviews | None:
    """Return what the rows of each batch show: pictures of pixels are shifted, previews are those of the raw rows."""
    dataset = load_cached(config.run.dataset)
    if dataset.previews is not None:
        return batch_previews(result, view, dataset.row_ids[result.rows], dataset.previews)
    if dataset.image_shape is None or dataset.columns != np.prod(dataset.image_shape):
        return None
    split = make_split(dataset, config.run)
    context = shift_context(dataset, split, config)
    features = [
        batch_features(dataset, split, config, *each, context) for each in zip(result.rows, count(), strict=False)
    ]
    span = float(dataset.X.min()), float(dataset.X.max())
    return batch_pictures(result, view, np.stack(features), dataset.image_shape, span)


def _note(choice: DriftChoice) -> FigureNote:
    """Return file name and footer of the exported figures."""
    config, seeds = choice.first, [each.run.seed for each in choice.configs]
    course = "no shift" if config.schedule == "none" else f"{config.schedule} shift, {config.shift} {config.amount:g}"
    settings = (
        f"{config.run.dataset}, {describe_run(config.run)}; {course}; {config.anomaly_share:.0%} anomalies, batches of "
        f"{config.rows}; {seeds_text(seeds)}"
    )
    return FigureNote(file_name(config.run, "drift"), settings)


def _draw_downloads(choice: DriftChoice, results: Sequence[DriftResult], animation: Animation) -> None:
    """Draw the downloads of the figures of all seeds as CSV, and of the animation as HTML."""
    run = choice.first.run
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download figures",
            lambda: figure_table(choice.configs, results).to_csv(index=False).encode(),
            file_name(run, "drift.csv"),
            "text/csv",
            on_click="ignore",
            help="Figures of each batch, way and seed, without averages, as CSV.",
        )
        st.download_button(
            "Download replay",
            lambda: export_html(animation),
            file_name(run, "drift.html"),
            "text/html",
            on_click="ignore",
            help="The animation in one HTML file that works offline.",
        )


def _draw_absorption(choice: DriftChoice, view: StreamView, jobs: Jobs, session: str) -> None:
    """Score streams with growing shares of anomalies in a worker, blocking, then draw where each way is broken."""
    st.markdown("###### How many anomalies until following is surrender?")
    if len(view.ways) < 2:
        st.markdown(absorption_sentence(choice.first, ()))
        return
    configs = list(choice.configs)
    key = choice.absorption_key
    absorptions: list[Absorption] | None = jobs.results.worker_result(key) or await_worker_result(
        *(jobs, session, key, "Adding anomalies, step", tasks.absorb_anomalies, configs, ABSORPTION_SHARES),
        name="absorption",
    )
    if absorptions is None:
        return
    st.markdown(absorption_sentence(choice.first, absorptions))
    shown = replace(view, ways=tuple(way for way in view.ways if way != "retrained"))
    shown = replace(shown, way=view.way if view.way in shown.ways else shown.ways[-1])
    animation = absorption_animation(absorptions, shown)
    draw_player(animation, key=f"{key} {shown.way}", chart=ABSORPTION, label="anomalies in the stream, %")
    draw_figure(
        animation.figure,
        ABSORPTION,
        "AUCROC, missed anomalies and the distance of the mean in use over the share of anomalies in the stream.",
        _note(choice),
    )

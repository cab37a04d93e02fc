"""Watch it learn: both runs of a comparison again, epoch by epoch, moved in the browser."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anoonly_core.data.dataset import Dataset
from anoonly_core.execution import tasks
from anoonly_core.replay.result import Replay
from anoonly_core.results.keys import replay_key
from anoonly_core.results.result import RunResult
from anoonly_core.snippets import file_name
from app.charts import animation
from app.charts.style import MODEBAR, Side
from app.server.jobs import Jobs
from app.views.compare.replay_chart import replay_animation
from app.widgets.player import draw_player
from app.widgets.worker_result import await_worker_result

__all__ = ["draw_replay"]

CHART = "replay"


def draw_replay(
    a: RunResult,
    b: RunResult,
    dataset: Dataset,
    sides: Sequence[Side],
    projector: str,
    jobs: Jobs,
    session: str,
    beside: DeltaGenerator,
) -> None:
    """Record both runs, unless they are recorded, and show them at any epoch; beside: where they are taken away."""
    configs = [a.config, b.config]
    key = replay_key(configs, projector)
    found: Replay | None = await_worker_result(
        jobs, session, key, "Recording, step", tasks.record_replay, configs, projector
    )
    if found is None:
        return
    moving = replay_animation(found, [side.name for side in sides], [dataset.row_ids[reel.rows] for reel in found.runs])
    draw_player(moving, key=key, chart=CHART, label="epoch")
    st.plotly_chart(
        moving.figure,
        key=CHART,
        config=MODEBAR,
        alt="Score distributions and hidden features of A and B at the same epoch; metrics and losses over all epochs.",
    )
    drawn = len(found.runs[0].plotted)
    shortened = f" {drawn} of the {len(found.runs[0].rows)} rows are in the maps." if projector != "pca" else ""
    little = "" if projector == "pca" else " Distances between clusters mean little here."
    st.caption(
        "The first seed. A and B begin with the same split, and where they differ in λₙ or norm alone with the same "
        f"weights and batches.{shortened}{little}"
    )
    beside.download_button(
        "Take the replay away, as HTML",
        lambda: animation.export_html(moving),
        file_name(b.config, "replay.html"),
        "text/html",
        on_click="ignore",
    )

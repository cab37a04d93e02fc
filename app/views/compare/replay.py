"""The view "watch it learn": A and B of a comparison as an animation over the epochs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anoonly_core.data.dataset import Dataset
from anoonly_core.execution import tasks
from anoonly_core.replay.result import Replay
from anoonly_core.results.keys import replay_key
from anoonly_core.results.result import RunResult
from anoonly_core.snippets import file_name

from ...charts import animation
from ...charts.pair import PROJECTION_CAVEAT
from ...charts.pictures import row_pictures
from ...charts.style import Side
from ...server.jobs import Jobs
from ...widgets.comparison_note import comparison_note
from ...widgets.figure import draw_figure
from ...widgets.player import draw_player
from ...widgets.worker_result import await_worker_result
from .replay_chart import replay_animation

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
    export_slot: DeltaGenerator,
) -> None:
    """Draw the animation of A and B over the epochs, with a player and a download as HTML.

    If no such recording is cached, both runs are trained again and recorded in a worker process; the call blocks
    meanwhile.

    Parameters
    ----------
    a, b : RunResult
        The runs of the first seed.
    dataset : Dataset
        Their data set.
    sides : sequence of Side
        A and B as the charts take them.
    projector : str
        Projection of the hidden features in the maps: "pca", "tsne" or "umap".
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    export_slot : DeltaGenerator
        Where the download button is drawn.
    """
    configs = [a.config, b.config]
    key = replay_key(configs, projector)
    replay: Replay | None = await_worker_result(
        jobs, session, key, "Recording, step", tasks.record_replay, configs, projector
    )
    if replay is None:
        return
    row_ids = [dataset.row_ids[run.rows] for run in replay.runs]
    replay_figure = replay_animation(replay, [f"{side.name}, seed {side.seed}" for side in sides], row_ids)
    draw_player(replay_figure, key=key, chart=CHART, label="epoch")
    draw_figure(
        replay_figure.figure,
        CHART,
        "Score distributions and hidden features of A and B at the same epoch; metrics and losses over all epochs.",
        comparison_note(a, b),
        pictures=row_pictures(dataset, np.concatenate([run.rows for run in replay.runs])),
    )
    plotted = len(replay.runs[0].plotted)
    subset = f" {plotted} of the {len(replay.runs[0].rows)} rows are in the maps." if projector != "pca" else ""
    caveat = "" if projector == "pca" else f" {PROJECTION_CAVEAT}"
    st.caption(
        "The first seed. A and B start from the same split, and from the same weights and batches if only λₙ or the "
        f"norm differs.{subset}{caveat}"
    )
    export_slot.download_button(
        "Download replay",
        lambda: animation.export_html(replay_figure),
        file_name(b.config, "replay.html"),
        "text/html",
        on_click="ignore",
        help="The animation in one HTML file that works offline.",
    )

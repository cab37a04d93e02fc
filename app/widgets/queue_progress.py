"""The state of a batch of runs in the sweep queue, as text beside its buttons."""

from __future__ import annotations

import math
from collections.abc import Mapping

import streamlit as st

from anoonly_core.config import RunConfig
from anoonly_core.execution.plan import duration

from ..server.shipped_runs import SHIPPED_CREATED
from ..server.sweep_queue import RunBatch, SweepQueue, SweepView

__all__ = ["draw_estimate", "finished_text", "progress_text"]

FOLLOW_S = 0.5

STATES = {
    "waiting": "Waiting: another sweep comes first",
    "planning": "Timing a few steps of each shape",
    "stopping": "Stopping at the next epoch",
}


def progress_text(view: SweepView, total: int, part: str = "", where: str = "") -> str:
    """Describe the progress of a batch that waits, runs or stops, such as "3 of 80 runs, about 2 min left".

    Parameters
    ----------
    view : SweepView
        The current state, other than "idle".
    total : int
        Number of runs of the batch.
    part : str
        Text in front, such as "Ranking: ".
    where : str
        Text after the time of a running batch, such as " on a GPU".
    """
    counted = f"{part}{len(view.runs)} of {total} runs"
    if view.failures:
        counted += f", {len(view.failures)} failed"
    if view.state in STATES:
        return f"{counted}. {STATES[view.state]}"
    return f"{counted}, about {duration(view.seconds_left or 0)} left{where}"


def finished_text(view: SweepView) -> str:
    """Return the text of a batch whose runs are all finished; it says if all of them ship with the app."""
    shipped = all(run.created == SHIPPED_CREATED for run in view.runs.values())
    return f"All {len(view.runs)} runs are finished{': they ship with this app' if shipped else ''}"


def draw_estimate(batch: RunBatch, sweeps: SweepQueue, missing: Mapping[str, RunConfig]) -> str:
    """Return the text on how long the missing runs of a batch take on this server, and rerun the page once it is known.

    Does not block; a worker process times a few steps of each shape of run.

    Parameters
    ----------
    batch : RunBatch
        A sweep or a ranking that does not train.
    sweeps : SweepQueue
        The queue, which measures the time.
    missing : mapping of str to RunConfig
        The runs to train, by run key.

    Returns
    -------
    str
        Text to follow the number of runs: ", about 3 min on this machine", "; measuring how long that takes", or "" if
        it could not be measured.
    """
    seconds = sweeps.estimate(batch, dict(missing))
    st.session_state.estimated = seconds is not None
    _await_estimate(batch, sweeps, missing)
    if seconds is None:
        return "; measuring how long that takes"
    if math.isnan(seconds):
        return ""
    where = sweeps.devices.gpu_phrase(batch.configs.values()) or "this machine"
    return f", about {duration(seconds)} on {where}"


@st.fragment(run_every=FOLLOW_S)
def _await_estimate(batch: RunBatch, sweeps: SweepQueue, missing: Mapping[str, RunConfig]) -> None:
    """Rerun the page once the training time of the missing runs, by run key, is known; a fragment, every 0.5 s."""
    if not st.session_state.estimated and sweeps.estimate(batch, dict(missing)) is not None:
        st.rerun()

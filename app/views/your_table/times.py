"""Estimate of the time that Compare takes on a large table, and the offer of a quicker first look."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anoonly_core.config import RunConfig
from anoonly_core.data.tables.upload_metadata import Upload
from anoonly_core.execution import tasks
from anoonly_core.execution.plan import Plan

from ...controls.choice import baseline_of, default_choice, pin_text
from ...navigation import open_page
from ...server.jobs import Jobs
from ...widgets.worker_result import await_worker_result
from .controls import SAMPLES
from .text import first_look_sentence, time_sentence

__all__ = ["FIRST_LOOK", "draw_times", "first_look"]

FIRST_LOOK = {"epochs": 5, "batch_size": 512}  # both are choices of the controls of Compare


def first_look(b: RunConfig) -> tuple[RunConfig, RunConfig]:
    """Return runs A and B of a first look: the published baseline and `b`, with the settings of `FIRST_LOOK`."""
    return baseline_of(b).with_(**FIRST_LOOK), b.with_(**FIRST_LOOK)


def draw_times(table: Upload, place: DeltaGenerator, jobs: Jobs, session: str) -> None:
    """Draw how long Compare takes on a large table, and a button for a first look with fewer and larger steps.

    A few training steps of each are timed in a worker process, for which the call blocks.

    Parameters
    ----------
    table : Upload
        The table, with labels that can be tested.
    place : DeltaGenerator
        Where sentences and button are drawn.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    """
    assert table.counts is not None
    choice = default_choice()
    protocol = next(iter(table.get_schema().protocols), None)
    b = choice.b.with_(dataset=table.name, protocol=protocol or choice.b.protocol)
    quick_a, quick_b = first_look(b)
    place = place.container()
    found = _timed(table, "all", (baseline_of(b), b), choice.seeds, jobs, session)
    if found is None:
        return
    rows = table.counts["rows"]
    samples = [size for size in SAMPLES if table.counts["anomalies"] * 2 <= size <= rows / 2]
    place.caption(time_sentence(*found, choice.seeds, rows, samples))
    quick = _timed(table, "first", (quick_a, quick_b), choice.seeds, jobs, session)
    if quick is None:
        return
    with place, st.container(horizontal=True, vertical_alignment="center"):
        if st.button("First look", key=f"{table.name} first_look"):
            shown = {name: str(value) for name, value in FIRST_LOOK.items()}
            open_page("compare", {"dataset": table.name, "protocol": b.protocol, "a": pin_text(quick_a), **shown})
        st.caption(first_look_sentence(*quick, choice.seeds, **FIRST_LOOK))


def _timed(
    table: Upload, what: str, sides: tuple[RunConfig, RunConfig], seeds: int, jobs: Jobs, session: str
) -> tuple[float, float] | None:
    """Return the seconds until the first seed of runs A and B, and until all; None if it fails or is canceled.

    `what` distinguishes the pairs of runs of one table; `sides` are A and B for their first seed.
    """
    key = f"times {table.name} {table.identity} {what}"
    named = dict(zip("AB", sides, strict=True))
    plan: Plan | None = await_worker_result(
        *(jobs, session, key, "Timing", tasks.plan_runs, named, jobs.cores), name=f"times_{what}"
    )
    if plan is None or plan.failures:
        return None
    cores = min(jobs.cores, 2)  # A and B train beside each other
    first_s = plan.seconds(cores)
    return first_s, max(sum(stack.seconds for stack in plan.stacks) * seeds / cores, first_s)

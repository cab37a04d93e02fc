"""The state of a batch of runs in the sweep queue, as text beside its buttons."""

from __future__ import annotations

from anoonly_core.execution.plan import duration

from ..server.shipped_runs import SHIPPED_CREATED
from ..server.sweep_queue import SweepView

__all__ = ["finished_text", "progress_text"]

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

"""The runs of one comparison, and their progress and failures on a page."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.results.keys import run_key
from anoonly_core.results.result import RunResult

from ..server.jobs import Jobs, JobView
from ..server.script_turns import SCRIPT_TURNS
from . import notices

__all__ = [
    "Bar",
    "ComparisonRuns",
    "draw_failures",
    "draw_job_progress",
    "draw_run_progress",
    "progress_row",
    "wait_for_poll",
]

POLL_S = 0.1


@dataclass(frozen=True)
class ComparisonRuns:
    """The runs of one comparison, seed by seed."""

    a: list[RunConfig]
    b: list[RunConfig]

    @cached_property
    def keys(self) -> list[str]:
        """The run keys of A, then those of B; cached, since a waiting page reads them ten times a second."""
        return [run_key(config) for config in (*self.a, *self.b)]

    @property
    def baselines(self) -> set[str]:
        """The baselines of all runs."""
        return {config.baseline for config in (*self.a, *self.b)}

    def groups(self) -> list[list[RunConfig]]:
        """Return the runs that train together: the first seed of B and of A alone, because the page shows it first."""
        return [group for group in (self.b[:1], self.a[:1], self.b[1:], self.a[1:]) if group]

    def finished(self, jobs: Jobs) -> tuple[list[RunResult], list[RunResult]] | None:
        """Return the results of A and B for the leading seeds that both have; None before the first."""
        pairs = []
        for a, b in zip(self.keys[: len(self.a)], self.keys[len(self.a) :], strict=True):
            pair = jobs.results.run(a), jobs.results.run(b)
            if pair[0] is None or pair[1] is None:
                break
            pairs.append(pair)
        return ([a for a, _ in pairs if a], [b for _, b in pairs if b]) if pairs else None


class Bar:
    """A progress bar that messages the browser only on a change.

    Many pages poll at once, and a single thread sends all messages.
    """

    def __init__(self, place: DeltaGenerator, row: DeltaGenerator | None = None) -> None:
        self._place, self._row = place, row or place
        self._shown: tuple[float, str] | None = None

    def show(self, share: float, words: str) -> None:
        """Show a share from 0 to 1 with a text."""
        if (share, words) != self._shown:
            self._shown = share, words
            self._place.progress(share, words)

    def remove(self) -> None:
        """Remove the bar, and with it the row that `progress_row` drew."""
        self._row.empty()


def wait_for_poll() -> None:
    """Sleep until a waiting page looks again; other script runs of the visitor have its turn meanwhile.

    Streamlit interrupts a run of the script only where it reads the session or draws; progress may not move for long.
    """
    with SCRIPT_TURNS.pause():
        time.sleep(POLL_S)
    st.session_state.get("session")


def progress_row(place: DeltaGenerator | None = None) -> tuple[Bar, DeltaGenerator]:
    """Draw an empty bar, and return it with the slot for a Cancel button.

    Parameters
    ----------
    place : DeltaGenerator, optional
        The `st.empty()` that takes the row. By default the row stands at the bottom of the window, where it moves
        nothing on the page as it comes and goes; the rerun of a fragment cannot draw there.
    """
    row = place or st.bottom.empty()
    with row.container():
        left, right = st.columns([1, 7], vertical_alignment="center")
    bar = Bar(right.empty(), row)
    bar.show(0.0, "Starting")
    return bar, left


def draw_run_progress(bar: Bar, what: str, plan: ComparisonRuns, keys: list[str], jobs: Jobs) -> None:
    """Show the progress of the runs with these keys: jobs before them in the queue, or their epoch.

    `what` is the text in front, such as "Training". `plan` holds the compared runs A and B.
    """
    uncounted = sorted(name for name in plan.baselines if not BASELINES[name].has("epochs"))
    pretrained = any(BASELINES[name].pretraining_epochs for name in plan.baselines)
    counted_in = " (pretraining counted in)" if pretrained else ""
    begun = f"{what}: {uncounted[0]} has no epochs to count" if uncounted else "Starting"
    unit = "fit" if len(uncounted) == len(plan.baselines) else "step" if uncounted else "epoch"
    draw_job_progress(bar, jobs.view(keys), f"{what}: {unit}", counted_in, begun)


def draw_job_progress(bar: Bar, view: JobView | None, what: str, after: str = "", begun: str = "Starting") -> None:
    """Show a job's progress; `what` and `after` surround "3 of 50", and `begun` is the text before that."""
    if view is not None and view.ahead:
        bar.show(0.0, f"Waiting: {view.ahead} job{'s' if view.ahead > 1 else ''} of others come first")
    elif view is not None and view.total:
        bar.show(min(view.done / view.total, 1.0), f"{what} {view.done} of {view.total}{after}")
    else:
        bar.show(0.0, "Starting" if view is None else begun)


def draw_failures(keys: list[str], jobs: Jobs, place: DeltaGenerator) -> bool:
    """Show why runs failed, each sentence once, with a button that tries again; return whether any failed."""
    failures = {sentence for key in keys if (sentence := jobs.results.failure(key))}
    if failures:
        with place.container():
            notices.error(" ".join(sorted(failures)))
            st.button("Try again", on_click=jobs.results.forget_failures, args=(keys,))
    return bool(failures)

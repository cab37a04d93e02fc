"""The runs of one comparison, and their progress and failures on a page."""

from __future__ import annotations

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
    """The runs of one comparison.

    Attributes
    ----------
    a, b : list of RunConfig
        One configuration a seed, in the same order of seeds.
    """

    a: list[RunConfig]
    b: list[RunConfig]

    @cached_property
    def keys(self) -> list[str]:
        """The run keys of A by seed, then those of B; cached, since a waiting page reads them ten times a second."""
        return [run_key(config) for config in (*self.a, *self.b)]

    @property
    def baselines(self) -> set[str]:
        """Names of the systems of A and B."""
        return {config.baseline for config in (*self.a, *self.b)}

    def groups(self) -> list[list[RunConfig]]:
        """Return the runs in groups that train together, in order.

        The first seed of B, then that of A, is a group by itself, because the page shows it first. The remaining seeds
        of each are one group.
        """
        return [group for group in (self.b[:1], self.a[:1], self.b[1:], self.a[1:]) if group]

    def finished(self, jobs: Jobs) -> tuple[list[RunResult], list[RunResult]] | None:
        """Return the finished results of A and of B, two lists of equal length; None if the first seed is not finished.

        The lists end before the first seed that A or B has not finished. Does not wait.
        """
        pairs = []
        for a, b in zip(self.keys[: len(self.a)], self.keys[len(self.a) :], strict=True):
            pair = jobs.results.run(a), jobs.results.run(b)
            if pair[0] is None or pair[1] is None:
                break
            pairs.append(pair)
        return ([a for a, _ in pairs if a], [b for _, b in pairs if b]) if pairs else None


class Bar:
    """A progress bar that sends the browser a message only if its share or text changes.

    Many pages poll at once, and a single thread sends all messages.

    Parameters
    ----------
    place : DeltaGenerator
        Where the bar is drawn, such as an `st.empty()`.
    row : DeltaGenerator, optional
        What `remove` empties; by default `place`.
    """

    def __init__(self, place: DeltaGenerator, row: DeltaGenerator | None = None) -> None:
        self._place, self._row = place, row or place
        self._shown: tuple[float, str] | None = None

    def show(self, share: float, words: str) -> None:
        """Show a share from 0 to 1 with a text, `words`; do nothing if both are as before."""
        if (share, words) != self._shown:
            self._shown = share, words
            self._place.progress(share, words)

    def remove(self) -> None:
        """Remove the bar from the page, with the Cancel button of a row from `progress_row`."""
        self._row.empty()


def wait_for_poll(jobs: Jobs) -> None:
    """Block for 0.1 s in the loop of a waiting page, or until a job ends; other script runs of the visitor may draw.

    Afterwards the session state is read, since Streamlit interrupts a script only there or where it draws.
    """
    with SCRIPT_TURNS.pause():
        jobs.wait(POLL_S)
    st.session_state.get("session")


def progress_row(place: DeltaGenerator | None = None) -> tuple[Bar, DeltaGenerator]:
    """Draw a progress bar that says "Starting", and return it with the slot left of it for a Cancel button.

    Parameters
    ----------
    place : DeltaGenerator, optional
        The `st.empty()` that takes both. By default they stand at the bottom of the window, where they move nothing
        on the page as they come and go; a fragment's rerun cannot draw there.

    Returns
    -------
    bar : Bar
        The progress bar.
    cancel : DeltaGenerator
        The slot for the button.
    """
    row = place or st.bottom.empty()
    with row.container():
        left, right = st.columns([1, 7], vertical_alignment="center")
    bar = Bar(right.empty(), row)
    bar.show(0.0, "Starting")
    return bar, left


def draw_run_progress(bar: Bar, what: str, plan: ComparisonRuns, keys: list[str], jobs: Jobs) -> None:
    """Show the progress of some runs on a bar.

    The bar tells the number of jobs ahead in the queue, or the epoch of the slowest run.

    Parameters
    ----------
    bar : Bar
        The progress bar.
    what : str
        Text in front, such as "Training".
    plan : ComparisonRuns
        The comparison that the runs belong to; its systems decide if epochs, fits or steps are counted.
    keys : list of str
        Run keys of the runs.
    jobs : Jobs
        The job queue of the server.
    """
    uncounted = sorted(name for name in plan.baselines if not BASELINES[name].has("epochs"))
    pretrained = any(BASELINES[name].pretraining_epochs for name in plan.baselines)
    counted_in = " (pretraining counted in)" if pretrained else ""
    begun = f"{what}: {uncounted[0]} has no epochs to count" if uncounted else "Starting"
    unit = "fit" if len(uncounted) == len(plan.baselines) else "step" if uncounted else "epoch"
    draw_job_progress(bar, jobs.view(keys), f"{what}: {unit}", counted_in, begun)


def draw_job_progress(bar: Bar, view: JobView | None, what: str, after: str = "", begun: str = "Starting") -> None:
    """Show the progress of a job on a bar.

    The bar tells the number of jobs ahead in the queue, or says, for example, "epoch 3 of 50".

    Parameters
    ----------
    bar : Bar
        The progress bar.
    view : JobView or None
        The progress; None shows "Starting".
    what, after : str
        Text before and after "3 of 50".
    begun : str
        Text of a running job that has reported no progress yet.
    """
    if view is not None and view.ahead:
        bar.show(0.0, f"Waiting: {view.ahead} job{'s' if view.ahead > 1 else ''} of others come first")
    elif view is not None and view.total:
        bar.show(min(view.done / view.total, 1.0), f"{what} {view.done} of {view.total}{after}")
    else:
        bar.show(0.0, "Starting" if view is None else begun)


def draw_failures(keys: list[str], jobs: Jobs, place: DeltaGenerator) -> bool:
    """Show why jobs failed, each sentence once, with a button that forgets the failures, so that they start again.

    Parameters
    ----------
    keys : list of str
        Result keys of the jobs, such as run keys.
    jobs : Jobs
        The job queue of the server.
    place : DeltaGenerator
        Where the notice is drawn; left as it is without a failure.

    Returns
    -------
    bool
        True if any of them failed.
    """
    failures = {sentence for key in keys if (sentence := jobs.results.failure(key))}
    if failures:
        with place.container():
            notices.error(" ".join(sorted(failures)))
            st.button("Try again", on_click=jobs.results.forget_failures, args=(keys,))
    return bool(failures)

"""Progress of many stacks that train at the same time, reported as one number of epochs."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.progress import Report
from anoonly_core.runs.stacking import PlannedRun

__all__ = ["JointProgress", "Stopped", "count_epochs"]


class Stopped(Exception):
    """Raised in a stack to stop it, when another stack failed or the caller no longer wants results."""


class JointProgress:
    """Progress of many stacks as one number: the epochs done by all of them; safe to use from several threads.

    Parameters
    ----------
    configs
        All runs. Their epochs, pretraining included, make up the total.
    report
        Called with the epochs done and the total; an exception from it stops the stack that reports.
    """

    def __init__(self, configs: Iterable[RunConfig], report: Report) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._total = count_epochs(configs)
        self._done: dict[str, float] = {}
        self._stopping = False

    def update(self, runs: Sequence[PlannedRun], done: int, epochs: int) -> None:
        """Record that the stack of these runs has done `done` of its `epochs` epochs, and report the sum of all stacks.

        A stack is known by its first run, so a retry of its first half overwrites its record.

        Raises
        ------
        Stopped
            After `stop`, in place of reporting.
        """
        if self._stopping:
            raise Stopped
        with self._lock:
            self._done[runs[0].key] = done / epochs * count_epochs(planned.config for planned in runs)
            self._report(round(sum(self._done.values())), self._total)

    def exclude(self, config: RunConfig) -> None:
        """Subtract the epochs of a run that cannot be trained from the total."""
        with self._lock:
            self._total -= count_epochs([config])

    def stop(self) -> None:
        """Make the next `update` of every stack raise Stopped; return at once."""
        self._stopping = True


def count_epochs(configs: Iterable[RunConfig]) -> int:
    """Return the sum of the epochs of runs, pretraining included."""
    return sum(BASELINES[config.baseline].pretraining_epochs + (config.epochs or 0) for config in configs)

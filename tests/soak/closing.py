"""Closed tabs: their jobs are canceled, so that jobs of open tabs start."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from anoonly_core.machine import cores
from tests.browser.server import Server
from tests.soak.visitor import Visitor

__all__ = ["Closed", "close_tabs"]

# Trains for minutes on one core.
LONG = {"dataset": "breast_cancer", "batch_size": "2", "epochs": "2000", "seeds": "1"}
QUICK = {"seeds": "1", "epochs": "5", "seed": "98765"}
EPOCH = re.compile(r"epoch (\d+) of (2000)")


@dataclass(frozen=True)
class Closed:
    """The wait of a visitor behind other jobs.

    had_to_wait: True if the job was queued. left_s: seconds that the first job ahead would have needed.
    seconds: seconds from closing the tabs to the charts.
    """

    had_to_wait: bool
    left_s: float
    seconds: float

    @property
    def is_freed(self) -> bool:
        """True if the charts came before the job ahead could have finished."""
        return self.seconds < self.left_s


def close_tabs(server: Server) -> Closed:
    """Keep all trainers busy, queue one more visitor, then close all other tabs."""
    others = [Visitor(server.port) for _ in range(cores() + 1)]
    last = Visitor(server.port)
    try:
        begun = time.monotonic()
        others[0].open("", LONG | {"seed": "5000"})
        # Before the others start, so that it is first in the queue.
        others[0].wait(lambda: (found := EPOCH.search(others[0].text)) and int(found[1]) > 5, "a few epochs")
        for number, other in enumerate(others[1:], 5001):
            other.open("", LONG | {"seed": str(number)})
            other.wait(lambda other=other: EPOCH.search(other.text) or "Waiting: " in other.text, "its place")
        last.open("", QUICK)
        last.wait_for("Waiting: ")
        had_to_wait = not last.idle
        found = EPOCH.search(others[0].text)
        assert found is not None
        done, total = int(found[1]), int(found[2])
        left_s = (time.monotonic() - begun) / done * (total - done)
        closed = time.monotonic()
        for other in others:
            other.close()
        last.wait_until_idle()
        last.wait_for("AUCPR")
        return Closed(had_to_wait, left_s, time.monotonic() - closed)
    finally:
        for visitor in (*others, last):
            visitor.close()

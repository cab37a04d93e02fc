"""Long jobs of others: they do not hold up another visitor, and closing their tabs cancels them."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from anoonly_core.machine import cores
from tests.browser.server import Server
from tests.soak.visitor import Visitor
from tests.soak.watch import IDLE_S, wait_until_settled

__all__ = ["Closed", "close_tabs"]

# Trains for minutes on one core.
LONG = {"dataset": "breast_cancer", "batch_size": "2", "epochs": "2000", "seeds": "1"}
QUICK = {"seeds": "1", "epochs": "5", "seed": "98765"}
EPOCH = re.compile(r"epoch (\d+) of (2000)")


@dataclass(frozen=True)
class Closed:
    """A visitor beside the long jobs of others, and those jobs once their tabs are closed.

    left_s: seconds that the first job ahead would have needed. beside_s: seconds until the visitor's charts, with the
    other tabs open. idle_s: seconds from closing all tabs until the server is idle.
    """

    left_s: float
    beside_s: float
    idle_s: float

    @property
    def is_served(self) -> bool:
        """True if the charts came before the job ahead could have finished."""
        return self.beside_s < self.left_s

    @property
    def is_freed(self) -> bool:
        """True if the workers were idle before the job ahead could have finished."""
        return self.idle_s < self.left_s


def close_tabs(server: Server, idle_s: float = IDLE_S) -> Closed:
    """Keep all trainers busy, draw the charts of one more visitor, then close the other tabs.

    idle_s: seconds without work after which the server counts as idle.
    """
    others = [Visitor(server.port) for _ in range(cores() + 1)]
    last = Visitor(server.port)
    try:
        begun = time.monotonic()
        others[0].open("compare", LONG | {"seed": "5000"})
        # Before the others start, so that it is the first to train.
        others[0].wait(lambda: (found := EPOCH.search(others[0].text)) and int(found[1]) > 5, "a few epochs")
        for number, other in enumerate(others[1:], 5001):
            other.open("compare", LONG | {"seed": str(number)})
            other.wait(lambda other=other: EPOCH.search(other.text) or "Waiting: " in other.text, "its place")
        opened = time.monotonic()
        last.open("compare", QUICK)
        last.wait_until_idle()
        last.wait_for("AUCPR")
        beside_s = time.monotonic() - opened
        found = EPOCH.search(others[0].text)
        assert found is not None
        done, total = int(found[1]), int(found[2])
        left_s = (time.monotonic() - begun) / done * (total - done)
        closed = time.monotonic()
        for other in others:
            other.close()
        last.close()  # no page asks for anything now
        wait_until_settled(server, idle_s)
        return Closed(left_s, beside_s, time.monotonic() - closed)
    finally:
        for visitor in (*others, last):
            visitor.close()

"""Turns for the runs of the page script, so that the tabs of one visitor leave the interpreter to the others."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["SCRIPT_TURNS", "ScriptTurns"]

RUNS_AT_ONCE = 2


class ScriptTurns:
    """Limit the script runs of each visitor that draw at once; further ones wait until one of them ends or pauses.

    All sessions share one Python interpreter, of which each thread that draws takes an equal part.

    Parameters
    ----------
    limit : int
        Number of runs of one visitor that may draw at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._drawing: Counter[str] = Counter()  # runs by visitor
        self._freed = threading.Condition()
        self._current = threading.local()  # the visitor whose turn this thread has

    @contextmanager
    def turn(self, visitor: str) -> Iterator[None]:
        """Block until the visitor has a free turn, then hold it for this thread while the context lasts."""
        self._take(visitor)
        self._current.visitor = visitor
        try:
            yield
        finally:
            del self._current.visitor
            self._release(visitor)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Give the turn of this thread to others while the context lasts, then block until there is one again.

        In a thread without a turn nothing happens.
        """
        visitor = getattr(self._current, "visitor", None)
        if visitor is None:
            yield
            return
        self._release(visitor)
        try:
            yield
        finally:
            self._take(visitor)

    def _take(self, visitor: str) -> None:
        with self._freed:
            self._freed.wait_for(lambda: self._drawing[visitor] < self._limit)
            self._drawing[visitor] += 1

    def _release(self, visitor: str) -> None:
        with self._freed:
            self._drawing[visitor] -= 1
            if not self._drawing[visitor]:
                del self._drawing[visitor]
            self._freed.notify_all()


SCRIPT_TURNS = ScriptTurns(RUNS_AT_ONCE)

"""Turns of script runs: a limit per visitor, others are not held up, a waiting page gives its turn away."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from app.server.script_turns import ScriptTurns

WAIT_S = 10.0
BRIEFLY_S = 0.05


class Runs:
    """Script runs in threads of their own that draw until they are told to end."""

    def __init__(self, turns: ScriptTurns) -> None:
        self.turns, self.ends, self.threads = turns, threading.Event(), list[threading.Thread]()

    def begin(self, visitor: str, then: Callable[[], object] | None = None) -> threading.Event:
        """Start a run and return the event of its first drawing."""
        drawing = threading.Event()

        def run() -> None:
            with self.turns.turn(visitor):
                drawing.set()
                (then or self.ends.wait)()

        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()
        return drawing

    def end(self) -> None:
        self.ends.set()
        for thread in self.threads:
            thread.join(WAIT_S)
            assert not thread.is_alive()


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_visitor_draws_in_as_many_runs_as_the_limit_and_never_more(limit: int) -> None:
    runs, counted, most = Runs(ScriptTurns(limit)), [0], [0]
    lock = threading.Lock()

    def count() -> None:
        for step in (1, -1):
            with lock:
                counted[0] += step
                most[0] = max(most[0], counted[0])
            threading.Event().wait(0.002)

    begun = [runs.begin("one", count) for _ in range(40)]
    assert all(event.wait(WAIT_S) for event in begun)
    runs.end()
    assert most[0] == limit


def test_another_visitor_is_not_held_up() -> None:
    runs = Runs(ScriptTurns(1))
    assert runs.begin("one").wait(WAIT_S)
    second = runs.begin("one")
    assert runs.begin("two").wait(WAIT_S)
    assert not second.wait(BRIEFLY_S)
    runs.end()
    assert second.is_set()


def test_a_paused_run_gives_its_turn_and_waits_for_it_again() -> None:
    runs = Runs(ScriptTurns(1))
    paused, resume, resumed = threading.Event(), threading.Event(), threading.Event()

    def pause() -> None:
        with runs.turns.pause():
            paused.set()
            resume.wait(WAIT_S)
        resumed.set()

    runs.begin("one", pause)
    assert paused.wait(WAIT_S)
    assert runs.begin("one").wait(WAIT_S)
    resume.set()
    assert not resumed.wait(BRIEFLY_S)
    runs.end()
    assert resumed.is_set()


@pytest.mark.parametrize("pauses", [False, True])
def test_an_interrupted_run_leaves_its_turn(pauses: bool) -> None:
    turns = ScriptTurns(1)
    with pytest.raises(KeyboardInterrupt), turns.turn("one"):
        if pauses:
            with turns.pause():
                raise KeyboardInterrupt
        raise KeyboardInterrupt
    runs = Runs(turns)
    assert runs.begin("one").wait(WAIT_S)
    runs.end()


def test_a_thread_without_a_turn_may_pause() -> None:
    turns = ScriptTurns(1)
    with turns.turn("one"):
        thread = threading.Thread(target=lambda: turns.pause().__enter__(), daemon=True)
        thread.start()
        thread.join(WAIT_S)
        assert not thread.is_alive()

"""A short `make soak ARGS=load`: a few sessions at once, and the closed tabs of long jobs."""

from __future__ import annotations

from tests.browser.server import serving
from tests.soak.closing import close_tabs
from tests.soak.load import FEWEST, put_under_load

SESSIONS = 6


def test_a_few_sessions_have_no_errors_and_are_separate() -> None:
    with serving() as server:
        report = put_under_load(
            server, server.log.parent, sessions=SESSIONS, seconds=6.0, browsers=0, pause_s=(0.1, 1.0)
        )
        assert report.errors == [] and report.saw_another_s == [] and report.trained_twice == []
        assert report.movements >= FEWEST * SESSIONS and report.trained > 0
        closed = close_tabs(server, idle_s=3.0)
        assert closed.is_served and closed.is_freed, closed

"""The short form of `make soak`: a few sessions, a few faults; for the whole of it see tests/soak."""

from __future__ import annotations

from tests.browser.server import serving
from tests.soak.closing import close_tabs
from tests.soak.faults import SHORT, meet
from tests.soak.load import put_under_load


def test_a_few_sessions_meet_no_error_and_see_nothing_of_each_other() -> None:
    with serving() as server:
        report = put_under_load(server, server.log.parent, sessions=6, seconds=12.0, browsers=0)
        assert report.errors == [] and report.saw_another_s == [] and report.trained_twice == []
        assert report.movements >= 18 and report.trained > 0
        closed = close_tabs(server)
        assert closed.had_to_wait and closed.is_freed, closed


def test_a_killed_worker_and_a_killed_server_cost_nothing_that_was_stored() -> None:
    for outcome in meet(SHORT):
        print(f"\n{outcome.name}: {outcome.seen}")
        assert outcome.ok, outcome

"""A short `make soak`: a few sessions and faults; see tests/soak for all of them."""

from __future__ import annotations

from tests.browser.server import serving
from tests.soak.closing import close_tabs
from tests.soak.faults import SHORT, run_faults
from tests.soak.load import put_under_load


def test_a_few_sessions_have_no_errors_and_are_separate() -> None:
    with serving() as server:
        report = put_under_load(server, server.log.parent, sessions=6, seconds=12.0, browsers=0)
        assert report.errors == [] and report.saw_another_s == [] and report.trained_twice == []
        assert report.movements >= 18 and report.trained > 0
        closed = close_tabs(server)
        assert closed.is_served and closed.is_freed, closed


def test_a_killed_worker_or_server_loses_no_stored_run() -> None:
    for outcome in run_faults(SHORT):
        print(f"\n{outcome.name}: {outcome.seen}")
        assert outcome.ok, outcome

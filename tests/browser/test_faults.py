"""A short `make soak ARGS=faults`: a killed worker and a killed server; see tests/soak/faults for all of them."""

from __future__ import annotations

from tests.soak.faults import SHORT, run_faults


def test_a_killed_worker_or_server_loses_no_stored_run() -> None:
    for outcome in run_faults(SHORT):
        print(f"\n{outcome.name}: {outcome.seen}")
        assert outcome.ok, outcome

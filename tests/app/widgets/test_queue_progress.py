"""The text beside the buttons of a sweep or a ranking."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.bundled_results import default_sweep
from app.server.shipped_runs import shipped_runs
from app.server.sweep_queue import SweepView
from app.widgets.queue_progress import finished_text, progress_text

RUNS = shipped_runs(default_sweep().configs)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("waiting", "Ranking: 0 of 8 runs. Waiting: another sweep comes first"),
        ("planning", "Ranking: 0 of 8 runs. Timing a few steps of each shape"),
        ("running", "Ranking: 0 of 8 runs, about 30 s left on a GPU"),
        ("stopping", "Ranking: 0 of 8 runs. Stopping at the next epoch"),
    ],
)
def test_each_state_has_a_text(state: str, text: str) -> None:
    assert progress_text(SweepView(state, {}, {}, 30.0, ""), 8, "Ranking: ", " on a GPU") == text


def test_failed_runs_are_counted() -> None:
    view = SweepView("stopping", {}, {"a": "It failed.", "b": "It failed."}, None, "")
    assert progress_text(view, 8).startswith("0 of 8 runs, 2 failed. ")


def test_only_runs_that_all_ship_are_said_to_ship() -> None:
    view = SweepView("idle", RUNS, {}, None, "")
    assert RUNS and finished_text(view) == f"All {len(RUNS)} runs are finished: they ship with this app"
    key = next(iter(RUNS))
    trained = replace(view, runs={**RUNS, key: replace(RUNS[key], created=1.0)})
    assert finished_text(trained) == f"All {len(RUNS)} runs are finished"

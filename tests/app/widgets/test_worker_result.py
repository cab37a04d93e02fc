"""The speed of a job since it was first seen."""

from __future__ import annotations

from functools import partial

import pytest

from app.server.jobs import JobView
from app.views.your_table.text import share_text
from app.widgets import worker_result
from app.widgets.worker_result import SpeedWords


def test_the_time_left_follows_from_the_speed_since_the_job_was_first_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter((10.0, 10.5, 12.0, 14.0))
    monkeypatch.setattr(worker_result.time, "monotonic", lambda: next(now))
    left = SpeedWords(partial(share_text, "Reading"))
    said = [left.describe(JobView(0, done, 1000)) for done in (100, 200, 300, 300)]
    assert said[:2] == ["Reading: 10%", "Reading: 20%"], "too soon for a speed"
    assert said[2] == "Reading: 30%, about 7 s left"  # 200 in 2 s, 700 to go
    assert said[3] == "Reading: 30%, about 14 s left"

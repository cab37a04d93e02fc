"""The progress bar of a waiting page is updated only on a change."""

from __future__ import annotations

from typing import Any, cast

from streamlit.delta_generator import DeltaGenerator

from app.server.jobs import JobView
from app.widgets.progress import Bar, draw_job_progress


class Place:
    """A place for a bar that records each message."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str]] = []

    def progress(self, share: float, words: str) -> None:
        self.told.append((share, words))


def bar_at(place: Any) -> Bar:
    return Bar(cast(DeltaGenerator, place))


def test_a_bar_speaks_only_when_it_has_moved() -> None:
    place = Place()
    bar = bar_at(place)
    for ahead, done in ((3, 0), (3, 0), (1, 0), (0, 2), (0, 2), (0, 3)):
        draw_job_progress(bar, JobView(ahead=ahead, done=done, total=0 if ahead else 10), "Training: epoch")
    assert place.told == [
        (0.0, "Waiting: 3 jobs of others come first"),
        (0.0, "Waiting: 1 job of others come first"),
        (0.2, "Training: epoch 2 of 10"),
        (0.3, "Training: epoch 3 of 10"),
    ]


def test_another_bar_begins_anew() -> None:
    first, second = Place(), Place()
    bar_at(first).show(0.5, "half")
    bar_at(second).show(0.5, "half")
    assert first.told == second.told == [(0.5, "half")]

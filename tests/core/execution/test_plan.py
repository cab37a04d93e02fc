"""The time of a plan, and durations in words."""

from __future__ import annotations

import pytest

from anoonly_core.execution.plan import Plan, PlannedStack, duration


def test_the_time_is_that_of_the_busiest_worker() -> None:
    stacks = tuple(PlannedStack({}, seconds) for seconds in (4.0, 3.0, 2.0))
    assert Plan(stacks, {}).seconds(1) == 9.0
    assert Plan(stacks, {}).seconds(2) == 5.0
    assert Plan(stacks, {}).seconds(5) == 4.0
    assert Plan((), {}).seconds(2) == 0.0


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (89.0, "89 s"), (90.0, "2 min"), (5399.0, "90 min"), (9000.0, "2.5 h")]
)
def test_a_duration_is_a_few_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words

"""A reader's answers in a cookie: written and read back, and no cookie breaks the page."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies

from app.views.lessons.answers import COOKIE, Answers, draw_cookie, session_answers
from app.views.lessons.lessons import LESSONS, Outcome, Position

POSITIONS = [Position(name, number + 1) for name, lesson in LESSONS.items() for number in range(len(lesson.steps))]
outcomes: strategies.SearchStrategy[Outcome] = strategies.sampled_from(("better", "equal", "worse"))


@given(
    strategies.dictionaries(
        strategies.sampled_from(POSITIONS), strategies.tuples(outcomes, strategies.none() | outcomes)
    )
)
def test_answers_survive_the_cookie(made: dict[Position, tuple[Outcome, Outcome | None]]) -> None:
    answers = Answers(
        {position: predicted for position, (predicted, _) in made.items()},
        {position: seen for position, (_, seen) in made.items() if seen is not None},
    )
    assert Answers.read(answers.text()) == answers
    assert re.fullmatch(r"[a-z0-9_:|-]*", answers.text()), "a cookie holds it without quotes"


def test_all_answers_fit_a_cookie() -> None:
    every: dict[Position, Outcome] = dict.fromkeys(POSITIONS, "worse")
    assert len(Answers(every, every).text()) < 1000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "|||:::",
        "no_such_lesson:bb",
        "imbalance:b",
        "imbalance:xxxxxx",
        "imbalance:-b-b-b",
        "imbalance:" + "b" * 10_000,
        "<script>:bb",
    ],
)
def test_a_cookie_that_does_not_fit_is_no_answer(text: str) -> None:
    assert Answers.read(text) == Answers()


def test_a_part_that_does_not_fit_leaves_the_others() -> None:
    first, *_ = LESSONS
    letters = "be" + "--" * (len(LESSONS[first].steps) - 1)
    answers = Answers.read(f"gone:bb|{first}:{letters}")
    assert answers == Answers({Position(first, 1): "better"}, {Position(first, 1): "equal"})


class Place:
    """Stand in for a place on the page."""

    def __init__(self) -> None:
        self.scripts: list[str] = []

    def html(self, script: str, unsafe_allow_javascript: bool) -> None:
        self.scripts.append(script)


def test_only_new_answers_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    import streamlit as st

    before = Answers({POSITIONS[0]: "better"}, {POSITIONS[0]: "worse"})
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "context", SimpleNamespace(cookies={COOKIE: before.text()}))
    place = Place()
    draw_cookie(place)  # type: ignore[arg-type]
    assert session_answers() == before and place.scripts == []
    session_answers().predicted[POSITIONS[1]] = "equal"
    draw_cookie(place)  # type: ignore[arg-type]
    assert f"{COOKIE}={session_answers().text()};" in place.scripts[-1]
    session_answers().predicted.pop(POSITIONS[1])
    draw_cookie(place)  # type: ignore[arg-type]
    assert f"{COOKIE}={before.text()};" in place.scripts[-1], "a reset is written too"

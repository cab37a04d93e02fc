"""The reader's predictions and the outcomes seen, kept in the session and, beyond a reload, in a cookie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from .lessons import LESSONS, Outcome, Position

__all__ = ["COOKIE", "Answers", "draw_cookie", "session_answers"]

COOKIE = "anoonly_lessons"
KEPT_S = 365 * 24 * 3600
STATE = "lesson_answers"
CHANGED = "lesson_answers_changed"
NONE = "-"
LETTERS: Mapping[str, Outcome] = {outcome[0]: outcome for outcome in get_args(Outcome)}


@dataclass
class Answers:
    """The predictions of a reader, and the outcomes that the reader has seen.

    Parameters
    ----------
    predicted, seen : dict of Position to Outcome
        By question; one without an entry has not been answered, or its outcome has not been shown.
    """

    predicted: dict[Position, Outcome] = field(default_factory=dict)
    seen: dict[Position, Outcome] = field(default_factory=dict)

    def reopen(self, position: Position) -> None:
        """Remove the prediction and the outcome of the question at this position, so that it can be answered again."""
        self.predicted.pop(position, None)
        self.seen.pop(position, None)

    def text(self) -> str:
        """Serialize the answers for a cookie, such as "imbalance:bb--e-": lessons with any answer, joined by "|".

        Two letters a question stand for the prediction and the outcome, their first letters; "-" for none.
        """
        lessons = []
        for name, lesson in LESSONS.items():
            positions = [Position(name, number + 1) for number in range(len(lesson.steps))]
            letters = "".join(
                side[position][0] if position in side else NONE
                for position in positions
                for side in (self.predicted, self.seen)
            )
            if letters.strip(NONE):
                lessons.append(f"{name}:{letters}")
        return "|".join(lessons)

    @classmethod
    def read(cls, text: str) -> Answers:
        """Parse the text of a cookie that `text` wrote; drop parts that do not fit the lessons of this version."""
        answers = cls()
        for part in text.split("|"):
            name, _, letters = part.partition(":")
            if name not in LESSONS or len(letters) != 2 * len(LESSONS[name].steps):
                continue
            for number, (predicted, seen) in enumerate(zip(letters[::2], letters[1::2], strict=True), start=1):
                if predicted in LETTERS:
                    answers.predicted[Position(name, number)] = LETTERS[predicted]
                    if seen in LETTERS:
                        answers.seen[Position(name, number)] = LETTERS[seen]
        return answers


def session_answers() -> Answers:
    """Return the answers of this session, a mutable object that starts from the browser's cookie."""
    if STATE not in st.session_state:
        st.session_state[STATE] = Answers.read(st.context.cookies.get(COOKIE, ""))
    answers: Answers = st.session_state[STATE]
    return answers


def draw_cookie(place: DeltaGenerator) -> None:
    """Write the session's answers into the browser's cookie, by a script drawn in `place`, once they differ from it.

    A tab without new answers does not overwrite those of another tab.
    """
    if CHANGED not in st.session_state and session_answers().text() == st.context.cookies.get(COOKIE, ""):
        return
    st.session_state[CHANGED] = True
    cookie = f"{COOKIE}={session_answers().text()}; path=/; max-age={KEPT_S}; samesite=strict"
    place.html(f"<script>document.cookie = {cookie!r};</script>", unsafe_allow_javascript=True)

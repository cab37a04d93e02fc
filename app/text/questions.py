"""Questions of a newcomer with answers from shipped results, read from assets/start/questions.json and validated."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from anoonly_core.paths import ASSETS

__all__ = ["QUESTIONS", "QUESTIONS_FILE", "Question", "read_questions", "write_questions"]

QUESTIONS_FILE = ASSETS / "start" / "questions.json"


class Question(BaseModel):
    """A question with its answer and the page that shows it; validated by pydantic.

    Attributes
    ----------
    name : str
        Identifier, unique among the questions.
    question : str
        The question, at most 40 characters.
    answer : str
        One sentence in Markdown, at most 130 characters, with figures of shipped results.
    page : str
        Name in `app.navigation.PAGES` of the page that shows the result.
    parameters : dict of str to str
        URL parameters of that page.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z]+$")
    question: str = Field(max_length=40, pattern=r"\?$")
    answer: str = Field(max_length=130, pattern=r"\.$")
    page: str
    parameters: dict[str, str] = {}


def read_questions(path: Path = QUESTIONS_FILE) -> tuple[Question, ...]:
    """Read and validate the questions of a JSON file, in its order; raise ValueError if it is invalid."""
    return tuple(Question.model_validate(entry) for entry in json.loads(path.read_text(encoding="utf-8")))


def write_questions(questions: Iterable[Question], path: Path = QUESTIONS_FILE) -> None:
    """Write questions to a JSON file in place of those in it."""
    entries = [question.model_dump() for question in questions]
    path.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


QUESTIONS = read_questions()

"""Lessons: read from assets/lessons and validated; outcomes are computed from the runs.

A lesson asks a question and lets the reader predict. `claim` is the outcome for the author of the lesson; the tests
check it, and the page computes the outcome from the runs of the reader.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from anoonly_core.config import RunConfig, make_config
from anoonly_core.errors import AnoOnlyError
from anoonly_core.paths import ASSETS
from anoonly_core.results.result import RunResult

from ...controls.page_address import PageAddress, register
from ...controls.parameters import Parameter, any_text
from ...text.verdict import PairedDifference, paired_difference
from .measures import MEASURES

__all__ = [
    "ADDRESS",
    "FOLDER",
    "LESSONS",
    "SEEDS",
    "BadLesson",
    "Comparison",
    "Lesson",
    "Outcome",
    "Page",
    "Position",
    "Step",
    "Suggestion",
    "classify_outcome",
    "measure_difference",
    "parse_position",
    "read_lesson",
    "read_lessons",
]

FOLDER = ASSETS / "lessons"
SEEDS = 5

Outcome = Literal["better", "equal", "worse"]
Page = Literal["compare", "sweep", "microscope", "why", "runs"]
Settings = Mapping[str, Any]
Sentence = Annotated[str, Field(min_length=1), AfterValidator(str.strip)]


class BadLesson(AnoOnlyError):
    """A file does not contain a valid lesson."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Comparison(_Frozen):
    """Two runs and the claimed outcome of a measure.

    Attributes
    ----------
    a, b : mapping
        Settings of a RunConfig without the seed.
    metric : str
        Name of one of MEASURES.
    claim : Outcome
        Outcome of B against A for the author.
    """

    a: Settings
    b: Settings
    metric: str
    claim: Outcome

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        if name not in MEASURES:
            raise ValueError(f"there is no measure called {name!r}")
        return name

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        for settings in (self.a, self.b):
            try:
                make_config(**settings)
            except AnoOnlyError as error:
                raise ValueError(str(error)) from error
        return self

    def runs(self, seeds: Sequence[int] = range(SEEDS)) -> tuple[list[RunConfig], list[RunConfig]]:
        """Return the configs of A and of B, one a seed."""
        return tuple([make_config(**settings, seed=seed) for seed in seeds] for settings in (self.a, self.b))  # type: ignore[return-value]


class Step(Comparison):
    """One question of a lesson.

    Attributes
    ----------
    question : str
        The question.
    predictions : mapping
        Text of each outcome, in the order offered.
    why : str
        Explanation in Markdown, shown after the runs.
    also : tuple of Comparison
        Further claims of `why`.
    shows : str
        Figure below the answer, "scores" or "map".
    """

    question: Sentence
    predictions: Mapping[Outcome, Sentence]
    why: Sentence
    also: tuple[Comparison, ...] = ()
    shows: Literal["scores", "map"] = "scores"

    @field_validator("predictions")
    @classmethod
    def _all_outcomes(cls, predictions: Mapping[Outcome, str]) -> Mapping[Outcome, str]:
        if set(predictions) != set(get_args(Outcome)):
            raise ValueError("better, equal and worse must each be predictable")
        return predictions


class Suggestion(_Frozen):
    """Suggestion of what to try next: a sentence, a page and its URL parameters."""

    text: Sentence
    page: Page
    parameters: Mapping[str, str | list[str]] = {}


class Lesson(_Frozen):
    """Lesson of five to ten minutes: two or three questions on one topic."""

    title: Sentence
    minutes: int = Field(ge=5, le=10)
    question: Sentence
    steps: tuple[Step, ...] = Field(min_length=2, max_length=3)
    next: tuple[Suggestion, ...] = Field(min_length=2, max_length=3)


def classify_outcome(difference: PairedDifference) -> Outcome:
    """Return "better" or "worse" if the 95 % interval excludes zero, else "equal"."""
    if not difference.is_clear:
        return "equal"
    return "better" if difference.delta > 0 else "worse"


def measure_difference(
    metric: str, a: Sequence[RunResult], b: Sequence[RunResult], points: Mapping[str, np.ndarray] | None = None
) -> PairedDifference:
    """Compare a measure of B and A over their seeds; `points` holds the map of each run by its key, if needed."""
    measure = MEASURES[metric]
    sides = [
        [measure.of(run, points[run.key] if measure.projector and points else run.sample.hidden) for run in side]
        for side in (a, b)
    ]
    return paired_difference(*sides)


def read_lesson(path: Path) -> Lesson:
    """Read a lesson from a TOML file.

    `settings` of the lesson apply to all steps, `settings` of a step to its A and B.

    Raises
    ------
    BadLesson
        If the file cannot be read or is invalid, with one sentence.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        shared = content.pop("settings", {})
        for step in content.get("steps", ()):
            _spread_settings(step, shared | step.pop("settings", {}))
        return Lesson.model_validate(content)
    except ValidationError as error:
        detail = error.errors()[0]
        location = " ".join(str(part) for part in detail["loc"])
        raise BadLesson(f"The lesson {path.name} is invalid, {location or 'as a whole'}: {detail['msg']}.") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BadLesson(f"The lesson {path.name} cannot be read: {error}.") from error


def _spread_settings(step: dict[str, Any], shared: dict[str, Any]) -> None:
    """Complete A and B of a step with the shared settings; further claims default to the A and B of the step."""
    completed: dict[str, Any] = {side: shared | step[side] for side in ("a", "b") if side in step}
    for check in step.get("also", ()):
        for side, settings in completed.items():
            check[side] = shared | check[side] if side in check else settings
    step.update(completed)


def read_lessons(folder: Path = FOLDER) -> Mapping[str, Lesson]:
    """Read all lessons of a folder, by name and in the order of their files N_name.toml."""
    paths = sorted(folder.glob("*.toml"))
    return MappingProxyType({path.stem.partition("_")[2] or path.stem: read_lesson(path) for path in paths})


LESSONS = read_lessons()


@dataclass(frozen=True)
class Position:
    """Position of the reader: lesson and step from 1; the number after the last step is the closing page."""

    lesson: str
    step: int = 1


LESSON = Parameter("lesson", tuple(LESSONS))
STEP = Parameter("step", parser=any_text)
ADDRESS = register(PageAddress("lessons", (LESSON, STEP), bound=False))


def parse_position(texts: Mapping[str, list[str]]) -> tuple[Position, list[str]]:
    """Return the place that a link means, and a sentence about each parameter that cannot be used.

    Parameters
    ----------
    texts : mapping of str to list of str
        All texts under each name of the address.
    """
    values, notices = ADDRESS.read(texts)
    place = Position(values.get("lesson", next(iter(LESSONS))))
    if "step" not in values or ("lesson" in texts and "lesson" not in values):
        return place, notices
    last = len(LESSONS[place.lesson].steps) + 1
    step, complaints = STEP.among(range(1, last + 1)).read([values["step"]])
    return Position(place.lesson, step or 1), notices + complaints

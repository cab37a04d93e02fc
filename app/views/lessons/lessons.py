"""Lessons: read from assets/lessons and validated; outcomes are computed from the runs.

A lesson asks a question and lets the reader predict. `claim` is the outcome that the author of the lesson states; the
tests check it, and the page computes the outcome from the runs of the reader.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from anoonly_core.config import RunConfig, make_config
from anoonly_core.errors import AnoOnlyError
from anoonly_core.paths import ASSETS
from anoonly_core.results.result import RunResult

from ...controls.page_address import PageAddress, register
from ...controls.parameters import Parameter, any_text
from ...text.verdict import PairedDifference, paired_difference
from .measures import MEASURES, Measure
from .streams import WAY, Scoring, StreamRun, make_scoring, network_of

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
Page = Literal["compare", "sweep", "microscope", "why", "weak_supervision", "drift", "runs"]
Settings = Mapping[str, Any]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class BadLesson(AnoOnlyError):
    """Raised for a file without a valid lesson; the message is one sentence."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Comparison(_Frozen):
    """Two runs A and B, a measure, and the outcome that the author of the lesson claims.

    Attributes
    ----------
    a, b : mapping
        Settings of a RunConfig by field name, without the seed. In a comparison about a stream also settings of a
        DriftConfig, and "way", the way that scores the stream.
    metric : str
        The measure, a key of `MEASURES`.
    claim : Outcome
        The claimed outcome: B is "better", "equal" or "worse" than A.
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
        if (WAY in self.b) != self.is_stream:
            raise ValueError("a way of scoring must be given for A and for B")
        if MEASURES[self.metric].is_stream != self.is_stream:
            raise ValueError(f"{self.metric} does not fit: a stream has measures of its own, and a way for A and B")
        for settings in (self.a, self.b):
            try:
                make_scoring(settings) if self.is_stream else make_config(**settings)
            except AnoOnlyError as error:
                raise ValueError(str(error)) from error
        return self

    @property
    def is_stream(self) -> bool:
        """True if A and B score a stream, False if they are runs on test rows."""
        return WAY in self.a

    def runs(self, seeds: Sequence[int] = range(SEEDS)) -> tuple[list[RunConfig], list[RunConfig]]:
        """Return the configurations of A and those of B, two lists with one configuration for each of `seeds`."""
        a, b = ([make_config(**network_of(side), seed=seed) for seed in seeds] for side in (self.a, self.b))
        return a, b

    def scorings(self, seeds: Sequence[int] = range(SEEDS)) -> tuple[list[Scoring], list[Scoring]]:
        """Return how A and how B score their streams, two lists with one entry for each of `seeds`."""
        a, b = ([make_scoring(side, seed) for seed in seeds] for side in (self.a, self.b))
        return a, b

    def canonical(self) -> str:
        """Return a text that identifies all settings of A and B."""
        sides: Sequence[Sequence[RunConfig | Scoring]] = self.scorings([0]) if self.is_stream else self.runs([0])
        return "".join(each.canonical() for side in sides for each in side)


class Step(Comparison):
    """One question of a lesson.

    Attributes
    ----------
    question : str
        The question.
    predictions : mapping of Outcome to str
        Text of each outcome, in the order in which the page offers them.
    why : str
        Explanation in Markdown, shown after the runs.
    also : tuple of Comparison
        Further claims that the explanation makes.
    shows : str
        Figure below the answer: "scores" in units of each run, "sizes" for scores on one scale, or "map".
    """

    question: Sentence
    predictions: Mapping[Outcome, Sentence]
    why: Sentence
    also: tuple[Comparison, ...] = ()
    shows: Literal["scores", "sizes", "map"] = "scores"

    @field_validator("predictions")
    @classmethod
    def _all_outcomes(cls, predictions: Mapping[Outcome, str]) -> Mapping[Outcome, str]:
        if set(predictions) != set(get_args(Outcome)):
            raise ValueError("better, equal and worse must each be predictable")
        return predictions


class Suggestion(_Frozen):
    """A suggestion after a lesson: a sentence, and a page with the URL parameters to open it with."""

    text: Sentence
    page: Page
    parameters: Mapping[str, str | list[str]] = {}


class Lesson(_Frozen):
    """A lesson of five to ten minutes: two or three questions on one topic, then suggestions of what to try next."""

    title: Sentence
    minutes: int = Field(ge=5, le=10)
    question: Sentence
    steps: tuple[Step, ...] = Field(min_length=2, max_length=3)
    next: tuple[Suggestion, ...] = Field(min_length=2, max_length=3)


def classify_outcome(difference: PairedDifference) -> Outcome:
    """Return "better" or "worse" for B against A if the 95 % interval of the difference excludes zero, else "equal".

    A larger value counts as better.
    """
    if not difference.is_clear:
        return "equal"
    return "better" if difference.delta > 0 else "worse"


def measure_difference(
    metric: str,
    a: Sequence[RunResult] | Sequence[StreamRun],
    b: Sequence[RunResult] | Sequence[StreamRun],
    points: Mapping[str, np.ndarray] | None = None,
) -> PairedDifference:
    """Compute a measure for each run of A and B, and return the paired difference over the seeds.

    Parameters
    ----------
    metric : str
        The measure, a key of `MEASURES`.
    a, b : sequence of RunResult or of StreamRun
        The runs or streams, seed by seed.
    points : mapping of str to np.ndarray, optional
        The map of each run by run key, float [rows, 2], for a measure of maps.
    """
    measure = MEASURES[metric]
    return paired_difference(*([measure.of(run, _points_of(run, measure, points)) for run in side] for side in (a, b)))


def _points_of(run: RunResult | StreamRun, measure: Measure, points: Mapping[str, np.ndarray] | None) -> np.ndarray:
    """Return the points of a run for a measure: those of its map, else its hidden features; none for a stream."""
    if isinstance(run, StreamRun):
        return np.zeros((0, 2))
    return points[run.key] if measure.projector and points else run.sample.hidden


def read_lesson(path: Path) -> Lesson:
    """Read and validate a lesson from a TOML file.

    Settings in the table `settings` of the lesson apply to A and B of all steps, those of a step to its A and B.

    Raises
    ------
    BadLesson
        If the file cannot be read or is invalid.
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
    """Add shared settings to the runs of a step as read from TOML, in place; the settings of A and B win.

    Further claims of the step get them too; one without an A or B takes that of the step.

    Parameters
    ----------
    step : dict
        The table of the step.
    shared : dict
        Settings for A and B, by field name of `RunConfig`.
    """
    completed: dict[str, Any] = {side: shared | step[side] for side in ("a", "b") if side in step}
    for check in step.get("also", ()):
        for side, settings in completed.items():
            check[side] = shared | check[side] if side in check else settings
    step.update(completed)


def read_lessons(folder: Path = FOLDER) -> Mapping[str, Lesson]:
    """Read all lessons of a folder, by name, in the order of their files `N_name.toml`; raise BadLesson."""
    paths = sorted(folder.glob("*.toml"), key=lambda path: (path.stem.partition("_")[0].zfill(3), path.stem))
    return MappingProxyType({path.stem.partition("_")[2] or path.stem: read_lesson(path) for path in paths})


LESSONS = read_lessons()


@dataclass(frozen=True)
class Position:
    """The place of the reader in the lessons.

    Attributes
    ----------
    lesson : str
        Name of the lesson.
    step : int
        Number of the question, from 1; the number after the last question is the closing page.
    """

    lesson: str
    step: int = 1


LESSON = Parameter("lesson", tuple(LESSONS))
STEP = Parameter("step", parser=any_text)
ADDRESS = register(PageAddress("lessons", (LESSON, STEP), bound=False))


def parse_position(texts: Mapping[str, list[str]]) -> tuple[Position, list[str]]:
    """Return the reader's position that an address stands for, and notices about its unusable parameters.

    Parameters
    ----------
    texts : mapping of str to list of str
        All texts of each URL parameter, by its name.

    Returns
    -------
    position : Position
        The first lesson, and the first question, where the address names none.
    notices : list of str
        One sentence about each parameter that cannot be used.
    """
    values, notices = ADDRESS.read(texts)
    place = Position(values.get("lesson", next(iter(LESSONS))))
    if "step" not in values or ("lesson" in texts and "lesson" not in values):
        return place, notices
    last = len(LESSONS[place.lesson].steps) + 1
    step, complaints = STEP.among(range(1, last + 1)).read([values["step"]])
    return Position(place.lesson, step or 1), notices + complaints

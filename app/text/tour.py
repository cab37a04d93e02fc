"""The tour: its steps, read from assets/tour.toml and validated."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from anoonly_core.paths import ASSETS

__all__ = ["TOUR", "TourStep", "read_tour"]

FILE = ASSETS / "tour.toml"


class TourStep(BaseModel):
    """A step of the guided tour; validated by pydantic.

    Attributes
    ----------
    page : str
        Name in `app.navigation.PAGES` of the page that the step is on.
    key : str
        The Streamlit key of the element that the step points at.
    text : str
        One to three short sentences, 20 to 130 characters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    page: str
    key: str = Field(pattern=r"^\w+$")
    text: str = Field(min_length=20, max_length=130)


def read_tour(path: Path = FILE) -> tuple[TourStep, ...]:
    """Read and validate the tour's steps of a TOML file, in its order; raise ValueError if it is invalid."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(TourStep.model_validate(step) for step in content["steps"])


TOUR = read_tour()

"""The glossary: the words that the pages explain, read from assets/glossary.toml and validated."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from anoonly_core.paths import ASSETS

__all__ = ["GLOSSARY", "Term", "read_glossary", "terms_in"]

FILE = ASSETS / "glossary.toml"
MAX_MEANING = 160


def _is_said(text: str) -> str:
    if not text.endswith("."):
        raise ValueError("a meaning must be a sentence")
    return text


class Term(BaseModel):
    """A word of the glossary; validated by pydantic.

    Attributes
    ----------
    name : str
        The word.
    forms : tuple of str
        The spellings to find on a page, singular and plural; upper and lower case are equal.
    meaning : str
        One or two sentences, at most 160 characters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=2)
    forms: tuple[str, ...] = Field(min_length=1)
    meaning: Annotated[str, Field(max_length=MAX_MEANING), AfterValidator(_is_said)]

    @property
    def pattern(self) -> str:
        """A regular expression that matches any form as whole words, valid in Python and in JavaScript with flag u."""
        forms = "|".join(re.escape(form).replace(r"\ ", " ") for form in sorted(self.forms, key=len, reverse=True))
        return rf"(?<![\w-])(?:{forms})(?![\w-])"


def read_glossary(path: Path = FILE) -> tuple[Term, ...]:
    """Read and validate the glossary terms of a TOML file, in its order; raise ValueError if it is invalid."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(Term.model_validate(term) for term in content["terms"])


GLOSSARY = read_glossary()


def terms_in(text: str) -> list[Term]:
    """Return the terms of the glossary with a form that occurs in a text, in the order of the glossary."""
    return [term for term in GLOSSARY if re.search(term.pattern, text, re.IGNORECASE)]

"""URL parameters as data: each has a name, a default, options and a parser, and is read and written by one rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from anoonly_core.errors import InvalidConfig

from ..text.labels import format_value

__all__ = ["QUOTED", "Parameter", "any_text", "one_of"]

QUOTED = 60  # characters of a bad value that a sentence quotes
LISTED = 16  # options that a sentence lists; of more it gives one as an example


def one_of(parameter: Parameter, text: str) -> Any:
    """Return the option of a parameter that `text` stands for; raise InvalidConfig if it stands for none.

    The default parser of `Parameter`.
    """
    texts = {_text(option): option for option in parameter.offered()}
    if text in texts:
        return texts[text]
    example = f", such as {next(iter(texts))}" if texts else ""
    listed = f"one of {', '.join(texts)}" if 0 < len(texts) <= LISTED else f"one that the page offers{example}"
    raise InvalidConfig(f"{parameter.name} must be {parameter.rule or listed}, not {text[:QUOTED]!r}.")


def any_text(parameter: Parameter, text: str) -> str:
    """Return the text unchanged: the parser of a parameter whose options are known only while the page is drawn."""
    return text


@dataclass(frozen=True)
class Parameter:
    """A URL parameter of a page.

    Parameters
    ----------
    name : str
        The name in the address.
    options : tuple
        Values that the page offers; the parser may accept others.
    default : object
        The value without the parameter. None: it depends on what else the page shows.
    parser : callable
        Takes the parameter and a text, and returns the value; raises InvalidConfig, beginning with the name.
    many : str
        For a list of values: "repeated" if the name is given once a value, "commas" if one text holds them all.
    rule : str
        Words after "must be" in the message of `one_of`, in place of a list of the options.
    offers : callable, optional
        Returns the current options where they depend on the browser, such as uploaded tables.
    labels : mapping
        Texts of options in a bound widget, by value, where they are not the names in the address. Streamlit writes
        these texts; assets/history.js puts the names in their place.
    form : str
        A pattern of such texts for options that depend on the run; its group is the name. JavaScript reads it too.
    """

    name: str
    options: tuple[Any, ...] = ()
    default: Any = None
    parser: Callable[[Parameter, str], Any] = one_of
    many: Literal["", "repeated", "commas"] = ""
    rule: str = ""
    offers: Callable[[], tuple[Any, ...]] | None = None
    labels: Mapping[Any, str] = field(default_factory=dict, hash=False)
    form: str = ""

    def offered(self) -> tuple[Any, ...]:
        """Return the options that the page offers now; they may depend on the browser, such as its uploaded tables."""
        return self.options if self.offers is None else self.offers()

    def among(self, options: Iterable[Any]) -> Self:
        """Return a copy of the parameter that accepts these options and no other values."""
        return replace(self, options=tuple(options), parser=one_of, offers=None)

    def parse(self, text: str) -> Any:
        """Convert a name in a URL, or the label in an older link, to its value; raise InvalidConfig if invalid."""
        return self.parser(self, self.name_of(text))

    @property
    def widget_labels(self) -> Mapping[Any, str]:
        """Labels of options in a bound widget, by value, where they are not the names in the URL."""
        return self.labels

    def name_of(self, text: str) -> str:
        """Return the name in the URL of the option with this label; any other text unchanged."""
        names = {label: _text(value) for value, label in self.widget_labels.items()}
        found = re.fullmatch(self.form, text) if self.form else None
        return names.get(text) or (next(filter(None, found.groups())) if found else text)

    def label_of(self, text: str) -> str:
        """Return the label in a bound widget of the option with this name; any other text unchanged."""
        labels = {_text(value): label for value, label in self.widget_labels.items()}
        return labels.get(text, text)

    def read(self, texts: list[str]) -> tuple[Any, list[str]]:
        """Convert all texts that a URL holds for this parameter to its value.

        Parameters
        ----------
        texts : list of str
            The texts, at least one. Without `many` only the last one is read.

        Returns
        -------
        value : object
            The value, a list of values for a parameter with `many`; None if no text can be used.
        notices : list of str
            One sentence about each text that cannot be used.
        """
        if self.many == "commas":
            texts = [part for part in texts[-1].split(",") if part]
        elif not self.many:
            texts = texts[-1:]
        values, notices = [], []
        for text in dict.fromkeys(texts):
            try:
                values.append(self.parse(text))
            except InvalidConfig as error:
                notices.append(f"The link's {error} {self._instead()}")
        return ((values or None) if self.many else next(iter(values), None)), notices

    def texts(self, value: Any) -> list[str]:
        """Convert a value of the parameter to the texts that stand for it in a URL; the inverse of `read`."""
        if not self.many:
            return [_text(value)]
        parts = [_text(part) for part in value]
        return [",".join(parts)] if self.many == "commas" else parts

    def widget_texts(self, value: Any) -> list[str]:
        """Convert a value to the texts that Streamlit writes into the URL for a widget bound to the parameter."""
        return [self.label_of(text) for text in self.texts(value)]

    def _instead(self) -> str:
        if self.many:
            return "It is left out."
        return f"The default{'' if self.default is None else f', {_text(self.default)},'} is used instead."


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else format_value(value)

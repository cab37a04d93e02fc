"""Text from a user as plain Markdown."""

from __future__ import annotations

import re

__all__ = ["escape_markdown"]


# Addresses, icons and emoji are found in the text once the escapes are gone: a joiner without width breaks them up.
_FOUND_LATER = re.compile(r"(?i)(?<=:)(?=//|[\w+-]+(?:/\w+)?:)|(?<=\bwww)(?=\.)|(?<=@)(?=\w)")
_JOINER = "\u2060"


def escape_markdown(text: str) -> str:
    """The text with every character that Markdown could take for itself escaped, and no address a link."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~:$&])", r"\\\1", _FOUND_LATER.sub(_JOINER, text))

"""Escaping of text that a user may have written."""

from __future__ import annotations

import re

__all__ = ["escape_markdown"]

# Streamlit looks for addresses, icons and emoji after it has removed the escapes: a word joiner breaks them up.
_SHORTCUTS = re.compile(r"(?i)(?<=:)(?=//|[\w+-]+(?:/\w+)?:)|(?<=\bwww)(?=\.)|(?<=@)(?=\w)")
_WORD_JOINER = "\u2060"


def escape_markdown(text: str) -> str:
    """Escape all characters with a meaning in Markdown; break up web and mail addresses so that none becomes a link."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~:$&])", r"\\\1", _SHORTCUTS.sub(_WORD_JOINER, text))

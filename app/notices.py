"""Sentences about what went wrong, shown as the plain text that they are: they may quote a link or a file."""

from __future__ import annotations

import re

import streamlit as st

__all__ = ["complain", "complaint", "error", "plain", "warning"]


# Addresses, icons and emoji are found in the text once the escapes are gone: a joiner without width breaks them up.
_FOUND_LATER = re.compile(r"(?i)(?<=:)(?=//|[\w+-]+(?:/\w+)?:)|(?<=\bwww)(?=\.)|(?<=@)(?=\w)")
_JOINER = "\u2060"


def plain(text: str) -> str:
    """The text with every character that Markdown could take for itself escaped, and no address a link."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~:$&])", r"\\\1", _FOUND_LATER.sub(_JOINER, text))


def warning(text: str) -> None:
    """Show a warning that may quote what a user wrote."""
    st.warning(plain(text))


def error(text: str) -> None:
    """Show an error that may quote what a user wrote."""
    st.error(plain(text))


def complain(text: str) -> None:
    """Leave a sentence for the page that is drawn next; a button's callback comes before it."""
    st.session_state.complaint = text


def complaint() -> str:
    """The sentence that was left, once."""
    return str(st.session_state.pop("complaint", ""))

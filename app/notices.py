"""Sentences about what went wrong, shown as the plain text that they are: they may quote a link or a file."""

from __future__ import annotations

import re

import streamlit as st

__all__ = ["error", "plain", "warning"]


def plain(text: str) -> str:
    """The text with every character that Markdown could take for itself escaped."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~:$&])", r"\\\1", text)


def warning(text: str) -> None:
    """Show a warning that may quote what a user wrote."""
    st.warning(plain(text))


def error(text: str) -> None:
    """Show an error that may quote what a user wrote."""
    st.error(plain(text))

"""Sentences about what went wrong, shown as the plain text that they are: they may quote a link or a file."""

from __future__ import annotations

import streamlit as st

from app.text.markdown import escape_markdown

__all__ = ["error", "queue_error", "queued_error", "warning"]


def warning(text: str) -> None:
    """Show a warning that may quote what a user wrote."""
    st.warning(escape_markdown(text))


def error(text: str) -> None:
    """Show an error that may quote what a user wrote."""
    st.error(escape_markdown(text))


def queue_error(text: str) -> None:
    """Leave a sentence for the page that is drawn next; a button's callback comes before it."""
    st.session_state.queued_error = text


def queued_error() -> str:
    """The sentence that was left, once."""
    return str(st.session_state.pop("queued_error", ""))

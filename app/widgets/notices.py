"""Warnings and errors as plain text, since they may quote a link or a file of a user."""

from __future__ import annotations

import streamlit as st

from ..text.markdown import escape_markdown

__all__ = ["error", "queue_error", "queued_error", "warning"]


def warning(text: str) -> None:
    """Show a warning as plain text, with Markdown escaped, since it may quote a link or a file of a user."""
    st.warning(escape_markdown(text))


def error(text: str) -> None:
    """Show an error as plain text, with Markdown escaped, since it may quote a link or a file of a user."""
    st.error(escape_markdown(text))


def queue_error(text: str) -> None:
    """Keep an error text in the session for the next page run, which shows it; for callbacks, which cannot draw."""
    st.session_state.queued_error = text


def queued_error() -> str:
    """Return the error that `queue_error` kept in the session, and remove it; "" if there is none."""
    return str(st.session_state.pop("queued_error", ""))

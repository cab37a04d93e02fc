"""Warnings and errors as plain text, since they may quote a link or a file of a user."""

from __future__ import annotations

import streamlit as st

from ..text.markdown import escape_markdown

__all__ = ["error", "queue_error", "queued_error", "warning"]


def warning(text: str) -> None:
    """Show a warning that may quote what a user wrote."""
    st.warning(escape_markdown(text))


def error(text: str) -> None:
    """Show an error that may quote what a user wrote."""
    st.error(escape_markdown(text))


def queue_error(text: str) -> None:
    """Queue an error for the next page run, from the callback of a button."""
    st.session_state.queued_error = text


def queued_error() -> str:
    """Return the queued error and remove it; "" if there is none."""
    return str(st.session_state.pop("queued_error", ""))

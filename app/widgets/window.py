"""The width of the browser's window: whether it is that of a phone."""

from __future__ import annotations

from functools import cache

import streamlit as st

from anoonly_core.paths import ASSETS

__all__ = ["draw_window_watch", "is_narrow"]

KEY = "window"


@cache
def _script() -> str:
    return (ASSETS / "window.js").read_text(encoding="utf-8")


def draw_window_watch() -> None:
    """Start a script in the browser that reports when the window becomes at most 640 pixels wide, or wider again.

    A report reruns the page; `is_narrow` reads it. Nothing visible is drawn.
    """
    # Declared each time: a server that starts after this file was imported would not know it.
    component = st.components.v2.component("window", js=_script())
    with st.container(key="window_watch"):
        component(key=KEY, data={"narrow": is_narrow()}, default={"narrow": False}, on_narrow_change=lambda: None)


def is_narrow() -> bool:
    """Return True if the window is at most 640 pixels wide, like a phone's; False before the browser's first report."""
    return (st.session_state.get(KEY) or {}).get("narrow") is True

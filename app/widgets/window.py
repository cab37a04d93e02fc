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
    """Have the browser tell when its window becomes as narrow as a phone's, or wide again; draws nothing."""
    # Declared each time: a server that starts after this file was imported would not know it.
    component = st.components.v2.component("window", js=_script())
    with st.container(key="window_watch"):
        component(key=KEY, data={"narrow": is_narrow()}, default={"narrow": False}, on_narrow_change=lambda: None)


def is_narrow() -> bool:
    """Return whether the window is at most 640 pixels wide, as in `assets/page.css`; False until the browser tells."""
    return (st.session_state.get(KEY) or {}).get("narrow") is True

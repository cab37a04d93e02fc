"""Present: a page with larger type, without the menu, on the full screen, for a lecture hall."""

from __future__ import annotations

import streamlit as st

from anoonly_core.paths import ASSETS

__all__ = ["SCALE", "draw_present_button", "is_presenting"]

SCALE = 1.5  # of type in figures; assets/present.css has the same for the page, and less in a low window
STATE = "presenting"
HELP = (
    "Larger type, no menu, full screen. In a lesson, Page Down or → goes on, Page Up or ← goes back, as on a remote "
    "control. Esc leaves."
)


def is_presenting() -> bool:
    """Return True if this session has switched on Present: larger type, no menu, full screen."""
    return bool(st.session_state.get(STATE))


def draw_present_button() -> None:
    """Draw the button that switches Present on or off for this session; while it is on, also load its styles."""
    if is_presenting():
        st.html(ASSETS / "present.css")
    with st.container(key="leave_present" if is_presenting() else "present"):
        label = "Leave" if is_presenting() else "Present"
        st.button(label, icon=":material/slideshow:", key=f"{label.lower()}_button", help=HELP, on_click=_toggle)


def _toggle() -> None:
    st.session_state[STATE] = not is_presenting()

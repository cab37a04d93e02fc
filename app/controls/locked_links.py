"""A teacher's link: it fixes controls, which then cannot be moved, or hides them; they keep the link's values."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import streamlit as st

__all__ = ["FIX", "HIDE", "PIN", "complaints", "draw_link_maker", "locked"]

FIX, HIDE = "fix", "hide"
PIN = "pin"  # the buttons that pin a run, which can be hidden too


def locked(kind: str) -> frozenset[str]:
    """The names of the controls that this page's link fixes (FIX) or hides (HIDE)."""
    return frozenset(st.query_params.get(kind, "").split(",")) - {""}


def complaints(parameters: Mapping[str, str], known: Mapping[str, str]) -> list[str]:
    """A sentence about each control that a link fixes or hides and that is not known."""
    return [
        f"The link is to {kind} {name[:40]!r}, which is not among the controls that can be."
        for kind in (FIX, HIDE)
        for name in parameters.get(kind, "").split(",")
        if name and name not in known and name != PIN
    ]


def draw_link_maker(labels: Mapping[str, str], here: str | None) -> None:
    """Make such a link to the page as it stands; labels: its controls by name. Not shown on a link that locks."""
    if locked(FIX) or locked(HIDE):
        return
    with st.expander("A link for your class"):
        fixed = st.multiselect(
            "Fix", list(labels), format_func=labels.__getitem__, key="class_fix", help="Shown, not movable."
        )
        others = {**{name: label for name, label in labels.items() if name not in fixed}, PIN: "Pin buttons"}
        hidden = st.multiselect(
            "Hide", list(others), format_func=others.__getitem__, key="class_hide", help="Not shown."
        )
        parameters = st.query_params.to_dict()
        parameters |= {kind: ",".join(names) for kind, names in ((FIX, fixed), (HIDE, hidden)) if names}
        st.caption("Opens this page as it stands. A link keeps nobody from writing another one.")
        st.code(f"{(here or '').split('?')[0]}?{urlencode(parameters, safe=',')}", language=None, wrap_lines=True)

"""Links for a class, which fix or hide controls of a page: fixed ones cannot be moved, hidden ones are not drawn.

Both keep the values of the link.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import streamlit as st

from .page_address import link_to_here
from .parameters import Parameter
from .registry import CONTROLS, Control

__all__ = ["FIX", "HIDE", "LOCKS", "PIN", "draw_link_maker", "locked"]

PIN = "pin"  # the buttons that pin a run, which can be hidden too
_names = (*(control.name for control in CONTROLS), PIN)
FIX, HIDE = (Parameter(name, _names, many="commas", rule="a control of the sidebar") for name in ("fix", "hide"))
LOCKS = (FIX, HIDE)


def locked(lock: Parameter) -> frozenset[str]:
    """Return the names of the controls that the current address fixes (`lock` is FIX) or hides (HIDE)."""
    return frozenset(st.query_params.get(lock.name, "").split(",")) - {""}


def draw_link_maker(controls: Sequence[Control], here: str | None) -> None:
    """Draw an expander in which a teacher makes a link to the current page that fixes or hides chosen controls.

    Draws nothing if the current link fixes or hides controls itself.

    Parameters
    ----------
    controls : sequence of Control
        The controls that can be fixed or hidden.
    here : str or None
        The address of the current page; a query string in it is replaced.
    """
    if locked(FIX) or locked(HIDE):
        return
    labels = {control.name: control.label for control in controls}
    with st.expander("A link for your class"):
        fixed = st.multiselect(
            "Fix", list(labels), format_func=labels.__getitem__, key="class_fix", help="Shown, but cannot be moved."
        )
        others = {**{name: label for name, label in labels.items() if name not in fixed}, PIN: "Pin buttons"}
        hidden = st.multiselect(
            "Hide", list(others), format_func=others.__getitem__, key="class_hide", help="Not shown."
        )
        parameters = link_to_here()
        parameters |= {lock.name: lock.texts(names)[0] for lock, names in ((FIX, fixed), (HIDE, hidden)) if names}
        st.caption("Opens this page as it is now. A class can still open other links.")
        st.code(
            f"{(here or '').split('?')[0]}?{urlencode(parameters, doseq=True, safe=',')}",
            language=None,
            wrap_lines=True,
        )

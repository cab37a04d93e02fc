"""The choices of Reproduce and their URL parameters. Most options are known only while the page is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from anoonly_core.reproduction.cells import REFERENCES
from anoonly_core.reproduction.experiments import EXPERIMENTS, SOURCES
from anoonly_core.reproduction.which.runs import POOLS

from ...controls.page_address import PageAddress, current_link, register
from ...controls.parameters import Parameter, any_text

__all__ = [
    "ADDRESS",
    "DIFFERENCES_VIEW",
    "FIG10_TITLE",
    "FIG10_VIEW",
    "MECHANISMS_VIEW",
    "POINTS_VIEW",
    "SHOWN",
    "SIGNS",
    "WHICH_VIEW",
    "draw_choice",
    "draw_segments",
    "write_address",
]

POINTS_VIEW, DIFFERENCES_VIEW = "points", "differences"
WHICH_VIEW, MECHANISMS_VIEW = "which", "mechanisms"
FIG10_VIEW, FIG10_TITLE = "fig10", "Fig. 10: scores and features"
# The experiments that the paper prints; the others are behind the points.
PRINTED = ("table1", "table2", "table3", "table4", "fig4", "fig5", "fig6", "fig7", "fig8", "fig9")
SHOWN = {
    **{name: EXPERIMENTS[name].title for name in PRINTED},
    FIG10_VIEW: FIG10_TITLE,
    POINTS_VIEW: "What does not add up",
    DIFFERENCES_VIEW: "Differences",
    WHICH_VIEW: "Which method when",
    MECHANISMS_VIEW: "Weak supervision",
}
SIGNS = {"published": "as published", "right": "the right one"}
# Without a default: it is the first option that the view has.
ADDRESS = register(
    PageAddress(
        "reproduce",
        (
            Parameter("show", tuple(SHOWN), next(iter(SHOWN))),
            Parameter("ours", tuple(SOURCES)),
            Parameter("where", parser=any_text),
            Parameter("pool", tuple(POOLS)),
            Parameter("labels", parser=any_text),
            Parameter("sign", tuple(SIGNS)),
            Parameter("beside", tuple(REFERENCES)),
            Parameter("cell", parser=any_text),
            Parameter("system", parser=any_text),
            Parameter("weight", parser=any_text),
        ),
        bound=False,
    )
)


def draw_choice(widget: Any, label: str, options: list[str], words: Mapping[str, str], name: str, **more: Any) -> str:
    """Draw a widget for one choice of the page, which the address holds, and return the chosen option.

    Parameters
    ----------
    widget : callable
        The Streamlit widget, such as `st.selectbox`.
    label : str
        The widget's label.
    options : list of str
        The options in the current view; the first one is the default.
    words : mapping of str to str
        The text of each option.
    name : str
        The URL parameter that holds the choice.
    **more
        Further arguments of the widget.
    """
    link, key = current_link(), ADDRESS.key(name)
    ADDRESS.among(name, options)
    if st.session_state.get(key) not in options:
        st.session_state.pop(key, None)
    chosen: str = widget(label, options, format_func=words.__getitem__, key=ADDRESS.begin(name, options[0]), **more)
    link.values.pop(name, None)
    if chosen != options[0]:
        link.values[name] = chosen  # kept while other views are shown that do not have it
    return chosen


def draw_segments(label: str, options: list[str], words: Mapping[str, str], name: str) -> str:
    """Draw a segmented control for one choice of the page and return the chosen option.

    Parameters
    ----------
    label : str
        The label of the control.
    options : list of str
        The options in the current view; the first one is the default. A single option is returned without drawing.
    words : mapping of str to str
        The text of each option.
    name : str
        The URL parameter that holds the choice.
    """
    if len(options) < 2:
        return options[0]
    return draw_choice(st.segmented_control, label, options, words, name, required=True)


def write_address() -> None:
    """Write the choices of the page into the address, once the page is drawn.

    A parameter of the link for which the current view has no control adds a notice.
    """
    link = current_link()
    for name in sorted(link.unchecked):
        link.notices.append(
            f"The link sets {name} to {str(link.values.get(name))[:60]!r}; this view has no such choice."
        )
    link.unchecked.clear()
    ADDRESS.write(link.values)

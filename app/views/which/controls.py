"""The controls of Which method?: drawn, each begun with the link's value, and read as a choice."""

from __future__ import annotations

from typing import Any

import streamlit as st

from anoonly_core.baselines import BASELINES
from anoonly_core.which.systems import DEFAULT_SYSTEMS, SYSTEMS

from ...controls.registry import CONTROL_OF, Control
from ...controls.sidebar import draw_control
from .url import ADDRESS, DRAWN, FIXED, WhichChoice

__all__ = ["draw_sidebar", "write_address"]


def draw_sidebar() -> WhichChoice:
    """Draw the controls of the page in the sidebar, and return what they choose."""
    with st.sidebar:
        values = {control.name: _draw(control) for control in DRAWN}
        with st.expander("Systems"):
            systems = st.multiselect(
                "Systems to rank",
                list(SYSTEMS),
                key=ADDRESS.begin("systems", list(DEFAULT_SYSTEMS)),
                label_visibility="collapsed",
                placeholder="Choose systems",
            )
        with st.expander("What is fixed"):
            fixed = {control.name: _draw(control) for control in FIXED}
    return WhichChoice(
        dataset=values["dataset"],
        systems=tuple(system for system in SYSTEMS if system in systems),
        labels=values["labeled_anomalies"],
        seeds=values["seeds"],
        seed=fixed.pop("seed"),
        settings=tuple(fixed.items()),
    )


def write_address() -> None:
    """Write the values of the controls into the address; the default systems are left out."""
    values = ADDRESS.drawn()
    if set(values.get("systems", ())) == set(DEFAULT_SYSTEMS):
        del values["systems"]
    ADDRESS.write(values)


def _draw(control: Control) -> Any:
    """Draw a control that all systems share, and return its value."""
    baseline = BASELINES[CONTROL_OF["baseline"].default]
    return draw_control(control, baseline, CONTROL_OF["preset"].default, bind=False)

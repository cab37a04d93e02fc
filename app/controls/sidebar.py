"""The controls in the sidebar: drawn, bound to the page's URL, and read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import streamlit as st

from anoonly_core.baselines import BASELINES, Baseline
from app.controls import locked_links
from app.controls.choice import Choice, choose
from app.controls.link_parser import NO_DEFAULTS
from app.controls.registry import CONTROL_OF, CONTROLS, Control
from app.text.labels import format_value

__all__ = ["at_present", "draw_control", "draw_sidebar", "help_text"]


def draw_sidebar(without: Collection[str] = (), defaults: Mapping[str, Any] = NO_DEFAULTS) -> Choice:
    """Draw the controls in the sidebar but for some, each bound to its URL parameter, and read them.

    What the link hides has the link's value, or its default; defaults: those that are the page's own.
    Raises InvalidConfig where the settings do not fit together.
    """
    baseline, preset = BASELINES[at_present("baseline")], at_present("preset")
    with st.sidebar:
        left_out = locked_links.locked(locked_links.HIDE).union(without)
        values = {control.name: at_present(control.name) for control in CONTROLS if control.name in left_out}
        drawn = [control for control in CONTROLS if control.name not in left_out]
        first = {control.name: defaults.get(control.name) for control in drawn}
        values |= {c.name: draw_control(c, baseline, preset, default=first[c.name]) for c in drawn if not c.more}
        if more := [control for control in drawn if control.more]:
            with st.expander("More"):
                values |= {c.name: draw_control(c, baseline, preset, default=first[c.name]) for c in more}
        locked_links.draw_link_maker({control.name: control.label for control in drawn}, st.context.url)
    return choose(values)


def at_present(name: str) -> Any:
    """What a control says, before it is drawn; a word that it does not offer, such as a file's path, is not heard."""
    control = CONTROL_OF[name]
    linked = st.session_state.get("link_values", {}).get(name, control.default)
    value = st.session_state.get(name, linked)
    return value if not isinstance(value, str) or value in control.offered() else linked


def help_text(control: Control, baseline: Baseline, preset: str) -> str:
    """What a control says of itself beside this baseline: why it lies idle, or what "published" means there."""
    if not baseline.has(control.name):
        return f"{baseline.name} has no {control.noun}."
    if control.name == "baseline":
        return f"{control.help} {baseline.name}: {baseline.summary}"
    help = control.help
    if control.name == "epochs":
        help += f" An epoch of {baseline.name} is {baseline.epoch}."
    if baseline.pretraining_epochs and control.name in ("epochs", "learning_rate"):
        help += f" {baseline.name}'s {baseline.pretraining_epochs} epochs of pretraining come before, as published."
    published = getattr(baseline.settings[preset if baseline.has("preset") else "paper"], control.name, None)
    if published is None:
        return help
    return f"{help} Published for {baseline.name}: {format_value(published)}."


def draw_control(control: Control, baseline: Baseline, preset: str, bind: bool = True, default: Any = None) -> Any:
    """One control where the script stands; returns its value.

    bind: to its URL parameter, and to what a link for a class fixes. A page with bound controls cannot be left by the
    server, only by a link.
    default: the page's own, if it has one.
    """
    default = control.default if default is None else default
    # A link may hold a value between the control's own stops: it becomes a stop of this session.
    extra = st.session_state.get("link_values", {}).get(control.name, default)
    options = list(control.offered())
    if isinstance(extra, str) and extra not in options:
        extra = default  # a table that went meanwhile
    if extra not in options:
        options = _with_stop(options, extra)
    if isinstance(st.session_state.get(control.name), str) and st.session_state[control.name] not in options:
        del st.session_state[control.name]
    keyed: dict[str, Any] = {
        "options": options,
        "format_func": format_value,
        "key": control.name,
        "help": help_text(control, baseline, preset),
        "disabled": not baseline.has(control.name) or (bind and control.name in locked_links.locked(locked_links.FIX)),
        "bind": "query-params" if bind else None,
    }
    first = default if bind else extra
    if control.slider:
        return st.select_slider(control.label, value=first, **keyed)
    return st.selectbox(control.label, index=options.index(first), **keyed)


def _with_stop(options: list[Any], extra: Any) -> list[Any]:
    words = [option for option in options if isinstance(option, str)]
    numbers = [option for option in options if option not in words]
    descending = numbers[0] > numbers[-1]
    return words + sorted([*numbers, extra], reverse=descending)

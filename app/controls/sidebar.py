"""The controls in the sidebar: drawn, bound to the address, and read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import streamlit as st

from anoonly_core.baselines import (
    BASELINES,
    BATCH_NORMS,
    GRADIENT_PLACE,
    GRADIENT_SHARES,
    MECHANISMS,
    NORM_LABELS,
    Baseline,
)

from ..text.glossary import terms_in
from ..text.labels import format_value
from . import locked_links
from .choice import Choice, choose
from .page_address import current_link
from .registry import CONTROL_OF, CONTROLS, EXPANDERS, PUBLISHED, Control

__all__ = ["draw_control", "draw_sidebar", "help_text", "value_of", "with_words"]


def draw_sidebar(
    controls: Sequence[Control] = CONTROLS,
    without: Collection[str] = (),
    marks: Mapping[str, str] = MappingProxyType({}),
) -> Choice:
    """Draw the controls in the sidebar, each bound to its URL parameter, and return the run and seeds that they choose.

    The expander that makes links for a class follows below them.

    Parameters
    ----------
    controls : sequence of Control
        All controls of `CONTROLS`, possibly with other defaults.
    without : collection of str
        Names of controls that the page does not draw. These, and those that the link hides, keep the link's value.
    marks : mapping of str to str
        Markdown to add to the label of a control, by the control's name.

    Raises
    ------
    InvalidConfig
        If the settings do not fit together.
    """
    named = {control.name: control for control in controls}
    baseline, preset = BASELINES[value_of(named["baseline"])], value_of(named["preset"])
    if preset not in baseline.settings:  # left over from another baseline
        preset = next(iter(baseline.settings))
    with st.sidebar:
        left_out = locked_links.locked(locked_links.HIDE).union(without)
        values = {name: value_of(control) for name, control in named.items() if name in left_out}
        drawn = [control for control in controls if control.name not in left_out]
        mark = marks.get
        open_ones = [control for control in drawn if not control.expander]
        values |= {c.name: draw_control(c, baseline, preset, mark=mark(c.name, "")) for c in open_ones}
        norm = values["norm"]
        if norm == PUBLISHED:
            norm = baseline.paired_norm(values["lambda_n"], preset)
        for title in EXPANDERS:
            if inside := [control for control in drawn if control.expander == title]:
                with st.expander(title):
                    for c in inside:
                        values[c.name] = draw_control(c, baseline, preset, norm=norm, mark=mark(c.name, ""))
        locked_links.draw_link_maker(drawn, st.context.url)
    return choose(values)


def value_of(control: Control) -> Any:
    """Return the current value of a control before it is drawn.

    It is that of its widget, else that in the URL by which the session came, else the default.
    """
    linked = current_link().values.get(control.name, control.default)
    value = st.session_state.get(control.name, linked)
    # A text that is no option, such as a file's path, may come from a tampered browser.
    return value if not isinstance(value, str) or value in control.offered() else linked


def help_text(control: Control, baseline: Baseline, preset: str, norm: str | None = "batch") -> str:
    """Return the tooltip of a control, completed for the chosen system.

    It adds the published value. If the control has no effect, it tells why.

    Parameters
    ----------
    control : Control
        The control.
    baseline : Baseline
        The chosen system.
    preset : str
        The chosen preset, whose published value is named.
    norm : str or None
        The norm of the run, for the controls that need batch norm.
    """
    if not baseline.has(control.name):
        return f"{baseline.name} has no {control.noun}."
    if _is_idle(control, norm):
        return f"No effect with {NORM_LABELS[norm or 'none']}. {control.help}"
    if control.name == "baseline":
        return f"{control.help} {baseline.name}: {baseline.summary}"
    help = control.help
    if control.name == "norm_strength" and norm is not None and (dial := MECHANISMS[norm].dial) is not None:
        return f"{help} With {NORM_LABELS[norm]}: {dial.rule}; standard {format_value(dial.standard)}."
    if control.name == "epochs":
        help += f" An epoch of {baseline.name} is {baseline.epoch}."
    if baseline.pretraining_epochs and control.name in ("epochs", "learning_rate"):
        help += f" {baseline.name}'s {baseline.pretraining_epochs} epochs of pretraining come before, as published."
    published = getattr(baseline.settings.get(preset, next(iter(baseline.settings.values()))), control.name, None)
    if published is None:
        return help
    return f"{help} Published for {baseline.name}: {format_value(published)}."


def with_words(help: str, label: str) -> str:
    """Return a tooltip, `help`, with the glossary's explanation of each term that occurs in `label`, as Markdown.

    `label` is the label of the control.
    """
    return "\n\n".join([help, *(f"**{term.name}**: {term.meaning}" for term in terms_in(label))])


def _is_idle(control: Control, norm: str | None) -> bool:
    """Return True if a control sets a part of a norm, such as its strength, that the norm `norm` does not have."""
    if control.name == "norm_strength":
        return norm is None or MECHANISMS[norm].dial is None
    return control.name in (*GRADIENT_SHARES, GRADIENT_PLACE) and norm not in BATCH_NORMS


def draw_control(
    control: Control,
    baseline: Baseline,
    preset: str,
    bind: bool = True,
    norm: str | None = "batch",
    mark: str = "",
) -> Any:
    """Draw the widget of a control at the current position and return its value.

    A value of the link between two options becomes a further option.

    Parameters
    ----------
    control : Control
        The control; it is disabled if the system lacks the setting.
    baseline : Baseline
        The system that the page has chosen.
    preset : str
        The preset that the page has chosen.
    bind : bool
        True to bind the widget to its URL parameter, and to disable it if the link fixes it. The server cannot leave
        a page with bound widgets; a link can.
    norm : str or None
        The norm of the run; its settings that have no effect on it are disabled.
    mark : str
        Markdown to add to the label.
    """
    # A link may hold a value between the stops of the control: it becomes a stop in this session.
    linked = current_link().values.get(control.name, control.default)
    options = list(control.offered_for(baseline, norm, value_of(CONTROL_OF["dataset"])))
    default = control.default if control.name != "preset" or control.default in options else options[0]
    if isinstance(linked, str) and linked not in options:
        linked = default  # an uploaded table that was deleted meanwhile, or an option of another system or table
    if linked not in options:
        options = _with_stop(options, linked)
    if isinstance(st.session_state.get(control.name), str) and st.session_state[control.name] not in options:
        del st.session_state[control.name]
    keyed: dict[str, Any] = {
        "options": options,
        "format_func": control.option_label,
        "key": control.name,
        "help": with_words(help_text(control, baseline, preset, norm), control.label),
        "disabled": not baseline.has(control.name)
        or _is_idle(control, norm)
        or (bind and control.name in locked_links.locked(locked_links.FIX)),
        "bind": "query-params" if bind else None,
    }
    label = f"{control.label} {mark}".rstrip()
    if not bind:
        # As `PageAddress.begin`: a step through the history reaches a widget on display by the state alone.
        st.session_state[control.name] = st.session_state.get(control.name, linked)
        return st.select_slider(label, **keyed) if control.slider else st.selectbox(label, **keyed)
    if control.slider:
        return st.select_slider(label, value=default, **keyed)
    return st.selectbox(label, index=options.index(default), **keyed)


def _with_stop(options: Sequence[Any], value: float) -> list[Any]:
    """Return the options of a control with one more number, `value`, at its place in the order; words stay in front."""
    words = [option for option in options if isinstance(option, str)]
    numbers = [option for option in options if option not in words]
    descending = numbers[0] > numbers[-1]
    return words + sorted([*numbers, value], reverse=descending)

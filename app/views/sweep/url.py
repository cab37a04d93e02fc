"""The Sweep page's URL: what a link may say to its controls, what it said, and how they are written back.

The URL is read when a session comes to the page, and written after each change of a control. The
controls are not bound to it: Streamlit would not let a click on a point leave the page.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from anoonly_core.errors import InvalidConfig
from anoonly_core.sweeps.presets import LAMBDA_N_AXIS, SWEEP_PRESETS
from anoonly_core.sweeps.sweep import PUBLISHED, Sweep
from app.controls.link_parser import read_link
from app.controls.registry import CONTROLS, Control
from app.text.labels import METRIC_LABELS, format_value

__all__ = [
    "NOTHING",
    "OWN",
    "OWN_CONTROLS",
    "SEEDS",
    "VALUES",
    "VARIED",
    "begin",
    "linked_text",
    "open_sweep",
    "take_in_link",
    "write_link",
]

OWN = "own"
NOTHING = "nothing"
SEEDS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 50)
# What can be varied on the page, as its controls offer it.
VARIED: dict[str, Control] = {
    control.name: control for control in CONTROLS if control.name not in ("dataset", "seeds", "seed", "protocol")
}
# The page's own controls by key, with what each may be in a link, and what stands there at first.
OWN_CONTROLS: dict[str, tuple[tuple[str, ...], str]] = {
    "question": ((*SWEEP_PRESETS, OWN), next(iter(SWEEP_PRESETS))),
    "vary": (tuple(VARIED), ""),
    "also": ((NOTHING, *VARIED), ""),
    "both": (("true", "false"), "true"),
    "sweep_seeds": (tuple(map(str, SEEDS)), "5"),
    "metric": (tuple(METRIC_LABELS), next(iter(METRIC_LABELS))),
}
VALUES = tuple(f"values_{name}" for name in VARIED)


def take_in_link() -> None:
    """Whenever the session comes to this page: read the link, or else what the page was left with."""
    if "link_values" in st.session_state:
        return
    link = {name: st.query_params.get_all(name) for name in st.query_params}
    left: dict[str, list[str]] = st.session_state.get("sweep_address", {})
    st.session_state.sweep_link = given = dict(link or left)
    base = {name: texts[-1] for name, texts in given.items() if name not in OWN_CONTROLS and name not in VALUES}
    values, complaints = read_link(base)
    complaints += _refused(given)
    for name in (*(control.name for control in CONTROLS), *OWN_CONTROLS, *VALUES):
        st.session_state.pop(name, None)
    st.session_state.link_values = values
    st.session_state.notices = complaints if link else []
    st.session_state.pop("noticed_at", None)


def _refused(given: dict[str, list[str]]) -> list[str]:
    """Take what none of the page's own controls can be out of a link; a sentence about each."""
    complaints = []
    for name, (possible, first) in OWN_CONTROLS.items():
        if name in given and given[name][-1] not in possible:
            instead = f"The default, {first}, stands instead." if first else "The default stands instead."
            rule = f"one of {', '.join(possible)}"
            complaints.append(f"The link's {name} must be {rule}, not {given.pop(name)[-1][:60]!r}. {instead}")
    for name in VALUES:
        left = []
        for text in given.pop(name, []):
            try:
                VARIED[name.removeprefix("values_")].parse(text)
                left.append(text)
            except InvalidConfig as error:
                complaints.append(f"The link's values of {error} They are left out.")
        if left:
            given[name] = left
    return complaints


def linked_text(name: str) -> str:
    """What the link says of one of the page's own controls, or what stands there at first."""
    possible, first = OWN_CONTROLS[name]
    text = str(st.session_state.sweep_link.get(name, [first])[-1])
    return text if text in possible else first


def begin(key: str, value: Any) -> str:
    """The key itself; where the session has nothing under it, the control begins with this value."""
    # Set each time: a browser that was too slow to show the first drawing learns it from the next.
    st.session_state[key] = st.session_state.get(key, value)
    return key


def write_link() -> None:
    """Write what the controls say into the URL, as far as it is not what stands there at first."""
    said: dict[str, str | list[str]] = {}
    for name, (_, first) in OWN_CONTROLS.items():
        if (value := st.session_state.get(name)) is not None and (text := str(value).lower()) != first:
            said[name] = text
    for name in VALUES:
        if (values := st.session_state.get(name)) is not None:
            said[name] = [format_value(value) for value in values]
    for control in CONTROLS:
        value = st.session_state.get(control.name, control.default)
        if value != control.default:
            said[control.name] = format_value(value)
    st.session_state.sweep_address = {name: [own] if isinstance(own, str) else own for name, own in said.items()}
    # Each time: the browser forgets what was written while it was still coming from another page.
    st.query_params.from_dict(said)


def open_sweep(sweep: Sweep) -> None:
    """Set the controls to an earlier sweep."""
    axes = {axis.name: axis.values for axis in sweep.axes}
    both = sweep.axes[0].name != "lambda_n" and axes.get("lambda_n") == LAMBDA_N_AXIS[1]
    names = [name for name in axes if not (both and name == "lambda_n")]
    said = {name: [format_value(value)] for name, value in sweep.settings.items()}
    said |= {"question": [OWN], "sweep_seeds": [str(sweep.seeds)], "both": [str(both).lower()]}
    said |= {"vary": names[:1], "also": [*names[1:2], NOTHING][:1]}
    for name in names:
        said[f"values_{name}"] = [PUBLISHED if value is None else format_value(value) for value in axes[name]]
    st.query_params.clear()
    st.session_state.sweep_address = said
    st.session_state.pop("link_values", None)

"""Widgets <-> Sweep <-> the Sweep page's URL.

The URL is read when a session comes to the page, and written after each change of a control. The
controls are not bound to it: Streamlit would not let a click on a point leave the page.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from anoonly_core.baselines import BASELINES
from anoonly_core.config import check_field
from anoonly_core.errors import InvalidConfig
from anoonly_core.questions import QUESTIONS, WITH_AND_WITHOUT
from anoonly_core.sweep import PUBLISHED, Sweep, make_sweep
from app import controls, hosts
from app.controls import CONTROLS, Control, shown
from app.sweep_curves import METRIC_WORDS

__all__ = ["OWN", "Asked", "metric_control", "open_sweep", "sidebar", "take_in_link", "write_link"]

OWN = "own"
NOTHING = "nothing"
SEEDS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 50)
# What can be varied on the page, as its controls offer it.
VARIED: dict[str, Control] = {
    control.name: control for control in CONTROLS if control.name not in ("dataset", "seeds", "seed", "protocol")
}
# The page's own controls by key, with what each may be in a link, and what stands there at first.
OWN_CONTROLS: dict[str, tuple[tuple[str, ...], str]] = {
    "question": ((*QUESTIONS, OWN), next(iter(QUESTIONS))),
    "vary": (tuple(VARIED), ""),
    "also": ((NOTHING, *VARIED), ""),
    "both": (("true", "false"), "true"),
    "sweep_seeds": (tuple(map(str, SEEDS)), "5"),
    "metric": (tuple(METRIC_WORDS), next(iter(METRIC_WORDS))),
}
VALUES = tuple(f"values_{name}" for name in VARIED)


@dataclass(frozen=True)
class Asked:
    """What the controls say: the sweep, and the address of the cluster that is to train it, if any."""

    sweep: Sweep
    cluster: str


def take_in_link() -> None:
    """Whenever the session comes to this page: read the link, or else what the page was left with."""
    if "link_values" in st.session_state:
        return
    link = {name: st.query_params.get_all(name) for name in st.query_params}
    left: dict[str, list[str]] = st.session_state.get("sweep_address", {})
    st.session_state.sweep_link = given = dict(link or left)
    base = {name: texts[-1] for name, texts in given.items() if name not in OWN_CONTROLS and name not in VALUES}
    values, complaints = controls.read_link(base)
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


def _linked(name: str) -> str:
    """What the link says of one of the page's own controls, or what stands there at first."""
    possible, first = OWN_CONTROLS[name]
    text = str(st.session_state.sweep_link.get(name, [first])[-1])
    return text if text in possible else first


def _begin(key: str, value: Any) -> str:
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
            said[name] = [shown(value) for value in values]
    for control in CONTROLS:
        value = st.session_state.get(control.name, control.default)
        if value != control.default:
            said[control.name] = shown(value)
    st.session_state.sweep_address = {name: [own] if isinstance(own, str) else own for name, own in said.items()}
    # Each time: the browser forgets what was written while it was still coming from another page.
    st.query_params.from_dict(said)


def sidebar() -> Asked:
    """Draw the controls, each bound to its URL parameter, and read them; raises InvalidConfig and the like."""
    with st.sidebar:
        question = st.selectbox(
            "Question",
            [*QUESTIONS, OWN],
            format_func=lambda name: QUESTIONS[name].title if name in QUESTIONS else "My own",
            key=_begin("question", _linked("question")),
            on_change=_ask,
            help="What a figure or table of the paper varied; everything below can be changed.",
        )
        _draw_base("dataset")
        asked = dict(QUESTIONS[question].axes) if question in QUESTIONS else {}
        axes = _draw_axes([name for name in asked if name != "lambda_n" or len(asked) == 1])
        varied = {name for name, _ in axes}
        if "baseline" not in varied:
            _draw_base("baseline")
        seeds = st.selectbox(
            "Seeds for each point",
            SEEDS,
            key=_begin("sweep_seeds", int(_linked("sweep_seeds"))),
            help="How many runs each point of a curve stands on; seed by seed all points share the rows drawn.",
        )
        with st.expander("What is fixed"):
            for control in CONTROLS:
                if control.name not in varied and control.name not in ("dataset", "baseline", "seeds"):
                    _draw_base(control.name)
        cluster = _draw_cluster()
    return Asked(make_sweep(_settings(varied), axes, seeds), cluster)


def metric_control() -> str:
    """Which metric the curves show; drawn where the script stands."""
    chosen: str | None = st.segmented_control(
        "Metric",
        list(METRIC_WORDS),
        required=True,
        format_func=METRIC_WORDS.__getitem__,
        key=_begin("metric", _linked("metric")),
        label_visibility="collapsed",
    )
    return chosen or _linked("metric")  # while the browser has not answered yet


def _ask() -> None:
    """A question was chosen: its values stand in the controls, as if set by hand."""
    st.session_state.sweep_link = {}
    if (question := QUESTIONS.get(st.session_state.question)) is None:
        return
    asked = [name for name, _ in question.axes if name != "lambda_n" or len(question.axes) == 1]
    st.session_state.vary, st.session_state.also = [*asked, NOTHING][:2]
    st.session_state.both = True
    for name, values in question.axes:
        st.session_state[f"values_{name}"] = list(values)


def _draw_axes(asked: Sequence[str]) -> list[tuple[str, list[Any]]]:
    """One or two quantities with their values, and λₙ beside them: 1 and 0, where it is none of the two."""
    names = list(VARIED)
    first = st.selectbox(
        "Vary",
        names,
        format_func=_label,
        key=_begin("vary", _linked("vary") or (asked[0] if asked else "lambda_n")),
    )
    axes = [(first, _draw_values(first))]
    others = [NOTHING, *(name for name in names if name != first)]
    linked = _linked("also") or (asked[1] if len(asked) > 1 else NOTHING)
    if st.session_state.get("also", NOTHING) not in others:
        del st.session_state["also"]
    second = st.selectbox(
        "Also vary",
        others,
        format_func=lambda name: NOTHING if name == NOTHING else _label(name),
        key=_begin("also", linked if linked in others else NOTHING),
    )
    if second != NOTHING:
        axes.append((second, _draw_values(second)))
    if "lambda_n" not in (first, second):
        both = st.toggle(
            "Baseline and AnoOnly",
            key=_begin("both", _linked("both") == "true"),
            help="Train each point with λₙ = 1 and with λₙ = 0. Off: with the λₙ under “What is fixed”.",
        )
        if both:
            axes.append((WITH_AND_WITHOUT[0], list(WITH_AND_WITHOUT[1])))
    return axes


def _draw_values(name: str) -> list[Any]:
    """The values of one quantity, in the order in which they are drawn."""
    question, control = QUESTIONS.get(st.session_state.question), VARIED[name]
    may_be_published = PUBLISHED in control.options
    linked = [
        PUBLISHED if may_be_published and text == PUBLISHED else check_field(name, text)
        for text in st.session_state.sweep_link.get(f"values_{name}", [])
    ]
    asked = dict(question.axes).get(name) if question else None
    options = list(dict.fromkeys([*control.options, *(asked or ()), *linked]))
    chosen = st.multiselect(
        f"Values of {_label(name).lower()}",
        options,
        format_func=shown,
        key=_begin(f"values_{name}", linked or list(asked or [own for own in options if own != PUBLISHED])),
        accept_new_options=name not in ("norm", "baseline", "preset"),
        label_visibility="collapsed",
        placeholder="Choose or type values",
    )
    values = [None if may_be_published and value == PUBLISHED else value for value in chosen]
    checked = [None if value is None else check_field(name, value) for value in values]
    return sorted(dict.fromkeys(checked), key=lambda value: _rank(control, value))


def _rank(control: Control, value: Any) -> tuple[int, float]:
    """Words in the order in which the control has them, then numbers: λₙ falling, all others rising."""
    if isinstance(value, (int, float)):
        return (1, -value if control.name == "lambda_n" else value)
    options = list(control.options)
    return (0, options.index(PUBLISHED if value is None else value))


def _draw_base(name: str) -> None:
    control = next(control for control in CONTROLS if control.name == name)
    baseline = BASELINES[controls.at_present("baseline")]
    controls.draw(control, baseline, controls.at_present("preset"), bind=False)


def _settings(varied: set[str]) -> dict[str, Any]:
    """What is fixed, as the controls say; what is published, or varied, or not there at all, is left out."""
    baseline = BASELINES[controls.at_present("baseline")]
    settings = {}
    for control in CONTROLS:
        lacking = "baseline" not in varied and not baseline.has(control.name)
        if control.name == "seeds" or control.name in varied or lacking:
            continue
        value = controls.at_present(control.name)
        if value != PUBLISHED or control.default != PUBLISHED:
            settings[control.name] = value
    return settings


def _label(name: str) -> str:
    return VARIED[name].label.partition(" (")[0].partition(",")[0]


def _draw_cluster() -> str:
    """The address of a cluster, where this server lets its visitors choose one; empty for this machine."""
    with st.expander("Where it runs"):
        return _cluster_field()


def _cluster_field() -> str:
    offered = [address for address in os.environ.get("ANOONLY_CLUSTERS", "").split(",") if address.strip()]
    here = "this machine"
    if hosts.only_here():
        typed: str = st.text_input(
            "Dask scheduler",
            key="cluster",
            placeholder="tcp://host:8786",
            help="Empty: this machine's cores. A cluster runs what it is sent: use one that you trust.",
        )
        return typed.strip()
    chosen = st.selectbox(
        "Where",
        [here, *offered],
        key="cluster",
        help="This page is open to a network: only clusters that ANOONLY_CLUSTERS names on the server can be used.",
    )
    return chosen if chosen in offered else ""  # a browser may send what it was not offered


def open_sweep(sweep: Sweep) -> None:
    """Set the controls to an earlier sweep."""
    axes = {axis.name: axis.values for axis in sweep.axes}
    both = sweep.axes[0].name != "lambda_n" and axes.get("lambda_n") == WITH_AND_WITHOUT[1]
    names = [name for name in axes if not (both and name == "lambda_n")]
    said = {name: [shown(value)] for name, value in sweep.settings.items()}
    said |= {"question": [OWN], "sweep_seeds": [str(sweep.seeds)], "both": [str(both).lower()]}
    said |= {"vary": names[:1], "also": [*names[1:2], NOTHING][:1]}
    for name in names:
        said[f"values_{name}"] = [PUBLISHED if value is None else shown(value) for value in axes[name]]
    st.query_params.clear()
    st.session_state.sweep_address = said
    st.session_state.pop("link_values", None)

"""The Sweep page's controls: drawn, each begun with what the link says, and read as a Sweep."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from anoonly_core.baselines import BASELINES
from anoonly_core.config import check_field
from anoonly_core.sweeps.presets import LAMBDA_N_AXIS, SWEEP_PRESETS
from anoonly_core.sweeps.sweep import PUBLISHED, Sweep, make_sweep
from app.controls.page_address import current_link
from app.controls.registry import CONTROL_OF, CONTROLS, Control
from app.controls.sidebar import draw_control, value_of
from app.server import allowed_hosts
from app.text.labels import METRIC_LABELS, format_value
from app.views.sweep.url import ADDRESS, NOTHING, OWN, OWN_PARAMETERS, SEEDS, VARIED

__all__ = ["Asked", "draw_sidebar", "metric_control"]


@dataclass(frozen=True)
class Asked:
    """What the controls say: the sweep, and the address of the cluster that is to train it, if any."""

    sweep: Sweep
    cluster: str


def draw_sidebar() -> Asked:
    """Draw the controls, each bound to its URL parameter, and read them; raises InvalidConfig and the like."""
    with st.sidebar:
        question = st.selectbox(
            "Question",
            [*SWEEP_PRESETS, OWN],
            format_func=lambda name: SWEEP_PRESETS[name].title if name in SWEEP_PRESETS else "My own",
            key=ADDRESS.begin("question"),
            on_change=_ask,
            help="What a figure or table of the paper varied; everything below can be changed.",
        )
        _draw_base("dataset")
        asked = dict(SWEEP_PRESETS[question].axes) if question in SWEEP_PRESETS else {}
        axes = _draw_axes([name for name in asked if name != "lambda_n" or len(asked) == 1])
        varied = {name for name, _ in axes}
        if "baseline" not in varied:
            _draw_base("baseline")
        seeds = st.selectbox(
            "Seeds for each point",
            SEEDS,
            key=ADDRESS.begin("sweep_seeds"),
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
        list(METRIC_LABELS),
        required=True,
        format_func=METRIC_LABELS.__getitem__,
        key=ADDRESS.begin("metric"),
        label_visibility="collapsed",
    )
    return chosen or str(ADDRESS.linked("metric"))  # the browser has not answered yet


def _ask() -> None:
    """A question was chosen: its values stand in the controls, as if set by hand."""
    for parameter in OWN_PARAMETERS:
        current_link().values.pop(parameter.name, None)
    if (question := SWEEP_PRESETS.get(st.session_state.question)) is None:
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
        key=ADDRESS.begin("vary", asked[0] if asked else "lambda_n"),
    )
    axes = [(first, _draw_values(first))]
    others = [NOTHING, *(name for name in names if name != first)]
    ADDRESS.among("also", others)
    default = asked[1] if len(asked) > 1 and asked[1] in others else NOTHING
    if st.session_state.get("also", NOTHING) not in others:
        del st.session_state["also"]
    second = st.selectbox(
        "Also vary",
        others,
        format_func=lambda name: NOTHING if name == NOTHING else _label(name),
        key=ADDRESS.begin("also", default),
    )
    if second != NOTHING:
        axes.append((second, _draw_values(second)))
    if "lambda_n" not in (first, second):
        both = st.toggle(
            "Baseline and AnoOnly",
            key=ADDRESS.begin("both"),
            help="Train each point with λₙ = 1 and with λₙ = 0. Off: with the λₙ under “What is fixed”.",
        )
        if both:
            axes.append((LAMBDA_N_AXIS[0], list(LAMBDA_N_AXIS[1])))
    return axes


def _draw_values(name: str) -> list[Any]:
    """The values of one quantity, in the order in which they are drawn."""
    question, control = SWEEP_PRESETS.get(st.session_state.question), VARIED[name]
    may_be_published = PUBLISHED in control.options
    linked = current_link().values.get(f"values_{name}", [])
    asked = dict(question.axes).get(name) if question else None
    options = list(dict.fromkeys([*control.options, *(asked or ()), *linked]))
    chosen = st.multiselect(
        f"Values of {_label(name).lower()}",
        options,
        format_func=format_value,
        key=ADDRESS.begin(f"values_{name}", list(asked or [own for own in options if own != PUBLISHED])),
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
    control = CONTROL_OF[name]
    baseline = BASELINES[value_of(CONTROL_OF["baseline"])]
    draw_control(control, baseline, value_of(CONTROL_OF["preset"]), bind=False)


def _settings(varied: set[str]) -> dict[str, Any]:
    """What is fixed, as the controls say; what is published, or varied, or not there at all, is left out."""
    baseline = BASELINES[value_of(CONTROL_OF["baseline"])]
    settings = {}
    for control in CONTROLS:
        lacking = "baseline" not in varied and not baseline.has(control.name)
        if control.name == "seeds" or control.name in varied or lacking:
            continue
        value = value_of(control)
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
    if allowed_hosts.is_local_only():
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

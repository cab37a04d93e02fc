"""The controls of Sweep: drawn, each begun with the link's value, and read as a Sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from anoonly_core.baselines import BASELINES
from anoonly_core.config import check_field
from anoonly_core.sweeps.presets import LAMBDA_N_AXIS, SWEEP_PRESETS, SweepPreset
from anoonly_core.sweeps.sweep import PUBLISHED, Sweep, make_sweep

from ...controls.page_address import current_link
from ...controls.registry import CONTROL_OF, CONTROLS, Control
from ...controls.sidebar import draw_control, value_of
from ...server.clusters import VARIABLE, allowed_clusters
from ...text.labels import METRIC_LABELS
from .url import ADDRESS, CUSTOM, NOTHING, SEEDS, SWEEP_PARAMETERS, VARIED

__all__ = ["SweepChoice", "draw_metric_control", "draw_sidebar"]

HERE = "this machine"


@dataclass(frozen=True)
class SweepChoice:
    """The sweep that the controls choose, and where it trains.

    Parameters
    ----------
    sweep : Sweep
        The axes, the fixed settings and the number of seeds.
    cluster : str
        Address of the Dask scheduler that trains the sweep; "" for this server.
    """

    sweep: Sweep
    cluster: str


def draw_sidebar() -> SweepChoice:
    """Draw the controls of the page in the sidebar, and return the sweep that they choose and where it trains.

    Raises
    ------
    InvalidConfig
        If the settings do not fit together, or an axis has no value.
    """
    with st.sidebar:
        question = st.selectbox(
            "Question",
            [*SWEEP_PRESETS, CUSTOM],
            format_func=lambda name: SWEEP_PRESETS[name].title if name in SWEEP_PRESETS else "My own",
            key=ADDRESS.begin("question"),
            on_change=_apply_preset,
            help="The axes of a figure or table of the paper. Everything below can be changed.",
        )
        _draw_shared_setting("dataset")
        axes = _draw_axes(_chosen_axes(SWEEP_PRESETS.get(question)))
        varied = {name for name, _ in axes}
        if "baseline" not in varied:
            _draw_shared_setting("baseline")
        seeds = st.selectbox(
            "Seeds for each point",
            SEEDS,
            key=ADDRESS.begin("sweep_seeds"),
            help="Runs behind each point of a curve. For one seed all points share the same split.",
        )
        with st.expander("What is fixed"):
            for control in CONTROLS:
                if control.name not in varied and control.name not in ("dataset", "baseline", "seeds"):
                    _draw_shared_setting(control.name)
        cluster = _draw_cluster()
    return SweepChoice(make_sweep(_settings(varied), axes, seeds), cluster)


def draw_metric_control() -> str:
    """Draw the choice of the metric of the curves at the current position, and return a key of METRIC_LABELS."""
    chosen: str | None = st.segmented_control(
        "Metric",
        list(METRIC_LABELS),
        required=True,
        format_func=METRIC_LABELS.__getitem__,
        key=ADDRESS.begin("metric"),
        label_visibility="collapsed",
    )
    return chosen or str(ADDRESS.linked("metric"))  # the browser has not answered yet


def _chosen_axes(preset: SweepPreset | None) -> list[str]:
    """Return the names of the axes of a preset that the controls Vary and Also vary show; empty without a preset.

    λₙ is left out beside other axes, since a toggle sets it.
    """
    axes = preset.axes if preset else ()
    return [name for name, _ in axes if name != "lambda_n" or len(axes) == 1]


def _apply_preset() -> None:
    """Set the axis controls to the preset that was just chosen, and drop what the link says of them.

    The callback of the choice of a preset; it changes the session state.
    """
    for parameter in SWEEP_PARAMETERS:
        current_link().values.pop(parameter.name, None)
    if (preset := SWEEP_PRESETS.get(st.session_state.question)) is None:
        return
    st.session_state.vary, st.session_state.also = [*_chosen_axes(preset), NOTHING][:2]
    st.session_state.both = True
    for name, values in preset.axes:
        st.session_state[f"values_{name}"] = list(values)


def _draw_axes(preset_axes: Sequence[str]) -> list[tuple[str, list[Any]]]:
    """Draw the choices of one or two settings to vary, and of their values.

    A toggle for λₙ = 1 and 0 follows. The toggle is drawn unless λₙ is one of the settings.

    Parameters
    ----------
    preset_axes : sequence of str
        Names of the settings that are varied by default.

    Returns
    -------
    list of tuple
        Name and values of each axis.
    """
    names = list(VARIED)
    first = st.selectbox(
        "Vary",
        names,
        format_func=_label,
        key=ADDRESS.begin("vary", preset_axes[0] if preset_axes else "lambda_n"),
    )
    axes = [(first, _draw_values(first))]
    others = [NOTHING, *(name for name in names if name != first)]
    ADDRESS.among("also", others)
    default = preset_axes[1] if len(preset_axes) > 1 and preset_axes[1] in others else NOTHING
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
    """Draw the choice of the values of a varied setting, and return them in the order of the chart.

    `name` is the setting. None among the values stands for the published value. Raises InvalidConfig for a typed value
    that is invalid.
    """
    preset, control = SWEEP_PRESETS.get(st.session_state.question), VARIED[name]
    may_be_published = PUBLISHED in control.options
    linked = current_link().values.get(f"values_{name}", [])
    preset_values = dict(preset.axes).get(name) if preset else None
    offered, chosen_before = control.options, st.session_state.get(f"values_{name}", ())
    if name == "preset":
        offered = control.offered_for(BASELINES[value_of(CONTROL_OF["baseline"])])
    options = list(dict.fromkeys([*offered, *(preset_values or ()), *linked, *chosen_before]))
    chosen = st.multiselect(
        f"Values of {_label(name).lower()}",
        options,
        format_func=control.option_label,
        key=ADDRESS.begin(
            f"values_{name}", list(preset_values or [option for option in offered if option != PUBLISHED])
        ),
        accept_new_options=name not in ("norm", "baseline", "preset"),
        label_visibility="collapsed",
        placeholder="Choose or type values",
    )
    values = [None if may_be_published and value == PUBLISHED else value for value in chosen]
    checked = [None if value is None else check_field(name, value) for value in values]
    return sorted(dict.fromkeys(checked), key=lambda value: _sort_key(control, value))


def _sort_key(control: Control, value: Any) -> tuple[int, float]:
    """Return a sort key for a value of a varied setting: words in the control's order, then numbers.

    Numbers ascend, those of λₙ descend. None, the published value, counts as a word.
    """
    if isinstance(value, (int, float)):
        return (1, -value if control.name == "lambda_n" else value)
    options = list(control.options)
    return (0, options.index(PUBLISHED if value is None else value))


def _draw_shared_setting(name: str) -> None:
    """Draw the control of the setting `name`, which all points of the sweep share."""
    control = CONTROL_OF[name]
    baseline = BASELINES[value_of(CONTROL_OF["baseline"])]
    draw_control(control, baseline, value_of(CONTROL_OF["preset"]), bind=False)


def _settings(varied: set[str]) -> dict[str, Any]:
    """Return the settings that all points of the sweep share, by name; `varied` holds the names of the axes.

    Settings left to the baseline's published value, and those that the baseline lacks, are left out.
    """
    baseline = BASELINES[value_of(CONTROL_OF["baseline"])]
    settings = {}
    for control in CONTROLS:
        lacking = "baseline" not in varied and not baseline.has(control.name)
        value = value_of(control)
        if control.name == "preset" and "baseline" not in varied:  # one may be left over from another baseline
            lacking |= value not in baseline.settings
        if control.name == "seeds" or control.name in varied or lacking:
            continue
        if value != PUBLISHED or control.default != PUBLISHED:
            settings[control.name] = value
    return settings


def _label(name: str) -> str:
    """Return the label of a quantity, without its explanation where no other quantity has the same label.

    Streamlit finds the option that a visitor chose by its label.
    """
    short = [control.label.partition(" (")[0].partition(",")[0] for control in VARIED.values()]
    label = short[list(VARIED).index(name)]
    return label if short.count(label) == 1 else VARIED[name].label


def _draw_cluster() -> str:
    """Draw the choice of where the sweep trains, if this server lists Dask clusters; return a scheduler's address.

    "" stands for this server.
    """
    clusters = allowed_clusters()
    if not clusters:
        return ""
    with st.expander("Where it runs"):
        chosen = st.selectbox(
            "Where",
            [HERE, *clusters],
            key="cluster",
            help=f"The operator of this server lists its clusters in {VARIABLE}.",
        )
    return chosen if chosen in clusters else ""  # a tampered browser may send another text

"""The controls of Drift and their URL parameters: drawn, and read as one DriftConfig a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from anoonly_core.baselines import BASELINES
from anoonly_core.config import make_config
from anoonly_core.data.catalogue import find, load_cached
from anoonly_core.drift.config import SCHEDULES, DriftConfig, absorption_key, drift_key, make_drift_config
from anoonly_core.drift.detectors import DETECTORS
from anoonly_core.drift.shifts import SHIFTS, fitting_shifts
from anoonly_core.drift.ways import GUARDS, WAYS
from anoonly_core.errors import InvalidConfig
from anoonly_core.results.keys import digest

from ...controls.choice import Choice, choose
from ...controls.locked_links import LOCKS
from ...controls.page_address import PageAddress, register
from ...controls.parameters import Parameter, any_text
from ...controls.registry import Control, controls_with
from ...controls.sidebar import draw_control, draw_sidebar
from .view import MEASURES, NO_DETECTOR

__all__ = [
    "ADDRESS",
    "BATCH",
    "OWN",
    "DriftChoice",
    "default_drift",
    "draw_run",
    "draw_stream_controls",
    "draw_view_controls",
]

MOST_ROWS = 64_000  # of a stream, which the browser holds
USUAL = "usual"
CONTRAST, ORDER = "contrast", "order"
STANDARDIZED = "standardized"
STREAM, STATISTICS = "The stream", "The statistics"
# The page starts with a shift that a class can see, and AnoOnly.
DEFAULTS: Mapping[str, Any] = {"dataset": "digits_low", "lambda_n": 0.0}


def _drift_setting(control: Parameter, text: str) -> Any:
    """Convert a text in a URL to a value of the field of `DriftConfig` named as the control; raise InvalidConfig.

    An option that is a text, such as "usual", is returned as it is.
    """
    if text in control.options:
        return text
    longest = {"batches": 1000} if control.name == "start" else {}  # the first shifted batch must be one of them
    return getattr(make_drift_config(make_config(), **longest, **{control.name: text}), control.name)


SHIFT = Control(
    "shift",
    tuple(SHIFTS),
    CONTRAST,
    label="Shift",
    help="What changes in the stream at an amount of 1. "
    + " ".join(f"**{shift.label}**: {shift.summary}" for shift in SHIFTS.values()),
)
SCHEDULE = Control(
    "schedule",
    SCHEDULES,
    "sudden",
    label="Course",
    help="none: no shift. sudden: at once. gradual: grows over the period. recurring: goes and comes.",
)
AMOUNT = Control(
    "amount",
    (USUAL, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0),
    USUAL,
    parser=_drift_setting,
    label="Amount",
    help="The full shift, in the unit of the shift: deviations, pixels, a share. usual: that of the shift.",
    slider=True,
)
SHARE = Control(
    "anomaly_share",
    (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    0.05,
    parser=_drift_setting,
    label="Anomalies in the stream",
    help="Share of anomalies in each batch. Statistics that follow take it in: raise it until they give way.",
    slider=True,
)
FIRST = (SHIFT, SCHEDULE, AMOUNT, SHARE)
FURTHER = (
    Control("batches", (30, 60, 120, 200), 60, parser=_drift_setting, label="Batches", help="Length.", expander=STREAM),
    Control(
        "rows",
        (8, 16, 32, 64, 128, 256),
        64,
        parser=_drift_setting,
        label="Rows of a batch",
        help="Few rows make uncertain statistics.",
        expander=STREAM,
    ),
    Control(
        "start",
        (5, 10, 20, 30, 40, 60, 100),
        20,
        parser=_drift_setting,
        label="Batches before the shift",
        help="The shift begins after so many batches.",
        expander=STREAM,
    ),
    Control(
        "period",
        (1, 2, 5, 10, 20, 30),
        10,
        parser=_drift_setting,
        label="Period in batches",
        help="Until a gradual shift is full, or until a recurring one goes or comes.",
        expander=STREAM,
    ),
    Control(
        "alpha",
        (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0),
        0.5,
        parser=_drift_setting,
        label="α of mixed statistics",
        help="Share of the batch. 0 stands still, as running statistics do; 1 is the batch alone.",
        slider=True,
        expander=STATISTICS,
    ),
    Control(
        "rate",
        (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
        0.1,
        parser=_drift_setting,
        label="Rate of moving statistics",
        help="The share of the way that they go towards each batch.",
        slider=True,
        expander=STATISTICS,
    ),
    Control(
        "guard",
        tuple(GUARDS),
        "trimmed",
        label="Guard",
        help="What guarded statistics keep out. " + " ".join(f"**{name}**: {words}." for name, words in GUARDS.items()),
        expander=STATISTICS,
    ),
    Control(
        "retrain_every",
        (0, 5, 10, 20, 30),
        0,
        parser=_drift_setting,
        label="Batches between trainings",
        help="Trains the network again with all labels so far, as a further way. 0: never.",
        expander=STATISTICS,
    ),
    Control(
        "level",
        (0.01, 0.02, 0.05, 0.1, 0.2),
        0.05,
        parser=_drift_setting,
        label="Promised false alarms",
        help="The share of normal rows that the thresholds promise to flag at the start.",
        expander=STATISTICS,
    ),
    Control(
        "scores",
        ("plain", STANDARDIZED),
        "plain",
        label="Scores",
        help="Standardized: in deviations from the mean of their batch, for every way.",
        expander=STATISTICS,
    ),
)
WAY = Control("way", tuple(WAYS), "guarded", label="Way on show", help="Its curve has a band, its features a map.")
MEASURE = Control("measure", tuple(MEASURES), "aucroc", label="First curve", help="The measure of the ranking.")
THRESHOLD = Control(
    "thresholds",
    ("promised", "recalibrated"),
    "promised",
    label="Thresholds",
    help="Promised: set once, at the start. Recalibrated: from normal rows of the batches before.",
)
DETECTOR = Control(
    "detector",
    (NO_DETECTOR, *DETECTORS),
    NO_DETECTOR,
    label="Mark changes",
    help="A detector reads the scores of the first seed, without labels. Needs the extra drift (river). "
    + " ".join(f"**{detector.label}**: {detector.summary}" for detector in DETECTORS.values()),
)
VIEW = (WAY, MEASURE, THRESHOLD, DETECTOR)
OWN = (*FIRST, *FURTHER, *VIEW)
BATCH = Parameter("batch", parser=any_text)  # the player in the browser reads and writes it
RUN_CONTROLS = controls_with(DEFAULTS)
ADDRESS = register(PageAddress("drift", (*RUN_CONTROLS, *OWN, BATCH, *LOCKS)))


@dataclass(frozen=True)
class DriftChoice:
    """The streams that the controls choose: one configuration a seed."""

    configs: tuple[DriftConfig, ...]

    @property
    def first(self) -> DriftConfig:
        """The configuration of the first seed."""
        return self.configs[0]

    @property
    def stream_key(self) -> str:
        """Key of the worker result that holds the stream of each seed."""
        return digest({"streams": [drift_key(config) for config in self.configs]})

    @property
    def absorption_key(self) -> str:
        """Key of the worker result that holds the absorption of each seed."""
        return digest({"absorptions": [absorption_key(config) for config in self.configs]})


def default_drift() -> DriftChoice:
    """Return the streams with which the page opens: all controls at their defaults."""
    choice = choose({control.name: control.default for control in RUN_CONTROLS})
    return _make(choice, {control.name: control.default for control in (*FIRST, *FURTHER)})


def draw_run() -> Choice:
    """Draw the controls of the network in the sidebar, and return the run and seeds that they choose."""
    return draw_sidebar(RUN_CONTROLS)


def draw_stream_controls(choice: Choice) -> DriftChoice:
    """Draw the controls of the stream, four in a row and the others in the sidebar, and return the choice.

    The shifts are those that fit the data set. Real order needs a split by time, which it brings along.

    Raises
    ------
    InvalidConfig
        If the settings do not fit together.
    DatasetUnavailable
        If the data set cannot be read.
    """
    entry = find(choice.b.dataset)
    shifts = fitting_shifts(load_cached(choice.b.dataset)) if entry is None or entry.is_local() else tuple(SHIFTS)
    ADDRESS.draw_refused("shift", shifts)
    row = st.columns([1.5, 0.9, 1, 1.1])
    values: dict[str, Any] = {}
    for column, control in zip(row, FIRST, strict=True):
        with column:
            values[control.name] = _draw(_fitting(control, values, shifts), choice)
    with st.sidebar:
        for title in (STREAM, STATISTICS):
            with st.expander(title):
                values |= {control.name: _draw(control, choice) for control in FURTHER if control.expander == title}
    return _make(choice, values)


def _make(choice: Choice, values: Mapping[str, Any]) -> DriftChoice:
    """Make the streams from the run and the values of the other controls, by name."""
    settings = {name: None if value == USUAL else value for name, value in values.items() if name != "scores"}
    first = choice.b
    if settings["shift"] == ORDER:  # nothing is added, and the training is of the past
        first = first.with_(protocol="by_time")
        settings |= {"schedule": None, "amount": None}
    settings["standardize"] = values["scores"] == STANDARDIZED
    configs = tuple(make_drift_config(run, **settings) for run in choice.seeded(first))
    batches, rows = configs[0].batches, configs[0].rows
    if batches * rows > MOST_ROWS:
        raise InvalidConfig(
            f"The page shows a stream of at most {MOST_ROWS:,} rows, and {batches} batches of {rows} are more: take "
            "fewer of them, or the command drift."
        )
    return DriftChoice(configs)


def draw_view_controls(choice: Choice, config: DriftConfig) -> dict[str, Any]:
    """Draw the choice of a way, a measure and the thresholds in a row; return the chosen options by control."""
    ways = config.distinct_ways
    default = WAY.default if WAY.default in ways else ways[-1]
    values = {}
    for column, control in zip(st.columns(len(VIEW)), VIEW, strict=True):
        with column:
            chosen = replace(control, options=ways, default=default) if control is WAY else control
            values[control.name] = _draw(chosen, choice)
    return values


def _draw(control: Control, choice: Choice) -> Any:
    return draw_control(control, BASELINES[choice.b.baseline], choice.b.preset)


def _fitting(control: Control, values: Mapping[str, Any], shifts: tuple[str, ...]) -> Control:
    """Return a control with the options that fit the data set, and the shift in `values` where it is drawn before."""
    if control is SHIFT:
        return replace(control, options=shifts, default=CONTRAST if CONTRAST in shifts else shifts[0])
    if control is not AMOUNT:
        return control
    most = SHIFTS[values["shift"]].most
    options = tuple(option for option in control.options if option == USUAL or option <= most)
    if st.session_state.get(control.name) not in options:  # left over from another shift
        st.session_state.pop(control.name, None)
    return replace(control, options=options)

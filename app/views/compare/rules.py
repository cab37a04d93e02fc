"""The control that sets the thresholds of A and B: by a share of the test rows, or by a rule with a promise."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anoonly_core.baselines import BASELINES
from anoonly_core.decision.rules import RULES
from anoonly_core.detector.result import DetectorResult
from anoonly_core.errors import InvalidInput
from anoonly_core.execution import tasks
from anoonly_core.results.keys import detector_key
from anoonly_core.results.result import RunResult

from ...charts.pair import make_sides
from ...charts.promise import Promise, format_number, make_promise
from ...charts.style import DEFAULT_FLAGGED, FLAGGED
from ...server.jobs import Jobs
from ...widgets import notices
from ...widgets.worker_result import await_worker_result

__all__ = ["NUMBERS", "RULE_LABELS", "SHARE", "draw_rule", "fetch_promise", "format_flagged", "number_parameter"]

SHARE = "share"
RULE_LABELS = {SHARE: "Share of test rows", **{rule.name: rule.label for rule in RULES.values()}}
RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
NUMBERS = {name: RATES for name, rule in RULES.items() if rule.is_share} | {
    "iqr": (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0),
    "cost": (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0),
}
RULE_HELP = (
    "Share of test rows: A and B flag equally many rows, so that their counts can be compared. The other rules set the "
    "threshold from pool rows that were held back from further trainings, as for a detector in use. Their promise "
    "then stands beside what the test rows measure."
)
SHARE_HELP = (
    "A and B each flag at most this share of the test rows, those with its highest scores. So their counts can be "
    "compared, whatever the size of their scores."
)
NO_ROWS = "{} is of another package and holds no rows back. The share of the test rows is used instead."


def format_flagged(percent: float) -> str:
    """Format a percentage of flagged rows as the threshold's slider shows it, such as "10 %"."""
    return f"{percent:g} %"


def number_parameter(name: str) -> str:
    """Return the name in the address of the number of a rule, a key of RULES."""
    return f"rule_{name}"


def draw_rule(slot: DeltaGenerator) -> tuple[str, float]:
    """Draw the rule and its number; return the rule, SHARE or a key of RULES, and the number.

    The number of SHARE is a percentage.
    """
    with slot:
        rule_column, number_column = st.columns([1, 1.6], vertical_alignment="bottom")
    name: str = rule_column.selectbox(
        "Threshold rule",
        list(RULE_LABELS),
        format_func=RULE_LABELS.__getitem__,
        key="threshold_rule",
        bind="query-params",
        help=RULE_HELP,
    )
    if name == SHARE:
        flagged: float = number_column.select_slider(
            "Rows to flag (share of the test rows)",
            FLAGGED,
            DEFAULT_FLAGGED,
            format_func=format_flagged,
            key="threshold",
            bind="query-params",
            help=SHARE_HELP,
        )
        return name, flagged
    rule = RULES[name]
    number: float = number_column.select_slider(
        rule.label,
        NUMBERS[name],
        rule.default,
        format_func=lambda number: format_number(rule, number),
        key=number_parameter(name),
        bind="query-params",
        help=f"The {rule.meaning}.",
    )
    return name, number


def fetch_promise(a: RunResult, b: RunResult, name: str, number: float, jobs: Jobs, session: str) -> Promise | None:
    """Hold rows back from further trainings of A and B in a worker, and return the thresholds of a rule; blocks.

    Draw a notice and return None if a run has no such rows, the rule cannot decide, or the job failed or was canceled.

    Parameters
    ----------
    a, b : RunResult
        The runs of the first seed.
    name, number : str, float
        A key of RULES, and its number.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    """
    rule = RULES[name]
    for run in (a, b):
        if BASELINES[run.config.baseline].implementation:
            st.info(NO_ROWS.format(run.config.baseline))
            return None
    calibrations = []
    for letter, run in (("A", a), ("B", b)):
        detector: DetectorResult | None = await_worker_result(
            jobs,
            session,
            detector_key(run.config, holds_labels=rule.needs_anomalies),
            f"Holding rows back from {letter}, epoch",
            tasks.fit_detector,
            run.config,
            False,
            rule.needs_anomalies,
            name=f"held_back_{letter}",
        )
        if detector is None:
            return None
        calibrations.append(detector.calibration)
    pool = sum(b.counts.get(kind, 0) for kind in ("pool_normal", "pool_anomalies", "pool_unlabelled"))
    hidden = b.counts["pool_anomalies"] / max(1, pool)
    try:
        return make_promise(rule, number, make_sides(a, b), (calibrations[0], calibrations[1]), hidden)
    except InvalidInput as error:
        notices.warning(f"{error} The share of the test rows is used instead.")
        return None

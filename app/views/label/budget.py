"""The budget curves of the page Label, from results that ship: anomalies found and AUCPR over the labels spent."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from anoonly_core.labeling.budget_table import (
    ANOONLY,
    BASELINE,
    BudgetCurve,
    BudgetPlan,
    budget_points,
    shipped_curves,
)
from anoonly_core.labeling.history import Label
from anoonly_core.labeling.rules import QUERY_RULES

from ...charts.panels import Panels
from ...charts.style import NEUTRAL, PALETTE, SYMBOLS, apply_layout
from ...widgets.figure import FigureNote, draw_figure
from .source import LabelSource

__all__ = ["budget_figure", "draw_budget"]

HEIGHT = 330
SYSTEM_WORDS = {ANOONLY: "AnoOnly (λₙ = 0)", BASELINE: "baseline (λₙ = 1)"}


def draw_budget(source: LabelSource) -> None:
    """Draw the budget curves of a data set to practise on, beside the user's count; nothing for other tables."""
    if source.truth is None or not (curves := shipped_curves(source.name)):
        return
    plan = BudgetPlan({}, tuple(dict.fromkeys(curve.rule for curve in curves)))
    seeds = len({curve.seed for curve in curves})
    st.markdown("##### What do labels earn?")
    system = st.segmented_control(
        "System",
        list(SYSTEM_WORDS),
        default=ANOONLY,
        required=True,
        format_func=SYSTEM_WORDS.__getitem__,
        key="label_budget_system",
        persist_state="session",
    )
    about = (
        f"{source.name}: DeepSAD from one known anomaly, {plan.batch} labels a round answered from the truth, means of "
        f"{seeds} seeds with 95 % intervals."
    )
    draw_figure(
        budget_figure([curve for curve in curves if curve.system == system], plan.batch, _own_counts(source)),
        "label_budget",
        "Anomalies found and AUCPR of the test rows over the labels spent, by query rule.",
        FigureNote(f"label budget {source.name}", about),
    )
    st.caption(f"{about} AUCPR is that of test rows, which no query asks about; the gray line is your labels.")


def _own_counts(source: LabelSource) -> list[int]:
    """Return the number of true anomalies among the first 0, 1, 2, … rows that the user labeled."""
    rows = dict.fromkeys(answer.row for answer in source.history.answers)
    counts = [0]
    for row in rows:
        counts.append(counts[-1] + (source.truth_of(row) == Label.ANOMALY))
    return counts


def budget_figure(curves: list[BudgetCurve], batch: int, own: list[int]) -> go.Figure:
    """Draw anomalies found and AUCPR over labels spent, one line per query rule with intervals.

    Parameters
    ----------
    curves : list of BudgetCurve
        Curves of one data set and system.
    batch : int
        Labels of a round.
    own : list of int
        Anomalies among the user's first 0, 1, 2, … labels; drawn if there is more than one entry.
    """
    figure = Panels(1, 2, spacing=(0.08, 0))
    rules = [rule for rule in QUERY_RULES if any(curve.rule == rule for curve in curves)]
    for number, rule in enumerate(rules):
        points = budget_points([curve for curve in curves if curve.rule == rule], batch)
        shift = (number - (len(rules) - 1) / 2) * 0.6  # intervals side by side
        for column, name in ((1, "found"), (2, "aucpr")):
            values = [getattr(point, name) for point in points]
            figure.add_scatter(
                col=column,
                x=[point.labels + shift for point in points],
                y=values,
                customdata=[point.labels for point in points],
                error_y={
                    "array": [getattr(point, f"{name}_margin") or 0 for point in points],
                    "thickness": 1,
                    "width": 0,
                },
                mode="lines+markers",
                name=QUERY_RULES[rule].label,
                legendgroup=rule,
                showlegend=column == 1,
                line={"color": PALETTE[number % len(PALETTE)], "dash": "dot" if rule == "random" else "solid"},
                marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 7},
                hovertemplate=f"{QUERY_RULES[rule].label}, %{{customdata}} labels: %{{y:.3g}}<extra></extra>",
            )
    if len(own) > 1:
        figure.add_scatter(
            col=1,
            x=list(range(len(own))),
            y=own,
            mode="lines",
            name="you",
            line={"color": NEUTRAL, "width": 3},
            hovertemplate="you, %{x} labels: %{y}<extra></extra>",
        )
    for column, title in ((1, "<b>Anomalies found</b>"), (2, "<b>AUCPR of test rows</b>")):
        figure.add_title(title, 1, column)
        figure.update_xaxes(1, column, title={"text": "labels spent"})
    return apply_layout(figure, HEIGHT, {"orientation": "h", "x": 0, "y": -0.22, "yanchor": "top"}, top=30)
